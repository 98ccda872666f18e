"""When a schedule fires: its nominal times in UTC, from cron in a time zone or from an interval."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo

from pilothouse.domain.errors import InvalidInputError
from pilothouse.store.schedules import Rule


def nominal_times(rule: Rule, after: datetime) -> Iterator[datetime]:
    """The nominal times later than ``after`` and than the rule itself, in order, without end (cron may end)."""
    after = max(after, rule.since)
    if rule.every_s is not None:
        step = timedelta(seconds=rule.every_s)
        time = rule.since + ((after - rule.since) // step + 1) * step
        while True:
            yield time
            time += step
    else:
        yield from _cron_times(rule, after)


def due_times(rule: Rule, after: datetime, now: datetime) -> tuple[datetime, int] | None:
    """The latest nominal time up to ``now`` and how many earlier ones it stands for; None where nothing is due."""
    latest: datetime | None = None
    count = 0
    for time in takewhile(lambda nominal: nominal <= now, nominal_times(rule, after)):
        latest, count = time, count + 1
    return (latest, count - 1) if latest is not None else None


def check_rule(cron: str | None, timezone: str) -> None:
    """Raise InvalidInputError where a cron expression or a time zone is not one."""
    if cron is not None:
        _trigger(cron, timezone)


def is_zone(name: str) -> bool:
    """True for a time zone's IANA name."""
    try:
        ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return False
    return True


def _cron_times(rule: Rule, after: datetime) -> Iterator[datetime]:
    assert rule.cron is not None
    trigger = _trigger(rule.cron, rule.timezone)
    every_hour = rule.cron.split()[1].startswith("*")
    # In UTC: adding to a local time in the repeated hour would lead back into its first pass, for ever.
    start = after.astimezone(UTC) + timedelta(microseconds=1)
    while (local := trigger.get_next_fire_time(None, start)) is not None:
        time = local.astimezone(UTC)
        # An hour that the clocks repeat in autumn holds each local time twice: a daily run is wanted once.
        if every_hour or not local.fold:
            yield time
        start = max(time, start) + timedelta(microseconds=1)


def _trigger(cron: str, timezone: str) -> Any:
    # Not at the top: the import takes a tenth of a second that the first screen does not have.
    from apscheduler.triggers.cron import CronTrigger

    try:
        return CronTrigger.from_crontab(cron, timezone=timezone)
    except (ValueError, LookupError) as error:
        raise InvalidInputError(
            f"cron {cron!r} in the time zone {timezone!r} is not valid: {error}; expected e.g. "
            '"0 3 * * mon" and an IANA zone such as Europe/Berlin'
        ) from None
