"""What stands behind the verdict on one figure of one window."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grounds:
    """Enough to explain a verdict without computing anything again.

    The p-value was held against ``level``, the largest at which a figure of this window speaks (Benjamini–Hochberg): it was
    the ``rank``-th smallest of ``looked_at`` (rank 0: not looked at). ``tests``: how many of the column's own it counts.
    ``usual`` is the value in the middle of what windows of as many rows show while nothing has changed, learnt from
    ``blocks`` independent windows' worth of the reference's days (0: from chance alone). ``calibrated`` is the threshold that
    follows at that level, ``effect`` the change below which none is worth a word; the larger of the two is the threshold.
    ``certain``: strong enough to open an alert without a second window. ``together``: how many windows were judged as one, the
    newest last.
    """

    effect: float = 0.0
    calibrated: float = 0.0
    usual: float = 0.0
    blocks: float = 0.0
    tests: int = 0
    level: float = 0.0
    rank: int = 0
    looked_at: int = 0
    certain: bool = False
    together: int = 1

    @property
    def set_by(self) -> str:
        """Which part set the threshold: ``effect``, ``calibration`` (the reference's own windows) or ``chance``."""
        if self.effect >= self.calibrated:
            return "effect"
        return "calibration" if self.blocks else "chance"
