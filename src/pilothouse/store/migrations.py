"""Schema of the registry and its migrations. The only module of the store that imports sqlite-utils, and only to migrate."""

import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

from pilothouse.sqlite import Connection, Progress, Schema, driver
from pilothouse.sqlite.schema import pragma
from pilothouse.store import schema_changes as changes

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
"""Tables of the first version whose rows never change and are never deleted."""

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
"""Tables of the first version whose rows go through states and are never deleted."""


@dataclass(frozen=True, slots=True)
class Migration:
    """Step from one version of the registry to the next: SQL files in order, then ``change``, then the triggers of new
    tables. A released step never changes; the next one is added below it."""

    parts: tuple[str, ...] = ()
    change: Callable[[Connection], None] | None = None
    fill: Callable[[Connection, Progress | None], None] | None = None
    """As ``change``, after it, where that takes long for many rows: it tells how far it is."""
    append_only: tuple[str, ...] = ()
    """New tables whose rows never change and are never deleted."""
    never_deleted: tuple[str, ...] = ()
    """New tables whose rows go through states and are never deleted."""


MIGRATIONS: dict[str, Migration] = {
    "registry_1": Migration(
        parts=("0001_access.sql", "0001_lineage.sql", "0001_operation.sql"),
        append_only=APPEND_ONLY,
        never_deleted=NEVER_DELETED,
    ),
    "registry_2": Migration(change=changes.open_kinds),
    "registry_3": Migration(
        parts=("0003_automation.sql",),
        change=changes.name_more_ends_of_jobs,
        append_only=("schedule_outcomes", "step_results", "job_dependencies"),
        never_deleted=("trigger_events",),
    ),
    "registry_4": Migration(parts=("0004_legal_holds.sql",), never_deleted=("legal_holds",)),
    "registry_5": Migration(parts=("0005_incidents.sql",), never_deleted=("incidents",)),
    "registry_6": Migration(parts=("0006_console.sql",), never_deleted=("sessions",)),
    "registry_7": Migration(change=changes.name_the_end_of_cpu_time),
    "registry_8": Migration(parts=("0008_lists.sql",)),
    "registry_9": Migration(parts=("0009_incident_lists.sql",)),
    "registry_10": Migration(change=changes.begin_either_day),
    "registry_11": Migration(change=changes.say_which_runs_failed),
    "registry_12": Migration(change=changes.keep_diagnoses),
    "registry_13": Migration(change=changes.name_outcomes),
    "registry_14": Migration(
        parts=("0014_deployment_states.sql", "0014_requests.sql", "0014_targets.sql"),
        change=changes.allow_no_diagnosis,
    ),
    "registry_15": Migration(
        parts=("0015_rows.sql", "0015_judging_code.sql", "0015_persons.sql"),
        append_only=("row_digests", "person_names", "request_authors"),
    ),
    "registry_16": Migration(parts=("0016_portable_models.sql",), append_only=("portable_models",)),
    "registry_17": Migration(
        parts=(
            "0017_break_glass.sql",
            "0017_freezes.sql",
            "0017_identity.sql",
            "0017_inventory.sql",
            "0017_target_serving.sql",
            "0017_proposals.sql",
            "0017_signatures.sql",
            "0017_teams.sql",
            "0017_transparency.sql",
        ),
        change=changes.name_broken_glass,
        fill=changes.grow_the_tree,
        append_only=(
            "broken_glass_reviews",
            "decision_signatures",
            "log_cosignatures",
            "log_heads",
            "log_subtrees",
            "model_reviews",
            "passphrase_tries",
            "passphrases",
            "printed_statements",
        ),
        never_deleted=(
            "broken_glass",
            "freeze_windows",
            "log_anchors",
            "proposals",
            "team_members",
            "user_keys",
            "users",
        ),
    ),
    "registry_18": Migration(
        parts=(
            "0018_conditions.sql",
            "0018_documents.sql",
            "0018_erasures.sql",
            "0018_glass_signatures.sql",
            "0018_log_deliveries.sql",
            "0018_rollouts.sql",
        ),
        change=changes.step_18,
        append_only=(
            "broken_glass_signatures",
            "erased_files",
            "erasures",
            "plans",
            "request_documents",
            "rollout_events",
            "tombstones",
        ),
        never_deleted=(
            "approval_conditions",
            "rollout_evidence",
            "rollout_targets",
            "rollouts",
        ),
    ),
    "registry_19": Migration(
        parts=(
            "0019_applied_from_git.sql",
            "0019_arms.sql",
            "0019_exports.sql",
            "0019_mlflow.sql",
            "0019_notebook_runs.sql",
            "0019_outbox.sql",
            "0019_remote.sql",
        ),
        append_only=("alert_settings", "imported_scores", "notebook_run_entries"),
        never_deleted=(
            "imported_aliases",
            "imported_models",
            "imported_runs",
            "imported_versions",
            "imports",
            "notebook_runs",
            "remote_tokens",
            "rollout_arms",
            "silences",
        ),
    ),
    "registry_20": Migration(
        parts=("0020_hub.sql", "0020_job_places.sql", "0020_sites.sql"),
        change=changes.name_targets_served_elsewhere,
        append_only=("job_places",),
        never_deleted=("followed_sites",),
    ),
    "registry_21": Migration(
        parts=(
            "0021_canary_spans.sql",
            "0021_identity.sql",
            "0021_long_lists.sql",
            "0021_state_orders.sql",
            "0021_trigger_looks.sql",
            "0021_version_rows.sql",
        ),
        change=changes.identify_the_workspace,
        append_only=("workspace_identities",),
    ),
}
"""Migrations by name, in order."""


