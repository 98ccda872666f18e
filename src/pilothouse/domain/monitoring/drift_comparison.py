"""What a feature in a window was compared with, beside its reference: the weeks before, and the course that was expected."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeksBefore:
    """The days just before a window with which a feature is compared, where other versions answered in them.

    ``days`` with rows by the version that answered most of them, of which every ``every``-th stored row was read. ``lacking``:
    why the feature has no such days. ``found_by``: the version under which it had changed, which its own was not trained on.
    """

    days: dict[int, int] = field(default_factory=dict)
    every: int = 1
    lacking: str = ""
    found_by: int | None = None

    @property
    def text(self) -> str:
        """``the 3 weeks before, 2 of them under version 4``; by days where these are no whole weeks."""
        unit = 7 if all(days % 7 == 0 for days in self.days.values()) else 1
        whole = sum(self.days.values()) // unit
        under = [
            f"{days // unit} of them under version {version}" for version, days in sorted(self.days.items())
        ]
        sampled = f", one row in {self.every}" if self.every > 1 else ""
        return f"the {whole} {'weeks' if unit == 7 else 'days'} before, {' and '.join(under)}{sampled}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The mean of a feature in a window, or the share of its most frequent ``category``, beside that ``expected`` from the days
    before (``recent``), or from the ``reference``. A change beyond ``low`` and ``high`` would be found in three of four cases;
    None where none would be. ``year_before``: that of the same season of the year before, where it is on record; it judges
    nothing."""

    value: float
    expected: float
    low: float | None = None
    high: float | None = None
    category: str = ""
    beside: str = "reference"
    year_before: float | None = None
