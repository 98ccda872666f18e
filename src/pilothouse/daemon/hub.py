"""Hub: what serving processes ask and report, over the daemon's unix socket. One plain ASGI app.

==========================  =========================================  ==========================================
``GET /v1/desired``         what the target should serve               DesiredState; 304 while ``If-None-Match`` holds
``GET /v1/artifacts/D``     bytes of an artifact that state names      octets
``POST /v1/batches``        PredictionBatch                            BatchReceipt, after the commit
``POST /v1/pairs``          PairBatch                                  BatchReceipt, after the commit
``POST /v1/labels``         list of Outcome                            LabelReceipt, after the commit
``POST /v1/report``         ServingReport                              empty map
``POST /v1/spans``          list of RequestSpan                        empty map; a sample, kept in memory
``GET /metrics``            nothing; with the token of ``state/``      page of metrics
==========================  =========================================  ==========================================

Bodies are msgpack of ``domain.wire``; errors are ``{"error": "one line"}`` in JSON. Every request needs the header
``Authorization: Bearer`` with the token of a target, whatever its path, and acts for that target alone; but for the page of
metrics, which no target's token opens. All work on the
stores is done in threads of the hub's own.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from pilothouse.daemon.exports import metrics_server
from pilothouse.daemon.exports.metrics_server import MetricsPage
from pilothouse.daemon.exports.request_traces import SpanQueue
from pilothouse.daemon.hub_checks import (
    MAXIMUM_BATCH_ROWS,
    check_batch,
    check_outcomes,
    check_pairs,
    check_report,
    check_spans,
)
from pilothouse.daemon.hub_writer import BatchWriter
from pilothouse.domain.errors import IntegrityError, InvalidInputError, NotAllowedError, NotFoundError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.formats.wire import Outcome, PairBatch, PredictionBatch, RequestSpan, ServingReport
from pilothouse.domain.identifiers import check_digest
from pilothouse.operations.fleet import targets
from pilothouse.operations.fleet.processes import Pulse
from pilothouse.operations.ingest import ingest
from pilothouse.operations.promotion import deployments
from pilothouse.operations.services import Services
from pilothouse.serving.web import http
from pilothouse.serving.web.http import Receive, Scope, Send

log = logging.getLogger(__name__)

App = Callable[[Scope, Receive, Send], Awaitable[None]]
_T = TypeVar("_T")

MAXIMUM_BATCH_BYTES = 64 * 2**20
MAXIMUM_LABEL_BYTES = 16 * 2**20
MAXIMUM_REPORT_BYTES = 256 * 2**10
_THREADS = 4
"""Threads that read, check and query; writing has one of its own (``hub_writer``)."""
_LONGEST_TOKEN = 256
"""Bytes of an Authorization header at most."""

_LONGEST_ERROR = 500
"""Characters of an error at most: serving processes read as much as fits into 4096 bytes."""

_ENCODER = msgspec.msgpack.Encoder()


def hub_app(
    services: Services, pulse: Pulse, page: MetricsPage | None = None, spans: SpanQueue | None = None
) -> App:
    """Hub of a workspace; reports go to ``pulse``. With ``page`` it has the daemon's metrics.

    It answers from threads of its own, which end with the process."""
    threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="hub")
    writer = BatchWriter(services)
    if page is not None:
        page.hub = writer.standing
    room = http.BodyRoom()
    queue = spans or SpanQueue()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        handled = _answered(Parts(services, pulse, threads, writer, room, page, queue), scope, receive)
        await http.respond(send, handled, log, content_type=b"application/msgpack", longest=_LONGEST_ERROR)

    return app


@dataclass(frozen=True, slots=True)
class Parts:
    """What the hub answers with."""

    services: Services
    pulse: Pulse
    threads: ThreadPoolExecutor
    writer: BatchWriter
    room: http.BodyRoom
    page: MetricsPage | None
    spans: SpanQueue


async def _answered(hub: Parts, scope: Scope, receive: Receive) -> http.Answer:
    """Answer to one request: the token is checked first, then the route; the work is done in the hub's threads."""
    services, pulse, room, page = hub.services, hub.pulse, hub.room, hub.page
    loop = asyncio.get_running_loop()

    def in_thread(work: Callable[[], _T]) -> Awaitable[_T]:
        return loop.run_in_executor(hub.threads, work)

    token = http.bearer(scope, _LONGEST_TOKEN)
    if page is not None and (scope["method"], scope["path"]) == ("GET", metrics_server.PATH):
        expected = await in_thread(lambda: metrics_server.hub_token(services))
        if metrics_server.is_token(token, expected):  # no target's token opens it
            return await page.answer(http.header(scope, b"accept") or "")
        raise _unknown()
    target = await in_thread(lambda: targets.check_token(services, token)) if token else None
    if target is None:
        raise _unknown()
    method, path = scope["method"], scope["path"]
    if (method, path) == ("GET", "/v1/desired"):
        revision = (http.header(scope, b"if-none-match") or "").strip().strip('"')
        return await in_thread(lambda: _desired(services, target, revision))
    if method == "GET" and path.startswith("/v1/artifacts/"):
        digest = check_digest(path.removeprefix("/v1/artifacts/"))
        return await in_thread(lambda: _artifact(services, target, digest))
    if (method, path) == ("POST", "/v1/batches"):
        body = await http.read_body(scope, receive, MAXIMUM_BATCH_BYTES, room)
        batch = await in_thread(lambda: _batch(services, target, body))
        receipt = await asyncio.wrap_future(hub.writer.submit(batch))
        return 200, _ENCODER.encode(receipt), {}
    if (method, path) == ("POST", "/v1/pairs"):
        body = await http.read_body(scope, receive, MAXIMUM_BATCH_BYTES, room)
        return await in_thread(lambda: _pairs(services, target, body))
    if (method, path) == ("POST", "/v1/labels"):
        body = await http.read_body(scope, receive, MAXIMUM_LABEL_BYTES, room)
        return await in_thread(lambda: _labels(services, target, body))
    if (method, path) == ("POST", "/v1/spans"):
        body = await http.read_body(scope, receive, MAXIMUM_REPORT_BYTES * 4, room)
        return await in_thread(lambda: _spans(hub.spans, target, body))
    if (method, path) == ("POST", "/v1/report"):
        body = await http.read_body(scope, receive, MAXIMUM_REPORT_BYTES, room)
        return await in_thread(lambda: _report(pulse, target, body))
    raise http.HttpError(404, "there is no such route")


