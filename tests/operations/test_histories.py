"""States on record are what follows from the facts, after any history, at every door, and in the past.

The suite runs a short form, ``make test-histories`` 1,000 histories. PH_SEED=NUMBER begins with that history,
PH_HISTORIES=NUMBER says how many follow.
"""

import contextlib
import io
import json
import os
import random
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pilothouse.cli import failures, main
from pilothouse.domain.listing import Query
from pilothouse.domain.monitoring.deployment_state import suspicion_text
from pilothouse.domain.monitoring.monitoring import Health, TargetState
from pilothouse.operations.fleet import fleet, groups, health
from pilothouse.operations.monitoring import monitor_views
from pilothouse.operations.services import Services
from pilothouse.operations.states import states
from pilothouse.operations.workspace import time_machine
from support.daemons import end_daemon, stand_for_daemon
from support.histories import History, Key

_HISTORIES = int(os.environ.get("PH_HISTORIES") or 15)
_SEED = int(os.environ.get("PH_SEED") or random.SystemRandom().randrange(2**31))
_STEPS = 18


@pytest.mark.parametrize("seed", [pytest.param(_SEED + n, id=f"history{n}") for n in range(_HISTORIES)])
def test_states_on_record_follow_from_the_facts(seed: int, tmp_path: Path) -> None:
    history = History(tmp_path / "workspace", random.Random(seed))
    try:
        _run(history)
    except Exception as error:
        told = "\n".join(history.told)
        raise AssertionError(f"PH_SEED={seed} PH_HISTORIES=1\n{told}\n{error}") from error
    finally:
        history.services.close()


def _run(history: History) -> None:
    then: dict[Key, dict[datetime, Health]] = {key: {} for key in history.all_keys()}
    """Health of each deployment after each step, but for its serving process."""
    for _ in range(_STEPS):
        history.step()
        assert states.differing(history.services) == []
        on_record = _by_key(health.target_states(history.services, history.example.actor("vera")))
        assert _healths(history, on_record) == history.expected(serving=True)
        _compare_doors(history, on_record)
        for key, since in history.rewritten:
            then[key] = {at: known for at, known in then[key].items() if at < since}
        for key, expected in history.expected(serving=False).items():
            then[key][history.now] = expected
    _compare_commands(history)
    _compare_unwatched(history)
    _compare_past(history, then)


def _compare_unwatched(history: History) -> None:
    """Compare the doors once the daemon is gone: what was healthy or suspected is not judged, the rest is as it was."""
    services, actor = history.services, history.example.actor("vera")
    watched = _healths(history, _by_key(health.target_states(services, actor)))
    end_daemon(services)
    known = _by_key(health.target_states(services, actor))
    assert _healths(history, known) == {
        key: Health.NOT_JUDGED if before in (Health.HEALTHY, Health.SUSPECTED) else before
        for key, before in watched.items()
    }
    _compare_doors(history, known)
    _compare_commands(history)
    rows = health.states_page(services, actor, Query(where=(("health", "not judged"),))).rows
    assert _by_key(rows) == {key: s for key, s in known.items() if s.health is Health.NOT_JUDGED}
    worst_first = [s.health.rank for s in health.states_page(services, actor, Query()).rows]
    assert worst_first == sorted(worst_first)
    by_group = groups.groups(services, actor, "region", None)
    assert sum((Counter(g.counts) for g in by_group), Counter()) == Counter(
        str(s.health) for s in known.values()
    )
    stand_for_daemon(services)


def _by_key(found: tuple[TargetState, ...] | list[TargetState]) -> dict[Key, TargetState]:
    by_key = {(state.model, state.target): state for state in found}
    assert len(by_key) == len(found)
    return by_key


def _healths(history: History, by_key: dict[Key, TargetState]) -> dict[Key, Health]:
    return {key: by_key[key].health if key in by_key else Health.NOT_DEPLOYED for key in history.all_keys()}


