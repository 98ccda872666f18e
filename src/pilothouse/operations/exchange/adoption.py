"""Adoption of an imported version: its model file goes the way of a training, in place of the fit.

A model of the workspace, with its own rows, gates and policy, judges it as if it had been trained here: hold-out, gates,
evidence, request, approval. One gate is its own: the hold-out has no row from before the model was made,
which it may have learnt.
"""

from pilothouse.domain.errors import ConflictError, InvalidInputError
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.records import Job
from pilothouse.operations.authorisation import reading
from pilothouse.operations.exchange.imported import require_version
from pilothouse.operations.exchange.rescoring import check_loadable
from pilothouse.operations.jobs.trainings import TrainingOptions, start_training
from pilothouse.operations.services import Services

_YEAR_10000_MS = 253_402_300_800_000


def adopt(services: Services, actor: Actor, reference: str, model: str, *, reason: str = "") -> Job:
    """Queue the job that makes a version of ``model`` from an imported one.

    Raises NotFoundError, NotAllowedError, InvalidInputError (a pickle, no file) or ConflictError (it was not re-scored, or
    does not answer).
    """
    with reading(services, actor) as connection:
        version = require_version(connection, reference)
    name = f"{version.model}/{version.number}"
    if version.ours:
        raise ConflictError(
            f"{name} was exported from here, its model file is that of {version.ours}: pilothouse request {version.ours}"
        )
    check_loadable(version)
    file, score = version.skops_file, version.score
    assert file is not None
    if score is None or score.model_digest != file.digest:
        raise ConflictError(f"{name} was not re-scored yet: pilothouse import rescore {name}")
    if not score.answers:
        raise ConflictError(f"{name} does not answer as its registry describes it: {score.finding}")
    if version.created_ms is None or not 0 < version.created_ms < _YEAR_10000_MS:
        raise InvalidInputError(
            f"{name}: its registry does not say when it was made, so that no row is surely new to it"
        )
    adopted = {
        "model": file.digest,
        "made_us": version.created_ms * 1_000,
        "origin": version.origin,
        "name": version.original,
        "number": version.number,
        "run": version.run,
    }
    return start_training(
        services, actor, model, TrainingOptions(adopted=adopted), reason=reason or f"adopt {name}"
    )
