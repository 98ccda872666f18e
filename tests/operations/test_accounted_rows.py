"""Rows that a decision rests on are compared with their digests first: what was forged past Pilothouse is not counted."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fixtures.registries import Example, make_example
from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.identity.roles import Actor
from pilothouse.operations.promotion import deployments, promotions
from pilothouse.operations.workspace import audits, workspaces


@pytest.fixture
def example(tmp_path: Path) -> Example:
    example = make_example(tmp_path)
    ada = example.actor("ada")
    workspaces.set_workspace_policy(
        example.services, ada, approvals=1, four_eyes=True, allow_automatic=True, reason="a bank"
    )
    example.add_version()
    return example


def tamper(example: Example, statement: str) -> None:
    """Write to the file as whoever owns it can: plain SQLite, without triggers and foreign keys."""
    file = example.root / "state" / "registry.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        assert connection.execute(statement).rowcount > 0
        for _, definition in triggers:
            connection.execute(definition)


READ = {
    "another name of a person": (
        "INSERT INTO person_names (name, uid, same_as, recorded_by, recorded_at) VALUES ('x', NULL, 'y', 'ada', 1)",
        "the person x, who is y was inserted",
    ),
    "a role": (
        "INSERT INTO grants (actor, role, granted_by, recorded_at) VALUES ('eve', 'approver', 'ada', 1)",
        "the role approver of eve was inserted",
    ),
    "the policy": (
        "DELETE FROM workspace_policies",
        "was deleted",
    ),
    "a gate": (
        "UPDATE version_gates SET reason = 'fine' WHERE position = 0",
        "version delay/1: its gate auc at least 0.6 was changed",
    ),
    "a gate that is gone": (
        "DELETE FROM version_gates WHERE position = 0",
        "version delay/1: its gate auc at least 0.6 was deleted",
    ),
    "the run": ("UPDATE runs SET seed = seed + 1", "run 1 of delay was changed"),
    "the version": ("UPDATE versions SET created_at = created_at + 1", "version delay/1 was changed"),
    "the specification": (
        "UPDATE model_specs SET applied_by = 'eve'",
        "was changed",
    ),
    "a comment": (
        "INSERT INTO comments (request_id, actor, text, recorded_at) VALUES (1, 'oscar', 'fine by me', 1)",
        "request 1: comment 1, by oscar was inserted",
    ),
    "an author that is gone": ("DELETE FROM request_authors", "request 1: its author"),
}  # fmt: skip


@pytest.mark.parametrize("way", READ)
def test_nothing_is_approved_that_rests_on_a_forged_row(example: Example, way: str) -> None:
    statement, named = READ[way]
    request = promotions.request_promotion(example.services, example.actor("sam"), "delay/1", reason="better")
    pat = example.actor("pat")
    tamper(example, statement)
    head = audits.head(example.services, Actor("ada"))

    with pytest.raises(
        IntegrityError, match="past Pilothouse, so nothing is changed that rests on it"
    ) as refused:
        promotions.approve(example.services, pat, request.id, request.evidence_digest)
    assert named in str(refused.value)
    assert audits.head(example.services, Actor("ada")) == head
    assert deployments.list_deployments(example.services, Actor("ada")) == []


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE decisions SET actor = 'oscar'", "request 1: its decision by pat was changed"),
        ("DELETE FROM decisions", "request 1: its decision by pat was deleted"),
    ],
)
def test_a_forged_decision_does_not_count(example: Example, statement: str, named: str) -> None:
    ada = example.actor("ada")
    workspaces.set_workspace_policy(
        example.services, ada, approvals=2, four_eyes=True, allow_automatic=True, reason="two"
    )
    request = promotions.request_promotion(example.services, example.actor("sam"), "delay/1", reason="better")
    promotions.approve(example.services, example.actor("pat"), request.id, request.evidence_digest)
    tamper(example, statement)

    with pytest.raises(IntegrityError, match=named):
        promotions.approve(example.services, example.actor("pia"), request.id, request.evidence_digest)
    assert deployments.list_deployments(example.services, Actor("ada")) == []


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE versions SET created_at = created_at + 1 WHERE number = 1", "version delay/1 was changed"),
        ("UPDATE deployments SET reason = 'x' WHERE id = 1", "the deployment of delay/1 on ewr of"),
    ],
)
def test_a_roll_back_does_not_go_by_forged_rows(example: Example, statement: str, named: str) -> None:
    for number in (1, 2):
        if number == 2:
            example.add_version()
        request = promotions.request_promotion(
            example.services, example.actor("sam"), f"delay/{number}", reason="better"
        )
        example.pass_time(minutes=1)
        promotions.approve(example.services, example.actor("pat"), request.id, request.evidence_digest)
        example.pass_time(minutes=1)
    tamper(example, statement)

    with pytest.raises(IntegrityError, match=named):
        deployments.roll_back(example.services, example.actor("oscar"), "delay", reason="odd")


def test_a_hold_taken_away_does_not_let_a_version_deploy_itself(tmp_path: Path) -> None:
    example = make_example(tmp_path)
    workspaces.set_workspace_policy(
        example.services,
        example.actor("ada"),
        approvals=0,
        four_eyes=False,
        allow_automatic=True,
        reason="a test",
    )
    example.apply(promotion={"approvals": 0, "four_eyes": False, "automatic": True})
    example.add_version()
    with example.services.registry.transaction() as connection:
        connection.execute(
            "INSERT INTO holds (model_id, reason, set_by, recorded_at) VALUES (1, 'odd figures', 'ada', 1)"
        )
    tamper(example, "DELETE FROM holds")

    with pytest.raises(IntegrityError, match="the hold on delay of 1970-01-01 was deleted past Pilothouse"):
        promotions.request_promotion(example.services, example.actor("sam"), "delay/1", reason="better")
    assert deployments.list_deployments(example.services, Actor("ada")) == []
