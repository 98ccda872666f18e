"""Thread that delivers lineage and traces where ``integrations.toml`` asks for them."""

import logging

from pilothouse.daemon.exports.request_traces import SpanQueue, post_spans
from pilothouse.daemon.thread_loop import Wakeup, repeat
from pilothouse.operations.integrations import outbox
from pilothouse.operations.services import Services

log = logging.getLogger(__name__)

_AT_LEAST_EVERY_S = 60.0
_RESTS_S = 0.2
_AGAIN_S = 2.0


def keep_exports(services: Services, wakeup: Wakeup, spans: SpanQueue) -> None:
    """Deliver at each change until the daemon stops. Nothing is written while the workspace is read-only."""
    said = ""

    def work() -> float | None:
        nonlocal said
        fault = post_spans(services, spans, wakeup.stop.is_set)
        if fault and not said:
            log.error("%s", fault)
        said = fault
        if services.write_guard.state() is not None:
            return None
        return None if outbox.deliver(services, stopping=wakeup.stop.is_set) else _AGAIN_S

    repeat(wakeup, work, at_least_every_s=_AT_LEAST_EVERY_S, rest_s=_RESTS_S)
