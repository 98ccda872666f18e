"""Performance of a window by its outcomes: every metric with its interval, for all rows, each class and each slice."""

from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.errors import InvalidInputError, NotFoundError
from pilothouse.domain.formats.time_units import DAY_S, DAY_US, from_us, to_us
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.operations.authorisation import reading
from pilothouse.operations.model_files import spec_in_force
from pilothouse.operations.services import Services
from pilothouse.statistics.performance import outcomes
from pilothouse.statistics.profiles import outcome_profile
from pilothouse.statistics.profiles.outcome_profile import OutcomeProfile
from pilothouse.statistics.profiles.specification import ProfileSpecification
from pilothouse.store.deployed import deployments
from pilothouse.telemetry.intake.rollup import floor_to
from pilothouse.telemetry.intake.streams import find_stream
from pilothouse.telemetry.outcomes import slices
from pilothouse.telemetry.store import read_outcome_days
from pilothouse.telemetry.windows import readings
from pilothouse.telemetry.windows.newest_readings import LOOKED_AT, newest_measured


@dataclass(frozen=True, slots=True)
class PartPerformance:
    """The metrics of some of the rows. ``what`` is empty for all of them, else a class or ``feature=value``."""

    what: str
    rows: int
    metrics: tuple[MetricValue, ...]


@dataclass(frozen=True, slots=True)
class PerformanceView:
    """One version on one target over the days from ``start`` to before ``end`` whose outcomes are known in part or whole.
    ``is_window``: they are the newest window that was judged, whose figure every other screen shows."""

    model: str
    version: int
    target: str
    start: datetime
    end: datetime
    days: int
    whole: PartPerformance
    classes: tuple[PartPerformance, ...]
    slices: tuple[PartPerformance, ...]
    is_window: bool = False


def performance_view(
    services: Services,
    actor: Actor,
    model: str,
    target: str,
    *,
    version: int | None = None,
    days: int | None = None,
    by_slice: bool = False,
) -> PerformanceView:
    """The newest window that was judged of a version, or of what is live; the newest ``days`` with outcomes where they are
    given, or as many as the model's performance window has where none was closed.

    Intervals of all rows and of slices draw whole days; those of classes take rows as independent. Raises NotFoundError (no
    such model, nothing live, no outcome yet), InvalidInputError or NotAllowedError.
    """
    if days is not None and days < 1:
        raise InvalidInputError(f"--days {days}: expected a number of days from 1 on")
    with reading(services, actor) as connection:
        spec = spec_in_force(connection, model)
        if spec is None:
            raise NotFoundError(f"there is no model {model!r}: list them with pilothouse models")
        if version is None:
            history = deployments.history(connection, model=model, target=target)
            version = next((d.version for d in history if d.ended_at is None), None)
    if version is None:
        raise NotFoundError(f"{model} is not live on {target!r}: name a version with --version")
    window = days or max(spec.monitoring.performance_window // DAY_S, 1)
    with services.reading_telemetry() as telemetry:
        stream = find_stream(telemetry, model, version, target) if telemetry is not None else None
        if telemetry is None or stream is None or not stream.labelled:
            raise NotFoundError(
                f"no outcome of {model} version {version} on {target} is known yet: bring them with pilothouse labels"
            )
        specification = services.telemetry.specification(telemetry, stream.id)
        known = read_outcome_days(telemetry, stream.id, -(1 << 62), 1 << 62)
        newest = floor_to(DAY_S, max(start for start, _ in known))
        start, end = newest - (window - 1) * DAY_US, newest + DAY_US
        closed = None
        if days is None:
            lately = readings.history(telemetry, stream.id, readings.PERFORMANCE, limit=LOOKED_AT)
            closed = newest_measured(telemetry, stream.id, lately)
        if closed is not None:
            start, end = to_us(closed.window.since), closed.end_us
        profiles = [
            outcome_profile.decode(specification, data)
            for _, data in read_outcome_days(telemetry, stream.id, start, end)
        ]
        by_value = slices.read(telemetry, specification, stream.id, start, end) if by_slice else {}
    whole = outcome_profile.merge_all(specification, profiles)
    return PerformanceView(
        model,
        version,
        target,
        from_us(start),
        from_us(end),
        len(profiles),
        _measured(specification, "", profiles),
        tuple(
            PartPerformance(name, values[0].rows, tuple(values))
            for name, values in outcomes.of_classes(specification, whole)
        ),
        tuple(
            _measured(specification, f"{feature}={value}" if value else f"{feature}: any other", parts)
            for (feature, value), parts in by_value.items()
        ),
        closed is not None,
    )


def _measured(specification: ProfileSpecification, part: str, days: list[OutcomeProfile]) -> PartPerformance:
    metrics = tuple(
        outcomes.measured_over_days(specification, days, metric)
        for metric in outcomes.metrics_of(specification.task)
    )
    return PartPerformance(part, sum(day.rows for day in days), metrics)