def _compare_doors(history: History, on_record: dict[Key, TargetState]) -> None:
    services, actor = history.services, history.example.actor("vera")
    assert _by_key(health.states_page(services, actor, Query()).rows) == on_record
    assert _by_key(fleet.fleet(services, actor).states) == on_record
    assert health.watch(services, actor).counts == Counter(state.health for state in on_record.values())
    assert health.fleet_health(services, actor) is _compare_overview(services, history, on_record)
    for state in on_record.values():
        if state.health in (Health.HEALTHY, Health.SUSPECTED):
            _compare_monitor(services, history, state)
    unhealthy = health.states_page(services, actor, Query(unhealthy=True)).rows
    fine = (Health.HEALTHY, Health.NOT_DEPLOYED)
    assert _by_key(unhealthy) == {key: s for key, s in on_record.items() if s.health not in fine}


def _compare_overview(services: Services, history: History, on_record: dict[Key, TargetState]) -> Health:
    """Compare the models with their deployments; returns the worst health of all."""
    models = {row.model: row for row in health.overview(services, history.example.actor("vera"))}
    for name, row in models.items():
        own = [state for (model, _), state in on_record.items() if model == name]
        deployed = [state for state in own if state.deployment is not None]
        worst = min((s.health for s in deployed), key=lambda h: h.rank, default=Health.NOT_DEPLOYED)
        assert (name, row.health) == (name, worst)
        assert row.counts == Counter(str(state.health) for state in own)
        assert row.open_alerts == sum(state.open_alerts for state in own)
    return min((row.health for row in models.values()), key=lambda h: h.rank)


def _compare_monitor(services: Services, history: History, state: TargetState) -> None:
    """A deployment is suspected where the monitor calls its newest judged window so, and both say when more is known."""
    view = monitor_views.monitor_view(services, history.example.actor("vera"), state.model, state.target)
    judged = [p for p in view.performance if p.window.judged and p.version == view.version][-1:]
    is_suspected = state.health is Health.SUSPECTED
    assert is_suspected is any(p in view.suspected for p in judged)
    if is_suspected and view.newest(view.performance) == judged[0]:
        assert view.suspicion is not None
        assert state.why.startswith(suspicion_text(view.suspicion, lambda at: f"{at:%Y-%m-%d}"))


def _compare_commands(history: History) -> None:
    services, actor = history.services, history.example.actor("vera")
    told = _json(history, "status")
    rows = health.overview(services, actor)
    assert [(m["model"], m["health"], m["counts"]) for m in told["models"]] == [
        (row.model, row.health, row.counts) for row in rows
    ]
    assert told["health"] == health.fleet_health(services, actor)
    assert told["deployments"] == {str(h): n for h, n in health.watch(services, actor).counts.items()}
    listed = _json(history, "targets")
    on_record = health.target_states(services, actor)
    assert [(s["model"], s["target"], s["health"], s["why"]) for s in listed] == [
        (s.model, s.target, s.health, s.why) for s in on_record
    ]


def _json(history: History, command: str) -> Any:
    given = ["--workspace", str(history.example.root), "--as", "vera", "--json", command]
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with contextlib.redirect_stdout(out):
        failures.run(lambda: main.run(given))
    out.seek(0)
    return json.loads(out.read())


def _compare_past(history: History, then: dict[Key, dict[datetime, Health]]) -> None:
    actor = history.example.actor("vera")
    for at in sorted({at for known in then.values() for at in known}):
        past = time_machine.open_past(history.services, actor, at)
        try:
            shown = _by_key(health.target_states(past, actor))
            _compare_overview(past, history, shown)
        finally:
            past.close()
        for key, known in then.items():
            if at in known:
                found = shown[key].health if key in shown else Health.NOT_DEPLOYED
                why = shown[key].why if key in shown else ""
                assert (at, key, found, why) == (at, key, known[at], why)
