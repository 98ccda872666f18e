"""Expected course of a column: the figure of a window that a person can follow, beside the one that was expected of it."""

from dataclasses import dataclass

from pilothouse.domain.monitoring.drift_comparison import Course
from pilothouse.domain.monitoring.findings import Power
from pilothouse.statistics.profiles.profile import Histogram, Profile, bin_means, histogram
from pilothouse.statistics.profiles.specification import CategoricalColumn, Column, ProfileSpecification


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """What a window's ``current`` profile is shown beside; None for what is not on record."""

    current: Profile
    reference: Profile
    before: Profile | None = None
    season: Profile | None = None


def course_of(
    specification: ProfileSpecification, feature: str, sides: Sides, power: Power | None
) -> Course | None:
    """Mean of a number in a window, or the share of the reference's most frequent category, beside that of the days ``before``
    where these have rows, else of the ``reference``. The band is the smallest change that the window would have shown. None
    where a side has no value."""
    column = specification.by_name[feature]
    now, base = (histogram(specification, side, feature) for side in (sides.current, sides.reference))
    past, season = (
        histogram(specification, side, feature) if side is not None else None
        for side in (sides.before, sides.season)
    )
    compared = past if past is not None and past.present else base
    if not now.present or not compared.present:
        return None
    is_category = isinstance(column, CategoricalColumn)
    top = int(base.counts[:-1].argmax()) if is_category and len(base.counts) > 1 else 0
    value, expected = (_figure(column, of, top) for of in (now, compared))
    reach = None
    if power is not None and power.smallest is not None:
        reach = power.smallest if is_category else power.own_unit
    return Course(
        value=value,
        expected=expected,
        low=None if reach is None else expected - reach,
        high=None if reach is None else expected + reach,
        category=column.categories[top]
        if isinstance(column, CategoricalColumn) and column.categories
        else "",
        beside="reference" if compared is base else "recent",
        year_before=_figure(column, season, top) if season is not None and season.present else None,
    )


def _figure(column: Column, of: Histogram, category: int) -> float:
    """Mean of a number, or the share of one category."""
    if isinstance(column, CategoricalColumn):
        return float(of.counts[category] / of.present)
    return float(bin_means(column, of) @ of.counts / of.present)
