"""Spans of served requests on their way: taken in by the hub, posted by the exports. A sample: none is kept on disk."""

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from pilothouse import __version__
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.formats.wire import RequestSpan
from pilothouse.domain.integrations import otlp
from pilothouse.domain.integrations.otlp import Span
from pilothouse.domain.integrations.run_ids import span_id
from pilothouse.operations.integrations import integration_files, receivers, traces
from pilothouse.operations.services import Services

_MOST = 5_000
"""Spans that wait at most; the oldest are dropped, and counted."""
_TOGETHER = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SpanQueue:
    """Spans that wait, each with its target. ``wake`` is called when some have come."""

    def __init__(self) -> None:
        self.wake: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._waiting: deque[tuple[str, RequestSpan]] = deque(maxlen=_MOST)
        self._dropped = 0

    def put(self, target: str, spans: Sequence[RequestSpan]) -> None:
        with self._lock:
            self._dropped += max(0, len(self._waiting) + len(spans) - _MOST)
            self._waiting.extend((target, span) for span in spans)
        self.wake()

    def take_dropped(self) -> int:
        """Spans that were dropped since it was last asked, because too many waited."""
        with self._lock:
            dropped, self._dropped = self._dropped, 0
            return dropped

    def take(self, most: int) -> list[tuple[str, RequestSpan]]:
        """The oldest; they are the caller's then."""
        with self._lock:
            return [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]


def post_spans(services: Services, queue: SpanQueue, stopping: Callable[[], bool] = lambda: False) -> str:
    """Post what waits, where there is a receiver, until the daemon stops; returns why it could not be posted, empty where it
    was."""
    fault = ""
    while not stopping() and (taken := queue.take(_TOGETHER)):
        with services.registry.read() as connection:
            settings = integration_files.in_force(connection).traces
        if settings is None or not settings.requests:
            queue.take_dropped()  # nobody wants them
            continue
        if dropped := queue.take_dropped():
            fault = f"{dropped} spans of requests were dropped: the receiver is slower than they come"
        spans = (span for one in taken for span in _spans(*one))
        body = otlp.traces(spans, traces.resource(services), __version__)
        try:
            token = integration_files.read_token(services.paths, settings.token_file)
            data = json.dumps(body, allow_nan=False).encode()
            receivers.post(settings.url, data, token, settings.allow)
        except PilothouseError as error:
            return f"{len(taken)} spans of requests were dropped: {error}"
    return fault


def _spans(target: str, span: RequestSpan) -> Iterator[Span]:
    """Span of a request, and inside of it that of the model's call, where there was one."""
    known: dict[str, otlp.Value] = {
        "pilothouse.target": target,
        "pilothouse.model": span.model,
        "pilothouse.version": span.version,
        "pilothouse.rows": span.rows,
        "http.response.status_code": span.status,
    }
    if span.prediction:
        known["pilothouse.prediction_id"] = span.prediction
    start, end = _time(span.start_ns), _time(span.end_ns)
    error = f"status {span.status}" if span.status >= 500 else ""
    yield Span(
        span.trace, span.span, f"predict {span.model}", start, end, parent=span.parent, attributes=known, error=error,
        kind=otlp.SERVER,
    )  # fmt: skip
    if span.called_ns:
        called = span_id(span.trace, span.span, "call")
        begin, finish = _time(span.called_at_ns), _time(span.called_at_ns + span.called_ns)
        of_call = {key: known[key] for key in ("pilothouse.model", "pilothouse.version")}
        yield Span(
            span.trace, called, f"call {span.model}", begin, finish, parent=span.span, attributes=of_call
        )


def _time(ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=ns // 1_000)
