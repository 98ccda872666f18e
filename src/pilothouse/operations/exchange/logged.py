"""What a version's training code logged with MLflow, from the files of its run."""

from typing import Any

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.bounded_json import JsonError, parse_json
from pilothouse.domain.identity.roles import Actor
from pilothouse.operations.authorisation import reading
from pilothouse.operations.catalogue import require_version
from pilothouse.operations.services import Services
from pilothouse.store.work import runs


def logged(services: Services, actor: Actor, reference: str) -> dict[str, Any] | None:
    """``runs`` and ``files`` as the user's code logged them, None where it logged nothing. Raises NotFoundError."""
    with reading(services, actor) as connection:
        files = runs.files_of(connection, require_version(connection, reference).run_id)
    if "mlflow" not in files:
        return None
    try:
        plain = parse_json(services.artifacts.read(files["mlflow"].digest))
    except JsonError as error:
        raise IntegrityError(f"what {reference} logged with MLflow cannot be read: {error}") from None
    return plain if isinstance(plain, dict) else None
