"""Baselines of monitoring: the model file, reference and calibration of a version."""

import hashlib
from dataclasses import dataclass

from pilothouse.domain.errors import NotFoundError
from pilothouse.domain.formats.time_units import DAY_US
from pilothouse.domain.identifiers import VersionReference, version_uri
from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.operations.monitoring import loaded_references
from pilothouse.operations.monitoring.loaded_references import LoadedReference
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.statistics import performance_estimation
from pilothouse.statistics import reference as references
from pilothouse.statistics.performance_estimation import Estimator
from pilothouse.statistics.profiles.outcome_profile import OutcomeProfile
from pilothouse.statistics.profiles.profile import Profile
from pilothouse.statistics.profiles.specification import ProfileSpecification
from pilothouse.statistics.significance import calibration as calibrations
from pilothouse.statistics.significance import calibration_storage
from pilothouse.statistics.significance.calibration import Calibration
from pilothouse.store.deployed import processes
from pilothouse.store.models import versions
from pilothouse.telemetry.windows import readings


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """The reference of the windows of one version on one target, with its calibration."""

    specification: ProfileSpecification
    profile: Profile
    performance: MetricValue
    outcomes: tuple[OutcomeProfile, ...]
    """Outcomes of the hold-out, one profile a day."""
    calibration: Calibration
    training_days: tuple[int, int]
    """The first and the last day of the reference's features, days since 1970 where rows have dates."""
    own: references.TargetReference

    def season(self, first_us: int, end_us: int) -> Profile | None:
        """Profile of the same season of the year before a window; None where it is not on record."""
        return self.own.season(self.specification, first_us // DAY_US, (end_us - 1) // DAY_US)


def baseline_of(
    services: Services, model: str, version: int, target: str, window_days: int, *, keep: bool = True
) -> Baseline:
    """The reference of a version on a target with its calibration, which is computed once and stored; without ``keep`` it is
    not stored, for who only reads.

    Raises NotFoundError (no such version) or IntegrityError (damaged artifacts).
    """
    loaded = _require_reference(services, model, version)
    specification, own = loaded.specification, loaded.reference.for_target(target)
    key = _key(f"{loaded.digests} {_target_of(loaded.reference, target)} {window_days} {calibrations.FORM}")
    calibration = loaded_references.learnt(
        key, lambda: _calibration(services, key, own, specification, window_days, keep=keep)
    )
    services.telemetry.calibrated.add((model, version, target, window_days))
    days = own.training_days
    return Baseline(
        specification,
        loaded.profile(target),
        own.performance,
        own.outcomes,
        calibration,
        (min(days, default=0), max(days, default=0)),
        own,
    )


def estimator_of(
    services: Services, model: str, version: int, target: str
) -> tuple[ProfileSpecification, Estimator | None, MetricValue]:
    """The estimator learnt from a version's hold-out (None: nothing was learnt), and the performance on the hold-out.

    It is learnt once and stored. Raises NotFoundError (no such version) or IntegrityError (damaged artifacts).
    """
    loaded = _require_reference(services, model, version)
    specification, reference = loaded.specification, loaded.reference
    own, pooled = reference.for_target(target), reference.pooled
    if specification.task == "regression":  # learnt in training, from rows
        return specification, performance_estimation.learn(specification, own, pooled), own.performance
    key = _key(f"estimate 1 {loaded.digests} {_target_of(reference, target)}")
    estimator = loaded_references.learnt(key, lambda: _estimator(services, key, specification, own, pooled))
    return specification, estimator, own.performance


def _estimator(
    services: Services,
    key: str,
    specification: ProfileSpecification,
    own: references.TargetReference,
    pooled: references.TargetReference,
) -> Estimator | None:
    with services.telemetry.read() as connection:
        stored = readings.find_calibration(connection, key)
    if stored is not None:
        return performance_estimation.decode(specification, own, pooled, stored)
    estimator = performance_estimation.learn(specification, own, pooled)
    if estimator is not None:
        with services.telemetry.transaction() as connection:
            readings.keep_calibration(
                connection, key, performance_estimation.encode(specification, estimator)
            )
    return estimator


def reference_performance(services: Services, model: str, version: int, target: str) -> MetricValue | None:
    """The primary metric of a version on its hold-out for a target; None where there is no such version."""
    loaded = _reference(services, model, version)
    return None if loaded is None else loaded.reference.for_target(target).performance


def rows_a_day(services: Services, model: str, version: int) -> dict[str, float]:
    """Rows a day of each target that the reference of a version knows. Raises IntegrityError (damaged artifacts)."""
    loaded = _reference(services, model, version)
    return {} if loaded is None else {name: own.rows_a_day for name, own in loaded.reference.targets.items()}


def reference_profile(
    services: Services, model: str, version: int, target: str
) -> tuple[ProfileSpecification, Profile, str] | None:
    """The reference profile of a version's windows on a target, and why it is not of the target's own rows (empty where it
    is); None where there is no such version. Raises IntegrityError (damaged artifacts)."""
    loaded = _reference(services, model, version)
    if loaded is None:
        return None
    return loaded.specification, loaded.profile(target), loaded.reference.why_pooled(target)


def baseline_p95_ms(connection: Connection, model: str, version: int, target: str) -> float | None:
    """The p95 of one row on the machine that serves, in milliseconds; None before it was measured."""
    micros = processes.baseline_p95_us(connection, model, version, target)
    return None if micros is None else micros / 1_000


def _reference(services: Services, model: str, version: int) -> LoadedReference | None:
    """A version's profile specification and reference; None where there is no such version."""
    with services.registry.read() as connection:
        record = versions.find(connection, VersionReference(model, version))
    if record is None:
        return None
    return loaded_references.load(services.artifacts, record.profile_spec_digest, record.reference_digest)


def _require_reference(services: Services, model: str, version: int) -> LoadedReference:
    loaded = _reference(services, model, version)
    if loaded is None:
        raise NotFoundError(f"there is no {version_uri(model, version)}, of which telemetry has events")
    return loaded


def _target_of(reference: references.Reference, target: str) -> str:
    """The target that has a reference of its own; empty where all targets are pooled."""
    return target if reference.for_target(target) is reference.targets.get(target) else ""


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _calibration(
    services: Services,
    key: str,
    own: references.TargetReference,
    specification: ProfileSpecification,
    window_days: int,
    *,
    keep: bool,
) -> Calibration:
    with services.telemetry.read() as connection:
        stored = readings.find_calibration(connection, key)
    if stored is not None:
        return calibration_storage.decode(stored)
    calibration = own.calibrate(specification, window_days)
    if keep:
        with services.telemetry.transaction() as connection:
            readings.keep_calibration(connection, key, calibration_storage.encode(calibration))
    return calibration
