"""Every minute of a year in zones that move their clocks, against an enumeration on the wall."""

from datetime import UTC, datetime, timedelta

import pytest

from support.cron_by_minutes import ZONES, check
from support.soak_plan import size


@pytest.mark.parametrize(("zone", "year"), ZONES)
def test_each_minute_of_the_year_is_right(zone: str, year: int) -> None:
    since = datetime(year, 1, 1, 0, 7, tzinfo=UTC)
    check(zone, since, since + timedelta(days=size(3, 366)))
