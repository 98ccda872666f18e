"""Zooming, moving and following along the time axis."""

from pilothouse.presentation.charts.monitor_span import Axis, settled_span

WHOLE = (0.0, 100.0)
TIMES = [float(i) for i in range(0, 101, 10)]


def test_everything_is_shown_at_first_and_new_windows_come_into_sight() -> None:
    assert Axis().span(WHOLE) == WHOLE
    assert Axis().span((0.0, 110.0)) == (0.0, 110.0)


def test_closer_keeps_the_newest_in_sight_and_follows_it() -> None:
    axis = Axis().zoomed(WHOLE, 0.5)
    assert axis.span(WHOLE) == (50.0, 100.0)
    assert axis.following
    assert axis.span((0.0, 110.0)) == (60.0, 110.0)


def test_closer_around_the_cursor_stays_there_when_windows_are_added() -> None:
    axis = Axis(cursor=30.0).zoomed(WHOLE, 0.5)
    assert axis.span(WHOLE) == (5.0, 55.0)
    assert axis.span((0.0, 110.0)) == (5.0, 55.0)


def test_wider_ends_with_everything() -> None:
    assert Axis().zoomed(WHOLE, 0.5).zoomed(WHOLE, 2.0).shown is None


def test_moving_ends_at_the_edges() -> None:
    axis = Axis().zoomed(WHOLE, 0.5).moved(WHOLE, -0.5)
    assert axis.span(WHOLE) == (25.0, 75.0)
    assert not axis.following
    assert axis.moved(WHOLE, -5).span(WHOLE) == (0.0, 50.0)
    assert axis.moved(WHOLE, 5).following


def test_the_cursor_steps_from_window_to_window_and_takes_the_axis_with_it() -> None:
    axis = Axis().stepped(TIMES, WHOLE, -1)
    assert axis.cursor == 100.0
    axis = axis.stepped(TIMES, WHOLE, -1)
    assert axis.cursor == 90.0
    near = Axis(shown=(50.0, 100.0), following=False, cursor=50.0).stepped(TIMES, WHOLE, -1)
    assert near.cursor == 40.0
    assert near.span(WHOLE) == (40.0, 90.0)
    assert Axis(cursor=100.0).stepped(TIMES, WHOLE, 1).cursor == 100.0
    assert Axis().stepped([], WHOLE, 1).cursor is None


def test_an_axis_that_follows_stays_where_it_is_for_most_new_windows() -> None:
    hour = 3_600.0
    spans = {settled_span((0.0, (200 + n) * hour)) for n in range(32)}
    assert len(spans) <= 5
    for start, end in spans:
        assert start == 0.0
        assert (end - 200 * hour) < 48 * hour
    assert settled_span((5.0, 5.0)) == (5.0, 5.0)
