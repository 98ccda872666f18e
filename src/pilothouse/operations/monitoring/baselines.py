"""What monitoring knows of a version while it watches it: the model file, the reference, the calibration."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

from pilothouse.artifacts import ArtifactStore
from pilothouse.domain.errors import NotFoundError
from pilothouse.domain.evaluation import MetricValue
from pilothouse.domain.identifiers import VersionReference, version_uri
from pilothouse.domain.model_file import spec_from_plain
from pilothouse.domain.model_spec import ModelSpec
from pilothouse.domain.records import Version
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.statistics import performance_estimation
from pilothouse.statistics import reference as references
from pilothouse.statistics.performance_estimation import Estimator
from pilothouse.statistics.profiles.profile import Profile
from pilothouse.statistics.profiles.specification import ProfileSpecification
from pilothouse.statistics.significance import calibration as calibrations
from pilothouse.statistics.significance import calibration_storage
from pilothouse.statistics.significance.calibration import Calibration
from pilothouse.store import models, processes, versions
from pilothouse.telemetry import readings

_SPECS: dict[str, ModelSpec] = {}
_SPECS_AT_MOST = 512


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """What the windows of one version on one target are judged against."""

    specification: ProfileSpecification
    profile: Profile
    performance: MetricValue
    calibration: Calibration
    training_days: tuple[int, int]
    """The first and the last day of the reference's features, days since 1970 where rows have dates."""


def spec_in_force(connection: Connection, model: str) -> ModelSpec | None:
    """The model file in force, read once for each digest; None for an unknown model."""
    stored = models.spec_in_force(connection, model)
    if stored is None:
        return None
    if stored.digest not in _SPECS:
        if len(_SPECS) >= _SPECS_AT_MOST:
            _SPECS.clear()
        _SPECS[stored.digest] = spec_from_plain(stored.spec, f"{model} as applied")
    return _SPECS[stored.digest]


def baseline_of(services: Services, model: str, version: int, target: str, window_days: int) -> Baseline:
    """The reference of a version on a target with its calibration, which is computed once and kept.

    Raises NotFoundError (no such version) or IntegrityError (damaged artifacts).
    """
    with services.registry.read() as connection:
        found = versions.find(connection, VersionReference(model, version))
    if found is None:
        raise NotFoundError(f"there is no {version_uri(model, version)}, of which telemetry has events")
    specification, reference = _load(services.artifacts, found.profile_spec_digest, found.reference_digest)
    own = reference.for_target(target)
    where = target if own is reference.targets.get(target) else ""
    key = hashlib.sha256(
        f"{found.profile_spec_digest} {found.reference_digest} {where} {window_days} {calibrations.FORM}".encode()
    ).hexdigest()
    calibration = _calibration(services, key, own, specification, window_days)
    services.telemetry.calibrated.add((model, version, target, window_days))
    days = own.training_days
    return Baseline(
        specification,
        _profile_of(specification, own),
        own.performance,
        calibration,
        (min(days, default=0), max(days, default=0)),
    )


def estimator_of(
    services: Services, model: str, version: int, target: str
) -> tuple[ProfileSpecification, Estimator | None, MetricValue]:
    """What a version's hold-out teaches about windows without outcomes (None: nothing), and its performance there.

    It is learnt once and kept. Raises NotFoundError (no such version) or IntegrityError (damaged artifacts).
    """
    with services.registry.read() as connection:
        found = versions.find(connection, VersionReference(model, version))
    if found is None:
        raise NotFoundError(f"there is no {version_uri(model, version)}, of which telemetry has events")
    specification, reference = _load(services.artifacts, found.profile_spec_digest, found.reference_digest)
    own, pooled = reference.for_target(target), reference.pooled
    if specification.task == "regression":  # learnt in training, from rows
        return specification, performance_estimation.learn(specification, own, pooled), own.performance
    where = target if own is reference.targets.get(target) else ""
    facts = f"estimate 1 {found.profile_spec_digest} {found.reference_digest} {where}"
    key = hashlib.sha256(facts.encode()).hexdigest()
    with services.telemetry.read() as connection:
        kept = readings.find_calibration(connection, key)
    if kept is not None:
        return specification, performance_estimation.decode(specification, own, pooled, kept), own.performance
    learnt = performance_estimation.learn(specification, own, pooled)
    if learnt is not None:
        with services.telemetry.transaction() as connection:
            readings.keep_calibration(connection, key, performance_estimation.encode(specification, learnt))
    return specification, learnt, own.performance


def reference_performance(services: Services, model: str, version: int, target: str) -> MetricValue | None:
    """The hold-out's primary metric of a version for a target, or None where there is no such version."""
    with services.registry.read() as connection:
        found = versions.find(connection, VersionReference(model, version))
    if found is None:
        return None
    _, reference = _load(services.artifacts, found.profile_spec_digest, found.reference_digest)
    return reference.for_target(target).performance


def reference_profile(
    services: Services, model: str, version: int, target: str
) -> tuple[ProfileSpecification, Profile, bool] | None:
    """What a version's windows on a target are compared with, and whether that is the target's own and not all pooled;
    None where there is no such version."""
    with services.registry.read() as connection:
        found = versions.find(connection, VersionReference(model, version))
    if found is None:
        return None
    specification, reference = _load(services.artifacts, found.profile_spec_digest, found.reference_digest)
    own = reference.for_target(target)
    return specification, own.profile(specification), own is not reference.pooled


def profile_judged_against(services: Services, version: Version, target: str) -> Profile:
    """What windows of a version on a target are judged against. Raises IntegrityError (damaged artifacts)."""
    return _reference_profile(
        services.artifacts, version.profile_spec_digest, version.reference_digest, target
    )


@lru_cache(maxsize=16)
def _reference_profile(
    artifacts: ArtifactStore, specification_digest: str, reference_digest: str, target: str
) -> Profile:
    specification, reference = _load(artifacts, specification_digest, reference_digest)
    return reference.for_target(target).profile(specification)


def baseline_p95_ms(connection: Connection, model: str, version: int, target: str) -> float | None:
    """The p95 of one row on the machine that serves, in milliseconds; None before it was measured."""
    micros = processes.baseline_p95_us(connection, model, version, target)
    return None if micros is None else micros / 1_000


@lru_cache(maxsize=16)
def _profile_of(specification: ProfileSpecification, own: references.TargetReference) -> Profile:
    """The same object for every window of a version, so that it is laid out once."""
    return own.profile(specification)


@lru_cache(maxsize=16)
def _load(
    artifacts: ArtifactStore, specification_digest: str, reference_digest: str
) -> tuple[ProfileSpecification, references.Reference]:
    specification = ProfileSpecification.from_bytes(artifacts.read(specification_digest))
    return specification, references.decode(specification, artifacts.read(reference_digest))


def _calibration(
    services: Services,
    key: str,
    own: references.TargetReference,
    specification: ProfileSpecification,
    window_days: int,
) -> Calibration:
    with services.telemetry.read() as connection:
        kept = readings.find_calibration(connection, key)
    if kept is not None:
        return calibration_storage.decode(kept)
    found = own.calibrate(specification, window_days)
    with services.telemetry.transaction() as connection:
        readings.keep_calibration(connection, key, calibration_storage.encode(found))
    return found
