"""Results of steps by the digest of everything that they depend on: a step whose key is here need not run again."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.formats.time_units import to_us
from pilothouse.sqlite import Connection
from pilothouse.store.values import from_json, from_row


@dataclass(frozen=True, slots=True)
class Output:
    """File that a step made: its digest, and its path in the folder of its job."""

    digest: str
    file: str


@dataclass(frozen=True, slots=True)
class CachedStep:
    """Step of an earlier attempt or job."""

    job: int
    attempt: int
    step: str
    record: dict[str, Any]
    outputs: dict[str, Output]


def add(
    connection: Connection,
    *,
    key: str,
    job_id: int,
    attempt: int,
    step: str,
    record: dict[str, Any],
    outputs: Mapping[str, Output],
    at: datetime,
) -> None:
    """Store the result of a step. Nothing changes where this job has stored the same before."""
    plain = {name: asdict(output) for name, output in outputs.items()}
    connection.execute(
        "INSERT OR IGNORE INTO step_results (key, job_id, attempt, step, record, outputs, recorded_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (key, job_id, attempt, step, canonical_json(record), canonical_json(plain), to_us(at)),
    )


def by_key(connection: Connection, key: str, limit: int = 20) -> list[CachedStep]:
    """Results for a key, newest first."""
    rows = connection.execute(
        "SELECT * FROM step_results WHERE key = ? ORDER BY id DESC LIMIT ?", (key, limit)
    )
    return [
        from_row(
            CachedStep,
            row,
            job=row["job_id"],
            outputs={name: Output(**plain) for name, plain in from_json(row["outputs"]).items()},
        )
        for row in rows
    ]
