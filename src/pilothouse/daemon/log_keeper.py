"""Thread of the transparency log: signs a head soon after a decision and every so many rows, and sends it to the anchors."""

import logging

from pilothouse.daemon.thread_loop import Wakeup, repeat
from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.identity.roles import DAEMON
from pilothouse.operations.services import Services
from pilothouse.operations.transparency import delivery, heads

_AT_LEAST_EVERY_S = 60.0

log = logging.getLogger(__name__)


def keep_log(services: Services, wakeup: Wakeup) -> None:
    """Sign and send at each change until the daemon stops. Nothing is written while the workspace is read-only."""
    said: dict[str, str] = {}

    def work() -> float | None:
        if services.write_guard.state() is not None:
            return None
        try:
            heads.sign_if_due(services)
        except IntegrityError as error:  # heads that are signed already still go out
            _say_once(said, "", str(error))
        else:
            said.pop("", None)
        for state in delivery.deliver(services, DAEMON):
            if state.delivery.failures:
                _say_once(said, state.anchor.name, state.delivery.error)
            elif said.pop(state.anchor.name, None) is not None:
                log.info("%s takes the log's heads again", state.anchor.name)
        return delivery.seconds_to_next(services)

    repeat(wakeup, work, at_least_every_s=_AT_LEAST_EVERY_S)


def _say_once(said: dict[str, str], name: str, error: str) -> None:
    """Log an error when it is another than the last time."""
    if said.get(name) != error:
        said[name] = error
        log.error("%s", f"{name}: {error}" if name else error)
