"""Jobs, newest first, with live progress."""

from typing import TYPE_CHECKING

from pilothouse.console.screens import job_actions
from pilothouse.console.screens.lists import Listed, TableView, listed
from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.jobs import JobStatus
from pilothouse.domain.records import Job
from pilothouse.domain.roles import Actor
from pilothouse.presentation.work_rows import job_table

if TYPE_CHECKING:
    from pilothouse.console.actions import Action
    from pilothouse.operations.services import Services

_LIMIT = 200


class JobsView(TableView[Job]):
    """Enter shows a job's log. ``:jobs failed`` shows only those."""

    SCOPE = TOP = "jobs"
    _status = ""

    def crumbs(self) -> tuple[str, ...]:
        """jobs › failed."""
        return ("jobs", self._status or "all")

    def set_arguments(self, *arguments: str) -> None:
        """``:jobs STATUS``, or ``all``."""
        self._status = "" if arguments[0] == "all" else arguments[0].replace("-", " ")
        self.ask_anew()

    def load(self, services: "Services", actor: Actor) -> Listed[Job]:
        """The newest jobs."""
        from pilothouse.operations import jobs

        if self._status and self._status not in list(JobStatus):
            known = ", ".join(status.replace(" ", "-") for status in JobStatus)
            raise InvalidInputError(f"{self._status!r} is no status of a job: expected {known} or all")
        status = JobStatus(self._status) if self._status else None
        found = jobs.list_jobs(services, actor, status=status, limit=_LIMIT)
        return listed(found, job_table(found, services.now()), lambda j: j.id)

    def subject_model(self) -> str:
        """The job's model."""
        return self.record.model if self.record else ""

    def refusal(self, action: "Action") -> str:
        """The state of the job under the cursor decides."""
        return job_actions.refusal(action.name, self.record) if action.scope == self.SCOPE else ""

    def do_open(self) -> None:
        """The job's log."""
        self.open_view("job", self.key)

    def do_cancel(self) -> None:
        """End it."""
        if self.record:
            job_actions.cancel(self, self.record)

    def do_retry(self) -> None:
        """Again."""
        if self.record:
            job_actions.retry(self, self.record)
