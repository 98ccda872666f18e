"""The replay behind the live demo: ``python -m pilothouse.demo.background ROOT DAYS DAYS_A_SECOND``.

Nobody decides anything here: what is asked for waits in the inbox of whoever sits at the console.
"""

import sys
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from pilothouse.composition import open_workspace
from pilothouse.demo import scenario, steps
from pilothouse.demo.progress import Progress
from pilothouse.demo.replay import Tally, replay


def main(root: Path, days: int, days_a_second: float) -> None:
    """Replay ``days`` days at ``days_a_second`` at the most."""
    progress = Progress()
    demo = steps.open_demo(open_workspace(root), progress)
    tally = Tally()
    began = time.monotonic()

    lanes = scenario.make_lanes(demo, scenario.FIRST_DAY, days)

    def day_done(number: int, today: Mapping[str, date]) -> None:
        scenario.announce(demo, lanes, number + 1, days, today)
        progress.update(f"day {number + 1} of {days}: {tally.rows:,} rows")
        time.sleep(max(0.0, began + (number + 1) / days_a_second - time.monotonic()))

    replay(lanes, days, day_done=day_done, tally=tally)
    progress.say(f"replayed {tally.rows:,} rows in {tally.requests:,} requests")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
