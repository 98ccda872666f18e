"""Old values stay on record: whatever a change replaces or takes away stands in the detail of its entry in the audit log."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import pytest

from fixtures.registries import ADMIN, Example
from pilothouse.domain.audit.inventory import ReviewOutcome
from pilothouse.domain.audit.log_anchors import AnchorKind
from pilothouse.domain.identity.roles import Role
from pilothouse.domain.identity.ssh_keys import read_key
from pilothouse.operations import automation_switch
from pilothouse.operations.alerts import alerts, incidents
from pilothouse.operations.automation import schedules
from pilothouse.operations.dossier import inventory
from pilothouse.operations.fleet import targets
from pilothouse.operations.identity import users
from pilothouse.operations.promotion import deployments, freezes, promotions, teams
from pilothouse.operations.transparency import anchors
from pilothouse.operations.upkeep import retention
from pilothouse.operations.workspace import workspaces
from pilothouse.store import legal_holds, workspace
from pilothouse.store.deployed import deployments as deployment_store
from pilothouse.store.deployed.alerts import NewAlert
from pilothouse.store.log import audit
from pilothouse.store.log.deciding_tables import DECIDING
from support.soft_keys import SoftKey

Row = dict[str, Any]
State = dict[tuple[str, ...], Row]
IMPLIED = (None, "", 0, 1)
"""Old values that the action's own name says: a switch that was off, an end that had not come."""
NO_VALUES = {
    ("schedules", "recorded_at"): "from when nominal times count: that is the time of the entry itself",
    **dict.fromkeys(
        [("aliases", column) for column in ("model_id", "alias", "version_id", "set_by", "recorded_at")],
        "the version before stands in the entry by its number, who set it in the entry of then",
    ),
}


def _state(example: Example) -> State:
    """Every row that decides, by its table and key, and what is in force of what has a row for each change."""
    rows: State = {}
    with example.services.registry.read() as connection:
        for table, declared in DECIDING.items():
            for row in connection.execute(f"SELECT x.* FROM {table} x"):
                plain = {name: row[name] for name in row.keys() if name not in declared.left_out}  # noqa: SIM118 - a Row
                rows[table, *(str(row[name]) for name in declared.key)] = plain
        rows["policy in force",] = {
            name: value
            for name, value in asdict(workspace.policy(connection)).items()
            if name not in ("set_by", "recorded_at", "solo")
        }
        rows["automation",] = {
            name: value
            for name, value in asdict(workspace.automation(connection)).items()
            if name != "recorded_at"
        }
        for hold in deployment_store.holds(connection, "delay"):
            rows["hold", str(hold.id)] = {"reason": hold.reason, "set_by": hold.set_by}
        for legal in legal_holds.all_holds(connection):
            if legal.lifted_at is None:
                rows["legal hold", str(legal.id)] = {
                    name: getattr(legal, name) for name in ("model", "target", "reason", "placed_by")
                }
    return rows


def _replaced(before: State, after: State) -> Iterator[tuple[str, str, Any]]:
    """(table, column, old value) of all that a change replaced or took away."""
    for key, row in before.items():
        now = after.get(key, {})
        for column, value in row.items():
            if now.get(column) != value and value not in IMPLIED and (key[0], column) not in NO_VALUES:
                yield key[0], column, value


def _entries(example: Example, after: int) -> list[Any]:
    with example.services.registry.read() as connection:
        return audit.following(connection, after, 10_000)


