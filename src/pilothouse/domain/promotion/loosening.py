"""What of a change to a model loosens it, pure, a line each: by the keys of its file and by the code that judges."""

import dataclasses
import functools
import math
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pilothouse.domain.models.dataclass_reader import format_duration
from pilothouse.domain.models.model_spec import (
    METRICS,
    ConnectionSpec,
    DataSpec,
    Duration,
    GatesSpec,
    InventorySpec,
    MetricBound,
    ModelSpec,
    TargetSpec,
)
from pilothouse.domain.promotion.loosening_keys import KEYS, Looser, is_looser

Match = Mapping[str, Any]

_JUDGING = ("task", "data.", "gates.", "targets.match")
"""Keys that decide how one version was judged, in contrast to who decides on it and how it is watched later."""

_WORSE = KEYS["gates.metric.minimum"].why

_WATCHING_ACTIONS = ("monitor", "multivariate")
"""Actions of schedules by which a model is watched."""


def loosened(
    before: ModelSpec,
    after: ModelSpec,
    *,
    code_before: Mapping[str, str] | None = None,
    code_after: Mapping[str, str] | None = None,
    earlier_matches: Mapping[str, Match] | None = None,
) -> list[str]:
    """Changes that make it easier to get a version live or harder to hear that it fails: a line each, with the reason.

    ``code_*``: digests of the files that the gate function can reach, by name; not compared where both are None.
    ``earlier_matches``: what marked the rows of each target when the registry last had it, for targets that ``before`` lacks.
    """
    return [line for _, line in _lines(before, after, code_before, code_after, earlier_matches or {})]


def judged_more_loosely(
    now: ModelSpec,
    then: ModelSpec,
    *,
    code_now: Mapping[str, str] | None = None,
    code_then: Mapping[str, str] | None = None,
) -> list[str]:
    """Ways in which a version that was judged by ``then`` was judged more loosely than by ``now``, a line each.

    The look-back may be set for one training: it is longer than the hold-out, whose rows stay the same. A target that
    ``then`` lacked is for the comparison with what is live to refuse.
    """
    return [
        line
        for key, line in _lines(now, then, code_now, code_then, {})
        if key.startswith(_JUDGING) and key != "data.lookback"
    ]


def loosened_by_new(spec: ModelSpec) -> list[str]:
    """What of a new model needs an admin: all that lets one person, or nobody, put its versions live. A line each."""
    lines = []
    gates, promotion = spec.gates, spec.promotion
    if promotion.automatic:
        lines.append("promotion.automatic: true (a new model whose versions go live without hands)")
        if not gates.metric and gates.function is None:
            lines.append(
                "gates: no metric and no function (the first version, compared with nothing, cannot fail)"
            )
    if cannot_fail(gates):
        lines.append("gates: none of them can fail (every version passes)")
    if promotion.approvals < 1:
        lines.append(f"promotion.approvals: {promotion.approvals} (nobody agrees)")
    if not promotion.four_eyes:
        lines.append("promotion.four_eyes: false (one person can ask and approve)")
    return lines


def cannot_fail(gates: GatesSpec) -> bool:
    """True where every version passes: no gate is set but for bounds that every figure holds."""
    data = gates.data
    return (
        all(_holds_always(bound) for bound in gates.metric)
        and (gates.comparison is None or gates.comparison.margin >= 1)
        and gates.latency is None
        and gates.model_size_mb is None
        and gates.function is None
        and data.minimum_rows <= 1
        and data.maximum_missing >= 1
        and data.maximum_duplicates >= 1
        and data.leakage_auc > 1
    )


def _holds_always(bound: MetricBound) -> bool:
    """True of a bound that no value of its metric breaks: only shares and counts of errors have ends."""
    lowest = 0.0 if bound.metric != "r2" else -math.inf
    highest = 1.0 if METRICS[bound.metric][0] == "higher" else math.inf
    low_holds = bound.minimum is None or bound.minimum <= lowest
    return low_holds and (bound.maximum is None or bound.maximum >= highest)


