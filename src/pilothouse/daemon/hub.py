"""Hub: what serving processes ask and report, over the daemon's unix socket, and over TLS from other machines (``hub_door``).
Plain ASGI apps, one a door.

==========================  =========================================  ==========================================
``GET /v1/desired``         what the target should serve               DesiredState; 304 while ``If-None-Match`` holds
``GET /v1/artifacts/D``     bytes of an artifact that state names      octets
``POST /v1/batches``        PredictionBatch                            BatchReceipt, after the commit
``POST /v1/pairs``          PairBatch                                  BatchReceipt, after the commit
``POST /v1/labels``         list of Outcome                            LabelReceipt, after the commit
``POST /v1/report``         ServingReport                              ReportReceipt
``POST /v1/spans``          list of RequestSpan                        empty map; a sample, kept in memory
``GET /metrics``            nothing; with the token of ``state/``      page of metrics, at the socket alone
==========================  =========================================  ==========================================

Bodies are msgpack of ``domain.wire``; errors are ``{"error": "one line"}`` in JSON. Every request needs the header
``Authorization: Bearer`` with the token of a target, whatever its path, and acts for that target alone. Tokens of other
machines open the routes of ``ROUTES`` that say so, at the door of the network alone; those of this machine open all, at the
socket alone. The page of metrics is opened by no target's token. All work on the stores is done in threads of the hub's own.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
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
from pilothouse.domain.errors import (
    ConflictError,
    IntegrityError,
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
)
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.formats.wire import (
    Outcome,
    PairBatch,
    PredictionBatch,
    ReportReceipt,
    RequestSpan,
    ServingReport,
)
from pilothouse.domain.identifiers import check_digest
from pilothouse.operations.fleet import remote_tokens, targets
from pilothouse.operations.fleet.processes import Pulse
from pilothouse.operations.ingest import claims, ingest
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
MAXIMUM_SPANS_BYTES = 2**20
_THREADS = 4
"""Threads that read, check and query; writing has one of its own (``hub_writer``)."""
_ROOM_BYTES = {"socket": 256 * 2**20, "network": 128 * 2**20}
"""Bytes that the bodies which come by a door may take together while they arrive."""
_LONGEST_TOKEN = 256
"""Bytes of an Authorization header at most."""

_LONGEST_ERROR = 500
"""Characters of an error at most: serving processes read as much as fits into 4096 bytes."""

_EXPECTED = "expected the token of a target: Authorization: Bearer TOKEN"
_ENCODER = msgspec.msgpack.Encoder()


class Door(StrEnum):
    """Where a request comes in."""

    SOCKET = "socket"
    NETWORK = "network"


@dataclass(frozen=True, slots=True)
class Request:
    """Request of a target whose token was checked, at a route; ``rest``: what follows the route's path."""

    target: str
    rest: str
    scope: Scope
    receive: Receive
    room: http.BodyRoom
    came_us: int


@dataclass(frozen=True, slots=True)
class Route:
    """Route of the hub. ``remote``: it is open to targets on other machines too."""

    answer: "Callable[[Hub, Request], Awaitable[http.Answer]]"
    remote: bool


