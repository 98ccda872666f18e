"""Course of a roll-out's trials: losses, latency and scores of each version over time, for charts beside each other."""

import numpy as np

from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.rollouts.view import Course, RolloutCourse
from pilothouse.operations.authorisation import reading
from pilothouse.operations.catalogue import spec_of_model
from pilothouse.operations.rollouts.steering import require_rollout
from pilothouse.operations.services import Services
from pilothouse.statistics.arrays import Floats
from pilothouse.telemetry.rows.columns import Ints
from pilothouse.telemetry.trial_course import Answered, answered, joined
from pilothouse.telemetry.trial_pairs import TrialName

_POINTS = 24
"""Spans of time of which each gives one point: a chart at 80 columns shows no more."""


def rollout_course(services: Services, actor: Actor, number: int) -> RolloutCourse:
    """Course of every version that was in a trial of a roll-out, its targets pooled: the versions that were live first. Raises
    NotFoundError."""
    with reading(services, actor) as connection:
        rollout = require_rollout(connection, number)
        task = spec_of_model(connection, rollout.model).task
    parts: dict[int, list[Answered]] = {}
    with services.reading_telemetry() as telemetry:
        if telemetry is not None:
            for target in rollout.targets:
                for one in answered(telemetry, TrialName(rollout.id, rollout.model, target.target)):
                    parts.setdefault(one.version, []).append(one)
    tried = [rollout.version, *(arm.version for arm in rollout.arms)]
    order = sorted(parts, key=lambda version: (version in tried, version))
    whole = [joined(parts[version]) for version in order]
    return RolloutCourse(
        tuple(_courses(whole)),
        "share of wrong answers" if task != "regression" else "mean absolute error",
    )


def _courses(whole: list[Answered]) -> list[Course]:
    times = _span([one.times for one in whole])
    asked = _span([one.asked for one in whole])
    return [
        Course(
            one.version,
            len(one.times),
            _points(one.times, one.losses, times),
            _points(one.asked, one.latency_us / 1000, asked, percentile=95),
            _points(one.times, one.scores, times),
        )
        for one in whole
    ]


def _span(columns: list[Ints]) -> tuple[int, int]:
    every = np.concatenate(columns) if columns else np.empty(0)
    return (int(every.min()), int(every.max())) if every.size else (0, 0)


def _points(
    times: Ints, values: Floats, span: tuple[int, int], percentile: float | None = None
) -> tuple[tuple[float, float], ...]:
    """Middle of each span of time in seconds, and the mean (or a percentile) of the values in it; spans without one are left
    out."""
    known = np.isfinite(values)
    times, values = times[known], values[known]
    if not len(times):
        return ()
    length = max(span[1] - span[0], 1)
    place = np.minimum((times - span[0]) * _POINTS // length, _POINTS - 1).astype(np.int64)
    points = []
    for i in np.unique(place).tolist():
        inside = values[place == i]
        value = inside.mean() if percentile is None else np.percentile(inside, percentile)
        points.append(((span[0] + (i + 0.5) * length / _POINTS) / 1e6, float(value)))
    return tuple(points)
