"""Models, versions and runs as they are recorded, and two versions side by side."""

from dataclasses import dataclass
from typing import Any

from pilothouse.domain.errors import NotFoundError
from pilothouse.domain.identifiers import parse_reference, version_uri
from pilothouse.domain.model_file import spec_from_plain
from pilothouse.domain.model_spec import ModelSpec
from pilothouse.domain.records import Model, PromotionRequest, Run, Version
from pilothouse.domain.roles import Actor
from pilothouse.operations.authorisation import reading
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import models, requests, runs, versions


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One fact of two versions; ``a`` or ``b`` is empty where that version lacks it."""

    group: str
    name: str
    a: str
    b: str
    differs: bool


def list_models(services: Services, actor: Actor) -> list[Model]:
    """All models by name."""
    with reading(services, actor) as connection:
        return models.listed(connection)


def get_model(services: Services, actor: Actor, name: str) -> Model:
    """One model. Raises NotFoundError."""
    with reading(services, actor) as connection:
        return require_model(connection, name)


def get_spec(services: Services, actor: Actor, name: str) -> ModelSpec:
    """Specification in force of a model. Raises NotFoundError."""
    with reading(services, actor) as connection:
        return spec_of_model(connection, name)


def primary_metric(services: Services, actor: Actor, model: str) -> str:
    """Metric that health and comparison use. Raises NotFoundError."""
    return get_spec(services, actor, model).primary_metric


def list_versions(services: Services, actor: Actor, model: str) -> list[Version]:
    """A model's versions, newest first. Raises NotFoundError (no such model)."""
    with reading(services, actor) as connection:
        require_model(connection, model)
        return versions.listed(connection, model)


def get_version(services: Services, actor: Actor, reference: str) -> Version:
    """Version that a reference names by number or alias, or the newest.

    Raises InvalidInputError (not a reference) or NotFoundError.
    """
    with reading(services, actor) as connection:
        return require_version(connection, reference)


def get_run(services: Services, actor: Actor, reference: str) -> Run:
    """Run that made a version. Raises InvalidInputError or NotFoundError."""
    with reading(services, actor) as connection:
        return require_run(connection, require_version(connection, reference))


def compare_versions(services: Services, actor: Actor, first: str, second: str) -> tuple[ComparisonRow, ...]:
    """Metrics, gates, parameters, data, code, environment and artifacts of two versions, one row a fact.

    Raises InvalidInputError or NotFoundError.
    """
    with reading(services, actor) as connection:
        a, b = (_facts(connection, require_version(connection, reference)) for reference in (first, second))
    keys = dict.fromkeys([*a, *b])
    order = list(dict.fromkeys(group for group, _ in keys))
    rows = [ComparisonRow(*key, a.get(key, ""), b.get(key, ""), a.get(key) != b.get(key)) for key in keys]
    return tuple(sorted(rows, key=lambda row: order.index(row.group)))


def require_model(connection: Connection, name: str) -> Model:
    """Model of that name, in the caller's transaction. Raises NotFoundError."""
    model = models.find(connection, name)
    if model is None:
        raise NotFoundError(
            f"there is no model {name!r}: list them with pilothouse models, add one with pilothouse apply"
        )
    return model


def spec_of_model(connection: Connection, name: str) -> ModelSpec:
    """Specification in force of a model, in the caller's transaction. Raises NotFoundError."""
    require_model(connection, name)
    stored = models.spec_in_force(connection, name)
    assert stored is not None
    return spec_from_plain(stored.spec, f"{name} as applied")


def require_version(connection: Connection, reference: str) -> Version:
    """Version that a reference names, in the caller's transaction. Raises InvalidInputError or NotFoundError."""
    parsed = parse_reference(reference)
    version = versions.find(connection, parsed)
    if version is not None:
        return version
    require_model(connection, parsed.model)
    if parsed.alias is not None:
        raise NotFoundError(
            f"{parsed.model} has no version with the alias @{parsed.alias}: see pilothouse models"
        )
    if parsed.number is None:
        raise NotFoundError(
            f"{parsed.model} has no versions yet: train one with pilothouse train {parsed.model}"
        )
    raise NotFoundError(
        f"{parsed.model} has no version {parsed.number}: see pilothouse versions {parsed.model}"
    )


def require_request(connection: Connection, request_id: int) -> PromotionRequest:
    """Promotion request of that number, in the caller's transaction. Raises NotFoundError."""
    request = requests.find(connection, request_id)
    if request is None:
        raise NotFoundError(f"there is no request {request_id}: list them with pilothouse requests")
    return request


def require_run(connection: Connection, version: Version) -> Run:
    """Run that made a version, in the caller's transaction."""
    run = runs.find(connection, version.run_id)
    assert run is not None, f"the run of {version_uri(version.model, version.number)} is gone"
    return run


def _facts(connection: Connection, version: Version) -> dict[tuple[str, str], str]:
    run = require_run(connection, version)
    data = run.snapshot
    facts: dict[tuple[str, str], str] = {
        ("version", "status"): str(version.status),
        ("version", "live on"): ", ".join(version.live_on),
        ("version", "created"): version.created_at.isoformat(),
    }
    for metric in version.metrics:
        name = f"{metric.metric} {metric.slice}".strip()
        facts["slices" if metric.slice else "metrics", name] = (
            f"{metric.value:.4f} [{metric.low:.3f} {metric.high:.3f}] of {metric.rows:,}"
        )
    facts.update({("gates", gate.gate): f"{gate.outcome}: {gate.reason}" for gate in version.gates})
    facts.update(_flat("parameters", run.parameters))
    facts["parameters", "seed"] = str(run.seed)
    facts["data", "rows digest"] = data.content_digest
    facts["data", "source digest"] = data.source_digest
    facts["data", "training rows"] = str(data.training_rows)
    facts["data", "hold-out rows"] = str(data.holdout_rows)
    facts["data", "first row"] = data.first_row_at.isoformat()
    facts["data", "last row"] = data.last_row_at.isoformat()
    facts["data", "as of"] = run.as_of.isoformat() if run.as_of else "all rows"
    for column in data.columns:
        mean = f", mean {column.mean:.4g}" if column.mean is not None else ""
        facts["columns", column.name] = (
            f"{column.kind}, {column.missing} missing, {column.distinct} distinct{mean}"
        )
    facts["code", "specification"] = run.spec_digest
    facts.update(_flat("code", run.code))
    facts.update(_flat("environment", run.environment))
    facts["run", "started by"] = run.started_by
    facts["run", "reason"] = run.reason
    facts["run", "duration"] = f"{run.duration_s:.1f} s"
    facts["run", "peak memory"] = f"{run.peak_memory_mb:.0f} MB"
    facts["artifacts", "model"] = version.model_digest
    facts["artifacts", "model size"] = f"{version.model_bytes} bytes"
    facts["artifacts", "input schema"] = version.schema_digest
    facts["artifacts", "profile specification"] = version.profile_spec_digest
    facts["artifacts", "reference"] = version.reference_digest
    facts["artifacts", "predictions"] = version.predictions_digest
    return facts


def _flat(group: str, values: dict[str, Any], prefix: str = "") -> dict[tuple[str, str], str]:
    facts: dict[tuple[str, str], str] = {}
    for name, value in sorted(values.items()):
        if isinstance(value, dict):
            facts.update(_flat(group, value, f"{prefix}{name}."))
        else:
            facts[group, prefix + name] = str(value)
    return facts
