"""The demo as the command runs it: a console over a replay on a terminal, else the whole scenario and its report."""

import sys
from datetime import date, timedelta
from pathlib import Path

from pilothouse.demo import report, scenario, workspace
from pilothouse.demo.progress import Progress
from pilothouse.demo.scenario import DRILL_DAYS, FIRST_DAY, FLIGHTS, STORY_ENDS
from pilothouse.domain.errors import InvalidInputError

_LAST = date(2013, 12, 31) - timedelta(days=DRILL_DAYS)
"""The last day of the data, but for the days that the drill takes."""


def run_demo(
    folder: Path | None,
    *,
    headless: bool,
    as_json: bool,
    until: str | None,
    pace: float | None,
    keep: bool,
    actor: str | None,
) -> int:
    """Run the demo in ``folder`` (a new temporary one otherwise). The exit code is 0 only if every step happened."""
    days = _days(until)
    progress = Progress()
    root = workspace.set_up(folder)
    progress.say(f"workspace {root}: real flights and bike rentals, two model files")
    if not headless and not as_json and sys.stdin.isatty() and sys.stdout.isatty():
        from pilothouse.demo import on_terminal

        return on_terminal.show(root, progress, days=days, pace=pace, keep=keep, actor=actor)
    try:
        demo = scenario.start_demo(root, progress)
        tally = scenario.play(demo, days)
        drill = scenario.finish(demo, days, tally)
        last = FIRST_DAY[FLIGHTS].date() + timedelta(days=days)
        cut = last if last < STORY_ENDS else None
        return report.deliver(demo, tally, drill, cut, as_json=as_json)
    finally:
        if not keep:
            workspace.remove(root)
        progress.say(workspace.closing_text(root, keep=keep))


def _days(until: str | None) -> int:
    first = FIRST_DAY[FLIGHTS].date()
    try:
        last = date.fromisoformat(until) if until else STORY_ENDS
    except ValueError:
        raise InvalidInputError(
            f"{until!r} is not a day: expected a date of 2013 such as 2013-07-01"
        ) from None
    if not first < last <= _LAST:
        raise InvalidInputError(f"--until {last}: expected a day after {first}, up to {_LAST}")
    return (last - first).days
