"""Plans of roll-outs as the tests write them, and roll-outs as values."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pilothouse.domain.rollouts.plan import Plan
from pilothouse.domain.rollouts.rollout import PlaceState, Rollout, RolloutState, RolloutTarget, first_wave

START = datetime(2026, 5, 3, 12, tzinfo=UTC)


def plan(*waves: dict[str, Any], name: str = "careful", **settings: Any) -> Plan:
    """Plan of waves as a file has them, with every key as it is stored."""
    return Plan.from_plain(Plan.from_plain({"name": name, "wave": list(waves), **settings}).to_plain())


TWO_WAVES = plan(
    {"name": "first", "select": {"name": "ewr"}, "step": [{"kind": "live", "bake": "1h"}]},
    {"name": "rest"},
)
"""ewr for an hour, then the others."""
TRIALS = plan(
    {
        "name": "first",
        "select": {"name": "ewr"},
        "step": [
            {"kind": "shadow", "requests": 100},
            {"kind": "canary", "share": 0.1, "requests": 50},
            {"kind": "live"},
        ],
    },
    {"name": "rest"},
)


def rollout(of: Plan, *waves: tuple[str, ...], **other: Any) -> Rollout:
    """A running roll-out of version 2 over ``waves``, before its first step."""
    targets = tuple(
        RolloutTarget(target=target, wave=number, state=PlaceState.WAITING, before=1)
        for number, names in enumerate(waves)
        for target in names
    )
    return Rollout(
        **{
            "id": 7,
            "request_id": 9,
            "model": "delay",
            "version": 2,
            "kind": "promotion",
            "plan": of,
            "salt": "5a" * 16,
            "state": RolloutState.RUNNING,
            "wave": first_wave(of, {one.wave for one in targets}),
            "step": 0,
            "entered_at": None,
            "patience_from": None,
            "released_by": "",
            "why": "",
            "made_by": "pat",
            "recorded_at": START,
            "targets": targets,
            **other,
        }
    )


def with_target(one: Rollout, target: str, state: PlaceState, **other: Any) -> Rollout:
    """The roll-out with a target in another state."""
    changed = tuple(
        replace(place, state=state, **other) if place.target == target else place for place in one.targets
    )
    return replace(one, targets=changed)
