"""Tiles of thirty sites on a screen of 80×24."""

from dataclasses import replace
from datetime import timedelta

from pilothouse.domain.sites.readings import Reading, Standing, answered, failed
from pilothouse.presentation.site_tiles import HEIGHT, columns_for, detail, summary, tile
from pilothouse.presentation.tables.site_rows import items_table
from pilothouse.presentation.width import display_width
from support.site_values import ANSWER, FIGURES, NOW

HEARD = answered(Reading(site="eu-1"), ANSWER, NOW)
AWAY = failed(HEARD, Standing.AWAY, "no connection", NOW + timedelta(minutes=5))


def text_of(reading: Reading, width: int) -> list[str]:
    return ["".join(cell.text for cell in line) for line in tile(reading, width, NOW + timedelta(minutes=5))]


def test_thirty_tiles_are_seen_at_once() -> None:
    columns = columns_for(30, 79, 18)
    assert -(-30 // columns) * HEIGHT <= 18
    assert all(display_width(line) == 79 // columns - 1 for line in text_of(HEARD, 79 // columns - 1))


def test_few_sites_have_words_for_figures() -> None:
    assert text_of(HEARD, 39)[2].rstrip() == "3 alerts, 1 request, 2 jobs, 5m ago"
    assert text_of(HEARD, 14)[1:] == ["▲ degraded    ", "▲3 ◆1 ▶2 5m   "]


def test_a_site_that_is_away_shows_what_it_was() -> None:
    assert text_of(AWAY, 39)[1].rstrip() == f"✖ away since {NOW:%H:%M}, was degraded"
    assert text_of(AWAY, 14)[1:] == ["✖ away        ", "▲3 ◆1 ▶2 5m   "]
    (_, facts), (why,) = detail(AWAY, "ssh://eu-1/srv", NOW + timedelta(minutes=5))
    assert "pat (approver)" in facts.text
    assert "away since 2026-05-03 12:00 (5m); the state shown is of then; no connection" in why.text


def test_a_read_only_site_says_so_and_its_health() -> None:
    frozen = replace(ANSWER, figures=replace(FIGURES, frozen="the workspace is read-only: moving house"))
    reading = answered(Reading(site="eu-1"), frozen, NOW)
    assert text_of(reading, 39)[1].rstrip() == "■ read-only, degraded"
    assert "moving house" in detail(reading, "/srv/a", NOW)[1][0].text


def test_the_summary_counts_standings_and_figures() -> None:
    assert summary([HEARD, AWAY]) == "2 sites, 1 away · 6 alerts, 2 requests, 4 jobs"


def test_one_list_names_the_site_of_each_item_and_says_what_is_stale() -> None:
    table = items_table(("alert",), [HEARD, replace(AWAY, site="us-1")], NOW)
    assert [row.key for row in table.rows] == ["eu-1\nalert\n7", "us-1\nalert\n7"]
    assert [row.cells[1].text for row in table.rows] == ["✖ critical", "◌ critical (stale)"]
