"""Nominal times of cron by looking at every minute, without a thought of how they are computed in earnest."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from pilothouse.operations.automation.schedule_times import nominal_times
from pilothouse.store.work.schedules import Rule

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
    "0 0 13 * fri": ((0,), (0,), None),
    "40 2 25-31 * sun,tue": ((40,), (2,), None),
    "20 1 */2 * sat,sun": ((20,), (1,), (5, 6)),
    "50 0 29-31 * *": ((50,), (0,), None),
}
DAYS = {
    # what decides whether a day fits, where it is more than its weekday
    "0 0 13 * fri": lambda day: day.day == 13 or day.weekday() == 4,
    "40 2 25-31 * sun,tue": lambda day: day.day >= 25 or day.weekday() in (6, 1),
    "20 1 */2 * sat,sun": lambda day: day.day % 2 == 1,
    "50 0 29-31 * *": lambda day: day.day >= 29,
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
        and (cron not in DAYS or DAYS[cron](wall))
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
