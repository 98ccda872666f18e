"""Schema of the registry and its migrations. The only module of the store that imports sqlite-utils, and only to migrate."""

import functools
import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.sqlite import Connection, Progress, Schema, driver
from pilothouse.store.log import log_tree, row_baseline

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


def _open_kinds(connection: Connection) -> None:
    """Remove the CHECKs of job kinds and schedule actions: the program checks them, so that a new one needs no new table.

    Removing a CHECK changes no row, so the table's text may be edited in place (SQLite's own advice, under "Making Other
    Kinds Of Table Schema Changes").
    """
    for table, column, kinds in (
        ("jobs", "kind", "'train', 'reproduce', 'backtest'"),
        ("schedules", "action", "'train', 'monitor', 'backup'"),
    ):
        rewrite_table(connection, table, f"CHECK ({column} IN ({kinds}))", f"CHECK ({column} <> '')")


def rewrite_table(connection: Connection, table: str, old: str, new: str) -> None:
    """Replace a piece of a table's definition; rows are not checked, so ``new`` must hold for all that there are."""
    connection.execute("PRAGMA writable_schema=ON")
    changed = connection.execute(
        "UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = ? AND instr(sql, ?) > 0",
        (old, new, table, old),
    )
    if changed.rowcount != 1:
        raise IntegrityError(
            f"the table {table} is not as its release made it: restore the registry from a backup"
        )
    connection.execute("PRAGMA writable_schema=RESET")


def _name_more_ends_of_jobs(connection: Connection) -> None:
    """Allow more statuses of jobs, and schedules that fire once; every stored row fits these CHECKs too."""
    rewrite_table(
        connection, "jobs", "'cancelled', 'lost')", "'cancelled', 'lost', 'user exception', 'disk full')"
    )
    rewrite_table(
        connection,
        "schedules",
        "CHECK ((cron IS NULL) <> (every_s IS NULL))",
        "CHECK ((cron IS NOT NULL) + (every_s IS NOT NULL) + (once_at IS NOT NULL) = 1)",
    )


def _name_the_end_of_cpu_time(connection: Connection) -> None:
    """Allow the job status ``out of cpu time``."""
    rewrite_table(
        connection,
        "jobs",
        "'user exception', 'disk full')",
        "'user exception', 'disk full', 'out of cpu time')",
    )


