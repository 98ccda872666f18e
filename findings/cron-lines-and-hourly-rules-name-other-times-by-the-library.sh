#!/usr/bin/env bash
# APScheduler 3.11.3, croniter 7.0.0, cronsim 2.8, python-dateutil 2.9.0.post0 (Python 3.11)
#
# Guess:    a cron line means in each library what cron means by it: 0 and 7 are Sunday; a day of the month and a weekday, either is
#           enough. An hourly rule with a zone goes on by an hour.
# Seen:     1. CronTrigger.from_crontab counts weekdays from Monday, refuses 7, and wants the day of the month and the weekday both. Names
#              (mon-fri) are right.
#           2. croniter takes "*/2" beside a weekday as a day that is given (either is enough), cronsim as a star (both must fit), as cron
#              does. 02:30 in autumn comes twice by croniter and once by cronsim; both move it to 03:00 in spring.
#           3. dateutil's HOURLY counts on the clock on the wall: in autumn one hour is left out, in spring one comes twice.
# Output:   "0 9 * * 1-5" after Friday: Saturday by APScheduler, Monday by the others. "0 0 13 * 5": Saturday the 13th of February, or
#           Friday the 6th of November. Hours from 23:00 UTC on, 25th of October: 23 0 2 3; 29th of March: 0 1 1 2.
# Matters:  the retraining of Monday runs on Tuesday with Monday's rows, Saturday's run finds no file; an hourly join loses an
#           hour a year and has one twice. Nothing fails. Name weekdays by letters, schedule in UTC, and print the next
#           ten times of a line before it is used.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    APScheduler==3.11.3 croniter==7.0.0 cronsim==2.8 python-dateutil==2.9.0.post0 tzdata
cat > "$work/check.py" <<'PY'
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger
from croniter import croniter
from cronsim import CronSim
from dateutil.rrule import HOURLY, rrule

berlin = ZoneInfo("Europe/Berlin")


def said(time):
    return f"{time:%a %m-%d %H:%M %z}"


def first(line, after, count=1):
    """The next times by each library; APScheduler's first one alone."""
    after = after.replace(tzinfo=berlin)
    others = croniter(line, after), CronSim(line, after)
    try:
        by_apscheduler = said(CronTrigger.from_crontab(line, timezone=berlin).get_next_fire_time(None, after))
    except ValueError:
        by_apscheduler = "refused"
    times = {
        "APScheduler": by_apscheduler,
        "croniter": [said(others[0].get_next(datetime)) for _ in range(count)],
        "cronsim": [said(next(others[1])) for _ in range(count)],
    }
    print(f"{line:14}", times)
    return times["APScheduler"][:9], *([time[:9] for time in times[name]] if count == 1 else times[name] for name in ("croniter", "cronsim"))


week = first("0 9 * * 1-5", datetime(2026, 11, 6, 12))
names = first("0 9 * * mon-fri", datetime(2026, 11, 6, 12))
sunday = first("0 9 * * 0", datetime(2026, 11, 1, 12))
seven = first("0 9 * * 7", datetime(2026, 11, 1, 12))
either = first("0 0 13 * 5", datetime(2026, 11, 1))
star = first("0 0 */2 * 1", datetime(2026, 11, 2, 12))
autumn = first("30 2 * * *", datetime(2026, 10, 24, 12), 2)
spring = first("30 2 * * *", datetime(2026, 3, 28, 12), 2)
hours = {
    start: [time.astimezone(UTC).hour for time in rrule(HOURLY, dtstart=start.replace(tzinfo=berlin), count=4)]
    for start in (datetime(2026, 10, 25, 1), datetime(2026, 3, 29, 1))
}
print("hourly, in UTC:", hours)
assert week == ("Sat 11-07", ["Mon 11-09"], ["Mon 11-09"]), "APScheduler counts weekdays from Sunday now"
assert names == ("Mon 11-09", ["Mon 11-09"], ["Mon 11-09"])
assert sunday == ("Mon 11-02", ["Sun 11-08"], ["Sun 11-08"]) and seven == ("refused", ["Sun 11-08"], ["Sun 11-08"])
assert either == ("Sat 02-13", ["Fri 11-06"], ["Fri 11-06"]), "either day is enough for APScheduler now"
assert star[1:] == (["Tue 11-03"], ["Mon 11-09"]), "croniter and cronsim agree on a star with a step now"
assert autumn[1] == ["Sun 10-25 02:30 +0200", "Sun 10-25 02:30 +0100"], "croniter fires once in autumn now"
assert autumn[2] == ["Sun 10-25 02:30 +0200", "Mon 10-26 02:30 +0100"]
assert spring[1][0] == spring[2][0] == "Sun 03-29 03:00 +0200"
assert list(hours.values()) == [[23, 0, 2, 3], [0, 1, 1, 2]], "an hourly rule goes on by an hour now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
