"""Narrow and low terminals: what counts is on the screen, what is cut says so."""

import pytest
from test_views import press

from pilothouse.console.screenshots import settle
from pilothouse.console.session.actions import TABS
from pilothouse.console.widgets.chart import ChartView
from pilothouse.console.widgets.frame_parts import tab_labels


@pytest.mark.parametrize("width", [104, 80, 60, 44, 30])
def test_the_tab_of_the_view_has_its_name_on_any_screen(width: int) -> None:
    for index, (_, view, short) in enumerate(TABS):
        labels = tab_labels(view, width)
        assert sum(map(len, labels)) + len(TABS) <= width
        assert labels[index].endswith(view.capitalize() if width >= 104 else short)
        assert [label[0] for label in labels] == [key for key, *_ in TABS]


async def test_columns_that_have_no_room_end_with_an_ellipsis(make_console) -> None:
    app = make_console("pat", start="audit")
    async with app.run_test(size=(60, 20)) as pilot:
        await settle(pilot)
        grid = app.view.query_one("#grid")
        lines = ["".join(segment.text for segment in grid.render_line(y)).rstrip() for y in range(1, 6)]
        assert all(line.endswith("…") for line in lines)
        head = app.view.query_one("#head").render_line(0).text.rstrip()
        assert head.startswith(" head 5")
        assert head.endswith("…")


async def test_a_question_keeps_its_field_and_its_keys_and_scrolls_its_words(make_console) -> None:
    app = make_console("pat", start="evidence 3")
    async with app.run_test(size=(30, 10)) as pilot:
        await settle(pilot)
        await pilot.press("a")
        await pilot.pause()
        read = app.screen.query_one("#read")
        for wanted in ("#answer", "#keys"):
            region = app.screen.query_one(wanted).region
            assert region.height == 1
            assert region.bottom < 10
        assert app.screen.query_one("#keys").render_line(0).text.strip() == "Enter approve Esc back"
        assert read.max_scroll_y > 0
        await pilot.press("down", "down")
        await pilot.pause()
        assert read.scroll_y == 2
        await pilot.press(*"fine", "enter")
        await settle(pilot)
        assert app.view.data.decisions[0].reason == "fine"


async def test_one_chart_stands_alone_where_four_have_no_room(make_console) -> None:
    app = make_console("pat", start="monitor flight-delay jfk")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert [chart.display for chart in app.view.query(ChartView)][:5] == [True] * 4 + [False]
        await pilot.resize_terminal(36, 16)
        await settle(pilot)
        assert [chart.display for chart in app.view.query(ChartView)][:5] == [True] + [False] * 4
        await press(pilot, "z", "z")
        assert [chart.display for chart in app.view.query(ChartView)][:5] == [
            False,
            True,
            False,
            False,
            False,
        ]
        await pilot.resize_terminal(30, 8)
        await settle(pilot)
        assert "no room for a chart" in app.view.query_one("#chart1").render_line(1).text