@pytest.fixture
def busy(example: Example) -> Example:
    """A workspace with something of each kind that can be replaced or taken away."""
    services, admin = example.services, example.actor(ADMIN)
    example.apply(automation={"schedule": [{"name": "hourly", "every": "1h", "action": "monitor"}]})
    example.add_version()
    request = promotions.request_promotion(services, example.actor("oscar"), "delay/1")
    promotions.approve(services, example.actor("pat"), request.id, request.evidence_digest)
    example.pass_time(hours=1)
    example.add_version(incumbents=(1,))
    request = promotions.request_promotion(services, example.actor("oscar"), "delay/2")
    promotions.approve(services, example.actor("pat"), request.id, request.evidence_digest)
    example.add_version(incumbents=(1, 2))
    promotions.request_promotion(services, example.actor("sam"), "delay/3")
    deployments.roll_back(
        services, example.actor("oscar"), "delay", targets=["ewr"], reason="figures fell at night"
    )
    automation_switch.pause(services, example.actor("oscar"), "a storm over the coast")
    retention.keep_rows(services, admin, 417, "the law of the land")
    retention.place_hold(services, admin, "case 2013-117", model="delay")
    workspaces.set_workspace_policy(services, admin, approvals=3, four_eyes=True)
    targets.issue_token(services, admin, "ewr")
    inventory.review(
        services,
        example.actor("pat"),
        "delay",
        ReviewOutcome.CONDITIONS,
        next_review="2031-07-09",
        reason="watch snow",
    )
    alert = NewAlert(
        model="delay",
        version=1,
        target="ewr",
        kind="latency",
        subject="p95",
        severity="warning",
        effective_at=example.time,
        summary="slow",
        explanation="p95 is 3 times its baseline",
        figures={"p95_ms": 12.0},
    )
    alerts.open_alert(services, alert)
    incidents.assign(services, example.actor("oscar"), 1, "pia")
    users.add_user(services, admin, "pat", subject="Pat of the night shift")
    users.add_key(services, admin, "pat", read_key(SoftKey().line), users.KeyTerms())
    freezes.set_freeze(services, admin, "weekends", "sat 00:00", "mon 06:00", "UTC", reason="nobody is there")
    teams.add_member(services, admin, "risk", "pia", "she looks at risks")
    anchors.add(services, admin, "paper", AnchorKind.FILE, str(example.root.parent / "heads"))
    return example


CHANGES: dict[str, Callable[[Example], object]] = {
    "user disabled": lambda e: users.disable_user(e.services, e.actor(ADMIN), "pat", "has left"),
    "key revoked": lambda e: users.revoke_key(
        e.services,
        e.actor(ADMIN),
        "pat",
        users.keys_of(e.services, e.actor(ADMIN), "pat").keys[0].fingerprint,
        "lost",
    ),
    "freeze lifted": lambda e: freezes.lift_freeze(
        e.services, e.actor(ADMIN), "weekends", "somebody is there"
    ),
    "team left": lambda e: teams.remove_member(e.services, e.actor(ADMIN), "risk", "pia", "another office"),
    "anchor removed": lambda e: anchors.remove(e.services, e.actor(ADMIN), "paper"),
    "automation resumed": lambda e: automation_switch.resume(e.services, e.actor("oscar"), "it is over"),
    "retention set": lambda e: retention.keep_rows(e.services, e.actor(ADMIN), None, "no law any more"),
    "legal hold lifted": lambda e: retention.lift_hold(e.services, e.actor(ADMIN), 1, "the case is closed"),
    "hold lifted": lambda e: deployments.lift_hold(e.services, e.actor("oscar"), "delay", "looked into"),
    "policy set": lambda e: workspaces.set_workspace_policy(e.services, e.actor(ADMIN), approvals=1),
    "reading closed": lambda e: workspaces.set_open_reading(e.services, e.actor(ADMIN), allowed=False),
    "role revoked": lambda e: workspaces.revoke_role(e.services, e.actor(ADMIN), "pia", Role.APPROVER),
    "schedule paused": lambda e: schedules.pause_schedule(e.services, e.actor("oscar"), 1, "holidays"),
    "request withdrawn": lambda e: promotions.withdraw(e.services, e.actor("sam"), 3),
    "request superseded": lambda e: promotions.request_promotion(e.services, e.actor("oscar"), "delay/3"),
    "rolled back": lambda e: deployments.roll_back(
        e.services, e.actor("oscar"), "delay", ["jfk"], reason="slow"
    ),
    "token issued anew": lambda e: targets.issue_token(e.services, e.actor(ADMIN), "ewr"),
    "reviewed again": lambda e: inventory.review(
        e.services, e.actor("pia"), "delay", ReviewOutcome.FIT, next_review="2032-01-01", reason="snow is in"
    ),
    "alert acknowledged": lambda e: alerts.acknowledge(e.services, e.actor("oscar"), 1, "on it"),
    "alert resolved": lambda e: alerts.resolve(e.services, e.actor("oscar"), 1, "done"),
    "incident assigned": lambda e: incidents.assign(e.services, e.actor("oscar"), 1, "sam"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_change_replaces_stands_in_its_entry(busy: Example, name: str) -> None:
    before, seq = _state(busy), _entries(busy, 0)[-1].seq
    CHANGES[name](busy)
    said = json.dumps([entry.detail for entry in _entries(busy, seq)])
    left_out = [
        (table, column, value)
        for table, column, value in _replaced(before, _state(busy))
        if str(value) not in said
    ]
    assert left_out == []
