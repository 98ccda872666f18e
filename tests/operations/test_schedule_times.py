"""Nominal times where clocks are moved: minute by minute against an enumeration that knows nothing of how they are computed."""

from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.time_parsing import moment
from pilothouse.operations.automation.schedule_times import check_rule, due_times, nominal_times, start_of
from pilothouse.store.work.schedules import Rule
from support.cron_by_minutes import ZONES, changes, check


@pytest.mark.parametrize(("zone", "year"), ZONES)
def test_around_every_change_of_the_clocks_each_minute_is_right(zone: str, year: int) -> None:
    around = list(changes(ZoneInfo(zone), year)) or [datetime(year, 3, 29, tzinfo=UTC)]
    assert len(around) <= 4
    for change in around:
        check(zone, change - timedelta(hours=40), change + timedelta(hours=40))


def test_a_number_of_a_weekday_is_crons_own() -> None:
    since = datetime(2026, 11, 2, tzinfo=UTC)  # a Monday

    def days(cron: str) -> list[str]:
        rule = Rule(cron, None, "UTC", since)
        return [time.strftime("%a") for time in islice(nominal_times(rule, since), 3)]

    assert days("0 3 * * 0") == days("0 3 * * 7") == days("0 3 * * sun") == ["Sun", "Sun", "Sun"]
    assert days("0 3 * * 1,3") == ["Mon", "Wed", "Mon"]
    assert days("0 3 * * */3") == ["Wed", "Sat", "Sun"]
    for wrong in ("8", "5-2", "1-9", "*/0", "tues"):
        with pytest.raises(InvalidInputError, match="is not valid"):
            check_rule(f"0 3 * * {wrong}", "UTC")


def test_a_day_of_the_month_and_a_weekday_are_either_enough() -> None:
    since = datetime(2026, 1, 1, 12, tzinfo=UTC)
    year = [since.replace(hour=0) + timedelta(days=day) for day in range(1, 1_000)]

    def midnights(cron: str) -> list[datetime]:
        return list(
            takewhile(lambda time: time <= year[-1], nominal_times(Rule(cron, None, "UTC", since), since))
        )

    assert midnights("0 0 13 * fri") == [day for day in year if day.day == 13 or day.weekday() == 4]
    assert midnights("0 0 13 2 fri") == [
        day for day in year if day.month == 2 and (day.day == 13 or day.weekday() == 4)
    ]
    assert midnights("0 0 30 2 fri") == [day for day in year if day.month == 2 and day.weekday() == 4]
    # A star in one of the two, with a step too, leaves both to fit.
    assert midnights("0 0 */10 * fri") == [
        day for day in year if day.day in (1, 11, 21, 31) and day.weekday() == 4
    ]
    assert midnights("0 0 13 * */3") == [day for day in year if day.day == 13 and day.weekday() in (2, 5, 6)]


def test_once_is_once() -> None:
    at = moment("2026-12-24T06:00", "Europe/Berlin")
    assert at == datetime(2026, 12, 24, 5, tzinfo=UTC) == moment("2026-12-24T00:00-05:00", "Europe/Berlin")
    rule = Rule(None, None, "Europe/Berlin", datetime(2026, 11, 1, tzinfo=UTC), once=at)
    assert list(nominal_times(rule, rule.since)) == [at]
    assert list(nominal_times(rule, at)) == []
    with pytest.raises(InvalidInputError, match="not valid"):
        moment("2026-12-24T06:00", "Mars/Olympus")


def test_jitter_puts_off_each_time_by_its_own_amount_and_keeps_the_order_of_nominal_times() -> None:
    since = datetime(2026, 1, 1, tzinfo=UTC)
    rules = [Rule(None, 3_600, "UTC", since, jitter_s=600, key=key) for key in (1, 2)]
    for rule in rules:
        times = list(islice(nominal_times(rule, since), 500))
        off = [(start_of(rule, time) - time).total_seconds() for time in times]
        assert all(0 <= seconds < 600 for seconds in off)
        assert len(set(off)) > 200
        now = times[9] + timedelta(seconds=off[9])
        assert due_times(rule, since, now) == times[:10]
        assert due_times(rule, since, now - timedelta(seconds=1)) == times[:9]
    assert start_of(rules[0], since) != start_of(rules[1], since)
