"""The rules of watching: windows due, alerts that do not flutter, retraining within its bounds."""

import pytest

from pilothouse.domain.formats.time_units import DAY_S, DAY_US, HOUR_S, MINUTE_S
from pilothouse.domain.jobs.triggers import Hindrance
from pilothouse.domain.monitoring.alert_rules import (
    RetrainingState,
    Span,
    Turn,
    due_spans,
    level_of,
    turn,
    why_not_retrain,
)


def test_windows_grow_to_their_length_and_then_slide() -> None:
    spans = due_spans(0, None, 3 * DAY_S, DAY_S, 5 * DAY_US)
    assert [(s.start_us // DAY_US, s.end_us // DAY_US) for s in spans] == [
        (0, 1),
        (0, 2),
        (0, 3),
        (1, 4),
        (2, 5),
    ]


def test_windows_go_on_where_they_were_left() -> None:
    assert due_spans(0, 4 * DAY_US, 3 * DAY_S, DAY_S, 5 * DAY_US) == [Span(2 * DAY_US, 5 * DAY_US)]
    assert due_spans(0, 5 * DAY_US, 3 * DAY_S, DAY_S, 6 * DAY_US - 1) == []


@pytest.mark.parametrize(
    ("durations", "level"), [((7 * DAY_S, DAY_S), DAY_S), ((DAY_S, 6 * HOUR_S), HOUR_S), ((900,), MINUTE_S)]
)
def test_the_level_is_the_coarsest_that_divides_all(durations: tuple[int, ...], level: int) -> None:
    assert level_of(*durations) == level


@pytest.mark.parametrize(
    ("significant", "is_open", "expected"),
    [
        ([], False, Turn.STAY),
        ([True], False, Turn.STAY),
        ([True, True], False, Turn.OPEN),
        ([True, False, True], False, Turn.OPEN),
        ([True, True, False], False, Turn.STAY),
        ([True, False, False, True], False, Turn.STAY),
        ([True, False, False], True, Turn.STAY),
        ([True, False, False, False], True, Turn.RESOLVE),
        ([False, False], True, Turn.STAY),
    ],
)
def test_two_of_three_open_and_three_quiet_ones_resolve(
    significant: list[bool], is_open: bool, expected: Turn
) -> None:
    assert turn(significant, is_open, 2, 3) is expected


def test_a_window_that_is_certain_by_itself_opens_alone_and_keeps_open_like_any_other() -> None:
    assert turn([False, True], False, 2, 3, certain=True) is Turn.OPEN
    assert (
        turn([True, False], False, 2, 3, certain=True) is Turn.STAY
    )  # what is not significant opens nothing
    assert turn([True, False, False], True, 2, 3, certain=False) is Turn.STAY
    assert turn([True, False, False, False], True, 2, 3, certain=False) is Turn.RESOLVE


def state(
    paused: str | None = None,
    running: int | None = None,
    request: int | None = None,
    earlier: tuple[int, ...] = (),
) -> RetrainingState:
    return RetrainingState(paused, running, request, [day * DAY_US for day in earlier])


@pytest.mark.parametrize(
    ("given", "hindrance", "words"),
    [
        (state(paused="holidays"), Hindrance.PAUSED, "automation is paused: holidays"),
        (state(paused=""), Hindrance.PAUSED, "automation is paused"),
        (state(running=7), Hindrance.RUNNING, "training job 7"),
        (state(request=3), Hindrance.UNDECIDED, "promotion request 3"),
        (
            state(earlier=(90,)),
            Hindrance.COOLING_DOWN,
            "10.0 days of event time ago; the cool-down is 14 days",
        ),
        (state(earlier=(71, 85, 86)), Hindrance.OVER_BUDGET, "budget of 3 retrainings in 30 days"),
    ],
)
def test_why_no_retraining_starts_is_said(given: RetrainingState, hindrance: Hindrance, words: str) -> None:
    refusal = why_not_retrain(given, 100 * DAY_US, 14 * DAY_S, 3)
    assert refusal is not None
    assert refusal.hindrance is hindrance
    assert words in refusal.text


def test_a_retraining_starts_after_cool_down_and_within_budget() -> None:
    assert why_not_retrain(state(earlier=(10, 86)), 100 * DAY_US, 14 * DAY_S, 2) is None
