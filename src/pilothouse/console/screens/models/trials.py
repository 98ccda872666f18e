"""A training's search: a row a candidate, the best first, updated as its trials end."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Static

from pilothouse.console.screens.lists import ListData, TableView
from pilothouse.console.session.actions import Action
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.tones import line
from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.records import Job
from pilothouse.domain.search import TrialLine
from pilothouse.operations.services import Services
from pilothouse.presentation.cells import Cell
from pilothouse.presentation.documents import plain_text
from pilothouse.presentation.pages.record_courses import trials_course
from pilothouse.presentation.tables.trial_rows import (
    empty_text,
    search_line,
    trial_cells,
    trial_table,
    two_trials,
)
from pilothouse.presentation.texts import parameters_text


@dataclass(frozen=True)
class SearchData(ListData[TrialLine]):
    """The candidates of a job's search, and what stands above them."""

    job: Job
    metric: str
    head: tuple[Cell, ...]
    none_reason: str
    """What to do where there is no trial."""


class TrialsView(TableView[TrialLine]):
    """``:trials JOB``; without a number the newest search. ``=`` shows two marked candidates side by side."""

    SCOPE = "trials"
    TOP = "jobs"

    def __init__(self, number: str = "") -> None:
        super().__init__()
        self.number = number

    @property
    def job(self) -> Job | None:
        """The training that searches, once it is loaded."""
        return self.data.job if isinstance(self.data, SearchData) else None

    def body(self) -> ComposeResult:
        yield Static(markup=False, id="search", classes="line")
        yield Grid(id="grid")
        yield Static(markup=False, id="whole", classes="text")

    def crumbs(self) -> Sequence[str]:
        job = self.job
        return (
            "jobs",
            f"{job.id} {job.kind} {job.model}" if job else self.number or "newest search",
            "trials",
        )

    def load(self, services: Services, actor: Actor) -> ListData[TrialLine]:
        from pilothouse.operations.jobs import searches

        if self.number and not self.number.isdecimal():
            raise InvalidInputError(f"{self.number!r} is not the number of a job: :jobs lists them")
        search = searches.search_of(services, actor, int(self.number) if self.number else None)
        return SearchData(
            {str(trial.candidate): trial for trial in search.trials},
            trial_table(search.trials, search.metric),
            search.job,
            search.metric,
            tuple(search_line(search.job, search.search, search.trials, search.metric)),
            empty_text(search.job, search.search),
        )

    def show(self, data: ListData[TrialLine]) -> None:
        super().show(data)
        # Without a record the text below says why there is none.
        self.query_one("#grid", Grid).display = bool(data.records)
        if isinstance(data, SearchData):
            self.query_one("#search", Static).update(line(*data.head))

    def show_selected(self) -> None:
        none = Text(self.data.none_reason) if isinstance(self.data, SearchData) else ""
        self.query_one("#whole", Static).update(line(*trial_cells(self.record)) if self.record else none)

    def copy_text(self) -> str:
        """The candidates' parameters, for a model file or another training."""
        return "\n".join(parameters_text(trial.parameters) for trial in self.chosen)

    def subject_model(self) -> str:
        return self.job.model if self.job else ""

    def refusal(self, action: Action) -> str:
        if self.job is None:
            return "no search is shown"
        if action.name == "version" and self.job.version is None:
            return f"job {self.job.id} has made no version"
        if action.name in ("open", "compare", "course") and self.record is None:
            return "there is no trial yet"
        if action.name == "compare" and self.data and len(self.data.records) < 2:
            return "there is one candidate alone"
        return ""

    def do_open(self) -> None:
        if self.record:
            self.open_view("job", self.record.jobs[-1])

    def do_compare(self) -> None:
        """Compare the two marked; one marked, or the one under the cursor, with the best (the best with the second)."""
        assert isinstance(self.data, SearchData)
        chosen, ranked = self.chosen, list(self.data.records.values())
        if len(chosen) > 2:
            self.say(f"{len(chosen)} are marked: two can be compared", "warn")
            return
        if len(chosen) == 1:
            other = ranked[0] if chosen[0].candidate != ranked[0].candidate else ranked[1]
            chosen = [other, chosen[0]]
        first, second = chosen
        title = f"job {self.data.job.id} of {self.data.job.model}: two trials"
        lines = two_trials(first, second, self.data.metric)
        self.read_text(title, plain_text(lines), lambda _: lines)

    def do_course(self) -> None:
        if isinstance(self.data, SearchData):
            width = max(40, self.size.width - 14)
            lines = trials_course(list(self.data.records.values()), self.data.metric, width)
            self.read_text(
                f"job {self.data.job.id} of {self.data.job.model}: its trials",
                plain_text(lines),
                lambda _: lines,
            )

    def do_job(self) -> None:
        if self.job:
            self.open_view("job", self.job.id)

    def do_version(self) -> None:
        if self.job:
            self.open_view("version", f"{self.job.model}/{self.job.version}")

    def do_train(self) -> None:
        self.open_view("train", self.subject_model())
