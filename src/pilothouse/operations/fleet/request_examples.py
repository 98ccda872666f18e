"""How to ask a deployed version for a prediction: its address, and a request with a real row of its hold-out."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import InvalidInputError, NotFoundError, UnavailableError
from pilothouse.domain.formats.bounded_json import parse_json
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.models.model_file import spec_from_plain
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.monitoring.categories import category_text
from pilothouse.domain.monitoring.monitoring import TargetState
from pilothouse.operations import catalogue
from pilothouse.operations.authorisation import reading
from pilothouse.operations.fleet import health, targets
from pilothouse.operations.models.what_is_left import left_of
from pilothouse.operations.promotion import deployments
from pilothouse.operations.services import Services
from pilothouse.store.work import runs

_HOLDOUT = "holdout"
_LOOKED_AT = 50
"""Newest rows among which the one with the fewest missing values is taken."""
_ANY_ADDRESS = ("0.0.0.0", "::", "")  # noqa: S104 - recognised, not listened on


@dataclass(frozen=True, slots=True)
class Address:
    """Where plain records are answered."""

    target: str
    url: str


@dataclass(frozen=True, slots=True)
class RequestExample:
    """A request that can be sent as it is."""

    model: str
    version: int
    target: str
    url: str
    body: dict[str, Any]
    token_file: str = ""
    """File with the tokens of the process's clients; empty where it asks for none."""


def addresses(services: Services, actor: Actor, model: str, version: int) -> tuple[Address, ...]:
    """Addresses of the targets on which that version is live and whose port is known, by target."""
    return tuple(
        address
        for state in health.target_states(services, actor, model)
        if state.deployment is not None and state.deployment.version == version
        if (address := address_on(services, actor, state)) is not None
    )


def address_on(services: Services, actor: Actor, state: TargetState) -> Address | None:
    """Address of a model on a target; None where no port is known. A process here says its own before it reports."""
    scheme, host, port = _listening(services, state.target)
    if port is None or services.at is not None:
        described = {target.name: target.port for target in targets.list_targets(services, actor)}
        port = state.port or described.get(state.target)
    if port is None:
        return None
    return Address(state.target, f"{scheme}://{host}:{port}/v2/models/{state.model}/predict")


def live_state(services: Services, actor: Actor, model: str, target: str) -> TargetState:
    """State of a model on a target where a version of it is live. Raises NotFoundError (no such model, not live there)."""
    with reading(services, actor) as connection:
        catalogue.require_model(connection, model)
    states = {state.target: state for state in health.target_states(services, actor, model)}
    state = states.get(target)
    if state is None or state.deployment is None:
        live = ", ".join(name for name, one in states.items() if one.deployment) or "nowhere"
        raise NotFoundError(f"{model} is not live on {target!r}; it is live on: {live}")
    return state


def request_example(services: Services, actor: Actor, model: str, target: str) -> RequestExample:
    """Request for the version that is live. The row is one of the hold-out's newest; it has no time, so that it counts as
    now.

    Raises NotFoundError (no such model, not live there, no row on record) or UnavailableError (no port is known yet).
    """
    state = live_state(services, actor, model, target)
    assert state.deployment is not None
    number = state.deployment.version
    address = address_on(services, actor, state)
    if address is None:
        raise UnavailableError(
            f"no serving process of {target} has said its port yet: pilothouse daemon start"
        )
    with reading(services, actor) as connection:
        version = catalogue.require_version(connection, f"{model}/{number}")
        file = runs.files_of(connection, version.run_id).get(_HOLDOUT)
        spec = spec_from_plain(runs.spec_of(connection, version.run_id))
    if file is None:
        raise NotFoundError(f"the rows that {model}/{number} held out are not on record")
    private = frozenset(deployments.private_columns(services, model))
    row = _row(services.artifacts.path(left_of(services, file.digest)), spec, private)
    tokens = services.paths.client_tokens(target)
    return RequestExample(
        model, number, target, address.url, {"rows": [row]}, str(tokens) if tokens.exists() else ""
    )


def example_of(services: Services, actor: Actor, model: str, version: int) -> RequestExample | None:
    """Request for a version on the first target where it is live; None where it is nowhere, or no row of it is on record."""
    for address in addresses(services, actor, model, version)[:1]:
        with suppress(NotFoundError, InvalidInputError, UnavailableError):
            return request_example(services, actor, model, address.target)
    return None


def _listening(services: Services, target: str) -> tuple[str, str, int | None]:
    """Scheme, host and port that a serving process of this workspace says it listens on; otherwise the loopback address, no
    port, and the scheme of the next process: https where a certificate lies in its folder."""
    try:
        document = parse_json((services.paths.serving_folder(target) / "process.json").read_bytes())
        host, port = document["host"], document.get("port")
        scheme = "https" if document.get("tls") is True else "http"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "https" if services.paths.asks_for_tls(target) else "http", "127.0.0.1", None
    if not isinstance(host, str) or host in _ANY_ADDRESS:
        host = "127.0.0.1"
    return scheme, f"[{host}]" if ":" in host else host, port if type(port) is int else None


def _row(path: Path, spec: ModelSpec, private: frozenset[str]) -> dict[str, Any]:
    """Features of the row with the fewest missing values among the newest, as plain JSON values."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        names = [
            name for name in spec.data.features if name in file.schema_arrow.names and name not in private
        ]
        table = file.read_row_group(file.num_row_groups - 1, columns=names)
        rows = table.slice(max(0, table.num_rows - _LOOKED_AT)).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise InvalidInputError(f"the rows held out cannot be read: {error}") from None
    if not rows:
        raise NotFoundError("no row was held out")
    row = min(reversed(rows), key=lambda values: sum(value is None for value in values.values()))
    return {name: _plain(row[name], name in spec.data.categoricals) for name in names}


def _plain(value: Any, is_category: bool) -> Any:
    """Value for JSON: text of a category, a number, None where missing or not finite."""
    if is_category:
        return category_text(value)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if number != number or number in (float("inf"), float("-inf")):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else number
