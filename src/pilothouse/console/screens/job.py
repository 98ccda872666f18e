"""One job: what it is, how far, and its log as it grows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.app import ComposeResult

from pilothouse.console.screens import job_actions
from pilothouse.console.screens.page import PageView
from pilothouse.console.widgets.pager import Pager
from pilothouse.domain.records import Job
from pilothouse.domain.roles import Actor
from pilothouse.presentation.documents import Line, text_line
from pilothouse.presentation.texts import safe_block
from pilothouse.presentation.work_pages import job_facts

if TYPE_CHECKING:
    from pilothouse.console.actions import Action
    from pilothouse.operations.services import Services

_TICK_S = 0.5
_CHUNK = 65_536


@dataclass(frozen=True)
class JobWithLog:
    """The job, its facts as lines, and the part of the log that is new."""

    job: Job
    facts: tuple[Line, ...]
    text: str
    offset: int


class JobView(PageView[JobWithLog]):
    """The log is a file that grows without the database changing, so it has a tick of its own while the job runs."""

    SCOPE = "job"
    TOP = "jobs"
    THING = "a job"

    def __init__(self, number: str) -> None:
        super().__init__(number)
        self._offset = 0
        self._rest = ""

    def body(self) -> ComposeResult:
        """Facts above, log below."""
        yield Pager(id="facts")
        yield Pager(id="log", follow=True)

    def on_mount(self) -> None:
        """Follow the log."""
        super().on_mount()
        self.set_interval(_TICK_S, self._tick)

    def _tick(self) -> None:
        if self.is_current and (self.data is None or not self.data.job.status.ended):
            self.reload()

    def crumbs(self) -> Sequence[str]:
        """jobs › 12 train flight-delay."""
        if self.data is None:
            return ("jobs", self.number)
        return ("jobs", f"{self.data.job.id} {self.data.job.kind} {self.data.job.model}")

    def load(self, services: "Services", actor: Actor) -> JobWithLog:
        """The job, and its log from where the last look ended."""
        from pilothouse.operations import jobs

        job = jobs.get_job(services, actor, self.asked())
        text, offset = jobs.read_log(services, actor, job.id, offset=self._offset, limit=_CHUNK)
        return JobWithLog(job, tuple(job_facts(job, services.now())), text, offset)

    def show(self, data: JobWithLog) -> None:
        """Facts replaced, log appended."""
        self.query_one("#facts", Pager).put(data.facts)
        if data.offset != self._offset:
            self._offset = data.offset
            *whole, self._rest = (self._rest + data.text).split("\n")
            log = self.query_one("#log", Pager)
            log.add([text_line(part) for part in safe_block("\n".join(whole)).split("\n")] if whole else [])
            if data.text:
                self.reload()
        if data.job.status.ended and self._rest and not data.text:
            self.query_one("#log", Pager).add([text_line(self._rest)])
            self._rest = ""
        self.focus_body()

    def focus_body(self) -> None:
        """Keys scroll the log."""
        self.query_one("#log", Pager).focus()

    def subject_model(self) -> str:
        """The job's model."""
        return self.data.job.model if self.data else ""

    def refusal(self, action: "Action") -> str:
        """The state of the job decides."""
        return (
            job_actions.refusal(action.name, self.data.job if self.data else None)
            if action.scope == self.SCOPE
            else ""
        )

    def do_follow(self) -> None:
        """Stay at the end, or not."""
        log = self.query_one("#log", Pager)
        log.follow = not log.follow
        if log.follow:
            log.scroll_end(animate=False)
        self.say("following the end of the log" if log.follow else "staying here; f follows again")

    def do_version(self) -> None:
        """What the job made."""
        if self.data:
            self.open_view("version", f"{self.data.job.model}/{self.data.job.version}")

    def do_cancel(self) -> None:
        """End it."""
        if self.data:
            job_actions.cancel(self, self.data.job)

    def do_retry(self) -> None:
        """Again."""
        if self.data:
            job_actions.retry(self, self.data.job)
