"""Nulls of windows that are merged from several: those of a single window, with some doubt.

The mean of several windows varies no more than one of them does, so that their nulls are cautious where windows differ by
themselves, and exact where they differ by sampling alone.

In a window of few rows the variance between windows hides behind sampling, so that an overdispersed column may pass for
stationary. In several windows together little of the sampling is left to hide behind.
"""

import math
from dataclasses import replace

from pilothouse.statistics.significance.calibration import Calibration, Null
from pilothouse.statistics.significance.multiplicity import FAULTS

DOUBT = 0.5
"""Standard errors (√(2/windows) of sampling's variance) by which the variance between windows is taken to be larger than it was
measured."""


def calibration_of_merged(calibration: Calibration) -> Calibration:
    """The nulls with the variance between windows of each stationary column larger by DOUBT; others as they are."""
    columns = {name: tuple(map(_doubted, nulls)) for name, nulls in calibration.columns.items()}
    return replace(calibration, columns=columns)


def _doubted(null: Null) -> Null:
    law = null.sampling
    if law is None or null.statistic in FAULTS:
        return null
    return replace(null, sampling=replace(law, beyond=law.beyond + DOUBT * math.sqrt(2 / null.windows)))
