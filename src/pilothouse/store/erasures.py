"""Erasures: orders, their tombstones, and which files lost rows."""

from collections.abc import Iterable
from datetime import datetime

from pilothouse.domain.erasure import ErasedFile, Erasure, Plan, plan_from_plain
from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.sqlite import Connection, Row
from pilothouse.sqlite.conditions import marks, where
from pilothouse.store.values import from_json, from_row, insert

_SELECT = (
    "SELECT e.*, t.statement, t.signature, t.public_key, t.recorded_at AS completed_at "
    "FROM erasures e LEFT JOIN tombstones t ON t.erasure_id = e.id "
)
SUMMARIES = {"snapshots": "columns", "step_results": "record"}
"""Tables with summaries of data columns, and the column of JSON in which they are."""


def add(
    connection: Connection, plan: Plan, *, reason: str, by: str, second: str, repeats: str, at: datetime
) -> int:
    """Record an order; returns its number. A plan is ordered once."""
    columns = {
        "plan": plan.to_text(),
        "plan_digest": plan.digest,
        "reason": reason,
        "ordered_by": by,
        "second": second,
        "repeats": repeats,
        "recorded_at": at,
    }
    return insert(connection, "erasures", columns)


def add_tombstone(
    connection: Connection,
    number: int,
    statement: str,
    signature: str,
    public_key: str,
    files: Iterable[ErasedFile],
    at: datetime,
) -> None:
    """Record that an order was carried out."""
    connection.execute(
        "INSERT INTO tombstones (erasure_id, statement, signature, public_key, recorded_at) VALUES (?,?,?,?,?)",
        (number, statement, signature, public_key, to_us(at)),
    )
    connection.executemany(
        "INSERT INTO erased_files (erasure_id, digest, left_digest, name, rows, of_rows) VALUES (?,?,?,?,?,?)",
        [(number, file.digest, file.left, file.name, file.rows, file.of_rows) for file in files],
    )


def every(connection: Connection) -> list[Erasure]:
    """Every erasure, oldest first."""
    return [_erasure(row) for row in connection.execute(f"{_SELECT} ORDER BY e.id")]


def find(connection: Connection, number: int) -> Erasure | None:
    """Erasure of that number, or None."""
    row = connection.execute(f"{_SELECT} WHERE e.id = ?", (number,)).fetchone()
    return _erasure(row) if row else None


def of_plan(connection: Connection, digest: str) -> Erasure | None:
    """Erasure by a plan, or None."""
    row = connection.execute(f"{_SELECT} WHERE e.plan_digest = ?", (digest,)).fetchone()
    return _erasure(row) if row else None


def is_ordered(connection: Connection, digest: str, left: str, plan: str) -> bool:
    """Whether an order on record takes rows out of a file, and its tombstone, where there is one, says that this is left."""
    erasure = of_plan(connection, plan)
    if erasure is None or digest not in {file.digest for file in erasure.plan.files}:
        return False
    lost = {(file.digest, file.left) for file in files_of(connection, erasure.id)}
    return not erasure.is_complete or (digest, left) in lost


def unfinished(connection: Connection) -> list[Erasure]:
    """Orders that are not carried out yet."""
    rows = connection.execute(f"{_SELECT} WHERE t.erasure_id IS NULL ORDER BY e.id")
    return [_erasure(row) for row in rows]


def files_of(connection: Connection, number: int) -> list[ErasedFile]:
    """Files that lost rows by one erasure."""
    rows = connection.execute(
        "SELECT digest, left_digest AS 'left', name, rows, of_rows FROM erased_files WHERE erasure_id = ? ORDER BY digest",
        (number,),
    )
    return [from_row(ErasedFile, row) for row in rows]


def replaced(connection: Connection) -> set[str]:
    """Digests of the files that have lost rows, by tombstones."""
    return {row[0] for row in connection.execute("SELECT digest FROM erased_files")}


def losses(connection: Connection, digests: tuple[str, ...]) -> list[tuple[str, int, int, int, datetime]]:
    """(recorded digest, erasure, rows, of rows, time) of each loss of these files, also of what was left of them after an
    earlier one, oldest first."""
    rows = connection.execute(
        "WITH RECURSIVE chain (origin, digest, erasure_id, left_digest, rows, of_rows) AS ("  # noqa: S608 - marks are ours
        f"  SELECT digest, digest, erasure_id, left_digest, rows, of_rows FROM erased_files WHERE digest IN {marks(digests)} "
        "  UNION ALL SELECT c.origin, f.digest, f.erasure_id, f.left_digest, f.rows, f.of_rows "
        "  FROM erased_files f JOIN chain c ON f.digest = c.left_digest) "
        "SELECT c.origin, c.erasure_id, c.rows, c.of_rows, t.recorded_at FROM chain c "
        "JOIN tombstones t ON t.erasure_id = c.erasure_id ORDER BY c.erasure_id, c.origin",
        digests,
    )
    return [(row[0], row[1], row[2], row[3], from_us(row[4])) for row in rows]


