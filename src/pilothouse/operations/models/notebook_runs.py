"""Notebook runs: begun, added to, ended, listed, compared.

Whoever may start a training of a model may record a run of it, and only who began it adds to it. Beginning and end are changes
with audit entries; what comes between is durable when it is acknowledged, and the entry of the end holds the digest of it all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from pilothouse.domain.formats.canonical import canonical_digest
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.jobs.jobs import ProcessName
from pilothouse.domain.jobs.notebook_runs import (
    LARGEST_ARTIFACT,
    LONGEST_NAME,
    LONGEST_TEXT,
    MOST_ENTRIES,
    Content,
    Entry,
    EntryKind,
    NotebookRun,
    Point,
    RunState,
    as_number,
    checked_name,
    content_of,
    run_uri,
)
from pilothouse.operations.authorisation import (
    Change,
    change_in,
    changing,
    check,
    check_time,
    clean_text,
    reading,
)
from pilothouse.operations.catalogue import require_in_use, require_model
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.values import columns_of
from pilothouse.store.work import notebook_runs
from pilothouse.store.work.notebook_runs import NewNotebookRun, RecordedRun, RunEnd, Standing
from pilothouse.system.processes import is_alive

_ACT = "record a run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """A run that begins: the program's process, its Python, platform and packages, and the state of the git repository around
    its folder (empty without one)."""

    model: str
    name: str
    process: ProcessName
    environment: dict[str, Any]
    code: dict[str, Any]
    parameters: dict[str, str] = field(default_factory=dict)


def begin(services: Services, actor: Actor, beginning: Beginning) -> int:
    """Begin a run of a model; returns its number.

    Raises NotFoundError, NotAllowedError, InvalidInputError or ConflictError (the model is retired).
    """
    model, name = beginning.model, clean_text(beginning.name, "the name of the run")[:LONGEST_NAME]
    with changing(services, actor, Permission.TRAIN, model, act=_ACT) as change:
        registered = require_model(change.connection, model)
        require_in_use(change.connection, model)
        process = columns_of(beginning.process)
        new = NewNotebookRun(registered.id, name, actor.name, process, beginning.environment)
        number = notebook_runs.add(change.connection, new, at=change.at)
        first = ((EntryKind.CODE, beginning.code), (EntryKind.PARAMETERS, beginning.parameters))
        if entries := [(kind, body) for kind, body in first if body]:
            notebook_runs.add_entries(change.connection, number, entries, after=0, at=change.at)
        change.record("notebook_run.begun", run_uri(number), {"model": model, "name": name})
    return number


def record(
    services: Services, actor: Actor, number: int, entries: Sequence[tuple[EntryKind, dict[str, Any]]]
) -> None:
    """Append entries to a run; they are durable when this returns.

    Raises NotFoundError, NotAllowedError, ConflictError (it has ended, it is full) or InvalidInputError (a parameter that has
    another value already).
    """
    check_time(services, actor)
    with services.registry.transaction() as connection:
        run = _require_own(connection, actor, number)
        if run.state is not RunState.RUNNING:
            raise ConflictError(f"{run_uri(number)} has ended ({run.state}): begin another run")
        if run.entries + len(entries) > MOST_ENTRIES:
            raise ConflictError(
                f"{run_uri(number)} is full: expected {MOST_ENTRIES:,} entries at most; log several metrics in one call"
            )
        _check_parameters(connection, number, entries)
        at = change_in(services, connection, actor).at
        notebook_runs.add_entries(connection, number, entries, after=run.entries, at=at)


def keep_file(services: Services, actor: Actor, number: int, path: Path, name: str) -> str:
    """Keep a file as an artifact of a run, under ``name``; returns its digest. Raises InvalidInputError (no plain file, too
    large), and as ``record`` does."""
    checked_name(name, "artifact")
    if not path.is_file():
        raise InvalidInputError(f"{path} is not a file: expected the path of one")
    size = path.stat().st_size
    if size > LARGEST_ARTIFACT:
        raise InvalidInputError(f"{path} has {size:,} bytes; expected {LARGEST_ARTIFACT:,} at most")
    with reading(services, actor) as connection:  # before a file is kept that nothing would name
        _require_own(connection, actor, number)
    digest = services.artifacts.put_file(path)
    stored = services.artifacts.path(digest).stat().st_size
    record(services, actor, number, [(EntryKind.ARTIFACT, {"name": name, "digest": digest, "bytes": stored})])
    return digest


def note_data(services: Services, actor: Actor, number: int, rows: bytes, name: str) -> str:
    """Record which rows a run was about, given as the bytes of a parquet file; returns their digest. The rows are not kept.

    The digest is of names, types and values, as that of a training's rows. Raises InvalidInputError (a column of lists or
    structures), and as ``record`` does.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pilothouse.tables.cells import few_types, is_nested
    from pilothouse.tables.digests import content_digest

    table = pq.read_table(pa.BufferReader(rows))
    nested = next((field for field in table.schema if is_nested(field.type)), None)
    if nested is not None:
        raise InvalidInputError(
            f"DataFrame: column {one_line(nested.name, 80)!r} of type {nested.type} has no digest; expected numbers, texts or "
            "times"
        )
    plain = few_types(table)
    columns = [[field.name, str(field.type)] for field in plain.schema]
    digest = content_digest(plain)
    body = {
        "name": checked_name(name, "data set"),
        "digest": digest,
        "rows": plain.num_rows,
        "columns": columns,
    }
    record(services, actor, number, [(EntryKind.DATA, body)])
    return digest