def _unknown() -> http.HttpError:
    """Answer to who shows no token that counts here."""
    return http.HttpError(
        401, "expected the token of a target: Authorization: Bearer TOKEN", {"www-authenticate": "Bearer"}
    )


def _desired(services: Services, target: str, known_revision: str) -> http.Answer:
    state = deployments.desired_state(services, target)
    headers = {"etag": f'"{state.revision}"'}
    if known_revision == state.revision:
        return 304, b"", headers
    return 200, _ENCODER.encode(state), headers


def _artifact(services: Services, target: str, digest: str) -> http.Answer:
    """Artifact that the target is to serve: a token opens no other file of the workspace."""
    state = deployments.desired_state(services, target)
    versions = [*state.versions, *(trial.version for trial in state.trials)]
    if not any(digest in version.digests for version in versions):
        raise NotFoundError("the target's versions have no such artifact")
    try:
        return 200, services.artifacts.read(digest), {}
    except IntegrityError as error:  # no fault that passes: whoever asks again gets no others
        raise http.HttpError(410, str(error)) from None


def _batch(services: Services, target: str, body: bytes) -> PredictionBatch:
    batch: PredictionBatch | None = None
    try:
        batch = _decode(body, PredictionBatch, "a PredictionBatch")
        if batch.target == target:
            check_batch(batch)
    except InvalidInputError as error:
        # the batch's own number of rows is not believed beyond what a batch may have
        rows = batch.rows if batch is not None and 1 <= batch.rows <= MAXIMUM_BATCH_ROWS else 1
        ingest.count_refused(services, target, rows, str(error))
        raise
    assert batch is not None
    if batch.target != target:
        raise NotAllowedError("the token is another target's")
    return batch


def _pairs(services: Services, target: str, body: bytes) -> http.Answer:
    try:
        batch = _decode(body, PairBatch, "a PairBatch")
        if batch.target == target:
            check_pairs(batch)
    except InvalidInputError as error:
        ingest.count_refused(services, target, 1, str(error))
        raise
    if batch.target != target:
        raise NotAllowedError("the token is another target's")
    return 200, _ENCODER.encode(ingest.ingest_pairs(services, batch)), {}


def _labels(services: Services, target: str, body: bytes) -> http.Answer:
    try:
        outcomes = _decode(body, list[Outcome], "a list of Outcome")
        check_outcomes(outcomes)
    except InvalidInputError as error:
        ingest.count_refused(services, target, 1, str(error))
        raise
    return 200, _ENCODER.encode(ingest.ingest_outcomes(services, outcomes, target)), {}


def _report(pulse: Pulse, target: str, body: bytes) -> http.Answer:
    report = _decode(body, ServingReport, "a ServingReport")
    if report.target != target:
        raise NotAllowedError("the token is another target's")
    check_report(report)
    pulse.take_report(report)
    return 200, _ENCODER.encode({}), {}


def _spans(queue: SpanQueue, target: str, body: bytes) -> http.Answer:
    spans = _decode(body, list[RequestSpan], "a list of RequestSpan")
    check_spans(spans)
    queue.put(target, spans)
    return 200, _ENCODER.encode({}), {}


def _decode(body: bytes, kind: Any, name: str) -> Any:
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInputError(f"the body is not {name} in msgpack: {one_line(str(error), 500)}") from None
