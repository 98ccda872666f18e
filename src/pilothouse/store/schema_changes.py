"""Changes that steps of the schema make beside their SQL: tables written anew, rows brought to a new form."""

import hashlib
import json
import time

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.sqlite import Connection, Progress
from pilothouse.store.log import log_tree


def open_kinds(connection: Connection) -> None:
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


def name_more_ends_of_jobs(connection: Connection) -> None:
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


def name_the_end_of_cpu_time(connection: Connection) -> None:
    """Allow the job status ``out of cpu time``."""
    rewrite_table(
        connection,
        "jobs",
        "'user exception', 'disk full')",
        "'user exception', 'disk full', 'out of cpu time')",
    )


def begin_either_day(connection: Connection) -> None:
    """Cron with a day of the month and a weekday fires on more days than it did: from now on, and nothing is caught up."""
    rows = connection.execute("SELECT id, cron FROM schedules WHERE cron IS NOT NULL").fetchall()
    for number, cron in rows:
        fields = cron.split()
        if len(fields) == 5 and "*" not in fields[2] and "*" not in fields[4]:
            connection.execute(
                "UPDATE schedules SET recorded_at = max(recorded_at, ?) WHERE id = ?",
                (time.time_ns() // 1_000, number),
            )


def say_which_runs_failed(connection: Connection) -> None:
    """Add the state of a scheduled run's outcome, which until then stood in the first word of its text alone."""
    connection.execute("DROP TRIGGER schedule_outcomes_refuses_update")
    connection.execute(
        "ALTER TABLE schedule_outcomes ADD COLUMN state TEXT NOT NULL DEFAULT 'done' CHECK (state IN ('done', 'failed'))"
    )
    connection.execute("UPDATE schedule_outcomes SET state = 'failed' WHERE outcome LIKE 'failed: %'")
    refuse(connection, "schedule_outcomes", "UPDATE")


_CHANGES = (
    "inputs moved",
    "truth moved",
    "both: inputs and truth moved",
    "only volume or quality",
    "not enough evidence",
)
"""Verdicts of a diagnosis when it stood in the alert's explanation alone."""


def keep_diagnoses(connection: Connection) -> None:
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


def name_outcomes(connection: Connection) -> None:
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


def allow_no_diagnosis(connection: Connection) -> None:
    """Allow NULL by name: json_valid(NULL) is NULL since SQLite 3.41 and 0 before, so older ones call such a row damaged."""
    rewrite_table(
        connection,
        "alerts",
        "CHECK (json_valid(diagnosis))",
        "CHECK (diagnosis IS NULL OR json_valid(diagnosis))",
    )


def name_broken_glass(connection: Connection) -> None:
    """Allow the kind ``break-glass`` of deployments; every stored row fits this CHECK too."""
    rewrite_table(
        connection,
        "deployments",
        "('promotion', 'automatic', 'rollback')",
        "('promotion', 'automatic', 'rollback', 'break-glass')",
    )


def grow_the_tree(connection: Connection, progress: Progress | None) -> None:
    """Put the subtrees of the audit log on record; a million rows take some seconds."""
    (count,) = connection.execute("SELECT coalesce(max(seq), 0) FROM audit").fetchone()
    log_tree.grow(connection, 0, count, progress)


def name_approved_requests(connection: Connection) -> None:
    """Allow the status ``approved`` of requests; every stored row fits this CHECK too."""
    rewrite_table(
        connection, "promotion_requests", "('open', 'deployed',", "('open', 'approved', 'deployed',"
    )


def name_alerts_of_roll_outs(connection: Connection) -> None:
    """Allow the kind ``rollout`` of alerts; every stored row fits this CHECK too."""
    rewrite_table(connection, "alerts", "'errors', 'silence')", "'errors', 'silence', 'rollout')")


def step_18(connection: Connection) -> None:
    name_approved_requests(connection)
    name_alerts_of_roll_outs(connection)


def name_targets_served_elsewhere(connection: Connection) -> None:
    """Allow the place ``elsewhere`` of targets, which something else serves; every stored row fits this CHECK too."""
    rewrite_table(connection, "target_places", "('remote', 'command')", "('remote', 'command', 'elsewhere')")


def identify_the_workspace(connection: Connection) -> None:
    """Give a workspace of before its identity. It follows from the first entry of the log, so that a backup that is upgraded
    twice, or tried on a copy, is one workspace; a new one makes its own."""
    first = connection.execute("SELECT hash, actor, recorded_at FROM audit WHERE seq = 1").fetchone()
    if first is not None:
        identity = hashlib.sha256(f"pilothouse workspace {first[0]}".encode()).hexdigest()[:32]
        connection.execute(
            "INSERT INTO workspace_identities (identity, made_by, recorded_at) VALUES (?, ?, ?)",
            (identity, first[1], first[2]),
        )


def refuse(connection: Connection, table: str, change: str) -> None:
    connection.execute(
        f"CREATE TRIGGER {table}_refuses_{change.lower()} BEFORE {change} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, 'rows of {table} are permanent: {change} is refused'); END"
    )
