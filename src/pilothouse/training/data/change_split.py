"""Split of a training after a change: days since the change are held out in turn, so that the rest of them is learnt.

The newest rows alone as hold-out would be never trained on, and they are all that is known of the new world.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pilothouse.domain.formats.time_units import DAY_US, SECOND_US, from_us
from pilothouse.training.data.times import Micros

FEWEST_BLOCKS = 6
"""Blocks since the change at least; of fewer, neither part would hold more than a day or two."""
MOST_BLOCKS = 24
"""Blocks since the change at most: more time in one block leaves less of it beside rows of the other part."""


@dataclass(frozen=True, slots=True)
class ChangeSplit:
    """Rows that are held out (bool[rows]); None where the newest rows are, as without a change. ``text`` says what was done."""

    holdout: npt.NDArray[np.bool_] | None
    text: str


def split_since(times: Micros, holdout_s: int, changed_us: int, fewest_rows: int) -> ChangeSplit:
    """Split of rows (sorted by time) that changed at ``changed_us``.

    Blocks of whole days since the change are counted back from the newest: every third is held out, every second where a third
    has fewer than ``fewest_rows`` rows. All rows before the change are for training. Where the change is older than twice the
    hold-out, the newest rows are held out as ever: then at least as many new days are trained on.
    """
    newest = int(times[-1])
    since = f"the change of {from_us(changed_us):%Y-%m-%d}"
    if newest - changed_us >= 2 * holdout_s * SECOND_US:
        return ChangeSplit(None, f"{since} is older than twice the hold-out: the newest rows are held out")
    span_days = newest // DAY_US - changed_us // DAY_US + 1
    length = max(1, -(-span_days // MOST_BLOCKS))
    back = (newest // DAY_US - times // DAY_US) // length
    count = int(back[np.searchsorted(times, changed_us)]) + 1 if newest >= changed_us else 0
    if count < FEWEST_BLOCKS:
        known = f"{span_days} day{'' if span_days == 1 else 's'}" if newest >= changed_us else "no day"
        return ChangeSplit(
            None,
            f"{known} since {since} {'is' if known[:2] in ('1 ', 'no') else 'are'} too few to hold some out: "
            "the newest rows are held out, and the change is hardly learnt",
        )
    new = times >= changed_us
    every = next((n for n in (3, 2) if int((new & (back % n == 0)).sum()) >= fewest_rows), 2)
    holdout = new & (back % every == 0)
    unit = "day" if length == 1 else f"block of {length} days"
    ordinal = {2: "second", 3: "third"}[every]
    text = (
        f"every {ordinal} {unit} since {since} is held out ({int(holdout.sum())} rows), the others are trained on "
        f"({int((new & ~holdout).sum())} rows, beside {int((~new).sum())} from before)"
    )
    return ChangeSplit(holdout, text)
