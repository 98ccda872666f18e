"""Notebook runs as tables: the list, one run as pairs, and several side by side."""

from collections.abc import Sequence
from datetime import timedelta

from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.jobs.notebook_runs import NotebookRun, RunState, compared
from pilothouse.presentation.cell import Cell, Tone, cell
from pilothouse.presentation.tables.table import Column, Row, Table, read_columns, table_of
from pilothouse.presentation.texts import time_text

EMPTY = 'no notebook runs yet: a program records one with pilothouse.run("MODEL"), see docs/python.md'
NOTE = "a notebook run is a record: it makes no version, and nothing of it can be requested or deployed"
_TONES: dict[RunState, Tone] = {
    RunState.RUNNING: "info",
    RunState.DONE: "good",
    RunState.FAILED: "bad",
    RunState.LOST: "warn",
}
_SHOWN = 3
_LONGEST = 60


def notebook_run_table(runs: Sequence[NotebookRun]) -> Table:
    """A row for each run, as they come."""
    return table_of(
        runs,
        {
            ">RUN": lambda r: Cell(str(r.id)),
            "MODEL ~10": lambda r: cell(r.model),
            "NAME ~8-16 !2": lambda r: cell(r.name),
            "STATE": lambda r: Cell(str(r.state), _TONES[r.state]),
            "STARTED !1": lambda r: Cell(time_text(r.started_at)),
            "BY ~6 !3": lambda r: cell(r.started_by),
            "METRICS ~12": lambda r: cell(_few_metrics(r)),
        },
        key=lambda r: r.id,
        empty=EMPTY,
    )


def run_pairs(run: NotebookRun) -> list[tuple[str, str]]:
    """(name, text) of what is on record of a run, but for its metrics."""
    content, code = run.content, run.content.code
    ended = f", took {_seconds(run.ended_at - run.started_at)}" if run.ended_at else ""
    pairs = [
        ("run", f"{run.uri} {run.name}".strip()),
        ("model", run.model),
        ("state", f"{run.state}{f': {run.error}' if run.error else ''}"),
        ("started", f"{time_text(run.started_at)} by {run.started_by}{ended}"),
        ("python", str(run.environment.get("python", ""))),
        ("platform", str(run.environment.get("platform", ""))),
        ("packages", f"{len(run.environment.get('packages', {}))}"),
    ]
    if code.get("commit"):
        dirty = ", with changes that no commit has" if code.get("dirty") else ""
        pairs.append(("code", f"{code['commit'][:12]} on {code.get('branch') or 'no branch'}{dirty}"))
    if code.get("note"):
        pairs.append(("code", str(code["note"])))
    pairs += [
        (f"data {safe(one.name, _LONGEST)}", f"{one.rows:,} rows, {one.digest}") for one in content.data
    ]
    pairs += [
        (f"file {safe(one.name, _LONGEST)}", f"{one.bytes:,} bytes, {one.digest}")
        for one in content.artifacts
    ]
    pairs += [(f"tag {safe(name, _LONGEST)}", text) for name, text in sorted(content.tags.items())]
    pairs += [("digest", run.digest)] if run.digest else []
    return pairs


def run_parameter_table(run: NotebookRun) -> Table:
    """Parameters of a run by name."""
    rows = [Row(name, (cell(name), cell(value))) for name, value in sorted(run.content.parameters.items())]
    return Table(read_columns("PARAMETER ~10", "VALUE ~10"), tuple(rows), "no parameters")


def run_metric_table(run: NotebookRun) -> Table:
    """Each metric of a run: newest, lowest and highest value, and how many there are."""
    rows = []
    for name, points in sorted(run.content.metrics.items()):
        values = [point.value for point in points]
        texts = (name, f"{values[-1]:.6g}", f"{min(values):.6g}", f"{max(values):.6g}", f"{len(values):,}")
        rows.append(Row(name, tuple(cell(text) for text in texts)))
    columns = read_columns("METRIC ~10", ">NEWEST", ">LOWEST", ">HIGHEST", ">VALUES")
    return Table(columns, tuple(rows), "no metrics")


def run_comparison_table(runs: Sequence[NotebookRun], *, everything: bool = False) -> Table:
    """A row for each parameter, metric and data set in which the runs differ, or for all."""
    rows = [
        Row(
            f"{kind} {name}",
            (Cell(kind, "dim"), cell(name), *(cell(_value(value)) for value in values)),
        )
        for kind, name, values in compared(runs)
        if everything or len(set(values)) > 1
    ]
    columns = (*read_columns("KIND", "NAME ~10"), *(Column(run.uri, shrink=True, least=8) for run in runs))
    return Table(columns, tuple(rows), "no difference")


def _value(value: str | float | None) -> str | None:
    if value is None:
        return None
    return f"{value:.6g}" if isinstance(value, float) else safe(value, _LONGEST)


def _few_metrics(run: NotebookRun) -> str:
    newest = sorted(run.content.last.items())
    texts = [f"{safe(name, 24)} {value:.4g}" for name, value in newest[:_SHOWN]]
    return ", ".join(texts) + (f" and {len(newest) - _SHOWN} more" if len(newest) > _SHOWN else "")


def _seconds(time: timedelta) -> str:
    seconds = time.total_seconds()
    return f"{seconds:.1f} s" if seconds < 600 else f"{seconds / 60:,.0f} min"
