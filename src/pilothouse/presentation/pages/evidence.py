"""Frozen evidence of a promotion request as titled sections of safe cells, for console and command line."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pilothouse.domain.formats.safe_text import LINE_LIMIT, safe
from pilothouse.domain.jobs.replays import (
    check_text,
    is_worse,
    most_changed,
    read_replay,
    replay_line,
    stored_text,
)
from pilothouse.domain.models.evaluation import doubt_of
from pilothouse.presentation.cells import gate_cell
from pilothouse.presentation.tables.rollouts import plan_of_evidence
from pilothouse.presentation.texts import ABSENT, count_text, figure, flatten, parameter_text, value_text
from pilothouse.presentation.version_texts import EQUAL

Section = tuple[str, list[list[str]]]
_GATES, _COMPARISONS = "Gates", "Comparison with what is live"
_METRICS, _SLICES = "Metrics on the hold-out (95 % interval)", "Slices"
_PLAN = "How it goes out: the plan that is approved with it"
GATE_COLUMNS = ("verdict", "gate", "reason")
METRIC_COLUMNS = ("metric", "value", "95 % interval", "rows")
COLUMNS: Mapping[str, Sequence[str]] = {
    _GATES: GATE_COLUMNS,
    _COMPARISONS: GATE_COLUMNS,
    _METRICS: METRIC_COLUMNS,
    _SLICES: ("rows of", *METRIC_COLUMNS),
    _PLAN: ("wave", "targets", "step"),
}
"""Headings of the sections that are tables, by title; rows of all others are a name and what is said of it."""


def evidence_sections(
    evidence: Mapping[str, Any], *, shown: Sequence[str] = (), packages: bool = True
) -> list[Section]:
    """Gates, comparisons and metrics first, since a decision rests on them, then data and training, the environment last.

    ``shown`` names the facts that the page shows elsewhere. Without ``packages`` those of the environment are counted.
    Facts that are not known are left out.
    """
    facts = {key: value for key, value in evidence.items() if key not in shown}
    sections: list[Section] = []
    for replay in _take_tables(facts, "replays"):
        sections.append(("Replay of recorded traffic", _replay_rows(replay)))
    gates = _take_tables(facts, "gates")
    compares = [gate for gate in gates if str(gate.get("gate", "")).startswith("comparison")]
    for title, shown_gates in (
        (_GATES, [gate for gate in gates if gate not in compares]),
        (_COMPARISONS, compares),
    ):
        if shown_gates:
            sections.append((title, [_gate_row(gate) for gate in shown_gates]))
    if (shown_plan := facts.pop("plan", None)) is not None:
        sections.append((_PLAN, plan_of_evidence(shown_plan)))
    for arm in _take_tables(facts, "beside"):
        sections.append((f"Tried beside it: version {safe(value_text(arm.get('version')))}", _arm_rows(arm)))
    if form := _form(facts.get("artifacts")):
        sections.append(("Form that is served", [form]))
    metrics = _take_tables(facts, "metrics")
    if metrics:
        whole = [m for m in metrics if not m.get("slice")]
        sliced = [m for m in metrics if m.get("slice")]
        sections.append((_METRICS, [_metric_row(m) for m in whole]))
        if sliced:
            sections.append((_SLICES, [_metric_row(m) for m in sliced]))
    if isinstance(facts.get("fitted"), list | tuple):
        steps = enumerate(facts.pop("fitted"), 1)
        sections.append(
            ("Fitted, in this order", [[str(i), safe(str(step), LINE_LIMIT)] for i, step in steps])
        )
    environment = facts.pop(_ENVIRONMENT, None)
    tables = {key: facts.pop(key) for key, value in [*facts.items()] if isinstance(value, Mapping)}
    order = sorted(tables, key=lambda key: _ORDER.index(key) if key in _ORDER else len(_ORDER))
    sections += [
        (_title(key), _rows(tables[key], parameter_text if key == "training" else value_text))
        for key in order
    ]
    sections.append(("Facts", _rows({_title(key): value for key, value in facts.items()})))
    if isinstance(environment, Mapping):
        sections.append((_title(_ENVIRONMENT), _environment_rows(environment, packages)))
    return [(title, rows) for title, rows in sections if rows]


def _arm_rows(arm: Mapping[str, Any]) -> list[list[str]]:
    """Gates and metrics of a version that the canaries try too; it gets as large a share as the requested one."""
    tables = dict(arm)
    gates, metrics = _take_tables(tables, "gates"), _take_tables(tables, "metrics")
    return [
        *(_gate_row(gate) for gate in gates),
        *(_metric_row(one) for one in metrics if not one.get("slice")),
        ["trained by", safe(value_text(arm.get("started_by")))],
    ]


def rolled_back_text(evidence: Mapping[str, Any]) -> str:
    """``2026-05-03 14:05 by daemon (request 3): harm …``: that the version went back before; empty where it did not."""
    table = evidence.get("rolled_back")
    if not isinstance(table, Mapping):
        return ""
    of = f" (request {table['request']})" if table.get("request") else ""
    why = f": {table['reason']}" if table.get("reason") else ""
    return safe(f"{str(table.get('at'))[:16].replace('T', ' ')} by {table.get('by')}{of}{why}", LINE_LIMIT)


def worse_replay_lines(evidence: Mapping[str, Any]) -> list[str]:
    """The line of each replay in the evidence that shows the version to be worse."""
    tables = evidence.get("replays")
    replays = [read_replay(table) for table in tables] if isinstance(tables, list | tuple) else []
    return [replay_line(replay) for replay in replays if replay and is_worse(replay)]


def replay_lines_of(evidence: Mapping[str, Any]) -> list[str]:
    """The one line of each replay in the evidence."""
    tables = evidence.get("replays")
    replays = [read_replay(table) for table in tables] if isinstance(tables, list | tuple) else []
    return [
        f"v{replay.version} against v{replay.against} {replay_line(replay)}" for replay in replays if replay
    ]


def _replay_rows(table: Mapping[str, Any]) -> list[list[str]]:
    """What a replay found, its one line first, and where to read all of it."""
    replay, job = read_replay(table), value_text(table.get("job"))
    if replay is None:
        return [["job", safe(job), "its result is of a newer release"]]
    check = replay.found.check
    whole = bool(check.rows) and check.equal == check.rows
    rows = [
        [f"v{replay.version} against v{replay.against}", replay_line(replay)],
        [f"{'●' if whole else '▲'} check on itself", check_text(replay)],
        ["recorded", f"{', '.join(replay.traffic.targets)}: {stored_text(replay.traffic)}"],
    ]
    if changed := most_changed(replay):
        rows.append(["changed most", changed])
    if latency := replay.found.latency:
        rows.append(
            [
                "a call",
                f"median {latency.version_p50:.3f} ms against {latency.against_p50:.3f} ms, on one machine in one run",
            ]
        )
    rows.append(["all of it", f"job {job}: pilothouse job {job}"])
    return [[safe(name), safe(text, LINE_LIMIT)] for name, text in rows]


def _form(artifacts: object) -> list[str]:
    """Whether a version has a portable form, and what that was compared with; empty where nothing is on record."""
    if not isinstance(artifacts, Mapping) or not isinstance(artifacts.get("portable"), str):
        return []
    rows = artifacts.get("portable_rows")
    if not isinstance(rows, int):
        return ["skops", safe(artifacts["portable"], LINE_LIMIT)]
    return ["portable", f"{EQUAL} on {count_text(rows)} rows"]


_ENVIRONMENT = "environment"
_ORDER = ("data", "training", "code", "artifacts")


def _rows(table: Mapping[str, Any], text_of: Callable[[Any], str] = value_text) -> list[list[str]]:
    """Name and value of each fact that is known."""
    shown = ((name, text_of(value)) for name, value in flatten(table))
    return [[safe(name), safe(text, LINE_LIMIT)] for name, text in shown if text != ABSENT]


def _environment_rows(environment: Mapping[str, Any], packages: bool) -> list[list[str]]:
    """The environment, its packages last: each with its version, or their number."""
    listed = environment.get("packages")
    settings = {key: value for key, value in environment.items() if key != "packages"}
    if not isinstance(listed, Mapping):
        return _rows(environment)
    if packages:
        return _rows({**settings, "packages": listed})
    return [*_rows(settings), ["packages", f"{count_text(len(listed))}, listed with --all"]]


def _take_tables(evidence: dict[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    """Remove and return a list of tables; a value of another type stays among the facts."""
    tables = evidence.get(key)
    if isinstance(tables, list | tuple) and all(isinstance(item, Mapping) for item in tables):
        del evidence[key]
        return tables
    return ()


def _gate_row(gate: Mapping[str, Any]) -> list[str]:
    outcome, figures = str(gate.get("outcome", "")), gate.get("figures")
    doubt = doubt_of(outcome, figures) if isinstance(figures, Mapping) else ""
    return [
        gate_cell(outcome, doubt).text,
        safe(str(gate.get("gate", ""))),
        safe(str(gate.get("reason", "")), LINE_LIMIT),
    ]


def _metric_row(metric: Mapping[str, Any]) -> list[str]:
    interval = f"{figure(_number(metric.get('low')))} to {figure(_number(metric.get('high')))}"
    where = str(metric.get("slice") or "")
    return [
        *([safe(where)] if where else []),
        safe(str(metric.get("metric", ""))),
        figure(_number(metric.get("value"))),
        interval,
        f"{_count(metric.get('rows'))} rows",
    ]


def _count(value: object) -> str:
    return count_text(value) if isinstance(value, int) else value_text(value)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _title(key: str) -> str:
    title = safe(key).replace("_", " ")
    return title[:1].upper() + title[1:]
