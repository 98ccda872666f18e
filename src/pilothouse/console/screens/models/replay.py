"""What a replay found: a version over recorded production traffic, beside the version that answered it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pilothouse.console.dialogs import Ask
from pilothouse.console.screens.base import View
from pilothouse.console.screens.loading import Started
from pilothouse.console.screens.page import PageView
from pilothouse.console.session.actions import Action
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.jobs.replays import TrafficReplay
from pilothouse.domain.records import Job, Version
from pilothouse.operations.services import Services
from pilothouse.presentation.documents import Line, text_line
from pilothouse.presentation.pages.replay_page import Inputs, replay_page


@dataclass(frozen=True)
class ReplayData:
    """A job, its result once it has one, and what is stored of its examples."""

    job: Job
    replay: TrafficReplay | None
    inputs: Inputs


class ReplayView(PageView[ReplayData]):
    SCOPE = "replay"
    TOP = "jobs"
    RECORD_NAME = "a replay"

    def crumbs(self) -> Sequence[str]:
        if self.data is None:
            return ("jobs", self.number, "replay")
        return ("jobs", f"{self.data.job.id} {self.data.job.model}", "replay")

    def load(self, services: Services, actor: Actor) -> ReplayData:
        from pilothouse.operations.jobs import replays

        job, replay = replays.get_replay(services, actor, self.record_number())
        inputs = replays.inputs_of_examples(services, actor, replay) if replay else {}
        return ReplayData(job, replay, inputs)

    def show(self, data: ReplayData) -> None:
        self.put_page(replay_page(data.replay, data.inputs) if data.replay else _without(data.job))

    def subject_model(self) -> str:
        return self.data.job.model if self.data else ""

    def refusal(self, action: Action) -> str:
        return "" if self.data else "the replay is not there"

    def do_job(self) -> None:
        self.open_view("job", self.number)

    def do_version(self) -> None:
        if self.data:
            self.open_view("version", f"{self.data.job.model}/{self.data.job.options.get('version')}")


def _without(job: Job) -> list[Line]:
    """How a replay stands that has no result."""
    if not job.status.ended:
        return [text_line(f"the replay is {job.status}, {job.progress:.0%}: {job.message}")]
    return [text_line(f"the replay has no result, it {job.status}: {job.error}", "bad", hang=2)]


def ask(view: View[Any], version: Version) -> None:
    """Ask once, then queue a replay of a version against what is live."""
    reference = version_uri(version.model, version.number)

    def operation(services: Services, actor: Actor, _: str) -> Started:
        from pilothouse.operations.jobs import replays

        job = replays.start_replay(services, actor, reference)
        return Started(job.id, f"job {job.id} replays the last {replays.USUAL.days} days")

    question = Ask(
        f"Replay recorded traffic on {reference}?",
        [
            "A job has it answer the stored requests of the last 28 days again, beside what is live, and says what it "
            "would have decided otherwise.",
            "Nothing that is live changes. pilothouse replay takes other times, targets and versions.",
        ],
        confirm="start",
    )
    view.confirm(question, operation)
