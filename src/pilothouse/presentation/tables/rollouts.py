"""Roll-outs and plans as tables."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.models.dataclass_reader import format_duration
from pilothouse.domain.rollouts.plan import Clock, Plan, Step
from pilothouse.domain.rollouts.rollout import PlaceState, Rollout, RolloutState
from pilothouse.presentation.cells import Cell, Tone, cell
from pilothouse.presentation.tables.table import Table, table_of
from pilothouse.presentation.texts import ago_text

_STATES: dict[RolloutState, tuple[str, Tone]] = {
    RolloutState.RUNNING: ("◐", "info"),
    RolloutState.PAUSED: ("▲", "warn"),
    RolloutState.COMPLETED: ("●", "good"),
    RolloutState.ABORTED: ("◌", "dim"),
    RolloutState.ROLLED_BACK: ("✖", "bad"),
    RolloutState.SUPERSEDED: ("◌", "dim"),
}
PLACES: dict[PlaceState, tuple[str, Tone]] = {
    PlaceState.WAITING: ("○", "dim"),
    PlaceState.SHADOW: ("◔", "info"),
    PlaceState.CANARY: ("◑", "info"),
    PlaceState.LIVE: ("●", "good"),
    PlaceState.BACK: ("↶", "warn"),
    PlaceState.PASSED_OVER: ("▽", "warn"),
}
"""Glyph and tone of a target's state; its name stands beside the glyph wherever there is room."""


def rollout_cell(state: RolloutState) -> Cell:
    """``◐ running``."""
    glyph, tone = _STATES[state]
    return Cell(f"{glyph} {state}", tone)


def place_cell(state: PlaceState, share: float | None = None) -> Cell:
    """``◑ canary 10 %``."""
    glyph, tone = PLACES[state]
    return Cell(f"{glyph} {state}{f' {100 * share:.4g} %' if share else ''}", tone)


def step_text(rollout: Rollout) -> str:
    """``2 of 3 rest: canary 10 %``; empty once it has ended."""
    return safe(rollout.place_text) if rollout.state.is_open else ""


def rollout_table(rollouts: Sequence[Rollout], now: datetime) -> Table:
    """A row for each roll-out, as they are given; the step where one is on its way."""
    step = {"WAVE AND STEP ~12": lambda r: cell(step_text(r))}
    return table_of(
        rollouts,
        {
            ">ROLL-OUT": lambda r: cell(r.id, "strong"),
            "STATE": lambda r: rollout_cell(r.state),
            "MODEL ~8": lambda r: cell(r.model),
            ">VERSION": lambda r: cell(f"v{r.version}"),
            **(step if any(r.state.is_open for r in rollouts) else {}),
            "LIVE": lambda r: cell(_live(r)),
            "SINCE": lambda r: cell(ago_text(r.ended_at or r.entered_at or r.recorded_at, now)),
            "PLAN ~6 !2": lambda r: cell(r.plan.name),
            ">REQUEST !1": lambda r: cell(r.request_id),
            "WHY ~10": lambda r: cell(r.why),
        },
        key=lambda r: r.id,
        empty="no roll-out is on its way: a request of a model with promotion.plan makes one when it is approved; "
        "pilothouse rollout list --all shows those that have ended",
        fields=lambda r: (("model", r.model),),
    )


def _live(rollout: Rollout) -> str:
    live = sum(one.state is PlaceState.LIVE for one in rollout.targets)
    return f"{live} of {len(rollout.targets)}"


def step_line(step: Step) -> str:
    """``canary 10 %, ends by evidence, 50 requests, bakes 30m``."""
    parts = [step.title, f"ends by {step.ends_by}"]
    parts += [f"{step.requests:,} requests at least"] if step.requests else []
    parts += [f"{step.judged:,} with outcomes at least"] if step.judged else []
    parts += ["whether or not outcomes are known"] if step.is_blind else []
    clock = " by the event clock" if step.clock is Clock.EVENT else ""
    parts += [f"bakes {format_duration(step.bake)}{clock}"] if step.bake else []
    return ", ".join(parts)


def select_text(select: dict[str, object]) -> str:
    """``region eu, business_unit !retail``; ``every target that is left``."""
    if not select:
        return "every target that is left"
    return ", ".join(f"{safe(key)} {safe(_wanted(value))}" for key, value in select.items())


def _wanted(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key}={_wanted(text)}" for key, text in value.items())
    return " or ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def plan_rows(plan: Plan) -> list[list[str]]:
    """Wave, targets and step of every step of a plan: the first two once for each wave."""
    return [
        [
            f"{number + 1} {safe(plan.waves[number].name)}" if place == 0 else "",
            select_text(plan.waves[number].select) if place == 0 else "",
            step_line(step),
        ]
        for number, place, step in plan.steps()
    ]


_NAMED = 4


def plan_of_evidence(shown: Mapping[str, Any]) -> list[list[str]]:
    """Rows of the plan that a request's evidence shows: wave, its targets, and each step."""
    try:
        plan, waves = Plan.from_plain(shown["plan"]), shown["targets"]
        rows = [[safe(plan.name), f"{len(plan.waves)} waves", f"digest {safe(shown['digest'][:16])}"]]
        for number, place, step in plan.steps():
            first = place == 0
            name = f"{number + 1} {safe(plan.waves[number].name)}" if first else ""
            rows.append([name, _targets(waves[number]) if first else "", step_line(step)])
        promised = f"{100 * plan.false_rollbacks:.3g} % of roll-backs without cause"
        rows.append(["promised", promised, f"worse by up to {plan.margin:g} counts as not worse"])
        bounds = [("decided otherwise", plan.changed), ("scores that move", plan.moved)]
        return rows + [
            ["harm", f"{what}: more than {100 * at:.3g} %", ""] for what, at in bounds if at is not None
        ]
    except (KeyError, IndexError, TypeError, ValueError):
        return [["a plan that this release does not read", "", ""]]


def _targets(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(safe(name) for name in names[:_NAMED]) + more or "no target of this request"


def rollout_plain(one: Rollout) -> dict[str, object]:
    """A roll-out for JSON, without the text of its plan."""
    return {
        "id": one.id,
        "request": one.request_id,
        "model": one.model,
        "version": one.version,
        "state": one.state,
        "plan": one.plan.name,
        "plan_digest": one.plan.digest,
        "wave": one.wave,
        "step": one.step,
        "entered_at": one.entered_at,
        "why": one.why,
        "made_by": one.made_by,
        "recorded_at": one.recorded_at,
        "ended_at": one.ended_at,
        "ended_by": one.ended_by,
        "superseded_by": one.superseded_by,
        "targets": list(one.targets),
        "beside": list(one.arms),
    }