class Hub:
    """Hub of a workspace; reports go to ``pulse``, spans of requests to ``spans``. With ``page`` it has the daemon's metrics.

    It answers from threads of its own, which end with the process.
    """

    def __init__(
        self,
        services: Services,
        pulse: Pulse,
        page: MetricsPage | None = None,
        spans: SpanQueue | None = None,
    ) -> None:
        self._services, self._pulse, self._page = services, pulse, page
        self._spans = spans or SpanQueue()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="hub")
        self._writer = BatchWriter(services)
        if page is not None:
            page.hub = self._writer.standing

    def app(self, door: Door) -> App:
        """ASGI app of a door, with room of its own for bodies: who comes by the network holds none from those who do not."""
        room = http.BodyRoom(_ROOM_BYTES[door])

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            handled = self._answered(door, room, scope, receive)
            await http.respond(
                send, handled, log, content_type=b"application/msgpack", longest=_LONGEST_ERROR
            )

        return app

    async def _answered(self, door: Door, room: http.BodyRoom, scope: Scope, receive: Receive) -> http.Answer:
        """Answer to one request: the token is checked first, then the route; the work is done in the hub's threads."""
        came_us = time.time_ns() // 1_000
        token = http.bearer(scope, _LONGEST_TOKEN)
        at_page = (scope["method"], scope["path"]) == ("GET", metrics_server.PATH)
        if self._page is not None and at_page and door is Door.SOCKET:
            expected = await self._in_thread(lambda: metrics_server.hub_token(self._services))
            if metrics_server.is_token(token, expected):  # no target's token opens it
                return await self._page.answer(http.header(scope, b"accept") or "")
            raise _unknown(_EXPECTED)
        target = await self._in_thread(lambda: self._target_of(door, token)) if token else None
        if target is None:
            raise _unknown(_EXPECTED)
        route, rest = _find(scope["method"], scope["path"])
        if door is Door.NETWORK and not route.remote:
            raise NotAllowedError("this is not open to the token of a target on another machine")
        return await route.answer(self, Request(target, rest, scope, receive, room, came_us))

    def _target_of(self, door: Door, token: str) -> str | None:
        if door is Door.SOCKET:
            return targets.check_token(self._services, token)
        try:
            return remote_tokens.check(self._services, token)
        except NotAllowedError as error:
            raise _unknown(str(error)) from None

    def _in_thread(self, work: Callable[[], _T]) -> Awaitable[_T]:
        return asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def desired(self, request: Request) -> http.Answer:
        """What the target should serve."""
        revision = (http.header(request.scope, b"if-none-match") or "").strip().strip('"')
        return await self._in_thread(lambda: _desired(self._services, request.target, revision))

    async def artifact(self, request: Request) -> http.Answer:
        """Bytes of an artifact that the target needs."""
        digest = check_digest(request.rest)
        return await self._in_thread(lambda: _artifact(self._services, request.target, digest))

    async def batches(self, request: Request) -> http.Answer:
        """Predictions in, committed with those of others."""
        body = await _body(request, MAXIMUM_BATCH_BYTES)
        batch = await self._in_thread(lambda: _batch(self._services, request.target, body))
        receipt = await asyncio.wrap_future(self._writer.submit(batch))
        return 200, _ENCODER.encode(receipt), {}

    async def pairs(self, request: Request) -> http.Answer:
        """Pairs of a shadow in."""
        body = await _body(request, MAXIMUM_BATCH_BYTES)
        return await self._in_thread(lambda: _pairs(self._services, request.target, body))

    async def labels(self, request: Request) -> http.Answer:
        """Outcomes in."""
        body = await _body(request, MAXIMUM_LABEL_BYTES)
        return await self._in_thread(lambda: _labels(self._services, request.target, body))

    async def spans(self, request: Request) -> http.Answer:
        """Spans of requests in."""
        body = await _body(request, MAXIMUM_SPANS_BYTES)
        return await self._in_thread(lambda: _take_spans(self._spans, request.target, body))

    async def report(self, request: Request) -> http.Answer:
        """What a process says of itself."""
        body = await _body(request, MAXIMUM_REPORT_BYTES)
        await self._in_thread(lambda: _report(self._services, self._pulse, request.target, body))
        receipt = ReportReceipt(request.came_us, time.time_ns() // 1_000)
        return 200, _ENCODER.encode(receipt), {}


ROUTES: Mapping[tuple[str, str], Route] = {
    ("GET", "/v1/desired"): Route(Hub.desired, remote=True),
    ("GET", "/v1/artifacts/"): Route(Hub.artifact, remote=True),
    ("POST", "/v1/batches"): Route(Hub.batches, remote=True),
    ("POST", "/v1/pairs"): Route(Hub.pairs, remote=True),
    ("POST", "/v1/labels"): Route(Hub.labels, remote=False),
    ("POST", "/v1/report"): Route(Hub.report, remote=True),
    ("POST", "/v1/spans"): Route(Hub.spans, remote=True),
}
"""Every route by method and path; a path that ends in a slash stands for all that begin with it."""


def hub_app(
    services: Services, pulse: Pulse, page: MetricsPage | None = None, spans: SpanQueue | None = None
) -> App:
    """App of the socket of a hub that has no other door."""
    return Hub(services, pulse, page, spans).app(Door.SOCKET)


def _find(method: str, path: str) -> tuple[Route, str]:
    """Route of a request, and what follows its path."""
    if (route := ROUTES.get((method, path))) is not None and not path.endswith("/"):
        return route, ""
    for (of_method, prefix), route in ROUTES.items():
        if prefix.endswith("/") and method == of_method and path.startswith(prefix):
            return route, path.removeprefix(prefix)
    raise http.HttpError(404, "there is no such route")


def _unknown(message: str) -> http.HttpError:
    return http.HttpError(401, message, {"www-authenticate": "Bearer"})


async def _body(request: Request, limit: int) -> bytes:
    return await http.read_body(request.scope, request.receive, limit, request.room)


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
    claims.check_producers(services, batch)
    counted = claims.of_trial(services, batch)
    if counted.rollout != batch.rollout:
        log.warning(
            "%s claims that predictions of %s/%d are of roll-out %d, which the registry does not have so: they count "
            "outside of any trial",
            target,
            batch.model,
            batch.version,
            batch.rollout,
        )
    return counted


def _pairs(services: Services, target: str, body: bytes) -> http.Answer:
    try:
        batch = _decode(body, PairBatch, "a PairBatch")
        if batch.target == target:
            check_pairs(batch)
            claims.check_pairs(services, batch)
    except InvalidInputError as error:
        ingest.count_refused(services, target, 1, str(error))
        raise
    if batch.target != target:
        raise NotAllowedError("the token is another target's")
    claims.check_producers(services, batch)
    return 200, _ENCODER.encode(ingest.ingest_pairs(services, batch)), {}


def _labels(services: Services, target: str, body: bytes) -> http.Answer:
    try:
        outcomes = _decode(body, list[Outcome], "a list of Outcome")
        check_outcomes(outcomes)
    except InvalidInputError as error:
        ingest.count_refused(services, target, 1, str(error))
        raise
    return 200, _ENCODER.encode(ingest.ingest_outcomes(services, outcomes, target)), {}


def _report(services: Services, pulse: Pulse, target: str, body: bytes) -> None:
    report = _decode(body, ServingReport, "a ServingReport")
    if report.target != target:
        raise NotAllowedError("the token is another target's")
    check_report(report)
    if targets.has_deployer(services, target):
        raise ConflictError(f"the deployer of {target} says what runs there")
    pulse.take_report(report)


def _take_spans(queue: SpanQueue, target: str, body: bytes) -> http.Answer:
    spans = _decode(body, list[RequestSpan], "a list of RequestSpan")
    check_spans(spans)
    queue.put(target, spans)
    return 200, _ENCODER.encode({}), {}


def _decode(body: bytes, kind: Any, name: str) -> Any:
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInputError(f"the body is not {name} in msgpack: {one_line(str(error), 500)}") from None
