"""Outcomes cut by the values of features: an outcome profile for each (feature, value, day) of a stream.

How many values a feature has is bounded: its most frequent ones in the reference are kept apart, every other is pooled.
Everything here runs inside the caller's transaction.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from pilothouse.domain.categories import category_text
from pilothouse.sqlite import Connection
from pilothouse.statistics import outcomes
from pilothouse.statistics.outcomes import OutcomeProfile
from pilothouse.statistics.specification import CategoricalColumn, ProfileSpecification

from .columns import Features, Ints

LARGEST = 20
"""Values of a feature that are kept apart."""
OTHER = ""
"""Stands for every other value, and for a missing one."""


def values_of(specification: ProfileSpecification, feature: str) -> frozenset[str]:
    """The values of a feature that are kept apart; none for a feature with more numbers than LARGEST."""
    column = specification.by_name.get(feature)
    if isinstance(column, CategoricalColumn):
        return frozenset(column.categories[:LARGEST])
    if column is None or not 0 < len(column.atoms) <= LARGEST:
        return frozenset()
    return frozenset(category_text(float(value)) or OTHER for value in column.atoms)


def texts_of(
    specification: ProfileSpecification, slices: Iterable[str], features: Features, rows: Ints
) -> dict[str, list[str]]:
    """The slice of each of the rows, for every feature that can be cut."""
    found: dict[str, list[str]] = {}
    for name in slices:
        kept = values_of(specification, name)
        if not kept:
            continue
        if name in features.categorical:
            texts = features.categorical[name].take(rows).texts()
        elif name in features.numeric:
            numbers = features.numeric[name]
            texts = [category_text(float(numbers[row])) for row in rows]
        else:
            continue
        found[name] = [text if text in kept else OTHER for text in texts]
    return found


def fold(
    connection: Connection,
    specification: ProfileSpecification,
    stream_id: int,
    day: int,
    cut: Mapping[str, list[str]],
    rows: tuple[list[float], list[str], list[object]],
) -> None:
    """Add a day's rows (scores, labels, truths) to the profiles of their slices."""
    scores, labels, truth = rows
    for feature, texts in cut.items():
        places: dict[str, list[int]] = {}
        for place, text in enumerate(texts):
            places.setdefault(text, []).append(place)
        for value, members in places.items():
            part = outcomes.profile_outcomes(
                specification,
                np.array([scores[i] for i in members]),
                [labels[i] for i in members] if labels else [],
                [truth[i] for i in members],
            )
            _add(connection, specification, (stream_id, feature, value, day), part)


def _add(
    connection: Connection,
    specification: ProfileSpecification,
    key: tuple[int, str, str, int],
    part: OutcomeProfile,
) -> None:
    row = connection.execute(
        "SELECT data FROM outcome_slices WHERE stream_id=? AND feature=? AND value=? AND start=?", key
    ).fetchone()
    if row is not None:
        part = outcomes.merge(specification, outcomes.decode(specification, row[0]), part)
    connection.execute(
        "INSERT OR REPLACE INTO outcome_slices VALUES (?,?,?,?,?,?)",
        (*key, part.rows, outcomes.encode(specification, part)),
    )


def read(
    connection: Connection, specification: ProfileSpecification, stream_id: int, start_us: int, end_us: int
) -> dict[tuple[str, str], list[OutcomeProfile]]:
    """The days that start in [start, end) of each (feature, value), oldest first."""
    found: dict[tuple[str, str], list[OutcomeProfile]] = {}
    for feature, value, data in connection.execute(
        "SELECT feature, value, data FROM outcome_slices WHERE stream_id=? AND start>=? AND start<? "
        "ORDER BY feature, value, start",
        (stream_id, start_us, end_us),
    ):
        found.setdefault((feature, value), []).append(outcomes.decode(specification, data))
    return found
