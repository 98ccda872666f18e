"""Distributions of a feature in a window and in the reference, from stored profiles, whatever the number of events."""

import itertools
from datetime import datetime

import numpy as np

from pilothouse.domain.errors import NotFoundError
from pilothouse.domain.formats.time_units import DAY_S, HOUR_S, MINUTE_S, SECOND_US, to_us
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.monitoring.findings import DriftFinding
from pilothouse.domain.monitoring.monitoring import DistributionBin, FeatureDistribution
from pilothouse.operations.authorisation import authorise
from pilothouse.operations.model_files import spec_in_force
from pilothouse.operations.monitoring.baselines import reference_profile
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.statistics.arrays import Floats, Ints
from pilothouse.statistics.distances import drift
from pilothouse.statistics.profiles import profile
from pilothouse.statistics.profiles.profile import Histogram
from pilothouse.statistics.profiles.specification import NumericColumn, ProfileSpecification
from pilothouse.telemetry.intake import rollup
from pilothouse.telemetry.intake.streams import Stream, get_stream
from pilothouse.telemetry.windows import readings
from pilothouse.telemetry.windows.readings import DRIFT, Reading, findings_of

_BINS = 15
_TAIL = 0.005
"""The share of the reference that the first and the last bin may gather on each side."""
_LATEST = 1 << 62


def feature_distribution(
    services: Services,
    actor: Actor,
    model: str,
    target: str,
    feature: str,
    *,
    window_end: datetime | None = None,
    version: int | None = None,
) -> FeatureDistribution | None:
    """The feature in the window that ends at ``window_end`` (None: the newest), beside its reference; None before the first
    window. Raises NotFoundError (no such feature) or NotAllowedError.
    """
    authorise(services, actor)
    with services.reading_telemetry() as connection:
        if connection is None:
            return None
        reading = _reading(connection, model, target, window_end, version)
        if reading is None:
            return None
        stream = get_stream(connection, reading.stream_id)
        specification = services.telemetry.specification(connection, stream.id)
        if feature not in specification.by_name:
            raise NotFoundError(
                f"version {stream.version} of {model} has no feature {feature!r}: it has "
                + ", ".join(specification.by_name)
            )
        window = _window(connection, specification, stream, reading, feature)
    base = reference_profile(services, model, stream.version, target)
    if base is None:
        return None
    with services.registry.read() as registry:
        spec = spec_in_force(registry, model)
    reference = profile.histogram(specification, base[1], feature)
    return FeatureDistribution(
        model,
        target,
        stream.version,
        feature,
        reading.window,
        _bins(specification, feature, reference, window, _BINS),
        reference.rows,
        window.rows,
        drift.missing_share(reference) if reference.rows else 0.0,
        drift.missing_share(window) if window.rows else 0.0,
        next((f for f in findings_of(reading, DriftFinding) if f.feature == feature), None),
        spec.monitoring.minimum_rows if spec is not None else 0,
    )


def _reading(
    connection: Connection, model: str, target: str, window_end: datetime | None, version: int | None
) -> Reading | None:
    """The drift reading of the window that ends at ``window_end``, or the newest before it."""
    limit = to_us(window_end) if window_end is not None else _LATEST
    stored = readings.history_of_target(connection, model, target, DRIFT, version=version)
    return next((reading for reading in reversed(stored) if reading.end_us <= limit), None)


def _window(
    connection: Connection,
    specification: ProfileSpecification,
    stream: Stream,
    reading: Reading,
    feature: str,
) -> Histogram:
    """The feature in the reading's window and those that it was judged with: the sum of the coarsest stored windows that fill
    them exactly."""
    since_us = to_us(reading.window.since)
    level = MINUTE_S if stream.minutes_since_us is not None else HOUR_S
    for coarser in (HOUR_S, DAY_S):
        us = coarser * SECOND_US
        if reading.start_us % us == 0 and reading.end_us % us == 0:
            level = coarser
    parts = rollup.read(connection, specification, stream.id, level, since_us, reading.end_us)
    whole = profile.merge_all(specification, (part.profile for part in parts))
    return profile.histogram(specification, whole, feature)


def _bins(
    specification: ProfileSpecification, feature: str, reference: Histogram, window: Histogram, most: int
) -> tuple[DistributionBin, ...]:
    column = specification.by_name[feature]
    if isinstance(column, NumericColumn):
        starts, labels = _numeric_groups(column, reference.counts, most)
        first, second = (np.add.reduceat(h.counts, starts) for h in (reference, window))
    else:
        labels = [*column.categories, "other"]
        order = np.argsort(-(_shares(reference.counts) + _shares(window.counts)), kind="stable")
        shown = order[: most - 1] if len(labels) > most else np.arange(len(labels))
        others = order[most - 1 :] if len(labels) > most else order[:0]
        labels = [labels[i] for i in shown] + ([f"{len(others)} more"] if len(others) else [])
        first, second = (
            np.concatenate((h.counts[shown], [h.counts[others].sum()] if len(others) else []))
            for h in (reference, window)
        )
    pairs = zip(labels, _shares(first), _shares(second), strict=True)
    return tuple(DistributionBin(label, float(a), float(b)) for label, a, b in pairs if a or b)


def _numeric_groups(column: NumericColumn, counts: Ints, most: int) -> tuple[Ints, list[str]]:
    """(first fine bin, label) of each group: about ``most`` groups of equal width between the reference's outer
    half-percents, on existing edges; a column of few values keeps each by itself."""
    edges = column.edges
    if len(edges) < 2:
        return np.array([0, 1])[: len(counts)], [f"< {_number(e)}" for e in edges] + [
            f"≥ {_number(e)}" for e in edges
        ]
    filled = np.flatnonzero(counts[1:-1]) + 1
    if len(filled) <= most:
        # bins of single values are narrow: a group goes from each to the next
        starts = np.array([0, *filled[1:]], np.int64)
        return starts, [_number(float(edges[max(0, int(i) - 1)])) for i in filled] or ["all"]
    share = np.cumsum(_shares(counts))
    low = float(edges[max(0, int(np.searchsorted(share, _TAIL)) - 1)])
    high = float(edges[min(len(edges) - 1, int(np.searchsorted(share, 1 - _TAIL)))])
    cuts: Ints = np.unique(np.searchsorted(edges, np.linspace(low, high, most - 1)))
    cuts = cuts[(cuts > 0) & (cuts < len(edges))] if len(cuts) > 2 else np.array([len(edges) // 2])
    # fine bin i + 1 begins at edge i
    starts_at = np.concatenate(([0], cuts + 1))
    values = [float(edges[i]) for i in cuts]
    labels = [f"< {_number(values[0])}"]
    labels += [f"{_number(a)} – {_number(b)}" for a, b in itertools.pairwise(values)]
    return starts_at, [*labels, f"≥ {_number(values[-1])}"]


def _number(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")


def _shares(counts: Ints) -> Floats:
    total = float(np.sum(counts))
    return np.asarray(counts, np.float64) / total if total else np.zeros(len(counts))
