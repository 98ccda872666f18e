"""Rows that a decision rests on, compared with their digests before it is made: a row that was changed, inserted or deleted
past Pilothouse counts for nothing. All raise IntegrityError that names it, and are asked before the transaction writes."""

from collections.abc import Sequence

from pilothouse.domain.records import PromotionRequest, Version
from pilothouse.operations.catalogue import require_model, require_run
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import deployments
from pilothouse.store.log import row_checks
from pilothouse.store.models import targets

_NEWEST = 20
"""Deployments of a model on a target that are compared: which version was there before follows from the newest."""


def check_request(connection: Connection, request: PromotionRequest) -> None:
    """The request with its targets, authors, decisions and comments, and who is who and may what."""
    row_checks.check_rows(connection, "promotion_requests", "id", [request.id])
    for table in ("request_targets", "request_authors"):
        row_checks.check_rows(connection, table, "request_id", [request.id])
    for table in ("decisions", "comments"):
        row_checks.check_rows(
            connection, table, "request_id", [request.id], also_named=f"request {request.id}: "
        )
    row_checks.check_rows(
        connection,
        "decision_signatures",
        "request_id",
        [request.id],
        also_named=f"request {request.id}: the signature of ",
    )
    for table in ("person_names", "grants"):
        row_checks.check_rows(connection, table)


def check_rules(connection: Connection, model: str) -> None:
    """Specifications of the model, the workspace's policy and settings, the switch of automation and the model's holds."""
    numbers = [require_model(connection, model).id]
    row_checks.check_rows(connection, "models", "id", numbers)
    row_checks.check_rows(
        connection, "model_specs", "model_id", numbers, also_named=f"the model file of {model} that "
    )
    row_checks.check_rows(connection, "holds", "model_id", numbers, also_named=f"the hold on {model} of ")
    for table in ("workspace_policies", "settings", "automation_changes"):
        row_checks.check_rows(connection, table)


def check_version(connection: Connection, version: Version, on_targets: Sequence[str]) -> None:
    """The version with its gates, metrics, run and job, the targets and what was live there, and the model's aliases."""
    run = require_run(connection, version)
    model = [require_model(connection, version.model).id]
    row_checks.check_rows(connection, "versions", "id", [version.id])
    for table in ("version_gates", "version_metrics"):
        row_checks.check_rows(connection, table, "version_id", [version.id])
    named = f"version {version.model}/{version.number}: its portable form "
    row_checks.check_rows(connection, "portable_models", "version_id", [version.id], also_named=named)
    row_checks.check_rows(connection, "runs", "id", [run.id])
    row_checks.check_rows(connection, "run_artifacts", "run_id", [run.id])
    row_checks.check_rows(connection, "jobs", "id", [run.job_id])
    for table in ("model_targets", "aliases"):
        row_checks.check_rows(connection, table, "model_id", model)
    numbers = [number for name in on_targets if (number := targets.target_id(connection, name)) is not None]
    row_checks.check_rows(connection, "targets", "id", numbers)
    made = [
        deployment.id
        for target in on_targets
        for deployment in deployments.history(connection, model=version.model, target=target, limit=_NEWEST)
    ]
    row_checks.check_rows(connection, "deployments", "id", made)
