"""Frozen evidence of a promotion request as titled sections of safe cells, for console and command line."""

from collections.abc import Mapping, Sequence
from typing import Any

from pilothouse.domain.evaluation import passed_though_worse
from pilothouse.domain.safe_text import LINE_LIMIT, safe
from pilothouse.presentation.cells import gate_cell
from pilothouse.presentation.texts import count_text, figure, flatten, value_text

Section = tuple[str, list[list[str]]]


def evidence_sections(evidence: Mapping[str, Any], *, shown: Sequence[str] = ()) -> list[Section]:
    """Gates and metrics first, since a decision rests on them; everything else after, so that nothing is hidden.

    ``shown`` names the facts that the page shows elsewhere.
    """
    facts = {key: value for key, value in evidence.items() if key not in shown}
    sections: list[Section] = []
    gates = _take_tables(facts, "gates")
    if gates:
        sections.append(("Gates", [_gate_row(gate) for gate in gates]))
    metrics = _take_tables(facts, "metrics")
    if metrics:
        whole = [m for m in metrics if not m.get("slice")]
        sliced = [m for m in metrics if m.get("slice")]
        sections.append(("Metrics on the hold-out (95 % interval)", [_metric_row(m) for m in whole]))
        if sliced:
            sections.append(("Slices", [_metric_row(m) for m in sliced]))
    for key in [key for key, value in facts.items() if isinstance(value, Mapping) and value]:
        table = facts.pop(key)
        rows = [[safe(name), safe(value_text(value), LINE_LIMIT)] for name, value in flatten(table)]
        sections.append((_title(key), rows))
    if facts:
        rows = [[safe(_title(key)), safe(value_text(value), LINE_LIMIT)] for key, value in facts.items()]
        sections.append(("Facts", rows))
    return sections


def _take_tables(evidence: dict[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    """Remove and return a list of tables; a value of another type stays among the facts."""
    tables = evidence.get(key)
    if isinstance(tables, list | tuple) and all(isinstance(item, Mapping) for item in tables):
        del evidence[key]
        return tables
    return ()


def _gate_row(gate: Mapping[str, Any]) -> list[str]:
    outcome, figures = str(gate.get("outcome", "")), gate.get("figures")
    worse = isinstance(figures, Mapping) and passed_though_worse(outcome, figures)
    return [
        gate_cell(outcome, worse=worse).text,
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
