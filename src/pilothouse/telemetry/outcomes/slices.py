"""Slices of outcomes by the values of features: an outcome profile for each value, in one row a stream, feature and day.

The number of values of a feature is bounded: its most frequent ones in the reference are kept apart, every other is
pooled. Everything here runs inside the caller's transaction.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache

import numpy as np

from pilothouse.domain.monitoring.categories import category_text
from pilothouse.sqlite import Connection
from pilothouse.statistics.profiles import outcome_profile
from pilothouse.statistics.profiles.outcome_profile import OutcomeProfile
from pilothouse.statistics.profiles.specification import CategoricalColumn, ProfileSpecification
from pilothouse.telemetry.rows.columns import Features, Ints

LARGEST = 20
"""Values of a feature that are kept apart."""
OTHER = ""
"""Slice of every other value, and of a missing one."""


@lru_cache(maxsize=256)
def values_of(specification: ProfileSpecification, feature: str) -> frozenset[str]:
    """Values of a feature that are kept apart; none for a feature with more numbers than LARGEST."""
    column = specification.by_name.get(feature)
    if isinstance(column, CategoricalColumn):
        return frozenset(column.categories[:LARGEST])
    if column is None or not 0 < len(column.atoms) <= LARGEST:
        return frozenset()
    return frozenset(category_text(float(value)) or OTHER for value in column.atoms)


def texts_of(
    specification: ProfileSpecification, slices: Iterable[str], features: Features, rows: Ints
) -> dict[str, list[str]]:
    """Slice of each of the rows, for every feature that can be cut."""
    by_feature: dict[str, list[str]] = {}
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
        by_feature[name] = [text if text in kept else OTHER for text in texts]
    return by_feature


def fold(
    connection: Connection,
    specification: ProfileSpecification,
    stream_id: int,
    day: int,
    cut: Mapping[str, list[str]],
    rows: tuple[list[float], list[str], list[object]],
) -> None:
    """Add a day's rows (scores, labels, outcomes) to the profiles of their slices."""
    scores, labels, kept_outcomes = rows
    for feature, texts in cut.items():
        group_of = {text: group for group, text in enumerate(dict.fromkeys(texts))}
        groups = np.array([group_of[text] for text in texts], np.int64)
        parts = outcome_profile.profile_outcome_groups(
            specification, np.array(scores), labels, kept_outcomes, groups, len(group_of)
        )
        _add(connection, specification, (stream_id, feature, day), dict(zip(group_of, parts, strict=True)))


def _add(
    connection: Connection,
    specification: ProfileSpecification,
    key: tuple[int, str, int],
    parts: dict[str, OutcomeProfile],
) -> None:
    row = connection.execute(
        "SELECT data FROM outcome_slices WHERE stream_id=? AND feature=? AND start=?", key
    ).fetchone()
    if row is not None:
        stored = outcome_profile.decode_parts(specification, row[0])
        for value, part in stored.items():
            before = [parts[value]] if value in parts else []
            parts[value] = outcome_profile.merge_all(specification, [part, *before])
    connection.execute(
        "INSERT OR REPLACE INTO outcome_slices VALUES (?,?,?,?)",
        (*key, outcome_profile.encode_parts(specification, parts)),
    )


def read(
    connection: Connection, specification: ProfileSpecification, stream_id: int, start_us: int, end_us: int
) -> dict[tuple[str, str], list[OutcomeProfile]]:
    """Outcome profiles of the days that start in [start, end) of each (feature, value), oldest first."""
    profiles: dict[tuple[str, str], list[OutcomeProfile]] = {}
    for feature, data in connection.execute(
        "SELECT feature, data FROM outcome_slices WHERE stream_id=? AND start>=? AND start<? ORDER BY feature, start",
        (stream_id, start_us, end_us),
    ):
        for value, part in outcome_profile.decode_parts(specification, data).items():
            profiles.setdefault((feature, value), []).append(part)
    return dict(sorted(profiles.items(), key=lambda item: (item[0][0], item[0][1] == OTHER, item[0][1])))