def differing_files(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Files whose digests differ: ``gate.py changed``, ``rules.py new``, ``limits.json gone``."""
    return [
        f"{name} {'new' if name not in before else 'gone' if name not in after else 'changed'}"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def _lines(
    before: ModelSpec,
    after: ModelSpec,
    code_before: Mapping[str, str] | None,
    code_after: Mapping[str, str] | None,
    earlier_matches: Mapping[str, Match],
) -> Iterator[tuple[str, str]]:
    """(key, line) of every loosening."""
    unattended = after.promotion.automatic
    for key, old, new in _values(before, after):
        rule = KEYS[key]
        if (unattended or not rule.unattended) and is_looser(rule, old, new):
            yield key, f"{key}: {_shown(key, old)} → {_shown(key, new)} ({rule.why})"
    yield from _tables_gone(before.gates, after.gates)
    yield from _loosened_metrics(before.gates.metric, after.gates.metric)
    yield from _loosened_comparison(before, after)
    yield from _loosened_code(before, after, code_before, code_after)
    yield from _loosened_targets(before, after, earlier_matches)
    yield from _loosened_timers(before, after)
    yield from _loosened_contract(before, after)


def _values(before: ModelSpec, after: ModelSpec) -> Iterator[tuple[str, Any, Any]]:
    """Key with both values, of every key that is compared by itself."""
    yield from _fields(before, after, "")
    for table in ("data", "promotion", "monitoring", "automation", "gates", "training"):
        yield from _fields(getattr(before, table), getattr(after, table), f"{table}.")
    yield from _fields(before.gates.data, after.gates.data, "gates.data.")
    for table in ("comparison", "latency"):
        old, new = getattr(before.gates, table), getattr(after.gates, table)
        if old is not None and new is not None:
            yield from _fields(old, new, f"gates.{table}.")
    yield from _csv_values(before.data, after.data)
    nowhere = ConnectionSpec()
    connections = (before.data.connection or nowhere, after.data.connection or nowhere)
    yield from _fields(*connections, "data.connection.")
    yield from _inventory_values(before, after)


def _loosened_contract(before: ModelSpec, after: ModelSpec) -> Iterator[tuple[str, str]]:
    """Rules of columns that are gone or others now; a rule of a column that had none loosens nothing."""
    now = after.contract or {}
    for name, old in (before.contract or {}).items():
        if name not in now:
            yield "contract.type", f"contract.{name}: gone ({KEYS['contract.type'].why})"
            continue
        for key, was, is_now in _fields(old, now[name], "contract."):
            rule = KEYS[key]
            if is_looser(rule, was, is_now) if rule.looser is not Looser.TABLE else was != is_now:
                place = f"contract.{name}.{key.rpartition('.')[2]}"
                yield key, f"{place}: {_shown(key, was)} → {_shown(key, is_now)} ({rule.why})"


def _fields(old: Any, new: Any, prefix: str) -> Iterator[tuple[str, Any, Any]]:
    for field in dataclasses.fields(old):
        key = prefix + field.name
        if key in KEYS and key not in _COMPARED_APART:
            yield key, getattr(old, field.name), getattr(new, field.name)


def _csv_values(before: DataSpec, after: DataSpec) -> Iterator[tuple[str, Any, Any]]:
    """Keys of the dialect; no table is the same as an empty one."""
    if before.csv == after.csv:
        return
    for key in (key for key in KEYS if key.startswith("data.csv.")):
        name = key.rpartition(".")[2]
        yield key, getattr(before.csv, name, ""), getattr(after.csv, name, "")


def _inventory_values(before: ModelSpec, after: ModelSpec) -> Iterator[tuple[str, Any, Any]]:
    """Keys of the inventory that said something: what is said for the first time loosens nothing."""
    nothing = InventorySpec()
    old, new = before.inventory or nothing, after.inventory or nothing
    for key, was, now in _fields(old, new, "inventory."):
        if was:
            yield key, was, now


_COMPARED_APART = ("gates.comparison.metric", "gates.comparison.confidence", "gates.function")


def _tables_gone(before: GatesSpec, after: GatesSpec) -> Iterator[tuple[str, str]]:
    for table in ("comparison", "latency"):
        if getattr(before, table) is not None and getattr(after, table) is None:
            yield f"gates.{table}", f"gates.{table}: gone (nothing judges it)"


def _loosened_metrics(
    before: tuple[MetricBound, ...], after: tuple[MetricBound, ...]
) -> Iterator[tuple[str, str]]:
    """Every old bound must be held by some new one of the same metric and slice."""
    for old in before:
        same = [new for new in after if (new.metric, new.slice) == (old.metric, old.slice)]
        where = f"gates.metric {old.metric}" + (f" by {old.slice}" if old.slice else "")
        if old.minimum is not None and not any(
            new.minimum is not None and new.minimum >= old.minimum and new.minimum_rows <= old.minimum_rows
            for new in same
        ):
            kept = [(new.minimum, new.minimum_rows) for new in same if new.minimum is not None]
            line = (
                f"{where}: the minimum {_bound_change(old, old.minimum, max(kept, default=None))} ({_WORSE})"
            )
            yield "gates.metric", line
        if old.maximum is not None and not any(
            new.maximum is not None and new.maximum <= old.maximum and new.minimum_rows <= old.minimum_rows
            for new in same
        ):
            kept = [(new.maximum, new.minimum_rows) for new in same if new.maximum is not None]
            line = (
                f"{where}: the maximum {_bound_change(old, old.maximum, min(kept, default=None))} ({_WORSE})"
            )
            yield "gates.metric", line


def _bound_change(old: MetricBound, value: float, new: tuple[float, int] | None) -> str:
    """``0.7 → 0.65``, with the rows of a slice from which it is judged where there is a slice, or ``0.7 is gone``."""
    if new is None:
        return f"{value:g} is gone"
    if not old.slice and value != new[0]:
        return f"{value:g} → {new[0]:g}"
    of = "of slices of" if old.slice else "from"
    return f"{value:g} {of} {old.minimum_rows} rows → {new[0]:g} {of} {new[1]} rows"


def _loosened_comparison(before: ModelSpec, after: ModelSpec) -> Iterator[tuple[str, str]]:
    """The metric of the comparison follows the primary one where it is not named. A wider interval fails less often, but
    passes less often where the whole of it has to be better."""
    old, new = before.gates.comparison, after.gates.comparison
    if old is None or new is None:
        return
    old_metric, new_metric = old.metric or before.primary_metric, new.metric or after.primary_metric
    if old_metric != new_metric:
        key = "gates.comparison.metric"
        yield key, f"{key}: {old_metric} → {new_metric} ({KEYS[key].why})"
    widened = new.confidence > old.confidence
    if new.confidence != old.confidence and (
        widened if new.require != "better" else not widened and old.require == "better"
    ):
        key = "gates.comparison.confidence"
        yield key, f"{key}: {old.confidence:g} → {new.confidence:g} ({KEYS[key].why})"


def _loosened_code(
    before: ModelSpec,
    after: ModelSpec,
    code_before: Mapping[str, str] | None,
    code_after: Mapping[str, str] | None,
) -> Iterator[tuple[str, str]]:
    """Another gate function, or another body of the same: the digests of all files that it can reach."""
    key, old, new = "gates.function", before.gates.function, after.gates.function
    if old is None:
        return
    if new is None:
        yield key, f"{key}: {old} → none (nothing judges it)"
    elif new != old:
        yield key, f"{key}: {old} → {new} ({KEYS[key].why})"
    elif code_before is None and code_after is None:
        return
    elif not code_before:
        yield key, f"{key}: {old} (not comparable: its code was never recorded)"
    elif files := differing_files(code_before, code_after or {}):
        yield key, f"{key}: {old}: {', '.join(files)} (not comparable: other code judges)"


def _loosened_targets(
    before: ModelSpec, after: ModelSpec, earlier_matches: Mapping[str, Match]
) -> Iterator[tuple[str, str]]:
    old, new = _by_name(before.targets), _by_name(after.targets)
    for name in old.keys() - new.keys():
        yield "targets.name", f"targets.{name}: gone or renamed ({KEYS['targets.name'].why})"
    matches = {**earlier_matches, **{name: target.match for name, target in old.items()}}
    for name, target in new.items():
        if name in matches and matches[name] != target.match:
            shown = f"{_shown('', matches[name])} → {_shown('', target.match)}"
            yield "targets.match", f"targets.{name}.match: {shown} ({KEYS['targets.match'].why})"
        if name not in old and after.promotion.automatic:
            yield "targets.name", f"targets.{name}: new (versions go live there without hands)"


def _by_name(targets: Iterable[TargetSpec]) -> dict[str, TargetSpec]:
    return {target.name: target for target in sorted(targets, key=lambda target: target.name)}


def _loosened_timers(before: ModelSpec, after: ModelSpec) -> Iterator[tuple[str, str]]:
    """Schedules and triggers that are new or changed where versions go live by them; schedules of watching that are gone or
    changed."""
    unattended = after.promotion.automatic
    for kind in ("schedule", "trigger"):
        old, new = ({one.name: one for one in getattr(spec.automation, kind)} for spec in (before, after))
        key = f"automation.{kind}"
        for name in sorted({*old, *new}):
            a, b = old.get(name), new.get(name)
            if a == b:
                continue
            how = "new" if a is None else "gone" if b is None else "changed"
            if kind == "schedule" and a is not None and a.action in _WATCHING_ACTIONS:
                yield key, f"{key} {name}: {how} (not comparable: the model is watched by it)"
            elif unattended and b is not None and (kind == "trigger" or b.action == "train"):
                yield key, f"{key} {name}: {how} ({KEYS[f'{key}.name'].why})"


@functools.cache
def _durations() -> frozenset[str]:
    """Keys whose values are durations."""
    return frozenset(_duration_keys(ModelSpec, ""))


def _duration_keys(kind: Any, prefix: str) -> Iterator[str]:
    for name, hint in typing.get_type_hints(kind).items():
        for part in (hint, *typing.get_args(hint)):
            if part is Duration:
                yield prefix + name
            elif dataclasses.is_dataclass(part):
                yield from _duration_keys(part, f"{prefix}{name}.")


def _shown(key: str, value: Any) -> str:
    if value is None or value in ((), {}, ""):
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and key in _durations():
        return format_duration(value)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {item}" for name, item in sorted(value.items())) + " }"
    return str(value) or "none"
