"""Who stands for which team: as many places as can be are filled, one by one person."""

from itertools import permutations

import pytest

from pilothouse.domain.promotion.teams import missing_of, teams_text

TEAMS = {
    "ann": frozenset({"risk", "product"}),
    "bob": frozenset({"risk"}),
    "cid": frozenset({"product"}),
    "dan": frozenset[str](),
}


@pytest.mark.parametrize(
    ("needed", "approvers", "missing"),
    [
        ({"risk": 1}, ["bob"], {}),
        ({"risk": 1}, ["dan"], {"risk": 1}),
        ({"risk": 1}, ["BOB"], {}),
        ({"risk": 1, "product": 1}, ["ann"], {"risk": 1}),  # one person stands for one team
        ({"risk": 1, "product": 1}, ["ann", "bob"], {}),
        ({"risk": 1, "product": 1}, ["ann", "cid"], {}),
        ({"risk": 2, "product": 1}, ["ann", "bob", "cid"], {}),
        ({"risk": 2, "product": 1}, ["ann", "bob"], {"risk": 1}),
        ({"risk": 2}, ["ann", "bob", "dan"], {}),
        ({}, [], {}),
    ],
)
def test_places_are_filled_whatever_the_order(
    needed: dict[str, int], approvers: list[str], missing: dict[str, int]
) -> None:
    for order in permutations(approvers):
        found = missing_of(needed, order, TEAMS)
        assert sum(found.values()) == sum(missing.values())
        if len(missing) == 1 and len(needed) == 1:
            assert found == missing


def test_the_words_name_teams_in_their_order() -> None:
    assert teams_text({"risk": 2, "product": 1, "law": 0}) == "1 of product and 2 of risk"
