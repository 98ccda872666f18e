"""Nominal times of a schedule in UTC: from cron in a time zone, from an interval, or once.

Cron means local time. Where the clocks are moved:

- a time that the clocks skip fires at the moment that it would have been without the change (02:30 of a night without an hour
  from two to three: at 03:30 summer time, the same moment); where that moment is due anyway, it is due once;
- a time that the clocks repeat fires at its first pass, but for schedules whose hour begins with ``*``: those follow the
  hours that pass, and fire in both.

Weekdays by number are cron's own (0 and 7 are Sunday). With a day of the month and a weekday given, either is enough; with
a ``*`` in one of the two fields, both must fit (cron(5)).
"""

import hashlib
import heapq
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.formats.time_parsing import zone
from pilothouse.store.work.schedules import Rule

_A_DAY_AND_MORE = timedelta(hours=26)
"""Farther than any zone has ever moved its clocks at once (Apia left out a day in 2011)."""
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MICROSECOND = timedelta(microseconds=1)


def nominal_times(rule: Rule, after: datetime) -> Iterator[datetime]:
    """The nominal times later than ``after`` and than the rule itself, in order, without end (cron may end)."""
    after = max(after, rule.since)
    if rule.once is not None:
        if rule.once > after:
            yield rule.once
    elif rule.every_s is not None:
        step = timedelta(seconds=rule.every_s)
        time = rule.since + ((after - rule.since) // step + 1) * step
        while True:
            yield time
            time += step
    else:
        assert rule.cron is not None
        yield from _cron_times(rule.cron, rule.timezone, after)


def start_of(rule: Rule, nominal: datetime) -> datetime:
    """The start of the run of a nominal time: later by the rule's jitter, which is always the same for the same time."""
    if not rule.jitter_s:
        return nominal
    digest = hashlib.sha256(f"{rule.key} {nominal.isoformat()}".encode()).digest()
    return nominal + timedelta(seconds=int.from_bytes(digest[:8]) % rule.jitter_s)


def due_times(rule: Rule, after: datetime, now: datetime) -> list[datetime]:
    """The nominal times after ``after`` whose run should have started by ``now``, in order."""
    return list(takewhile(lambda nominal: start_of(rule, nominal) <= now, nominal_times(rule, after)))


def check_rule(cron: str | None, timezone: str) -> None:
    """Raise InvalidInputError where a cron expression or a time zone is not one."""
    if cron is not None:
        _triggers(cron, timezone)
    if not is_zone(timezone):
        raise InvalidInputError(
            f"timezone {timezone[:80]!r} is not one; expected an IANA name such as Europe/Berlin"
        )


def is_zone(name: str) -> bool:
    """True for a time zone's IANA name."""
    try:
        zone(name)
    except LookupError:
        return False
    return True


def gives_either_day(cron: str) -> bool:
    """True where an expression names days of the month and weekdays, so that it fires on the ones and on the others."""
    fields = cron.split()
    return "*" not in fields[2] and "*" not in fields[4]


def _cron_times(cron: str, timezone: str, after: datetime) -> Iterator[datetime]:
    """Local times in order, each as the moment at which the zone's clocks show it.

    Near a change of the clocks the order of local times is not the order of the moments: there the moments of a day are
    gathered and sorted.
    """
    zone = ZoneInfo(timezone)
    follows_hours = cron.split()[1].startswith("*")
    waiting: list[datetime] = []
    latest = after.astimezone(UTC)
    start = latest.astimezone(zone).replace(tzinfo=None)
    if not _is_calm(start, zone):  # an earlier local time may come later
        start -= _A_DAY_AND_MORE
    for wall in _walls(_triggers(cron, timezone), start):
        for time in _moments(wall, zone, follows_hours):
            heapq.heappush(waiting, time)
        ripe = (
            wall.replace(tzinfo=UTC)
            - _offset(wall, zone)
            - (timedelta() if _is_calm(wall, zone) else _A_DAY_AND_MORE)
        )
        while waiting and waiting[0] <= ripe:
            time = heapq.heappop(waiting)
            if time > latest:
                latest = time
                yield time
    for time in sorted(waiting):
        if time > latest:
            latest = time
            yield time


def _walls(triggers: Sequence[Any], after: datetime) -> Iterator[datetime]:
    """Naive local times of all triggers together, from ``after`` on, each once, as if no clock were ever moved."""
    previous = None
    for wall in heapq.merge(*(_walls_of(trigger, after) for trigger in triggers)):
        if wall != previous:
            previous = wall
            yield wall


def _walls_of(trigger: Any, after: datetime) -> Iterator[datetime]:
    start = after.replace(tzinfo=UTC)
    while (time := trigger.get_next_fire_time(None, start)) is not None:
        yield time.replace(tzinfo=None)
        start = time + _MICROSECOND


def _moments(wall: datetime, zone: ZoneInfo, follows_hours: bool) -> Iterator[datetime]:
    # PEP 495: of a skipped wall time fold=0 has the offset before the change, which is the policy above.
    yield wall.replace(tzinfo=UTC) - _offset(wall, zone)
    if follows_hours and _is_repeated(wall, zone):
        yield wall.replace(tzinfo=UTC) - _offset(wall, zone, fold=1)


def _offset(wall: datetime, zone: ZoneInfo, fold: int = 0) -> timedelta:
    offset = wall.replace(tzinfo=zone, fold=fold).utcoffset()
    assert offset is not None
    return offset


def _is_repeated(wall: datetime, zone: ZoneInfo) -> bool:
    return _offset(wall, zone) > _offset(wall, zone, fold=1)


def _is_calm(wall: datetime, zone: ZoneInfo) -> bool:
    here = _offset(wall, zone)
    return here == _offset(wall - _A_DAY_AND_MORE, zone) == _offset(wall + _A_DAY_AND_MORE, zone)


def _triggers(cron: str, timezone: str) -> list[Any]:
    """APScheduler's triggers whose times together are the expression's. One trigger fires where all of its fields fit."""
    # Not at the top: the import takes a tenth of a second that the first screen does not have.
    from apscheduler.triggers.cron import CronTrigger

    try:
        minute, hour, day, month, weekday = cron.split()
        if not is_zone(timezone):
            raise ValueError("no such time zone")
        weekday = _weekdays(weekday)
        days = [(day, "*"), ("*", weekday)] if gives_either_day(cron) else [(day, weekday)]
        # In UTC, which has no changes: this module applies the zone's changes.
        return [
            CronTrigger(minute=minute, hour=hour, day=day, month=month, day_of_week=weekday, timezone=UTC)
            for day, weekday in days
        ]
    except (ValueError, LookupError) as error:
        raise InvalidInputError(
            f"cron {cron[:80]!r} in the time zone {timezone[:80]!r} is not valid: {one_line(str(error))}; expected e.g. "
            '"0 3 * * mon" and an IANA zone such as Europe/Berlin'
        ) from None


def _weekdays(field: str) -> str:
    """Weekdays by name for numbers as cron counts them, Sunday first: APScheduler counts from Monday."""
    if not re.search(r"\d", field):
        return field
    days: list[str] = []
    for part in field.split(","):
        match = re.fullmatch(r"(?:(\*)|(\d)(?:-(\d))?)(?:/(\d+))?", part)
        if match is None:
            days.append(part)
            continue
        star, first, last, step = match.groups()
        low = 0 if star else int(first)
        high = 6 if star else int(last) if last else (low if step is None else 6)
        if high > 7 or low > high or step == "0":
            raise ValueError(f"weekday {part!r}")
        days += [_DAYS[number] for number in range(low, high + 1, int(step or 1))]
    return ",".join(dict.fromkeys(days))
