"""Jobs, newest first, with live progress."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from pilothouse.console.screens.lists import PagedView
from pilothouse.console.screens.work import job_actions
from pilothouse.console.session.actions import Action
from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.listing import Page, Query
from pilothouse.domain.records import Job
from pilothouse.operations.services import Services
from pilothouse.presentation.tables.table import Table
from pilothouse.presentation.tables.work_rows import job_table


class JobsView(PagedView[Job]):
    """Enter shows a job's log. ``:jobs failed`` shows only failed jobs. Keys act on every job that is marked."""

    SCOPE = TOP = "jobs"
    REGISTRY_ALONE = True
    WIDENS = True
    _status = ""
    _cluster = ""
    _hosts: Mapping[int, str] = MappingProxyType({})

    def crumbs(self) -> tuple[str, ...]:
        return ("jobs", self._status or "all")

    def notes(self) -> list[str]:
        return [*super().notes(), *([self._cluster] if self._cluster else [])]

    def set_arguments(self, *arguments: str) -> None:
        self._status = "" if arguments[0] == "all" else arguments[0].replace("-", " ")
        self._query_from_top()
        self.invalidate()

    def check(self, services: Services, actor: Actor) -> None:
        if self._status and self._status not in list(JobStatus):
            known = ", ".join(status.replace(" ", "-") for status in JobStatus)
            raise InvalidInputError(f"{self._status[:40]!r} is no status of a job: expected {known} or all")

    def narrowed(self, query: Query) -> Query:
        return replace(query, where=(("status", self._status),)) if self._status else query

    def page(self, services: Services, actor: Actor, query: Query) -> Page[Job]:
        from pilothouse.operations import listings
        from pilothouse.operations.integrations import cluster

        page = listings.jobs_page(services, actor, query)
        state = cluster.cluster_state(services, actor) if services.at is None else None
        self._cluster = state.headline if state else ""
        self._hosts = cluster.job_hosts(services, actor, [job.id for job in page.rows])
        return page

    def table(self, services: Services, rows: Sequence[Job]) -> Table:
        table = job_table(rows, services.now(), hosts=self._hosts)
        return replace(table, empty=f"no job is {self._status}; Esc shows all") if self._status else table

    def subject_model(self) -> str:
        return self.record.model if self.record else ""

    def refusal(self, action: Action) -> str:
        if action.name == "runs":
            return ""
        jobs = self.chosen if action.name in ("cancel", "retry") else [self.record]
        return next(filter(None, (job_actions.refusal(action.name, job) for job in jobs or [None])), "")

    def do_open(self) -> None:
        self.open_view("job", self.key)

    def do_trials(self) -> None:
        self.open_view("trials", self.key)

    def do_runs(self) -> None:
        self.open_view("runs")

    def do_result(self) -> None:
        self.open_view("replay", self.key)

    def do_cancel(self) -> None:
        job_actions.cancel(self, self.chosen)

    def do_retry(self) -> None:
        job_actions.retry(self, self.chosen)
