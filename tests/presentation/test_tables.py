"""Columns give way so that rows fit; documents wrap so that lines fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.domain.listing import parse_filter
from pilothouse.domain.monitoring.monitoring import Health
from pilothouse.domain.records import RollBackStep
from pilothouse.presentation.cells import Cell, cell, progress_bar, sparkline
from pilothouse.presentation.documents import Line, aligned, wrap
from pilothouse.presentation.tables.fleet_rows import overview_tiles
from pilothouse.presentation.tables.registry_rows import roll_back_lines
from pilothouse.presentation.tables.sorting import passing_rows, sorted_rows
from pilothouse.presentation.tables.table import (
    Column,
    Row,
    Table,
    fit_columns,
    plain_lines,
    read_columns,
    table_of,
)
from pilothouse.presentation.width import clip, display_width


def table(*rows: tuple[str, ...], columns: tuple[Column, ...]) -> Table:
    return Table(columns, tuple(Row(str(i), tuple(Cell(text) for text in row)) for i, row in enumerate(rows)))


def test_column_specifications_are_read() -> None:
    assert read_columns(">LIVE", "OWNER ~8 !2", "95 % INTERVAL") == (
        Column("LIVE", "right", 1, False, 0),
        Column("OWNER", "left", 8, True, 2),
        Column("95 % INTERVAL", "left", 1, False, 0),
    )


def test_widest_flexible_column_gives_way_first() -> None:
    made = table(
        ("flight-delay", "a very long reason that nobody needs at once"),
        columns=read_columns("MODEL ~6", "WHY ~6"),
    )
    assert fit_columns(made, 40) == [(0, 12), (1, 26)]


def test_columns_that_may_go_go_last_first() -> None:
    made = table(("flight-delay", "x" * 20, "y" * 20), columns=read_columns("MODEL", "A !1", "B !2"))
    assert [i for i, _ in fit_columns(made, 36)] == [0, 1]
    assert [i for i, _ in fit_columns(made, 20)] == [0]


def test_what_a_row_is_about_is_cut_last() -> None:
    made = table(
        ("flight-delay/3", "0/1", "petra"), columns=read_columns("VERSION ~7-24", "SIGNED !1", "BY ~2 !2")
    )
    assert fit_columns(made, 29) == [(0, 14), (1, 6), (2, 5)]
    assert fit_columns(made, 26) == [(0, 14), (1, 6), (2, 2)]
    assert fit_columns(made, 22) == [(0, 14), (1, 6)]
    assert fit_columns(made, 14) == [(0, 14)]
    assert fit_columns(made, 10) == [(0, 10)]


def test_wide_characters_count_double() -> None:
    assert display_width(clip("漢字かな", 5)) == 5
    assert clip("漢字かな", 5) == "漢字…"
    assert clip("7", 3, "right") == "  7"


def test_a_table_has_a_row_for_each_record_and_columns_that_cannot_be_sorted_by() -> None:
    made = table_of(
        ("ewr", "jfk"),
        {"TARGET": cell, ">LETTERS !1": lambda name: cell(len(name))},
        key=str.upper,
        empty="no targets",
        unordered=("LETTERS",),
        fields=lambda name: (("region", name[0]),),
    )
    assert made.rows[0] == Row("EWR", (cell("ewr"), cell("3")), (("region", "e"),))
    assert [(c.title, c.align, c.drop, c.ordered) for c in made.columns] == [
        ("TARGET", "left", 0, True),
        ("LETTERS", "right", 1, False),
    ]
    assert (len(made.rows), made.empty) == (2, "no targets")


def test_plain_lines_align_and_say_what_to_do_without_rows() -> None:
    made = table(("a", "1"), ("bbb", "22"), columns=read_columns("NAME", ">N"))
    assert plain_lines(made, 40) == ["NAME   N", "a      1", "bbb   22"]
    assert plain_lines(Table(read_columns("NAME"), (), "add one"), 40) == ["add one"]


@given(
    st.lists(
        st.text(st.characters(min_codepoint=32, max_codepoint=0x3FF), max_size=60), min_size=1, max_size=4
    ),
    st.integers(10, 60),
    st.integers(0, 30),
)
def test_wrapped_lines_fit_and_lose_no_letter(texts: list[str], width: int, hang: int) -> None:
    pieces = wrap(Line(tuple(Cell(text) for text in texts), hang), width)
    assert all(sum(display_width(cell.text) for cell in piece.cells) <= width for piece in pieces)
    before = "".join("".join(texts).split())
    after = "".join("".join(cell.text for piece in pieces for cell in piece.cells).split())
    assert after == before


def test_long_last_cells_hang_under_their_own_start() -> None:
    lines = aligned([(Cell("ok"), Cell("a reason of many words"))])
    assert [("".join(c.text for c in piece.cells)) for piece in wrap(lines[0], 16)] == [
        "ok  a reason of",
        "    many words",
    ]


def test_sparklines_and_bars() -> None:
    assert sparkline([1, 2, 3, float("nan"), 4]) == "▁▃▆█"
    assert sparkline([2, 2]) == "▄▄"
    assert sparkline([]) == ""
    assert progress_bar(0.5, 4) == "██░░"
    assert progress_bar(7, 4) == "████"


def test_a_ranked_column_is_sorted_by_the_order_in_which_its_rows_come() -> None:
    columns = (Column("INC"), Column("COST", ranked=True))
    rows = tuple(Row(key, (cell(key), cell(words))) for key, words in (("7", "b"), ("2", "c"), ("9", "a")))
    table = Table(columns, rows)
    assert [row.key for row in sorted_rows(table, 1, descending=True)] == ["7", "2", "9"]
    assert [row.key for row in sorted_rows(table, 1, descending=False)] == ["9", "2", "7"]


def _headed() -> Table:
    columns = read_columns("NAME", ">COUNT")
    rows = (
        Row("/b", (cell("b"), cell("")), is_heading=True),
        Row("/b/x", (cell("x"), cell("2")), part_of="/b"),
        Row("/b/y", (cell("y"), Cell("1", "warn")), part_of="/b"),
        Row("/a", (cell("a"), cell("")), is_heading=True),
        Row("/a/x", (cell("x"), cell("1")), part_of="/a"),
        Row("/c", (Cell("c", "bad"), cell("")), is_heading=True),
    )
    return Table(columns, rows)


@pytest.mark.parametrize(
    ("filter_text", "sort", "unhealthy", "expected"),
    [
        ("", "", False, ["/b", "/b/x", "/b/y", "/a", "/a/x", "/c"]),
        ("", "COUNT", False, ["/b", "/b/y", "/b/x", "/a", "/a/x", "/c"]),
        ("x", "", False, ["/b", "/b/x", "/a", "/a/x"]),
        ("y", "", False, ["/b", "/b/y"]),
        ("c", "", False, ["/c"]),
        ("", "", True, ["/b", "/b/y", "/c"]),
    ],
)
def test_rows_stay_under_their_heading_which_stays_where_one_of_them_passes(
    filter_text: str, sort: str, unhealthy: bool, expected: list[str]
) -> None:
    passing = passing_rows(_headed(), parse_filter(filter_text), sort, descending=False, unhealthy=unhealthy)
    assert [row.key for row in passing] == expected


def test_a_roll_back_says_how_both_versions_were_and_warns_of_one_that_was_no_better() -> None:
    well = RollBackStep(
        "delay", "ewr", 3, 2, now_record="critical: auc 0.60", then_record="healthy: within its reference"
    )
    assert roll_back_lines([well]) == [
        "ewr: version 3 → version 2, at once",
        "   v3 now: critical: auc 0.60",
        "   v2 then: healthy: within its reference",
    ]
    bad = [
        RollBackStep("delay", f"t{i}", 3, 2, then_record="critical: mae 98", then_was_bad=True)
        for i in range(5)
    ]
    first, *_ = roll_back_lines([well, *bad])
    assert (
        first
        == "▲ What it goes back to was not well when it was last live: v2 on t0, v2 on t1, v2 on t2 and 2 more."
    )


COUNTS = (("waiting for you", 1, "strong"), ("alerts", 12, "warn"), ("jobs", 3, "info"))
"""What is counted behind the health of the deployments."""


@pytest.mark.parametrize(
    ("healths", "width"),
    [
        ({Health.CRITICAL: 1, Health.HEALTHY: 2}, 120),
        ({Health.CRITICAL: 1, Health.HEALTHY: 2}, 78),
        ({Health.DOWN: 1, Health.NO_TRAFFIC: 1, Health.NOT_JUDGED: 2, Health.HEALTHY: 3}, 78),
        (dict.fromkeys(Health, 1000), 120),
        (dict.fromkeys(Health, 1), 78),
    ],
)
def test_the_line_above_the_models_says_every_number_in_as_many_words_as_there_is_room_for(
    healths: dict[Health, int], width: int
) -> None:
    cells = overview_tiles(2, healths, COUNTS, width)
    text = "".join(c.text for c in cells)
    assert display_width(text) <= width
    assert text.startswith("2 models")
    assert text.endswith("jobs 3")
    assert "alerts 12" in text
    assert "waiting" in text
    assert all(f"{number:,}" in text for number in healths.values())
    if len(healths) == 2 and width == 78:
        assert text == "2 models  ✖ 1 critical  ● 2 healthy  waiting 1  alerts 12  jobs 3"
    if width == 120 and len(healths) == 2:
        assert (
            text
            == "2 models, 3 deployments   ✖ 1 critical   ● 2 healthy   waiting for you 1   alerts 12   jobs 3"
        )