def apply_migrations(connection: Connection, progress: Progress | None = None) -> None:
    """Bring the schema up to date, and seal the rows that decide as they are then. The caller has begun an immediate
    transaction, and commits it. ``progress`` is told how many rows of how many are brought up to date: those that are compared
    with their digests before and after, and those of the audit log where its tree is grown."""
    from pilothouse.store.log import row_baseline, row_walk  # only a schema that is older needs them

    named, connection.row_factory = connection.row_factory, driver.Row
    try:
        walk = row_walk.Walk(None, 0)
        if progress is not None:
            walk = row_walk.Walk(progress, row_baseline.walked(connection) + _entries_to_grow(connection))
        before = row_baseline.differences(connection, walk.watched)
        _migrate(connection, walk.grown if progress is not None else None)
        row_baseline.seal(connection, before, walk.watched)
    finally:
        connection.row_factory = named


def _entries_to_grow(connection: Connection) -> int:
    """Entries of the audit log that a step still to come walks, or 0."""
    due = list(MIGRATIONS.values())[pragma(connection, "user_version") :]
    is_made = connection.execute("SELECT 1 FROM main.sqlite_schema WHERE name = 'audit'").fetchone()
    if not is_made or not any(step.fill for step in due):
        return 0
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM audit").fetchone()[0])


def _migrate(connection: Connection, progress: Progress | None) -> None:
    library = _import_without_pandas()
    migrations = library.Migrations("registry")
    for name, migration in MIGRATIONS.items():
        migrations(name=name)(functools.partial(_apply, migration, progress))
    migrations.apply(library.Database(connection))


def _apply(migration: Migration, progress: Progress | None, db: Any) -> None:
    for part in migration.parts:
        _execute_script(db.conn, resources.files(__package__).joinpath("schema", part).read_text())
    if migration.change is not None:
        migration.change(db.conn)
    if migration.fill is not None:
        migration.fill(db.conn, progress)
    for table in migration.append_only:
        changes.refuse(db.conn, table, "UPDATE")
    for table in migration.append_only + migration.never_deleted:
        changes.refuse(db.conn, table, "DELETE")


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
    """Import sqlite-utils without pandas, which it would import where that is installed: a third of a second for nothing
    used here."""
    if "pandas" in sys.modules or "sqlite_utils" in sys.modules:
        return importlib.import_module("sqlite_utils")
    sys.modules["pandas"] = None  # type: ignore[assignment]
    try:
        return importlib.import_module("sqlite_utils")
    finally:
        del sys.modules["pandas"]


SCHEMA = Schema(
    kind="registry", application_id=int.from_bytes(b"PILH"), version=len(MIGRATIONS), migrate=apply_migrations
)
