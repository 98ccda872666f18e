"""The rules of watching: windows due, alerts that do not flutter, retraining within its bounds, health in words."""

import pytest

from pilothouse.domain.alert_rules import (
    RetrainingState,
    Span,
    Turn,
    due_spans,
    health_of_target,
    level_of,
    turn,
    why_not_retrain,
    worst_health,
)
from pilothouse.domain.monitoring import Health
from pilothouse.domain.time_units import DAY_S, DAY_US, HOUR_S, MINUTE_S
from pilothouse.domain.triggers import Hindrance


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


def health(**changes: object) -> tuple[Health, str]:
    given: dict[str, object] = {
        "deployed": True, "serving_fault": "", "stale_for": "", "severities": [], "alerts": 0, "windows": 3,
    }  # fmt: skip
    return health_of_target(**{**given, **changes})  # type: ignore[arg-type]


def test_health_follows_the_worst_that_is_known() -> None:
    assert health()[0] is Health.HEALTHY
    assert health(windows=0)[0] is Health.NO_DATA
    assert health(stale_for="2 h") == (Health.STALE, "no event for 2 h")
    assert health(severities=["warning"], alerts=1, stale_for="2 h") == (Health.DEGRADED, "1 open alert")
    assert health(serving_fault="failed: no memory")[0] is Health.DEGRADED
    assert health(severities=["warning", "critical"], alerts=2)[0] is Health.CRITICAL
    assert health(deployed=False)[0] is Health.NOT_DEPLOYED


def test_a_window_that_is_no_alert_yet_is_not_called_within_its_reference() -> None:
    found = health(beyond=["mae worse than its reference", "1 of 9 features drifted"])
    assert found[0] is Health.HEALTHY
    assert (
        found[1]
        == "no alert yet: mae worse than its reference and 1 of 9 features drifted in the last window"
    )
    handed_over = health(beyond=["mae worse than its reference"], resolved="alert 9 was resolved by petra")
    assert handed_over == (
        Health.HEALTHY,
        "mae worse than its reference in the last window, though alert 9 was resolved by petra",
    )
    assert health(resolved="alert 9 was resolved by petra") == health(), "the window is within its reference"
    parts = [(*health(), ""), (*found, "jfk")]
    assert worst_health(parts) == (Health.HEALTHY, f"jfk: {found[1]}")
    assert worst_health(parts[:1]) == health(), "no place stands before what is the same everywhere"


def test_a_fleet_is_as_healthy_as_its_sickest_part() -> None:
    parts = [(Health.HEALTHY, "fine", "ewr"), (Health.CRITICAL, "auc fell", "jfk")]
    assert worst_health(parts) == (Health.CRITICAL, "jfk: auc fell")
    assert worst_health([])[0] is Health.NOT_DEPLOYED
