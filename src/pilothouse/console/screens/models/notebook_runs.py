"""Notebook runs: the list, newest first, and the page of one."""

from collections.abc import Sequence

from pilothouse.console.screens.lists import ListData, TableView, check_model, list_data
from pilothouse.console.screens.page import PageView
from pilothouse.console.session.actions import Action
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.jobs.notebook_runs import NotebookRun
from pilothouse.operations.services import Services
from pilothouse.presentation.documents import plain_text
from pilothouse.presentation.pages.notebook_run_page import notebook_run_page, runs_beside
from pilothouse.presentation.tables.notebook_run_rows import notebook_run_table

_MOST = 500


class NotebookRunsView(TableView[NotebookRun]):
    """``:runs [MODEL]``. ``=`` shows marked runs beside each other."""

    SCOPE = "runs"
    TOP = "jobs"

    def __init__(self, model: str = "") -> None:
        super().__init__()
        self.model = "" if model == "all" else model

    def crumbs(self) -> Sequence[str]:
        return ("jobs", "notebook runs", *([self.model] if self.model else []))

    def load(self, services: Services, actor: Actor) -> ListData[NotebookRun]:
        from pilothouse.operations.models import notebook_runs

        check_model(services, actor, self.model)
        found = notebook_runs.list_runs(services, actor, self.model or None, limit=_MOST)
        return list_data(found, notebook_run_table(found), lambda run: run.id)

    def subject_model(self) -> str:
        return self.record.model if self.record else self.model

    def refusal(self, action: Action) -> str:
        if action.name in ("open", "compare") and self.record is None:
            return "there is no notebook run yet"
        if action.name == "compare" and len(self.chosen) < 2:
            return "mark two runs or more (Space)"
        return ""

    def do_open(self) -> None:
        self.open_view("run", self.key)

    def do_compare(self) -> None:
        """Show the marked runs beside each other."""
        lines = runs_beside(self.chosen)
        self.read_text(f"{len(self.chosen)} notebook runs", plain_text(lines), lambda _: lines)


class NotebookRunView(PageView[NotebookRun]):
    """``:run NUMBER``."""

    SCOPE = "run"
    TOP = "jobs"
    RECORD_NAME = "a notebook run"

    def crumbs(self) -> Sequence[str]:
        return ("jobs", "notebook runs", self.data.uri if self.data else self.number)

    def load(self, services: Services, actor: Actor) -> NotebookRun:
        from pilothouse.operations.models import notebook_runs

        return notebook_runs.get_run(services, actor, self.record_number())

    def show(self, data: NotebookRun) -> None:
        self.put_page(notebook_run_page(data))

    def subject_model(self) -> str:
        return self.data.model if self.data else ""

    def refusal(self, action: Action) -> str:
        return "" if self.data else "the notebook run is not there"

    def do_runs(self) -> None:
        if self.data:
            self.open_view("runs", self.data.model)
