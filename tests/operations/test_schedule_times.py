"""Nominal times where clocks are moved: minute by minute against an enumeration that knows nothing of how they are computed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.moments import moment
from pilothouse.operations.schedule_times import check_rule, due_times, nominal_times, start_of
from pilothouse.store.schedules import Rule

MINUTE = timedelta(minutes=1)
CRONS = {
    # minutes, hours, weekdays (Monday is 0); None is "every"
    "30 2 * * *": ((30,), (2,), None),
    "0 0 * * *": ((0,), (0,), None),
    "*/15 1-3 * * *": ((0, 15, 30, 45), (1, 2, 3), None),
    "30 * * * *": ((30,), None, None),
    "*/20 */2 * * *": ((0, 20, 40), tuple(range(0, 24, 2)), None),
    "15 2 * * 0,6": ((15,), (2,), (6, 5)),
    "10 23 * * 1-5": ((10,), (23,), (0, 1, 2, 3, 4)),
    "45 12 * * mon": ((45,), (12,), (0,)),
}
ZONES = (
    ("Europe/Berlin", 2026),
    ("America/New_York", 2026),
    ("Australia/Lord_Howe", 2026),  # half an hour
    ("America/Sao_Paulo", 2018),  # midnight is skipped
    ("America/Sao_Paulo", 2026),  # no change any more
    ("Pacific/Apia", 2011),  # a whole day is skipped
    ("Africa/Casablanca", 2026),  # back for the month of fasting
)


def fits(cron: str, wall: datetime) -> bool:
    minutes, hours, days = CRONS[cron]
    return (
        wall.minute in minutes
        and (hours is None or wall.hour in hours)
        and (days is None or wall.weekday() in days)
    )


def enumerated(zone: ZoneInfo, since: datetime, until: datetime) -> dict[str, list[datetime]]:
    """Every minute of real time looked at on the wall, and every minute of the wall that no real minute shows."""
    found: dict[str, set[datetime]] = {cron: set() for cron in CRONS}
    time = since
    before = (time - MINUTE).astimezone(zone)
    while time <= until:
        local = time.astimezone(zone)
        for cron, times in found.items():
            if fits(cron, local) and (not local.fold or cron.split()[1].startswith("*")):
                times.add(time)
        skipped = before.replace(tzinfo=None) + MINUTE
        while skipped < local.replace(tzinfo=None):
            offset = before.utcoffset()
            assert offset is not None
            for cron, times in found.items():
                if fits(cron, skipped):
                    times.add(skipped.replace(tzinfo=UTC) - offset)
            skipped += MINUTE
        before = local
        time += MINUTE
    return {cron: sorted(time for time in times if since < time <= until) for cron, times in found.items()}


def changes(zone: ZoneInfo, year: int) -> Iterator[datetime]:
    time = datetime(year, 1, 1, tzinfo=UTC)
    while time.year == year:
        if time.astimezone(zone).utcoffset() != (time - timedelta(hours=1)).astimezone(zone).utcoffset():
            yield time
        time += timedelta(hours=1)


def check(zone_name: str, since: datetime, until: datetime) -> None:
    for cron, expected in enumerated(ZoneInfo(zone_name), since, until).items():
        rule = Rule(cron, None, zone_name, since)
        assert list(takewhile(lambda time: time <= until, nominal_times(rule, since))) == expected, cron
        # From any moment on the rest is the same: nothing depends on where the search begins.
        for after in (since + (until - since) / 3, since + (until - since) / 2):
            rest = list(takewhile(lambda time: time <= until, nominal_times(rule, after)))
            assert rest == [time for time in expected if time > after], (cron, after)


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
