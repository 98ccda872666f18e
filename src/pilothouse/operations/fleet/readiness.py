"""Waiting for the live version of a model on a target: it is ready once it says so itself at the address of its requests."""

import http.client
import ssl
import time
from urllib.parse import urlsplit

from pilothouse.domain.errors import NotFoundError, UnavailableError
from pilothouse.domain.identity.roles import Actor
from pilothouse.operations import catalogue
from pilothouse.operations.authorisation import reading
from pilothouse.operations.fleet import targets
from pilothouse.operations.fleet.processes import daemon_state
from pilothouse.operations.fleet.request_examples import address_on, live_state
from pilothouse.operations.services import Services

_POLL_S = 0.2
_LONGEST_TRY_S = 2.0
_STARTED_WITHIN_S = 30
"""Longest pause of the daemon before it starts a process again."""


def wait_until_ready(services: Services, actor: Actor, model: str, target: str, patience_s: float) -> None:
    """Return once the live version answers. What is live, and where, may change meanwhile.

    Raises NotFoundError (no such model or target) or UnavailableError (it has not answered within ``patience_s``).
    """
    with reading(services, actor) as connection:
        catalogue.require_model(connection, model)
    if target not in {known.name for known in targets.list_targets(services, actor)}:
        raise NotFoundError(f"there is no target {target!r}: see pilothouse targets")
    deadline = time.monotonic() + patience_s
    while fault := _fault(services, actor, model, target, deadline):
        if time.monotonic() + _POLL_S >= deadline:
            helps = (
                f"why: pilothouse targets; the daemon starts its process again within {_STARTED_WITHIN_S} s"
                if daemon_state(services).running
                else "see pilothouse targets; pilothouse daemon start starts what is missing"
            )
            raise UnavailableError(f"{fault}, after {patience_s:g} s: {helps}")
        time.sleep(_POLL_S)


def _fault(services: Services, actor: Actor, model: str, target: str, deadline: float) -> str:
    """Why the live version cannot be asked yet; empty where it can."""
    try:
        state = live_state(services, actor, model, target)
    except NotFoundError as error:
        return str(error)
    assert state.deployment is not None
    name = f"{model}/{state.deployment.version}"
    address = address_on(services, actor, state)
    if address is None:
        return f"no serving process of {target} has said the port of {name} yet"
    url = address.url.removesuffix("/predict") + f"/versions/{state.deployment.version}/ready"
    patience_s = min(_LONGEST_TRY_S, max(deadline - time.monotonic(), _POLL_S))
    fault = ready_fault(url, patience_s)
    return fault and f"{name} does not answer on {target} at {address.url} ({fault})"


def ready_fault(url: str, patience_s: float) -> str:
    """Why a ready endpoint does not say yes; empty where it does."""
    parts = urlsplit(url)
    connection = _connection(parts.scheme, parts.hostname or "", parts.port, patience_s)
    try:
        connection.request("GET", parts.path)
        status = connection.getresponse().status
    except TimeoutError:
        return f"nothing within {patience_s:.2g} s"
    except OSError as error:
        return (error.strerror or "no connection").lower()
    except http.client.HTTPException:
        return "no HTTP"
    finally:
        connection.close()
    return "" if status == http.HTTPStatus.OK else f"its ready endpoint says {status}"


def _connection(scheme: str, host: str, port: int | None, patience_s: float) -> http.client.HTTPConnection:
    """Connection to a process of this workspace: whether it answers is asked, not who it is, so no certificate is compared."""
    if scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=patience_s)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=patience_s, context=context)