def _begin_either_day(connection: Connection) -> None:
    """Cron with a day of the month and a weekday fires on more days than it did: from now on, and nothing is caught up."""
    rows = connection.execute("SELECT id, cron FROM schedules WHERE cron IS NOT NULL").fetchall()
    for number, cron in rows:
        fields = cron.split()
        if len(fields) == 5 and "*" not in fields[2] and "*" not in fields[4]:
            connection.execute(
                "UPDATE schedules SET recorded_at = max(recorded_at, ?) WHERE id = ?",
                (time.time_ns() // 1_000, number),
            )


def _say_which_runs_failed(connection: Connection) -> None:
    """Add the state of a scheduled run's outcome, which until then stood in the first word of its text alone."""
    connection.execute("DROP TRIGGER schedule_outcomes_refuses_update")
    connection.execute(
        "ALTER TABLE schedule_outcomes ADD COLUMN state TEXT NOT NULL DEFAULT 'done' CHECK (state IN ('done', 'failed'))"
    )
    connection.execute("UPDATE schedule_outcomes SET state = 'failed' WHERE outcome LIKE 'failed: %'")
    _refuse(connection, "schedule_outcomes", "UPDATE")


_CHANGES = (
    "inputs moved",
    "truth moved",
    "both: inputs and truth moved",
    "only volume or quality",
    "not enough evidence",
)
"""Verdicts of a diagnosis when it stood in the alert's explanation alone."""


def _keep_diagnoses(connection: Connection) -> None:
    """Diagnoses stood at the end of explanations alone: ``What changed: inputs moved. …``."""
    connection.execute("ALTER TABLE alerts ADD COLUMN diagnosis TEXT CHECK (json_valid(diagnosis))")
    rows = connection.execute(
        "SELECT id, explanation FROM alerts WHERE instr(explanation, 'What changed: ') > 0"
    ).fetchall()
    for number, explanation in rows:
        text = explanation.rpartition("What changed: ")[2]
        change = next((change for change in _CHANGES if text.startswith(f"{change}. ")), None)
        if change is not None:
            diagnosis = {"change": change, "evidence": text.removeprefix(f"{change}. ")}
            connection.execute(
                "UPDATE alerts SET diagnosis = ? WHERE id = ?", (canonical_json(diagnosis), number)
            )


_RETIRED = (
    ("truth has moved shows once it comes", "outcomes have moved shows once they come"),
    ("truth has moved", "outcomes have moved"),
    ("There is neither truth nor", "There are neither outcomes nor"),
    ("No truth has come", "No outcome has come"),
    ("without truth", "without outcomes"),
    ("The realised ", "The measured "),
)
"""Pieces of a diagnosis's evidence as earlier releases wrote it, and as it is written now."""


def _name_outcomes(connection: Connection) -> None:
    """Outcomes were called truth in the figures and diagnoses of alerts. A diagnosis also ends its alert's explanation."""
    connection.execute(
        "UPDATE alerts SET figures = replace(figures, '\"truth known\":', '\"outcomes known\":') "
        "WHERE instr(figures, '\"truth known\":') > 0"
    )
    rows = connection.execute("SELECT id, explanation, diagnosis FROM alerts WHERE diagnosis IS NOT NULL")
    for number, explanation, stored in rows.fetchall():
        diagnosis = json.loads(stored)
        before = "{change}. {evidence}".format_map(diagnosis)
        diagnosis["change"] = diagnosis["change"].replace("truth", "outcomes")
        for old, new in _RETIRED:
            diagnosis["evidence"] = diagnosis["evidence"].replace(old, new)
        if explanation.endswith(before):
            explanation = explanation.removesuffix(before) + "{change}. {evidence}".format_map(diagnosis)
        connection.execute(
            "UPDATE alerts SET explanation = ?, diagnosis = ? WHERE id = ?",
            (explanation, canonical_json(diagnosis), number),
        )


def _allow_no_diagnosis(connection: Connection) -> None:
    """Allow NULL by name: json_valid(NULL) is NULL since SQLite 3.41 and 0 before, so older ones call such a row damaged."""
    rewrite_table(
        connection,
        "alerts",
        "CHECK (json_valid(diagnosis))",
        "CHECK (diagnosis IS NULL OR json_valid(diagnosis))",
    )


def _name_broken_glass(connection: Connection) -> None:
    """Allow the kind ``break-glass`` of deployments; every stored row fits this CHECK too."""
    rewrite_table(
        connection,
        "deployments",
        "('promotion', 'automatic', 'rollback')",
        "('promotion', 'automatic', 'rollback', 'break-glass')",
    )


def _grow_the_tree(connection: Connection, progress: Progress | None) -> None:
    """Put the subtrees of the audit log on record; a million rows take some seconds."""
    (count,) = connection.execute("SELECT coalesce(max(seq), 0) FROM audit").fetchone()
    log_tree.grow(connection, 0, count, progress)


def _name_approved_requests(connection: Connection) -> None:
    """Allow the status ``approved`` of requests; every stored row fits this CHECK too."""
    rewrite_table(
        connection, "promotion_requests", "('open', 'deployed',", "('open', 'approved', 'deployed',"
    )


def _name_alerts_of_roll_outs(connection: Connection) -> None:
    """Allow the kind ``rollout`` of alerts; every stored row fits this CHECK too."""
    rewrite_table(connection, "alerts", "'errors', 'silence')", "'errors', 'silence', 'rollout')")


def _step_18(connection: Connection) -> None:
    _name_approved_requests(connection)
    _name_alerts_of_roll_outs(connection)


MIGRATIONS: dict[str, Migration] = {
    "registry_1": Migration(
        parts=("0001_access.sql", "0001_lineage.sql", "0001_operation.sql"),
        append_only=APPEND_ONLY,
        never_deleted=NEVER_DELETED,
    ),
    "registry_2": Migration(change=_open_kinds),
    "registry_3": Migration(
        parts=("0003_automation.sql",),
        change=_name_more_ends_of_jobs,
        append_only=("schedule_outcomes", "step_results", "job_dependencies"),
        never_deleted=("trigger_events",),
    ),
    "registry_4": Migration(parts=("0004_legal_holds.sql",), never_deleted=("legal_holds",)),
    "registry_5": Migration(parts=("0005_incidents.sql",), never_deleted=("incidents",)),
    "registry_6": Migration(parts=("0006_console.sql",), never_deleted=("sessions",)),
    "registry_7": Migration(change=_name_the_end_of_cpu_time),
    "registry_8": Migration(parts=("0008_lists.sql",)),
    "registry_9": Migration(parts=("0009_incident_lists.sql",)),
    "registry_10": Migration(change=_begin_either_day),
    "registry_11": Migration(change=_say_which_runs_failed),
    "registry_12": Migration(change=_keep_diagnoses),
    "registry_13": Migration(change=_name_outcomes),
    "registry_14": Migration(
        parts=("0014_deployment_states.sql", "0014_requests.sql", "0014_targets.sql"),
        change=_allow_no_diagnosis,
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
        change=_name_broken_glass,
        fill=_grow_the_tree,
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
        change=_step_18,
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
}
"""Migrations by name, in order."""


def apply_migrations(connection: Connection, progress: Progress | None = None) -> None:
    """Bring the schema up to date, and seal the rows that decide as they are then. The caller has begun an immediate
    transaction, and commits it. ``progress`` is told how many rows of the audit log of how many are brought up to date."""
    named, connection.row_factory = connection.row_factory, driver.Row
    try:
        before = row_baseline.differences(connection)
        _migrate(connection, progress)
        row_baseline.seal(connection, before)
    finally:
        connection.row_factory = named


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
        _refuse(db.conn, table, "UPDATE")
    for table in migration.append_only + migration.never_deleted:
        _refuse(db.conn, table, "DELETE")


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
