"""The registry's schema and the way to it. Alone in the store it imports sqlite-utils, and only to migrate."""

import importlib
import sys
from collections.abc import Iterator
from importlib import resources
from typing import Any

from pilothouse.sqlite import Connection, Schema, driver

APPEND_ONLY = (
    "workspace_policies",
    "automation_changes",
    "audit",
    "models",
    "model_specs",
    "job_steps",
    "snapshots",
    "runs",
    "run_artifacts",
    "versions",
    "version_metrics",
    "version_gates",
    "decisions",
    "comments",
    "schedule_fires",
    "latency_baselines",
)
"""Tables whose rows never change and never go."""

NEVER_DELETED = (
    "grants",
    "targets",
    "target_tokens",
    "jobs",
    "promotion_requests",
    "request_targets",
    "deployments",
    "holds",
    "alerts",
    "schedules",
)
"""Tables whose rows go through states and never go away."""


def apply_migrations(connection: Connection) -> None:
    """Bring the schema up to date. The caller has begun an immediate transaction, and commits it."""
    library = _import_without_pandas()
    migrations = library.Migrations("registry")

    @migrations()  # type: ignore[untyped-decorator]
    def registry_1(db: Any) -> None:
        for part in ("0001_access.sql", "0001_lineage.sql", "0001_operation.sql"):
            _execute_script(db.conn, resources.files(__package__).joinpath("schema", part).read_text())
        for table in APPEND_ONLY:
            _refuse(db.conn, table, "UPDATE")
        for table in APPEND_ONLY + NEVER_DELETED:
            _refuse(db.conn, table, "DELETE")

    migrations.apply(library.Database(connection))


def _refuse(connection: Connection, table: str, change: str) -> None:
    connection.execute(
        f"CREATE TRIGGER {table}_refuses_{change.lower()} BEFORE {change} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, 'rows of {table} are permanent: {change} is refused'); END"
    )


def _execute_script(connection: Connection, script: str) -> None:
    """Run each statement by itself: ``executescript`` would commit the transaction first."""
    for statement in _statements(script):
        connection.execute(statement)


def _statements(script: str) -> Iterator[str]:
    gathered = ""
    for line in script.splitlines(keepends=True):
        gathered += line
        if driver.complete_statement(gathered):
            yield gathered
            gathered = ""


def _import_without_pandas() -> Any:
    """sqlite-utils imports pandas wherever that is installed, which costs a third of a second and serves nothing here."""
    if "pandas" in sys.modules or "sqlite_utils" in sys.modules:
        return importlib.import_module("sqlite_utils")
    sys.modules["pandas"] = None  # type: ignore[assignment]
    try:
        return importlib.import_module("sqlite_utils")
    finally:
        del sys.modules["pandas"]


SCHEMA = Schema(kind="registry", application_id=int.from_bytes(b"PILH"), version=1, migrate=apply_migrations)
