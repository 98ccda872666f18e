"""Models, versions and runs as they are recorded.

Every command and program comes here, most for a name: what versions, runs and requests need is imported where they are read.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pilothouse.domain.errors import ModelRetiredError, NotFoundError, PilothouseError
from pilothouse.domain.identifiers import VersionReference, parse_reference, version_uri
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.registered import Model
from pilothouse.operations.authorisation import reading
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.models import models, targets

if TYPE_CHECKING:
    from pilothouse.domain.models.model_spec import ModelSpec, Scalar
    from pilothouse.domain.models.version_stage import Standing
    from pilothouse.domain.records import PromotionRequest, Run, Version


def list_models(services: Services, actor: Actor) -> list[Model]:
    """All models by name."""
    with reading(services, actor) as connection:
        return models.listed(connection)


def list_names(services: Services, actor: Actor) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of all models and of all targets."""
    with reading(services, actor) as connection:
        return tuple(models.names(connection)), tuple(targets.names(connection))


def get_model(services: Services, actor: Actor, name: str) -> Model:
    """One model. Raises NotFoundError."""
    with reading(services, actor) as connection:
        return require_model(connection, name)


def get_spec(services: Services, actor: Actor, name: str) -> "ModelSpec":
    """Specification in force of a model. Raises NotFoundError."""
    with reading(services, actor) as connection:
        return spec_of_model(connection, name)


def estimator_parameters(services: Services, actor: Actor, name: str) -> "dict[str, Scalar | None]":
    """Every parameter of a model's estimator with its value in the newest run; empty where no run was made with it."""
    from pilothouse.store.work import runs

    with reading(services, actor) as connection:
        spec = spec_of_model(connection, name)
        fit = runs.newest_record(connection, name).get("fit", {})
    if spec.training.estimator is None or fit.get("estimator") != spec.training.estimator:
        return {}
    return dict(fit.get("estimator_parameters", {}))


def primary_metric(services: Services, actor: Actor, model: str) -> str:
    """Metric that health and comparison use. Raises NotFoundError."""
    return get_spec(services, actor, model).primary_metric


def list_versions(services: Services, actor: Actor, model: str) -> "list[Version]":
    """A model's versions, newest first. Raises NotFoundError (no such model)."""
    from pilothouse.store.models import versions

    with reading(services, actor) as connection:
        require_model(connection, model)
        return versions.listed(connection, model)


def standings(services: Services, actor: Actor, model: str, numbers: Sequence[int]) -> "dict[int, Standing]":
    """Where versions of a model stand, by number; those that are not there are left out."""
    from pilothouse.store.models import versions

    with reading(services, actor) as connection:
        return {
            number: version.standing
            for number in dict.fromkeys(numbers)
            if (version := versions.find(connection, VersionReference(model, number))) is not None
        }


def get_version(services: Services, actor: Actor, reference: str) -> "Version":
    """Version that a reference names by number or alias, or the newest.

    Raises InvalidInputError (not a reference) or NotFoundError.
    """
    with reading(services, actor) as connection:
        return require_version(connection, reference)


def list_classes(services: Services, version: "Version") -> tuple[str, ...]:
    """Classes of a version in the order of its probabilities, of two the positive one last; empty for a regression, and where
    its schema cannot be read."""
    try:
        return tuple(map(str, json.loads(services.artifacts.read(version.schema_digest))["classes"]))
    except (PilothouseError, ValueError, KeyError, TypeError):
        return ()


def get_run(services: Services, actor: Actor, reference: str) -> "Run":
    """Run that made a version. Raises InvalidInputError or NotFoundError."""
    with reading(services, actor) as connection:
        return require_run(connection, require_version(connection, reference))


def require_model(connection: Connection, name: str) -> Model:
    """Model of that name, in the caller's transaction. Raises NotFoundError."""
    model = models.find(connection, name)
    if model is None:
        raise NotFoundError(
            f"there is no model {name!r}: list them with pilothouse models, add one with pilothouse apply"
        )
    return model


def spec_of_model(connection: Connection, name: str) -> "ModelSpec":
    """Specification in force of a model, in the caller's transaction. Raises NotFoundError."""
    from pilothouse.operations.model_files import spec_in_force

    spec = spec_in_force(connection, name)
    if spec is None:
        require_model(connection, name)
    assert spec is not None
    return spec


def require_in_use(connection: Connection, name: str) -> None:
    """Raise ModelRetiredError where the model file in force says that the model is retired."""
    spec = spec_of_model(connection, name)
    if spec.inventory is not None and spec.inventory.retired:
        raise ModelRetiredError(
            f"{name} is retired ({spec.inventory.retired}): it takes no training, request or deployment, unless an admin "
            "applies a model file without inventory.retired"
        )


def require_version(connection: Connection, reference: str) -> "Version":
    """Version that a reference names, in the caller's transaction. Raises InvalidInputError or NotFoundError."""
    from pilothouse.store.models import versions

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


def require_request(connection: Connection, request_id: int) -> "PromotionRequest":
    """Promotion request of that number, in the caller's transaction. Raises NotFoundError."""
    from pilothouse.store.promotion import requests

    request = requests.find(connection, request_id)
    if request is None:
        raise NotFoundError(f"there is no request {request_id}: list them with pilothouse requests")
    return request


def require_run(connection: Connection, version: "Version") -> "Run":
    """Run that made a version, in the caller's transaction."""
    from pilothouse.store.work import runs

    run = runs.find(connection, version.run_id)
    assert run is not None, f"the run of {version_uri(version.model, version.number)} is gone"
    return run
