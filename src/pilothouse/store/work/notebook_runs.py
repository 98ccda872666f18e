"""Notebook runs and their entries."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.domain.jobs.jobs import ProcessName
from pilothouse.domain.jobs.notebook_runs import Content, Entry, EntryKind, NotebookRun, RunState
from pilothouse.sqlite import Connection, Row
from pilothouse.sqlite.conditions import where
from pilothouse.store.values import columns_of, from_json, insert

_SELECT = "SELECT r.*, m.name AS model FROM notebook_runs r JOIN models m ON m.id = r.model_id "


@dataclass(frozen=True, slots=True)
class NewNotebookRun:
    """Notebook run to record. ``process`` is the program's, by whose end the run is lost."""

    model_id: int
    name: str
    started_by: str
    process: dict[str, Any]
    environment: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """Notebook run as its row has it, with its process, and the newest values, which are there from its end on."""

    run: NotebookRun
    process: ProcessName
    newest: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides who may add to a run, and how: as little of it as that takes, for each log asks."""

    number: int
    model: str
    started_by: str
    state: RunState
    entries: int
    """Entries that it has so far."""


@dataclass(frozen=True, slots=True)
class RunEnd:
    """End of a run: the digest of its entries, and the newest values for lists."""

    state: RunState
    error: str
    entries: int
    digest: str
    newest: Mapping[str, Any]


def add(connection: Connection, run: NewNotebookRun, *, at: datetime) -> int:
    """Record a run that begins; returns its number."""
    environment = canonical_json(run.environment)
    return insert(
        connection, "notebook_runs", {**columns_of(run), "environment": environment, "recorded_at": at}
    )


def add_entries(
    connection: Connection,
    run_id: int,
    entries: Iterable[tuple[EntryKind, Mapping[str, Any]]],
    *,
    after: int,
    at: datetime,
) -> None:
    """Append entries to a run, which has ``after`` so far."""
    connection.executemany(
        "INSERT INTO notebook_run_entries (run_id, sequence, kind, body, recorded_at) VALUES (?, ?, ?, ?, ?)",
        [
            (run_id, number, str(kind), canonical_json(body), to_us(at))
            for number, (kind, body) in enumerate(entries, after + 1)
        ],
    )


def parameters_of(connection: Connection, run_id: int) -> dict[str, str]:
    """Parameters of a run so far."""
    rows = connection.execute(
        "SELECT body FROM notebook_run_entries WHERE run_id = ? AND kind = 'parameters' ORDER BY sequence",
        (run_id,),
    )
    found: dict[str, str] = {}
    for row in rows:
        found |= from_json(row["body"])
    return found


def entries_of(connection: Connection, run_id: int) -> list[Entry]:
    """Entries of a run in their order."""
    rows = connection.execute(
        "SELECT kind, body, recorded_at FROM notebook_run_entries WHERE run_id = ? ORDER BY sequence",
        (run_id,),
    )
    return [
        Entry(EntryKind(row["kind"]), dict(from_json(row["body"])), from_us(row["recorded_at"]))
        for row in rows
    ]


def end(connection: Connection, run_id: int, end: RunEnd, *, at: datetime) -> None:
    """Record the end of a run."""
    connection.execute(
        "UPDATE notebook_runs SET status = ?, error = ?, entries = ?, digest = ?, newest = ?, ended_at = ? WHERE id = ?",
        (str(end.state), end.error, end.entries, end.digest, canonical_json(end.newest), to_us(at), run_id),
    )


def find(connection: Connection, run_id: int) -> RecordedRun | None:
    """Run of that number without its entries, or None."""
    row = connection.execute(_SELECT + "WHERE r.id = ?", (run_id,)).fetchone()
    return _recorded(row) if row else None


def standing(connection: Connection, run_id: int) -> Standing | None:
    """How the run of that number stands, or None."""
    row = connection.execute(
        "SELECT m.name, r.started_by, r.status, (SELECT coalesce(max(e.sequence), 0) FROM notebook_run_entries e "
        "WHERE e.run_id = r.id) AS entries FROM notebook_runs r JOIN models m ON m.id = r.model_id WHERE r.id = ?",
        (run_id,),
    ).fetchone()
    return row and Standing(run_id, row["name"], row["started_by"], RunState(row["status"]), row["entries"])


def listed(connection: Connection, model: str | None = None, limit: int = 50) -> list[RecordedRun]:
    """Runs, of one model or of all, the newest first, without their entries."""
    conditions, values = where({"r.model_id = (SELECT id FROM models WHERE name = ?)": model})
    rows = connection.execute(f"{_SELECT}{conditions} ORDER BY r.id DESC LIMIT ?", (*values, limit))
    return [_recorded(row) for row in rows]


def of_process(connection: Connection, process: ProcessName) -> Sequence[int]:
    """Numbers of the runs of a process that have not ended."""
    rows = connection.execute(
        "SELECT id FROM notebook_runs WHERE status = 'running' AND process = ?",
        (canonical_json(columns_of(process)),),
    )
    return [row["id"] for row in rows]


def _recorded(row: Row) -> RecordedRun:
    ended = row["ended_at"]
    run = NotebookRun(
        id=row["id"],
        model=row["model"],
        name=row["name"],
        started_by=row["started_by"],
        state=RunState(row["status"]),
        started_at=from_us(row["recorded_at"]),
        ended_at=None if ended is None else from_us(ended),
        error=row["error"],
        environment=dict(from_json(row["environment"])),
        entries=row["entries"],
        digest=row["digest"],
        content=Content(),
    )
    return RecordedRun(run, ProcessName(**from_json(row["process"])), dict(from_json(row["newest"])))
