"""Hub: what serving processes ask and report, over the daemon's unix socket, and over TLS from other machines (``hub_door``).
Plain ASGI apps, one a door.

==========================  =========================================  ==========================================
``GET /v1/desired``         what the target should serve               DesiredState; 304 while ``If-None-Match`` holds,
                                                                       after as long as ``Prefer: wait=SECONDS`` says
``GET /v1/artifacts/D``     bytes of an artifact that state names      octets
``POST /v1/batches``        PredictionBatch                            BatchReceipt, after the commit
``POST /v1/pairs``          PairBatch                                  BatchReceipt, after the commit
``POST /v1/labels``         list of Outcome                            LabelReceipt, after the commit
``POST /v1/report``         ServingReport                              ReportReceipt
``POST /v1/baseline``       BaselineQuestion                           BaselineAnswer
``POST /v1/spans``          list of RequestSpan                        empty map; a sample, kept in memory
``GET /metrics``            nothing; with the token of ``state/``      page of metrics, at the socket alone
==========================  =========================================  ==========================================

Bodies are msgpack of ``domain.wire``; errors are ``{"error": "one line"}`` in JSON. Every request needs the header
``Authorization: Bearer`` with the token of a target, whatever its path, and acts for that target alone. Tokens of other
machines open the routes of ``ROUTES`` that say so, at the door of the network alone; those of this machine open all, at the
socket alone. The page of metrics is opened by no target's token.

Each door has threads, room for bodies and readers of its own: who comes by the network holds up no process of this machine.
Targets of the network have allowances (``doors.allowances``).
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

import msgspec

from pilothouse.daemon.doors import bodies
from pilothouse.daemon.doors.allowances import Allowances
from pilothouse.daemon.doors.artifact_answers import ArtifactAnswers
from pilothouse.daemon.exports import metrics_server
from pilothouse.daemon.exports.metrics_server import MetricsPage
from pilothouse.daemon.exports.request_traces import SpanQueue
from pilothouse.daemon.hub_answers.desired_states import DesiredStates, preferred_wait_s, versions_of
from pilothouse.daemon.hub_answers.report_writer import ReportWriter
from pilothouse.daemon.hub_answers.shared_baselines import SharedBaselines
from pilothouse.daemon.hub_writer import BatchWriter
from pilothouse.domain.errors import IntegrityError, NotAllowedError, NotFoundError
from pilothouse.domain.formats.wire import ReportReceipt, ServingReport
from pilothouse.domain.identifiers import check_digest
from pilothouse.domain.models.hub_limits import Bounds
from pilothouse.operations.fleet import remote_tokens, targets
from pilothouse.operations.fleet.processes import Pulse
from pilothouse.operations.ingest import ingest
from pilothouse.operations.services import Services
from pilothouse.serving.web import http
from pilothouse.serving.web.http import Receive, Scope, Send

log = logging.getLogger(__name__)

App = Callable[[Scope, Receive, Send], Awaitable[None]]
_Answer = http.Answer | http.Streamed
_T = TypeVar("_T")

MAXIMUM_BATCH_BYTES = 64 * 2**20
MAXIMUM_LABEL_BYTES = 16 * 2**20
MAXIMUM_REPORT_BYTES = 256 * 2**10
MAXIMUM_SPANS_BYTES = 2**20
MAXIMUM_QUESTION_BYTES = 4 * 2**10
MAXIMUM_REMOTE_BYTES = 32 * 2**20
"""Of any body that comes by the network: a segment of a spool has 4 MiB and one request."""
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
class _Bounds:
    """What a door has for itself: threads that read, check and query (writing has one for all, ``hub_writer``), bytes of bodies
    that are not answered yet, together and of one target, and readers of artifacts, together and of one target."""

    threads: int
    room: int
    room_each: int
    readers: int
    readers_each: int


_BOUNDS = {
    Door.SOCKET: _Bounds(4, 256 * 2**20, 256 * 2**20, 32, 4),
    Door.NETWORK: _Bounds(4, 128 * 2**20, MAXIMUM_REMOTE_BYTES, 8, 2),
}


@dataclass(slots=True)
class _Entrance:
    """A door with what it has for itself."""

    door: Door
    bounds: _Bounds
    threads: ThreadPoolExecutor
    room: http.BodyRoom
    artifacts: ArtifactAnswers
    rooms: dict[str, http.BodyRoom] = field(default_factory=dict)
    """Of each target."""

    def room_of(self, target: str) -> http.BodyRoom:
        if target not in self.rooms:
            self.rooms[target] = http.BodyRoom(self.bounds.room_each, self.room)
        return self.rooms[target]

    def in_thread(self, work: Callable[[], _T]) -> Awaitable[_T]:
        return asyncio.get_running_loop().run_in_executor(self.threads, work)


@dataclass(slots=True)
class Request:
    """Request of a target whose token was checked, at a route; ``rest``: what follows the route's path. ``bounds``: how much
    its target may send; None at the socket. ``held``: bytes of its body, whose room it has until it is answered."""

    target: str
    bounds: Bounds | None
    entrance: _Entrance
    rest: str
    scope: Scope
    receive: Receive
    came_us: int
    held: int = 0


@dataclass(frozen=True, slots=True)
class Route:
    """Route of the hub. ``remote``: it is open to targets on other machines too."""

    answer: "Callable[[Hub, Request], Awaitable[_Answer]]"
    remote: bool


class Hub:
    """Hub of a workspace; reports go to ``pulse``, spans of requests to ``spans``. With ``page`` it has the daemon's metrics.

    It answers from threads of its own, which end with the process. ``save`` puts on record what targets have sent.
    """

    def __init__(
        self,
        services: Services,
        pulse: Pulse,
        page: MetricsPage | None = None,
        spans: SpanQueue | None = None,
    ) -> None:
        self._services, self._page = services, page
        self._spans = spans or SpanQueue()
        self._writer = BatchWriter(services, list(Door))
        self._allowances = Allowances(services)
        self.save = self._allowances.save
        self._reports = ReportWriter(pulse)
        self._states = DesiredStates(services)
        self._baselines = SharedBaselines()
        if page is not None:
            page.hub = self._writer.standing

    def app(self, door: Door) -> App:
        """ASGI app of a door."""
        bounds = _BOUNDS[door]
        threads = ThreadPoolExecutor(bounds.threads, thread_name_prefix=f"hub {door}")

        def in_thread(work: Callable[[], _T]) -> Awaitable[_T]:
            return asyncio.get_running_loop().run_in_executor(threads, work)

        artifacts = ArtifactAnswers(
            self._services.artifacts, in_thread, most=bounds.readers, each=bounds.readers_each
        )
        entrance = _Entrance(door, bounds, threads, http.BodyRoom(bounds.room), artifacts)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            handled = self._answered(entrance, scope, receive)
            await http.respond(
                send, handled, log, content_type=b"application/msgpack", longest=_LONGEST_ERROR
            )

        return app

    async def _answered(self, entrance: _Entrance, scope: Scope, receive: Receive) -> _Answer:
        """Answer to one request: the token is checked first, then the route; the work is done in the door's threads."""
        came_us = time.time_ns() // 1_000
        token = http.bearer(scope, _LONGEST_TOKEN)
        at_page = (scope["method"], scope["path"]) == ("GET", metrics_server.PATH)
        if self._page is not None and at_page and entrance.door is Door.SOCKET:
            expected = await entrance.in_thread(lambda: metrics_server.hub_token(self._services))
            if metrics_server.is_token(token, expected):  # no target's token opens it
                return await self._page.answer(http.header(scope, b"accept") or "")
            raise _unknown(_EXPECTED)
        found = await entrance.in_thread(lambda: self._target_of(entrance.door, token)) if token else None
        if found is None:
            raise _unknown(_EXPECTED)
        target, bounds = found
        route, rest = _find(scope["method"], scope["path"])
        if entrance.door is Door.NETWORK and not route.remote:
            raise NotAllowedError("this is not open to the token of a target on another machine")
        allowed: AbstractContextManager[None] = (
            self._allowances.request(target, bounds) if bounds is not None else contextlib.nullcontext()
        )
        request = Request(target, bounds, entrance, rest, scope, receive, came_us)
        with allowed:
            try:
                return await route.answer(self, request)
            finally:
                entrance.room_of(target).give(request.held)

    def _target_of(self, door: Door, token: str) -> tuple[str, Bounds | None] | None:
        """Target of a token, and how much that may send."""
        if door is Door.SOCKET:
            target = targets.check_token(self._services, token)
            return (target, None) if target is not None else None
        try:
            found = remote_tokens.found(self._services, token)
        except NotAllowedError as error:
            raise _unknown(str(error)) from None
        return (found.target, found.bounds) if found is not None else None

    async def _body(self, request: Request, limit: int, *, is_stored: bool = False) -> bytes:
        """Body of a request, whose room it holds from now on. What comes by the network says its length, and counts by it."""
        if request.bounds is not None:
            limit = min(limit, MAXIMUM_REMOTE_BYTES)
            length = http.header(request.scope, b"content-length")
            if length is None:
                raise http.HttpError(411, "expected a body with its content-length", {"connection": "close"})
            size = min(int(length), limit) if length.isdecimal() and len(length) < 16 else limit
            self._allowances.take_body(request.target, request.bounds, size, is_stored=is_stored)
        room = request.entrance.room_of(request.target)
        body = await http.read_body(request.scope, request.receive, limit, room)
        room.take(len(body))
        request.held = len(body)
        return body

    def _take_rows(self, request: Request, rows: int) -> None:
        if request.bounds is not None:
            self._allowances.take_rows(request.target, request.bounds, rows)

    async def desired(self, request: Request) -> _Answer:
        """What the target should serve, at once or when it has changed."""
        revision = (http.header(request.scope, b"if-none-match") or "").strip().strip('"')
        wait_s = preferred_wait_s(http.header(request.scope, b"prefer") or "")
        in_thread = request.entrance.in_thread
        asked = await in_thread(lambda: self._states.ask(request.target, revision, wait_s))
        has_waited = not asked.done()
        state = await asyncio.wrap_future(asked)
        headers = {"etag": f'"{state.revision}"'}
        if state.revision == revision:
            return 304, b"", headers
        if has_waited:  # the token may have become void meanwhile
            token = http.bearer(request.scope, _LONGEST_TOKEN) or ""
            found = await in_thread(lambda: self._target_of(request.entrance.door, token))
            if found is None or found[0] != request.target:
                raise _unknown(_EXPECTED)
        return 200, _ENCODER.encode(state), headers

    def end_waits(self) -> None:
        """Answer the questions that are held: the hub ends."""
        self._states.end()

    async def artifact(self, request: Request) -> _Answer:
        """Bytes of an artifact that the target is to serve: a token opens no other file of the workspace."""
        digest = check_digest(request.rest)
        if not await request.entrance.in_thread(lambda: _needs(self._services, request.target, digest)):
            raise NotFoundError("the target's versions have no such artifact")
        try:
            return await request.entrance.artifacts.of(request.target, digest)
        except IntegrityError as error:  # no fault that passes: whoever asks again gets no others
            raise http.HttpError(410, str(error)) from None

    async def batches(self, request: Request) -> _Answer:
        """Predictions in, committed with those of others."""
        body = await self._body(request, MAXIMUM_BATCH_BYTES, is_stored=True)
        batch = await request.entrance.in_thread(
            lambda: bodies.read_batch(self._services, request.target, body)
        )
        self._take_rows(request, batch.rows)
        receipt = await asyncio.wrap_future(self._writer.submit(batch, request.entrance.door))
        return 200, _ENCODER.encode(receipt), {}

    async def pairs(self, request: Request) -> _Answer:
        """Pairs of a shadow in."""
        body = await self._body(request, MAXIMUM_BATCH_BYTES, is_stored=True)

        def work() -> bytes:
            batch = bodies.read_pairs(self._services, request.target, body)
            self._take_rows(request, batch.rows)
            return _ENCODER.encode(ingest.ingest_pairs(self._services, batch))

        return 200, await request.entrance.in_thread(work), {}

    async def labels(self, request: Request) -> _Answer:
        """Outcomes in."""
        body = await self._body(request, MAXIMUM_LABEL_BYTES, is_stored=True)

        def work() -> bytes:
            outcomes = bodies.read_outcomes(self._services, request.target, body)
            return _ENCODER.encode(ingest.ingest_outcomes(self._services, outcomes, request.target))

        return 200, await request.entrance.in_thread(work), {}

    async def spans(self, request: Request) -> _Answer:
        """Spans of requests in."""
        body = await self._body(request, MAXIMUM_SPANS_BYTES)
        spans = await request.entrance.in_thread(lambda: bodies.read_spans(body))
        self._spans.put(request.target, spans)
        return 200, _ENCODER.encode({}), {}

    async def report(self, request: Request) -> _Answer:
        """What a process says of itself."""
        body = await self._body(request, MAXIMUM_REPORT_BYTES)

        def work() -> ServingReport:
            report = bodies.read_report(self._services, request.target, body)
            self._allowances.take_report(request.target)
            return report

        await asyncio.wrap_future(self._reports.submit(await request.entrance.in_thread(work)))
        receipt = ReportReceipt(request.came_us, time.time_ns() // 1_000)
        return 200, _ENCODER.encode(receipt), {}

    async def baseline(self, request: Request) -> _Answer:
        """Baseline of a version that another process of this machine has measured."""
        body = await self._body(request, MAXIMUM_QUESTION_BYTES)
        version, question = await request.entrance.in_thread(
            lambda: bodies.read_baseline_question(self._services, request.target, body)
        )
        answer = await self._baselines.answer(request.target, version, question)
        return 200, _ENCODER.encode(answer), {}


ROUTES: Mapping[tuple[str, str], Route] = {
    ("GET", "/v1/desired"): Route(Hub.desired, remote=True),
    ("GET", "/v1/artifacts/"): Route(Hub.artifact, remote=True),
    ("POST", "/v1/batches"): Route(Hub.batches, remote=True),
    ("POST", "/v1/pairs"): Route(Hub.pairs, remote=True),
    ("POST", "/v1/labels"): Route(Hub.labels, remote=False),
    ("POST", "/v1/report"): Route(Hub.report, remote=True),
    ("POST", "/v1/spans"): Route(Hub.spans, remote=True),
    ("POST", "/v1/baseline"): Route(Hub.baseline, remote=False),  # of this machine's processes alone
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


def _needs(services: Services, target: str, digest: str) -> bool:
    """True for an artifact of a version that the target should run, or try."""
    return any(digest in version.digests for version in versions_of(services, target))
