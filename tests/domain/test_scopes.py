"""Scopes of grants: what is whole in one is allowed by it, what touches one is denied by it."""

import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.identity.roles import Actor, Grant, Permission, Role
from pilothouse.domain.identity.scopes import TargetChoice
from pilothouse.domain.records import Target

EWR = Target("ewr", "us-east", "flights", "ops", environment="production", labels={"tier": "gold"})
LAX = Target("lax", "us-west", "flights", "ops", environment="staging")


def on(**rules: str) -> TargetChoice:
    return TargetChoice.of({key.replace("__", "."): pattern for key, pattern in rules.items()})


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (on(), (True, True)),
        (on(target="ewr"), (True, False)),
        (on(target="*"), (True, True)),
        (on(region="us-*"), (True, True)),
        (on(region="us-*", environment="production"), (True, False)),
        (on(product="flights", business_unit="sales"), (False, False)),
        (on(labels__tier="gold"), (True, False)),
        (on(labels__tier="*"), (True, True)),
        (on(labels__owner="x"), (False, False)),
    ],
)
def test_targets_are_chosen_by_what_is_written_beside_their_names(
    chosen: TargetChoice, expected: tuple[bool, bool]
) -> None:
    assert (chosen.holds(EWR), chosen.holds(LAX)) == expected


@pytest.mark.parametrize(
    "given", [{"colour": "red"}, {"labels.": "x"}, {"region": ""}, {"region": "x" * 201}]
)
def test_what_tells_no_targets_apart_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(InvalidInputError):
        TargetChoice.of(given)


def test_a_denial_wins_over_any_number_of_grants() -> None:
    actor = Actor(
        "oscar",
        (
            Grant(Role.OPERATOR),
            Grant(Role.OPERATOR, "delay", targets=on(target="ewr")),
            Grant(Role.OPERATOR, deny=True, targets=on(environment="production")),
        ),
    )

    assert actor.allows(Permission.ROLL_BACK, "delay", [LAX])
    assert not actor.allows(Permission.ROLL_BACK, "delay", [EWR])
    assert not actor.allows(Permission.ROLL_BACK, "delay", [EWR, LAX])
    assert not actor.allows(Permission.PAUSE), "it would pause what is denied too"
    assert actor.allows(Permission.READ), "reading is not an operator's matter"
    assert actor.might(Permission.ROLL_BACK, "delay")
    assert actor.role_names == "operator"


def test_a_grant_for_targets_is_for_nothing_that_names_none() -> None:
    actor = Actor("oscar", (Grant(Role.OPERATOR, targets=on(region="us-east")),))

    assert actor.allows(Permission.ROLL_BACK, "delay", [EWR])
    assert not actor.allows(Permission.ROLL_BACK, "delay", [EWR, LAX])
    assert not actor.allows(Permission.ROLL_BACK, "delay", [])
    assert not actor.allows(Permission.ROLL_BACK, "delay")
    assert not actor.allows(Permission.PAUSE)
    assert not actor.allows(Permission.READ)
    assert actor.might(Permission.ROLL_BACK, "delay")


def test_the_denial_of_a_reader_takes_reading_away() -> None:
    assert not Actor("v", (Grant(Role.OPERATOR), Grant(Role.VIEWER, deny=True))).allows(Permission.READ)
    assert Actor("v", (Grant(Role.VIEWER), Grant(Role.ADMIN, deny=True))).allows(Permission.READ)


def test_a_grant_says_what_it_is_for() -> None:
    grant = Grant(Role.OPERATOR, "delay", True, on(region="us-*", labels__tier="gold"))
    assert str(grant) == "no operator for delay, on targets with labels.tier gold and region us-*"
    assert str(Grant(Role.ADMIN)) == "admin for all models"
