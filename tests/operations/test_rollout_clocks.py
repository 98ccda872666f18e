"""Patience and least time of a step stand still in a freeze and while no daemon runs."""

import dataclasses
from datetime import timedelta
from pathlib import Path

from pilothouse.domain.identity.roles import DAEMON, Permission
from pilothouse.domain.rollouts.rollout import RolloutState
from pilothouse.operations.authorisation import changing
from pilothouse.operations.promotion import freezes
from pilothouse.operations.rollouts.standing import move_on_after
from support.rollout_plans import TWO_WAVES, plan
from support.rollout_workspace import RolloutWorkspace

WAITS = plan(
    {
        "name": "first",
        "select": {"name": "ewr"},
        "step": [{"kind": "live", "requests": 10, "patience": "2h", "bake": "1h"}],
    },
    {"name": "rest"},
)


def frozen_for(place: RolloutWorkspace, hours: int) -> None:
    """The model is frozen, and the freeze is lifted after so many hours."""
    ada = place.example.actor("ada")
    freezes.set_freeze(
        place.services, ada, "all", "2026-01-01 00:00", "2027-01-01 00:00", "UTC", reason="year"
    )
    place.keep()
    place.example.pass_time(hours=hours)
    place.keep()
    freezes.lift_freeze(place.services, ada, "all", "over")


def test_a_least_time_does_not_go_on_in_a_freeze(tmp_path: Path) -> None:
    place = RolloutWorkspace(tmp_path / "workspace", TWO_WAVES)
    number = place.begin()
    place.keep()
    place.example.pass_time(minutes=30)
    frozen_for(place, 5)
    place.keep()

    assert place.live()["jfk"] == 1, "half an hour of the hour is left"
    place.example.pass_time(minutes=29)
    place.keep()
    assert place.live()["jfk"] == 1
    place.example.pass_time(minutes=2)
    place.keep()
    assert place.live()["jfk"] == 2
    assert place.events(number)[:4] == ["made", "entered", "stands", "moves on"]


def test_a_patience_does_not_go_on_in_a_freeze(tmp_path: Path) -> None:
    place = RolloutWorkspace(tmp_path / "workspace", WAITS)
    number = place.begin()
    place.keep()
    frozen_for(place, 5)
    place.keep()
    assert place.rollout(number).state is RolloutState.RUNNING
    place.example.pass_time(hours=3)
    place.keep()
    assert place.rollout(number).state is RolloutState.PAUSED


def test_nothing_goes_on_while_no_daemon_runs(tmp_path: Path) -> None:
    place = RolloutWorkspace(tmp_path / "workspace", WAITS)
    number = place.begin()
    place.keep()
    stopped = place.example.time
    place.example.pass_time(hours=8)
    with changing(place.services, DAEMON, Permission.RUN_DAEMON) as change:
        move_on_after(change, stopped)
        change.record("daemon.started", "daemon")
    place.keep()

    rollout = place.rollout(number)
    assert rollout.state is RolloutState.RUNNING
    assert rollout.stood_us == timedelta(hours=8) / timedelta(microseconds=1)
    with changing(place.services, DAEMON, Permission.RUN_DAEMON) as change:
        move_on_after(change, place.example.time - timedelta(seconds=30))  # started again at once
        change.record("daemon.started", "daemon")
    assert dataclasses.replace(place.rollout(number)).stood_us == rollout.stood_us
