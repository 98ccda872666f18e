"""Functions that a program may call, the whole of them: each an operation as the command line has it, and its plain answer.

What a person decides is not among them: approving and rejecting, breaking the glass, rolling back, grants, users, policies,
freezes, holds and erasing. A program asks for a promotion; a person answers.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from pilothouse.api.values import Job, Model, Request, Version
from pilothouse.composition import check_schema, open_workspace
from pilothouse.desk import plain
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.jobs.jobs import JobStatus, ProcessName
from pilothouse.domain.jobs.notebook_runs import EntryKind, RunState
from pilothouse.operations import catalogue
from pilothouse.operations.models import notebook_runs
from pilothouse.operations.workspace import workspaces

if TYPE_CHECKING:
    from pilothouse.domain.models.model_spec import Scalar

_P = ParamSpec("_P")


class Desk:
    """An open workspace, the actor, and the program for which it is open."""

    def __init__(self, root: Path, user: str, as_name: str | None, program: ProcessName) -> None:
        """Raises as ``open_workspace`` and ``workspaces.identify`` do, and UnavailableError for a registry of an older release,
        which no program upgrades in passing."""
        import os

        check_schema(root)
        self.services = open_workspace(root)
        self.program = program
        try:
            self.actor: Actor = workspaces.identify(self.services, user, as_name, uid=os.getuid())
        except BaseException:
            self.services.close()
            raise

    def end_lost(self) -> None:
        """End as failed what the program has left open, where it is gone."""
        notebook_runs.end_lost(self.services, self.actor, self.program)

    def close(self) -> None:
        """Close the workspace."""
        self.services.close()


CALLS: dict[str, Callable[..., Any]] = {}
"""Functions by name."""


def _call(function: Callable[Concatenate[Desk, _P], Any]) -> Callable[Concatenate[Desk, _P], Any]:
    CALLS[function.__name__] = function
    return function


@_call
def models(desk: Desk) -> list[Model]:
    return [plain.model(record) for record in catalogue.list_models(desk.services, desk.actor)]


@_call
def model(desk: Desk, name: str) -> Model:
    return plain.model(catalogue.get_model(desk.services, desk.actor, name))


@_call
def versions(desk: Desk, model: str) -> list[Version]:
    found = catalogue.list_versions(desk.services, desk.actor, model)
    return [
        plain.version(record, catalogue.get_run(desk.services, desk.actor, _uri(record))) for record in found
    ]


@_call
def version(desk: Desk, reference: str) -> Version:
    from pilothouse.desk.pictures import picture
    from pilothouse.presentation.charts.record_charts import versions_chart

    record = catalogue.get_version(desk.services, desk.actor, reference)
    run = catalogue.get_run(desk.services, desk.actor, _uri(record))
    metric = catalogue.primary_metric(desk.services, desk.actor, record.model)
    siblings = catalogue.list_versions(desk.services, desk.actor, record.model)
    return plain.version(
        record, run, picture([versions_chart(siblings, record.number, metric)], _uri(record))
    )


@_call
def files_of(desk: Desk, reference: str) -> dict[str, Any]:
    """What a program needs to load a version by itself: digests, and the folder of the artifacts."""
    record = catalogue.get_version(desk.services, desk.actor, reference)
    return {
        "model": record.model,
        "number": record.number,
        "status": str(record.status),
        "schema_digest": record.schema_digest,
        "model_digest": record.model_digest,
        "portable_digest": record.portable.digest if record.portable else None,
        "artifacts": str(desk.services.paths.artifacts),
    }


@_call
def jobs(desk: Desk, model: str | None, status: str | None, limit: int) -> list[Job]:
    from pilothouse.domain.errors import InvalidInputError
    from pilothouse.operations.jobs import jobs as operations

    known = [str(one) for one in JobStatus]
    if status is not None and status not in known:
        raise InvalidInputError(f"{status!r} is no status of a job: expected one of {', '.join(known)}")
    asked = None if status is None else JobStatus(status)
    found = operations.list_jobs(desk.services, desk.actor, status=asked, model=model, limit=limit)
    return [plain.job(record) for record in found]


@_call
def job(desk: Desk, number: int) -> Job:
    from pilothouse.operations.jobs import jobs as operations

    return plain.job(operations.get_job(desk.services, desk.actor, number))


@_call
def train(
    desk: Desk,
    model: str,
    reason: str,
    as_of: datetime | None,
    overrides: "Mapping[str, Scalar]",
    fresh: bool,
) -> Job:
    from pilothouse.operations.jobs import trainings

    options = trainings.TrainingOptions(as_of=as_of, overrides=overrides, fresh=fresh)
    return plain.job(trainings.start_training(desk.services, desk.actor, model, options, reason=reason))


@_call
def cancel(desk: Desk, number: int, reason: str) -> Job:
    from pilothouse.operations.jobs import jobs as operations

    return plain.job(operations.cancel_job(desk.services, desk.actor, number, reason=reason))


@_call
def ask(desk: Desk, reference: str, targets: Sequence[str] | None, reason: str) -> Request:
    from pilothouse.operations.promotion import promotions

    return plain.request(promotions.request_promotion(desk.services, desk.actor, reference, targets, reason))


@_call
def withdraw(desk: Desk, number: int, reason: str) -> Request:
    from pilothouse.operations.promotion import promotions

    return plain.request(promotions.withdraw(desk.services, desk.actor, number, reason))


@_call
def requests(desk: Desk, model: str | None, open_only: bool, limit: int) -> list[Request]:
    from pilothouse.domain.records import RequestStatus
    from pilothouse.operations.promotion import promotions

    status = RequestStatus.OPEN if open_only else None
    found = promotions.list_requests(desk.services, desk.actor, status, model=model, limit=limit)
    return [plain.request(record) for record in found]


@_call
def request(desk: Desk, number: int) -> Request:
    from pilothouse.operations.promotion import promotions

    return plain.request(promotions.get_request(desk.services, desk.actor, number))


@_call
def findings(desk: Desk, model: str, target: str, feature: str | None) -> list[Any]:
    from pilothouse.desk.pictures import findings as told
    from pilothouse.operations.monitoring import monitor_views

    return told(monitor_views.monitor_view(desk.services, desk.actor, model, target), feature)


@_call
def log_predictions(desk: Desk, rows: bytes, model: str, version: int, target: str, history: bool) -> Any:
    from pilothouse.operations.ingest import ingest
    from pilothouse.tables.parquet_files import Frame

    receipt = ingest.ingest_file(
        desk.services, desk.actor, Frame(rows), model, version, target, history=history
    )
    return plain.receipt(receipt)


@_call
def log_outcomes(desk: Desk, rows: bytes) -> Any:
    from pilothouse.operations.ingest import ingest
    from pilothouse.tables.parquet_files import Frame

    return plain.outcome_receipt(ingest.ingest_labels_file(desk.services, desk.actor, Frame(rows)))


@_call
def begin_run(
    desk: Desk, model: str, name: str, environment: dict[str, Any], folder: str, parameters: dict[str, str]
) -> int:
    from pilothouse.operations.jobs.code_facts import repository_state

    beginning = notebook_runs.Beginning(
        model=model,
        name=name,
        process=desk.program,
        environment=environment,
        code=repository_state(Path(folder)),
        parameters=parameters,
    )
    return notebook_runs.begin(desk.services, desk.actor, beginning)


@_call
def add_to_run(desk: Desk, number: int, entries: Sequence[tuple[str, dict[str, Any]]]) -> None:
    found = [(EntryKind(kind), body) for kind, body in entries]
    notebook_runs.record(desk.services, desk.actor, number, found)


@_call
def keep_artifact(desk: Desk, number: int, path: str, name: str) -> str:
    return notebook_runs.keep_file(desk.services, desk.actor, number, Path(path), name)


@_call
def note_data(desk: Desk, number: int, rows: bytes, name: str) -> str:
    return notebook_runs.note_data(desk.services, desk.actor, number, rows, name)


@_call
def end_run(desk: Desk, number: int, failed: bool, error: str) -> None:
    state = RunState.FAILED if failed else RunState.DONE
    notebook_runs.end(desk.services, desk.actor, number, state, error)


@_call
def runs(desk: Desk, model: str | None, limit: int) -> list[Any]:
    found = notebook_runs.list_runs(desk.services, desk.actor, model, limit=limit)
    return [plain.brief_run(record) for record in found]


@_call
def recorded_run(desk: Desk, number: int) -> Any:
    from pilothouse.desk.pictures import picture
    from pilothouse.presentation.charts.record_charts import run_charts

    record = notebook_runs.get_run(desk.services, desk.actor, number)
    return plain.run(record, picture(run_charts(record), record.uri))


@_call
def compared_runs(desk: Desk, numbers: Sequence[int]) -> Any:
    return plain.comparison(notebook_runs.get_runs(desk.services, desk.actor, numbers))


def _uri(record: Any) -> str:
    from pilothouse.domain.identifiers import version_uri

    return version_uri(record.model, record.number)