def row_files(connection: Connection, model: str) -> list[Row]:
    """Model, version, and the digests of its files with rows (``snapshot``, ``train``, ``holdout``, ``predictions``) and of its
    ``log``, of every version of a model, or of all models where it is empty."""
    conditions, values = where({"m.name=?": model or None})
    return connection.execute(
        "SELECT m.name AS model, v.number, s.artifact_digest AS snapshot, v.predictions_digest AS predictions, "  # noqa: S608 - ours
        "max(CASE a.name WHEN 'train' THEN a.digest END) AS train, "
        "max(CASE a.name WHEN 'holdout' THEN a.digest END) AS holdout, "
        "max(CASE a.name WHEN 'log' THEN a.digest END) AS log "
        "FROM versions v JOIN models m ON m.id = v.model_id JOIN runs r ON r.id = v.run_id "
        "JOIN snapshots s ON s.id = r.snapshot_id LEFT JOIN run_artifacts a ON a.run_id = r.id "
        f"{conditions} GROUP BY v.id ORDER BY v.id",
        values,
    ).fetchall()


def artifact_names(connection: Connection) -> dict[str, str]:
    """What each artifact is that the registry names: ``schema of delay/2``."""
    rows = connection.execute(
        "WITH of_versions AS (SELECT v.id, v.run_id, m.name || '/' || v.number AS version, v.model_digest, v.schema_digest, "
        "v.profile_spec_digest, v.reference_digest, v.predictions_digest FROM versions v JOIN models m ON m.id = v.model_id) "
        "SELECT model_digest, 'model file of ' || version FROM of_versions UNION ALL "
        "SELECT schema_digest, 'input schema of ' || version FROM of_versions UNION ALL "
        "SELECT profile_spec_digest, 'profile specification of ' || version FROM of_versions UNION ALL "
        "SELECT reference_digest, 'reference of ' || version FROM of_versions UNION ALL "
        "SELECT p.digest, 'portable form of ' || o.version FROM portable_models p JOIN of_versions o ON o.id = p.version_id "
        "WHERE p.digest IS NOT NULL UNION ALL "
        "SELECT a.digest, a.name || ' of ' || o.version FROM run_artifacts a JOIN of_versions o ON o.run_id = a.run_id "
        "UNION ALL "
        "SELECT s.artifact_digest, 'snapshot of ' || o.version FROM snapshots s JOIN runs r ON r.snapshot_id = s.id "
        "JOIN of_versions o ON o.run_id = r.id"
    )
    return {row[0]: row[1] for row in rows}


def jobs_to_look_at(connection: Connection, model: str) -> tuple[list[int], list[int]]:
    """Jobs of a model (of all where it is empty) that have ended, and those that run."""
    conditions, values = where({"m.name=?": model or None})
    rows = connection.execute(
        "SELECT j.id, j.status = 'running' AS runs, j.ended_at IS NOT NULL AS ended FROM jobs j JOIN models m "  # noqa: S608 - ours
        f"ON m.id = j.model_id {conditions} ORDER BY j.id",
        values,
    ).fetchall()
    return [row["id"] for row in rows if row["ended"]], [row["id"] for row in rows if row["runs"]]


def summaries(connection: Connection, table: str, model: str = "") -> list[tuple[int, str]]:
    """(key, JSON) of every record that summarises data columns of a model, or of all models where it is empty."""
    of_model = {
        "snapshots": "x.id IN (SELECT r.snapshot_id FROM runs r JOIN models m ON m.id = r.model_id WHERE m.name=?)",
        "step_results": "x.job_id IN (SELECT j.id FROM jobs j JOIN models m ON m.id = j.model_id WHERE m.name=?)",
    }
    conditions, values = where({of_model[table]: model or None})
    rows = connection.execute(
        f"SELECT x.id, x.{SUMMARIES[table]} FROM {table} x {conditions} ORDER BY x.id",  # noqa: S608 - ours
        values,
    )
    return [(row[0], row[1]) for row in rows]


def put_summary(connection: Connection, table: str, key: int, text: str) -> None:
    """Replace a record that summarises data columns, which the registry allows while an erasure is under way."""
    connection.execute(f"UPDATE {table} SET {SUMMARIES[table]} = ? WHERE id = ?", (text, key))  # noqa: S608 - ours


def replay_results(connection: Connection) -> list[tuple[int, str]]:
    """Number and result, as JSON, of every replay."""
    rows = connection.execute(
        "SELECT id, result FROM jobs WHERE kind = 'replay' AND status = 'succeeded' AND result IS NOT NULL ORDER BY id"
    )
    return [(row[0], row[1]) for row in rows]


def put_replay_result(connection: Connection, job: int, text: str) -> None:
    """Replace the result of a replay, which the registry allows while an erasure is under way."""
    connection.execute("UPDATE jobs SET result = ? WHERE id = ? AND kind = 'replay'", (text, job))


def _erasure(row: Row) -> Erasure:
    return from_row(Erasure, row, plan=plan_from_plain(from_json(row["plan"])))
