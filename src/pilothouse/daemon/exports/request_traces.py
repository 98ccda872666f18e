"""Spans of served requests on their way: taken in by the hub, posted by the exports. A sample: none is kept on disk."""

import json
import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from pilothouse import __version__
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.formats.wire import RequestSpan
from pilothouse.domain.integrations import otlp
from pilothouse.domain.integrations.otlp import Span
from pilothouse.operations.integrations import integration_files, receivers, traces
from pilothouse.operations.services import Services

_MOST = 5_000
"""Spans that wait at most; the oldest are dropped."""
_TOGETHER = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SpanQueue:
    """Spans that wait, each with its target. ``wake`` is called when some have come."""

    def __init__(self) -> None:
        self.wake: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._waiting: deque[tuple[str, RequestSpan]] = deque(maxlen=_MOST)

    def put(self, target: str, spans: Sequence[RequestSpan]) -> None:
        with self._lock:
            self._waiting.extend((target, span) for span in spans)
        self.wake()

    def take(self, most: int) -> list[tuple[str, RequestSpan]]:
        """The oldest; they are the caller's then."""
        with self._lock:
            return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]


def post_spans(services: Services, queue: SpanQueue, stopping: Callable[[], bool] = lambda: False) -> str:
    """Post what waits, where there is a receiver, until the daemon stops; returns why it could not be posted, empty where it
    was."""
    while not stopping() and (taken := queue.take(_TOGETHER)):
        with services.registry.read() as connection:
            settings = integration_files.in_force(connection).traces
        if settings is None or not settings.requests:
            continue
        body = otlp.traces((_span(*one) for one in taken), traces.resource(services), __version__)
        try:
            token = integration_files.read_token(services.paths, settings.token_file)
            data = json.dumps(body, allow_nan=False).encode()
            receivers.post(settings.url, data, token, settings.allow)
        except PilothouseError as error:
            return f"{len(taken)} spans of requests were dropped: {error}"
    return ""


def _span(target: str, span: RequestSpan) -> Span:
    known: dict[str, otlp.Value] = {
        "pilothouse.target": target,
        "pilothouse.model": span.model,
        "pilothouse.version": span.version,
        "pilothouse.rows": span.rows,
        "http.response.status_code": span.status,
    }
    if span.prediction:
        known["pilothouse.prediction_id"] = span.prediction
    start, end = (_EPOCH + timedelta(microseconds=ns // 1_000) for ns in (span.start_ns, span.end_ns))
    error = f"status {span.status}" if span.status >= 500 else ""
    return Span(
        span.trace, span.span, f"predict {span.model}", start, end, parent=span.parent, attributes=known, error=error,
        kind=otlp.SERVER,
    )  # fmt: skip
