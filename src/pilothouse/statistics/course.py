"""Expected course of a column: the figure of a window that a person can follow, beside the one that was expected of it."""

from pilothouse.domain.drift_comparison import Course
from pilothouse.domain.findings import Power
from pilothouse.statistics.profiles.profile import Profile, bin_means, histogram
from pilothouse.statistics.profiles.specification import CategoricalColumn, ProfileSpecification


def course_of(
    specification: ProfileSpecification,
    feature: str,
    current: Profile,
    reference: Profile,
    before: Profile | None,
    power: Power | None,
) -> Course | None:
    """Mean of a number in a window, or the share of the reference's most frequent category, beside that of the days ``before``
    where these have rows, else of the ``reference``. The band is the smallest change that the window would have shown. None
    where a side has no value."""
    column = specification.by_name[feature]
    now = histogram(specification, current, feature)
    base = histogram(specification, reference, feature)
    past = histogram(specification, before, feature) if before is not None else None
    compared = past if past is not None and past.present else base
    if not now.present or not compared.present:
        return None
    if isinstance(column, CategoricalColumn):
        top = int(base.counts[:-1].argmax()) if len(base.counts) > 1 else 0
        of = column.categories[top] if column.categories else ""
        value, expected = (float(h.counts[top] / h.present) for h in (now, compared))
    else:
        of = ""
        value, expected = (float(bin_means(column, h) @ h.counts / h.present) for h in (now, compared))
    reach = None
    if power is not None and power.smallest is not None:
        reach = power.smallest if isinstance(column, CategoricalColumn) else power.own_unit
    return Course(
        value=value,
        expected=expected,
        low=None if reach is None else expected - reach,
        high=None if reach is None else expected + reach,
        category=of,
        beside="reference" if compared is base else "recent",
    )
