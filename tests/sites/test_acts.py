"""Acts from a row of several sites: words of a command in the site, and why there are none."""

from dataclasses import replace
from datetime import timedelta

import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.monitoring.monitoring import Health
from pilothouse.domain.sites.acts import ACTS
from pilothouse.domain.sites.answers import SiteItem, answer_plain, read_answer
from pilothouse.domain.sites.readings import (
    Reading,
    Standing,
    aged,
    answered,
    badness,
    failed,
    why_no_act,
)
from pilothouse.presentation.tables.site_rows import items_table
from support.site_values import ANSWER, FIGURES, ITEM, NOW

HEARD = answered(Reading(site="eu-1"), ANSWER, NOW)
LIVE = SiteItem(kind="deployment", key="delay jfk", state="down", subject="delay/2 on jfk", pin="2")
ROLLOUT = SiteItem(kind="rollout", key="4", state="paused", subject="delay/3")


def act(name: str, kind: str):
    return next(one for one in ACTS if (one.name, one.kind) == (name, kind))


def test_an_act_is_a_command_of_the_site_held_to_what_the_row_had() -> None:
    roll_back = act("roll_back", "deployment")
    assert roll_back.title(LIVE) == "Roll back delay on jfk"
    words = ["rollback", "delay", "--on", "jfk", "--from", "2", "--reason=--all of it"]
    assert roll_back.command(LIVE, "--all of it") == words
    request = SiteItem(kind="request", key="7", state="open", subject="delay/3", pin="ab12")
    assert act("approve", "request").command(request, "") == ["approve", "7", "--evidence", "ab12"]
    assert act("pause", "rollout").command(ROLLOUT, "") == ["rollout", "resume", "4"]
    assert act("acknowledge", "alert").command(ITEM, "on it") == ["ack", "7", "--note=on it"]


@pytest.mark.parametrize("pin", ["--reason", "a b", "x" * 200, "1;id"])
def test_a_pin_that_is_no_word_is_refused(pin: str) -> None:
    plain = answer_plain(replace(ANSWER, items=(replace(LIVE, pin=pin),)))
    with pytest.raises(InvalidInputError, match="pin"):
        read_answer(plain)


def test_roll_outs_and_labels_come_through_and_an_older_reader_meets_no_kind_that_it_does_not_know() -> None:
    labelled = replace(LIVE, labels=(("region", "eu"), ("tier", "gold")))
    answer = replace(ANSWER, items=(labelled, ROLLOUT), idle_lock_s=600)
    plain = answer_plain(answer)
    assert [one["kind"] for one in plain["items"]] == ["deployment"]
    assert read_answer(plain) == answer
    table = items_table(("deployment",), [answered(HEARD, answer, NOW)], NOW)
    assert dict(table.rows[0].fields) == {"region": "eu", "tier": "gold", "label": "region=eu tier=gold"}


def test_a_site_that_takes_no_act_says_why() -> None:
    assert why_no_act(HEARD) == ""
    away = failed(HEARD, Standing.AWAY, "no connection: timed out", NOW)
    assert why_no_act(away) == "eu-1 is away: no connection: timed out"
    frozen = answered(HEARD, replace(ANSWER, figures=replace(FIGURES, frozen="moving house")), NOW)
    assert why_no_act(frozen) == "eu-1 is read-only: moving house"
    silent = aged(HEARD, NOW + timedelta(minutes=2))
    assert (silent.standing, silent.is_stale) == (Standing.STALE, True)
    assert "has not answered since" in why_no_act(silent)
    assert aged(HEARD, NOW + timedelta(seconds=60)) is HEARD


def test_ages_are_by_our_own_clock_where_the_site_s_is_wrong() -> None:
    late = answered(Reading(site="eu-1"), ANSWER, NOW + timedelta(hours=1), asked_at=NOW + timedelta(hours=1))
    assert late.skew_s == -3_600
    (row,) = items_table(("alert",), [late], NOW + timedelta(hours=1, minutes=5)).rows
    assert row.cells[3].text == "5m ago"
    slow = answered(Reading(site="eu-1"), ANSWER, NOW + timedelta(seconds=20), asked_at=NOW)
    assert slow.skew_s == 0


def test_the_worst_site_is_first() -> None:
    well = answered(Reading(site="a"), replace(ANSWER, figures=replace(FIGURES, health=Health.HEALTHY)), NOW)
    away = failed(replace(HEARD, site="b"), Standing.AWAY, "gone", NOW)
    down = answered(Reading(site="c"), replace(ANSWER, figures=replace(FIGURES, health=Health.DOWN)), NOW)
    found = sorted([well, HEARD, away, down], key=badness)
    assert [one.site for one in found] == ["c", "b", "eu-1", "a"]
    assert all(badness(replace(HEARD, standing=one)) for one in Standing)
