"""Freeze windows on the clock of their zone."""

from datetime import UTC, datetime

import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.promotion.freezes import FreezeWindow, checked, freeze_of, freeze_text, frozen_until


def window(
    begins: str, ends: str, timezone: str = "UTC", *, model: str = "", name: str = "w"
) -> FreezeWindow:
    begins, ends = checked(begins, ends, timezone)
    return FreezeWindow(
        id=1,
        name=name,
        model=model,
        begins=begins,
        ends=ends,
        timezone=timezone,
        reason="why",
        set_by="ada",
        recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("begins", "ends", "zone", "now", "until"),
    [
        ("fri 16:00", "mon 08:00", "UTC", "2026-11-27 15:59", None),  # a Friday
        ("fri 16:00", "mon 08:00", "UTC", "2026-11-27 16:00", "2026-11-30 08:00"),
        ("fri 16:00", "mon 08:00", "UTC", "2026-11-29 23:00", "2026-11-30 08:00"),
        ("fri 16:00", "mon 08:00", "UTC", "2026-11-30 08:00", None),
        ("fri 16:00", "mon 08:00", "Europe/Berlin", "2026-11-27 15:00", "2026-11-30 07:00"),
        ("fri 16:00", "mon 08:00", "Europe/Berlin", "2026-07-03 14:00", "2026-07-06 06:00"),  # summer time
        (
            "sat 00:00",
            "mon 00:00",
            "Europe/Berlin",
            "2026-10-24 12:00",
            "2026-10-25 23:00",
        ),  # the clock goes back
        ("22:00", "06:00", "UTC", "2026-11-27 23:00", "2026-11-28 06:00"),
        ("22:00", "06:00", "UTC", "2026-11-27 05:59", "2026-11-27 06:00"),
        ("22:00", "06:00", "UTC", "2026-11-27 12:00", None),
        ("09:00", "10:00", "UTC", "2026-11-27 09:30", "2026-11-27 10:00"),
        ("22:00", "06:00", "America/New_York", "2026-11-28 04:00", "2026-11-28 11:00"),
        ("mon 08:00", "mon 18:00", "UTC", "2026-11-30 12:00", "2026-11-30 18:00"),
        ("mon 08:00", "mon 18:00", "UTC", "2026-11-30 18:00", None),
        ("mon 18:00", "mon 08:00", "UTC", "2026-12-06 12:00", "2026-12-07 08:00"),  # all week but ten hours
        ("2026-12-20 00:00", "2027-01-05 00:00", "UTC", "2026-12-24 18:00", "2027-01-05 00:00"),
        ("2026-12-20 00:00", "2027-01-05 00:00", "UTC", "2027-01-05 00:00", None),
        ("2026-12-20 00:00", "2027-01-05 00:00", "UTC", "2025-12-24 18:00", None),
    ],
)
def test_a_window_holds_by_the_clock_of_its_zone(
    begins: str, ends: str, zone: str, now: str, until: str | None
) -> None:
    assert frozen_until(window(begins, ends, zone), at(now)) == (at(until) if until else None)


@pytest.mark.parametrize(
    ("begins", "ends", "zone", "text"),
    [
        ("fri 16:00", "08:00", "UTC", "both are days of the week"),
        ("freitag 16:00", "mon 08:00", "UTC", "expected"),
        ("24:00", "06:00", "UTC", "expected"),
        ("22:00", "22:00", "UTC", "no length"),
        ("2026-12-20 00:00", "2026-12-19 00:00", "UTC", "ends before it begins"),
        ("2026-02-30 00:00", "2026-03-02 00:00", "UTC", "no time that exists"),
        ("22:00", "06:00", "Europe/Atlantis", "time zone"),
        ("22:00", "06:00", "../etc/passwd", "time zone"),
    ],
)
def test_what_is_no_window_is_refused_in_a_line(begins: str, ends: str, zone: str, text: str) -> None:
    with pytest.raises(InvalidInputError, match=text):
        checked(begins, ends, zone)


def test_the_window_that_lasts_longest_is_named() -> None:
    windows = [
        window("22:00", "06:00", name="nights"),
        window("fri 16:00", "mon 08:00", name="weekend"),
        window("2026-01-01 00:00", "2027-01-01 00:00", name="other", model="iris"),
    ]
    found = freeze_of(windows, "delay", at("2026-11-28 23:00"))
    assert found is not None
    assert freeze_text(*found) == (
        "frozen by the window weekend (fri 16:00 to mon 08:00 UTC) until 2026-11-30 08:00 UTC"
    )
    assert freeze_of(windows, "delay", at("2026-11-26 12:00")) is None