def end(services: Services, actor: Actor, number: int, state: RunState, error: str = "") -> None:
    """End a run as done or failed. Raises NotFoundError, NotAllowedError or ConflictError (it has ended)."""
    with changing(services, actor, Permission.TRAIN, _model_of(services, actor, number), act=_ACT) as change:
        run = _standing(change.connection, number)
        _check_own(actor, run)
        if run.state is not RunState.RUNNING:
            raise ConflictError(f"{run_uri(number)} has ended already ({run.state})")
        _end(change, number, state, error)


def end_lost(services: Services, actor: Actor, process: ProcessName) -> int:
    """End as failed what a process began and has not ended, once it is gone; returns how many. Raises NotAllowedError."""
    if is_alive(process):
        return 0
    with reading(services, actor) as connection:
        numbers = notebook_runs.of_process(connection, process)
    for number in numbers:
        end(services, actor, number, RunState.FAILED, "its process ended without saying how the run ended")
    return len(numbers)


def list_runs(
    services: Services, actor: Actor, model: str | None = None, *, limit: int = 50
) -> list[NotebookRun]:
    """Notebook runs, the newest first, with their parameters and the newest value of each metric. Raises NotFoundError."""
    with reading(services, actor) as connection:
        if model is not None:
            require_model(connection, model)
        return [_brief(connection, found) for found in notebook_runs.listed(connection, model, limit)]


def get_run(services: Services, actor: Actor, number: int) -> NotebookRun:
    """Notebook run of that number with all its entries. Raises NotFoundError."""
    with reading(services, actor) as connection:
        return _whole(connection, _require(connection, number))


def get_runs(services: Services, actor: Actor, numbers: Sequence[int]) -> list[NotebookRun]:
    """Several notebook runs of one state of the registry, to be compared. Raises NotFoundError."""
    with reading(services, actor) as connection:
        return [_whole(connection, _require(connection, number)) for number in numbers]


def _model_of(services: Services, actor: Actor, number: int) -> str:
    with reading(services, actor) as connection:
        return _standing(connection, number).model


def _standing(connection: Connection, number: int) -> Standing:
    found = notebook_runs.standing(connection, number)
    if found is None:
        raise _no_run(number)
    return found


def _require(connection: Connection, number: int) -> RecordedRun:
    found = notebook_runs.find(connection, number)
    if found is None:
        raise _no_run(number)
    return found


def _no_run(number: int) -> NotFoundError:
    return NotFoundError(f"there is no {run_uri(number)}: list them with pilothouse runs")


def _require_own(connection: Connection, actor: Actor, number: int) -> Standing:
    run = _standing(connection, number)
    check(connection, actor, Permission.TRAIN, run.model, act=_ACT)
    _check_own(actor, run)
    return run


def _check_own(actor: Actor, run: Standing) -> None:
    if not actor.has_name(run.started_by):
        raise NotAllowedError(
            f"{run_uri(run.number)} was begun by {run.started_by}: {actor.name} cannot add to it; begin a run of your own"
        )


def _check_parameters(
    connection: Connection, number: int, entries: Sequence[tuple[EntryKind, dict[str, Any]]]
) -> None:
    """Refuse a parameter that has another value already: a run is of one set of them."""
    new = [body for kind, body in entries if kind is EntryKind.PARAMETERS]
    if not new:
        return
    known = notebook_runs.parameters_of(connection, number)
    for body in new:
        for name, value in body.items():
            if known.setdefault(name, value) != value:
                raise InvalidInputError(
                    f"{run_uri(number)}: the parameter {one_line(name, 60)!r} is {one_line(known[name], 60)!r} already; "
                    f"found {one_line(value, 60)!r}: begin another run for another value"
                )


def _end(change: Change, number: int, state: RunState, error: str) -> None:
    entries = notebook_runs.entries_of(change.connection, number)
    digest = digest_of(entries)
    ended = RunEnd(state, one_line(error, LONGEST_TEXT), len(entries), digest, _newest(entries))
    notebook_runs.end(change.connection, number, ended, at=change.at)
    detail = {"state": str(state), "entries": len(entries), "digest": digest, "error": one_line(error, 300)}
    change.record("notebook_run.ended", run_uri(number), detail)


def digest_of(entries: Sequence[Entry]) -> str:
    """sha256 over the entries of a run in their order: kind, body and time (µs) of each, as canonical JSON."""
    return canonical_digest([[str(entry.kind), entry.body, to_us(entry.recorded_at)] for entry in entries])


def _newest(entries: Sequence[Entry]) -> dict[str, Any]:
    """Parameters, and value, step and time of the newest point of each metric, as JSON has them."""
    parameters: dict[str, str] = {}
    metrics: dict[str, list[Any]] = {}
    for entry in entries:
        if entry.kind is EntryKind.PARAMETERS:
            parameters |= entry.body
        elif entry.kind is EntryKind.METRICS:
            step, at = entry.body["step"], to_us(entry.recorded_at)
            metrics |= {name: [value, step, at] for name, value in entry.body["values"].items()}
    return {"parameters": parameters, "metrics": metrics}


def _brief(connection: Connection, found: RecordedRun) -> NotebookRun:
    if found.run.ended_at is None:
        return _whole(connection, found)
    metrics: dict[str, tuple[Point, ...]] = {
        name: (Point(as_number(value), step, from_us(at)),)
        for name, (value, step, at) in found.newest.get("metrics", {}).items()
    }
    return replace(found.run, content=Content(found.newest.get("parameters", {}), metrics))


def _whole(connection: Connection, found: RecordedRun) -> NotebookRun:
    entries = notebook_runs.entries_of(connection, found.run.id)
    is_lost = found.run.state is RunState.RUNNING and not is_alive(found.process)
    return replace(
        found.run,
        state=RunState.LOST if is_lost else found.run.state,
        entries=len(entries),
        content=content_of(entries),
    )
