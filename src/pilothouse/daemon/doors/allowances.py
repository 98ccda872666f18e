"""Allowances: what each target may send to the hub. A refusal is 429 with the seconds after which it may come back.

Bytes and rows count by the day (UTC), over restarts of the daemon too; requests by a rate. All of it is for targets on other
machines; reports have a rate at every door, since each one that says something new is a write to the registry.
"""

import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from pilothouse.domain.models.hub_limits import Bounds, Bucket, Usage, day_of, seconds_of_day_left
from pilothouse.operations.fleet import hub_door
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import write_state
from pilothouse.serving.web.http import HttpError

AT_ONCE = 16
"""Requests of one target that may be under way at the same time: a process has a few connections."""
_BURST_S = 4.0
_REPORTS_A_SECOND, _REPORTS_AT_ONCE = 5.0, 20.0
"""A process reports each second, and once more when something has changed."""
_ROOM_LEFT = 4
"""Times the space at which the workspace becomes read-only: below it nothing more is taken from other machines."""
_DISK_LOOK_S = 1.0


class Allowances:
    """What all targets have sent, by target. Any thread may call."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._usages: dict[str, Usage] | None = None
        self._changed: set[str] = set()
        self._told: dict[str, Usage] = {}
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._under_way: Counter[str] = Counter()
        self._disk_looked, self._disk_fault = float("-inf"), ""

    @contextmanager
    def request(self, target: str, bounds: Bounds) -> Iterator[None]:
        """A request of a target while it is under way. Raises HttpError where it is one too many."""
        rate = float(bounds.requests_a_second)
        with self._lock:
            if (wait := self._bucket(target, "requests", rate, rate * _BURST_S).take(time.monotonic())) > 0:
                raise self._refused(target, f"more than {bounds.requests_a_second} requests a second", wait)
            if self._under_way[target] >= AT_ONCE:
                raise self._refused(target, f"{AT_ONCE} requests are under way already", 1.0)
            self._under_way[target] += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way[target] -= 1
                if not self._under_way[target]:
                    del self._under_way[target]

    def take_body(self, target: str, bounds: Bounds, size: int, *, is_stored: bool) -> None:
        """Count a body before it is read. Raises HttpError where the day's bytes or rows are used up, or where it would be
        stored (``is_stored``) and the disk is nearly full."""
        if is_stored:
            self._check_disk()
        with self._lock:
            usage = self._usage(target)
            if usage.bytes + size > bounds.bytes_a_day:
                raise self._day_over(target, f"the day's {bounds.bytes_a_day >> 20:,} MB are used up")
            if is_stored and usage.rows >= bounds.rows_a_day:
                raise self._day_over(target, _rows_over(bounds))
            self._put(replace(usage, bytes=usage.bytes + size))

    def take_rows(self, target: str, bounds: Bounds, rows: int) -> None:
        """Count rows of a body that was read. Raises HttpError where they are more than are left of the day's; then none is
        left."""
        with self._lock:
            usage = self._usage(target)
            left = bounds.rows_a_day - usage.rows
            self._put(replace(usage, rows=usage.rows + min(rows, max(left, 0))))
            if rows > left:
                raise self._day_over(target, _rows_over(bounds))

    def take_report(self, target: str) -> None:
        """Count a report, whichever door it came by. Raises HttpError."""
        with self._lock:
            bucket = self._bucket(target, "reports", _REPORTS_A_SECOND, _REPORTS_AT_ONCE)
            if (wait := bucket.take(time.monotonic())) > 0:
                raise self._refused(target, f"more than {_REPORTS_A_SECOND:g} reports a second", wait)

    def save(self) -> None:
        """Put on record what has changed. Raises UnavailableError; then the next call does it."""
        with self._lock:
            usages = self._usages or {}
            changed = [usages[target] for target in self._changed]
            told = dict(self._told)
        if not changed:
            return
        hub_door.note_usage(self._services, changed, told)
        with self._lock:
            self._changed -= {one.target for one in changed if self._usage(one.target) == one}
            for target in told:
                self._told.pop(target, None)

    def _bucket(self, target: str, kind: str, rate: float, size: float) -> Bucket:
        bucket = self._buckets.get((target, kind))
        if bucket is None or bucket.rate != rate:
            bucket = self._buckets[target, kind] = Bucket(rate, size, size, time.monotonic())
        return bucket

    def _usage(self, target: str) -> Usage:
        """Of today."""
        if self._usages is None:
            self._usages = hub_door.known_usage(self._services)
        today, known = day_of(self._services.now()), self._usages.get(target)
        return known if known is not None and known.day == today else Usage(target, today)

    def _put(self, usage: Usage) -> None:
        assert self._usages is not None
        self._usages[usage.target] = usage
        self._changed.add(usage.target)

    def _day_over(self, target: str, why: str) -> HttpError:
        return self._refused(target, why, seconds_of_day_left(self._services.now()))

    def _refused(self, target: str, why: str, wait_s: float) -> HttpError:
        """Error of a refusal, which is counted."""
        usage = self._usage(target)
        after = replace(usage, refused=usage.refused + 1, refused_at=self._services.now(), why=why)
        self._put(after)
        if not usage.refused:
            self._told[target] = after
        # the body, if there is one, still lies on the connection
        headers = {"retry-after": str(int(wait_s) + 1), "connection": "close"}
        return HttpError(
            429, f"{why}: [hub.limits] of targets.toml, or the target's limits, bound it", headers
        )

    def _check_disk(self) -> None:
        now = time.monotonic()
        if now - self._disk_looked >= _DISK_LOOK_S:
            self._disk_looked = now
            found = shutil.disk_usage(self._services.paths.state)
            least = _ROOM_LEFT * write_state.least_free(found.total)
            self._disk_fault = (
                f"the hub's disk has {found.free >> 20} MiB free; of other machines nothing is taken below {least >> 20}"
                if found.free < least
                else ""
            )
        if self._disk_fault:
            raise HttpError(503, self._disk_fault, {"retry-after": "30", "connection": "close"})


def _rows_over(bounds: Bounds) -> str:
    return f"the day's {bounds.rows_a_day:,} rows are used up"
