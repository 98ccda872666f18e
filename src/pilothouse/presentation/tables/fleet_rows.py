"""The fleet as a table: a row a target, a column a model, groups by region, product or business unit."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import product
from types import MappingProxyType

from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.monitoring.fleet import Fleet, RollOut
from pilothouse.domain.monitoring.monitoring import Health, TargetState
from pilothouse.domain.records import Deployment
from pilothouse.domain.targets import Difference
from pilothouse.presentation.cells import HEALTH, Cell, Tone, cell
from pilothouse.presentation.tables.table import Column, Row, Table
from pilothouse.presentation.texts import counted, span_text
from pilothouse.presentation.width import display_width

GROUPINGS = ("region", "product", "business unit", "nothing")
CELL_WIDTH = 24
_FIRST = 18


def columns_that_fit(width: int) -> int:
    """Number of models that a table of ``width`` has room for."""
    return max(1, (width - _FIRST - 2) // (CELL_WIDTH + 2))


def fleet_table(
    fleet: Fleet,
    chosen: str,
    grouping: str,
    now: datetime,
    differences: Mapping[tuple[str, str], Difference] = MappingProxyType({}),
) -> Table:
    """A row a target under its group's; the cells of the models in the window with version, health and for how long.
    ``differences``: where a target runs another version than it should, by model and target."""
    models = fleet.window
    columns = (
        Column("TARGET", least=_FIRST),
        *(
            Column(("▶" if model == chosen else "") + safe(model, 20).upper(), least=12, shrink=True)
            for model in models
        ),
    )
    states = {(state.model, state.target): state for state in fleet.states}
    coming = {
        (r.model, t): f" {'◆' if r.waits else '→'}v{r.version}"
        for r in reversed(fleet.roll_outs)
        for t in r.to_come
    }
    coming |= {(r.model, t): f" ◑v{r.version}" for r in fleet.roll_outs for t in r.trials}
    coming |= {(r.model, t): " ▶ loads" for r in fleet.roll_outs for t in r.under_way}
    coming |= {(r.model, t): " ✖ failed" for r in fleet.roll_outs for t in r.failed}
    rows: list[Row] = []
    for group, targets in _groups(fleet, grouping):
        heading = f"/{group or f'no {grouping}'}" if grouping != "nothing" else ""
        if heading:
            members = [states[key] for key in product(models, targets) if key in states]
            rows.append(_group_row(heading, len(targets), members, models))
        for target in targets:
            cells = [
                _state_cell(
                    states.get((m, target)), coming.get((m, target), ""), now, differences.get((m, target))
                )
                for m in models
            ]
            indent = "" if grouping == "nothing" else "  "
            rows.append(Row(target, (cell(f"{indent}{safe(target)}", "strong"), *cells), part_of=heading))
    return Table(
        columns,
        tuple(rows),
        "no targets yet: name them in models/NAME/model.toml under [[targets]], then pilothouse apply",
    )


def targets_below(fleet: Fleet, grouping: str, key: str) -> list[str]:
    """Targets that a row of the table stands for: its own, or those of its group."""
    if not key.startswith("/"):
        return [key] if key else []
    groups = {f"/{group or f'no {grouping}'}": targets for group, targets in _groups(fleet, grouping)}
    return list(groups.get(key, ()))


def roll_out_lines(fleet: Fleet, most: int) -> list[Cell]:
    """``most`` roll-outs, newest first, and the number of the others."""
    lines = _roll_out_lines(fleet.roll_outs[:most])
    more = len(fleet.roll_outs) - len(lines) + fleet.more_roll_outs
    return [*lines, Cell(f" … and {more:,} more", "dim")] if more else lines


def _roll_out_lines(roll_outs: Sequence[RollOut]) -> list[Cell]:
    """``◐ flight-delay v3 rolls out, 1 of 3: ● ewr  ▶ jfk  ○ lga (request 7)``: a line for each roll-out with the state of each
    target: answering, loading, failed, to come."""
    lines = []
    for r in roll_outs:
        if r.waits:
            text = f"◆ {safe(r.model)} v{r.version} waits for a decision: {' '.join(map(safe, r.to_come or r.there))}"
            lines.append(Cell(f" {text} (request {r.request})", "info"))
            continue
        behind = {*r.under_way, *r.failed}
        done, total = len(r.there) - len(behind), len(r.there) + len(r.to_come)
        targets = [
            *(f"● {safe(t)}" for t in r.there if t not in behind),
            *(f"▶ {safe(t)} loads" for t in r.under_way),
            *(f"✖ {safe(t)} failed" for t in r.failed),
            *(f"◑ {safe(t)} on trial" for t in r.trials),
            *(f"○ {safe(t)} to come" for t in r.to_come if t not in r.trials),
        ]
        by = f"request {r.request}" if r.rollout is None else f"roll-out {r.rollout}: {safe(r.step)}"
        text = f"◐ {safe(r.model)} v{r.version} rolls out, {done} of {total}: {'  '.join(targets)}"
        lines.append(Cell(f" {text} ({by})", "bad" if r.failed else "info"))
    return lines


def tiles(counts: Mapping[Health, int]) -> list[Cell]:
    """``4 deployments   ✖ 1 critical   ● 3 healthy``: the number of each health, the worst first."""
    total = sum(counts.values())
    cells = [Cell(f" {total:,} deployment{'' if total == 1 else 's'}", "strong")]
    for health, count in counts.items():
        glyph, tone = HEALTH[health]
        cells += [Cell("   "), Cell(f"{glyph} {count:,} {health}", tone)]
    return cells


def overview_tiles(
    models: int, healths: Mapping[Health, int], counts: Sequence[tuple[str, int, Tone]], width: int
) -> list[Cell]:
    """``2 models, 3 deployments   ✖ 1 critical   ● 2 healthy   waiting for you 1   alerts 3   jobs 1``, in fewer words the less
    ``width`` there is, so that no number is cut."""
    deployments = sum(healths.values())
    whole = f"{counted(models, 'model')}, {deployments:,} deployment{'' if deployments == 1 else 's'}"
    cells: list[Cell] = []
    for gap, words, short in (
        ("   ", True, False),
        ("  ", True, True),
        ("  ", False, True),
        (" ", False, True),
    ):
        cells = [Cell(whole if not short else counted(models, "model"), "strong")]
        for health, count in healths.items():
            glyph, tone = HEALTH[health]
            cells += [Cell(gap), Cell(f"{glyph} {count:,} {health}" if words else f"{glyph}{count:,}", tone)]
        for name, count, tone in counts:
            cells += [Cell(gap), Cell(f"{name.split()[0] if short else name} ", "dim")]
            cells.append(Cell(f"{count:,}", tone if count else "dim"))
        if display_width("".join(cell.text for cell in cells)) <= width:
            break
    return cells


def _groups(fleet: Fleet, grouping: str) -> list[tuple[str, list[str]]]:
    groups: dict[str, list[str]] = {}
    for place in fleet.places:
        name = {"region": place.region, "product": place.product, "business unit": place.business_unit}.get(
            grouping, ""
        )
        groups.setdefault(name, []).append(place.target)
    return sorted(groups.items())


def _group_row(heading: str, targets: int, members: Sequence[TargetState], models: Sequence[str]) -> Row:
    counts = Counter((state.model, state.health) for state in members)
    cells = []
    for model in models:
        parts = [f"{HEALTH[h][0]} {counts[model, h]}" for h in Health if counts[model, h]]
        cells.append(Cell("  ".join(parts), "dim"))
    return Row(heading, (Cell(f"{safe(heading[1:], 40)} ({targets})", "info"), *cells), is_heading=True)


def _state_cell(
    state: TargetState | None, coming: str, now: datetime, differs: Difference | None = None
) -> Cell:
    """``✖ v3 critical 12d →v4``: how long it has been so. Nothing says since when a deployment is healthy. A target that runs
    another version than it should says so first: ``● v3 ≠v2 5m healthy``; of one that is down nobody knows what it runs."""
    actual = "" if differs is None else f"≠{f'v{differs.actual}' if differs.actual is not None else 'none'}"
    actual = (
        actual
        if differs is None
        else f"{actual} {span_text(max(0.0, (now - differs.since).total_seconds()))}"
    )
    if state is None:
        return Cell(actual, "warn")
    glyph, tone = HEALTH[state.health]
    live = state.deployment
    if live is None:
        return Cell(f"{glyph} {state.health}{f' {actual}' if actual else ''}{coming}", tone)
    if actual and state.health is not Health.DOWN:
        return Cell(f"{glyph} v{live.version} {actual} {state.health}{coming}", _worse(tone))
    age = _age_s(state, live, now)
    text = f" {span_text(age)}" if age is not None else ""
    return Cell(f"{glyph} v{live.version} {state.health}{text}{coming}", tone)


def _worse(tone: Tone) -> Tone:
    """Tone of a cell that is to be looked at whatever its health is."""
    return tone if tone == "bad" else "warn"


def _age_s(state: TargetState, live: Deployment, now: datetime) -> float | None:
    """Seconds for which a deployment has been so, by the data; by the wall clock where its process or its traffic is gone, or
    none has come yet."""
    since, clock = state.since, state.event_clock
    if state.health is Health.NO_DATA:
        since, clock = live.recorded_at, now
    if since is None or state.health is Health.HEALTHY:
        return None
    if clock is None or clock < since or state.health in (Health.DOWN, Health.NO_TRAFFIC):
        clock = now
    return max(0.0, (clock - since).total_seconds())
