"""One job: its facts, its progress, and its growing log, which is followed, searched and wrapped."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.widgets import Static

from pilothouse.console.screens.page import PageView
from pilothouse.console.screens.work import job_actions
from pilothouse.console.session.actions import Action
from pilothouse.console.widgets.log import LogView
from pilothouse.console.widgets.pager import Pager
from pilothouse.console.widgets.prompt import Prompt
from pilothouse.console.widgets.tones import line
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.records import Job
from pilothouse.operations.services import Services
from pilothouse.presentation.cells import Cell
from pilothouse.presentation.documents import Line
from pilothouse.presentation.pages.work_pages import job_facts

if TYPE_CHECKING:
    from pilothouse.operations.jobs.log_reader import LogReader

_TICK_S = 0.5


@dataclass(frozen=True)
class JobData:
    """The job, its facts as lines, and the length of its log."""

    job: Job
    facts: tuple[Line, ...]
    lines: int
    size: int


class JobView(PageView[JobData]):
    """The log is a file that grows without a change of the database, so the view has a timer while the job runs."""

    SCOPE = "job"
    TOP = "jobs"
    RECORD_NAME = "a job"

    def __init__(self, number: str) -> None:
        super().__init__(number)
        self._reader: LogReader | None = None
        self._searching = False

    def body(self) -> ComposeResult:
        yield Pager(id="facts")
        yield Static(markup=False, id="position", classes="line")
        yield LogView(id="log")

    def on_mount(self) -> None:
        super().on_mount()
        self.set_interval(_TICK_S, self._tick)

    def _tick(self) -> None:
        if self.is_current and (self.data is None or not self.data.job.status.ended):
            self.reload()

    def crumbs(self) -> Sequence[str]:
        if self.data is None:
            return ("jobs", self.number)
        return ("jobs", f"{self.data.job.id} {self.data.job.kind} {self.data.job.model}")

    def load(self, services: Services, actor: Actor) -> JobData:
        from pilothouse.operations.jobs import jobs, log_reader

        job = jobs.get_job(services, actor, self.record_number())
        if self._reader is None:
            self._reader = log_reader.open_log(services, actor, job.id)
        self._reader.refresh()
        before = jobs.attempts_before(services, actor, job.id) if job.attempt > 1 else []
        places = _places(services, actor, job)
        facts = tuple(job_facts(job, services.now(), before, places=places))
        return JobData(job, facts, self._reader.lines, self._reader.size)

    def show(self, data: JobData) -> None:
        self.query_one("#facts", Pager).put(data.facts)
        if self._reader is not None:
            self.log_view.put(self._reader.read, data.lines, ended=data.job.status.ended)
        self._show_position()
        self.focus_body()

    @property
    def log_view(self) -> LogView:
        return self.query_one("#log", LogView)

    def on_log_view_moved(self) -> None:
        self._show_position()

    def _show_position(self) -> None:
        log = self.log_view
        modes = [*(["following"] if log.follow and not log.ended else []), *(["wrapped"] if log.wrap else [])]
        search = f"  /{safe(log.sought, 40)}  n next, p before" if log.sought else ""
        position = f" {log.visible_range}  {' '.join(modes)}"
        self.query_one("#position", Static).update(line(Cell(position, "dim"), Cell(search, "info")))

    def take_keys(self) -> None:
        self.log_view.focus()

    # ---- search in the log

    def do_filter(self) -> None:
        self._open_prompt("/", self.log_view.sought)

    def on_prompt_filtered(self, message: Prompt.Filtered) -> None:
        """Search from here on; nothing is filtered, as it would be elsewhere."""
        message.prevent_default()  # Textual calls the handlers of the classes above too
        if message.done:
            self.close_prompt()
            self.log_view.sought = message.text
            self._show_position()
            self._search(self.log_view.top, forward=True)

    def do_next_match(self) -> None:
        self._search(self.log_view.at + 1, forward=True)

    def do_previous_match(self) -> None:
        self._search(self.log_view.at - 1, forward=False)

    def _search(self, start: int, *, forward: bool) -> None:
        """Search in a thread: a long log takes a moment."""
        text, reader = self.log_view.sought, self._reader
        if not text or reader is None or self._searching:
            self._show_position()
            return
        self._searching = True

        def work() -> None:
            try:
                match = reader.search(text, max(0, start), forward=forward) if start >= 0 else None
            finally:
                self._searching = False
            self.app.call_from_thread(self._searched, match, forward)

        self.run_worker(work, thread=True, exit_on_error=False, group="search")

    def _searched(self, number: int | None, forward: bool) -> None:
        if number is None:
            self.say(f"“{safe(self.log_view.sought, 60)}” is not {'below' if forward else 'above'}", "warn")
        else:
            self.log_view.go_to(number)

    def do_wrap(self) -> None:
        self.log_view.set_wrap(not self.log_view.wrap)

    def do_back(self) -> None:
        """Close the prompt, else forget the search, else leave."""
        if not self.frame.prompt.display and self.log_view.sought:
            self.log_view.sought = ""
            self.log_view.refresh()
            self._show_position()
        else:
            super().do_back()

    def subject_model(self) -> str:
        return self.data.job.model if self.data else ""

    def refusal(self, action: Action) -> str:
        return job_actions.refusal(action.name, self.data.job if self.data else None)

    def do_follow(self) -> None:
        log = self.log_view
        log.follow = not log.follow
        log.action_move(0)
        if log.ended:
            self.say(
                "the job has ended: this is the end of its log"
                if log.follow
                else "staying here; f goes to the end"
            )
        else:
            self.say("following the end of the log" if log.follow else "staying here; f follows again")

    def do_version(self) -> None:
        if self.data:
            self.open_view("version", f"{self.data.job.model}/{self.data.job.version}")

    def do_trials(self) -> None:
        self.open_view("trials", self.number)

    def do_result(self) -> None:
        self.open_view("replay", self.number)

    def do_cancel(self) -> None:
        if self.data:
            job_actions.cancel(self, [self.data.job])

    def do_retry(self) -> None:
        if self.data:
            job_actions.retry(self, [self.data.job])


def _places(services: Services, actor: Actor, job: Job) -> list[tuple[int, str, str, str]]:
    """Where its steps ran, and where one runs."""
    from pilothouse.operations.integrations import cluster
    from pilothouse.operations.jobs import jobs

    state = None if job.status.ended else cluster.cluster_state(services, actor)
    running = [
        (job.attempt, step.step, step.host, step.worker)
        for step in (state.steps if state else ())
        if step.job == job.id and step.host
    ]
    return [*jobs.places_of(services, actor, job.id), *running]
