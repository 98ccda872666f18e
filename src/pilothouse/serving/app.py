"""Answers of a serving process, as one plain ASGI app: the routes are a table (``serving.routes``).

Every error is ``{"error": "one line"}``: 400 for a bad request, 404 for what is not served, 503 while predictions cannot be
spooled.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import numpy.typing as npt

from pilothouse.domain.errors import PilothouseError, UnavailableError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.formats.trace_context import TraceContext, context_of
from pilothouse.serving.bodies.forms import Form, Written
from pilothouse.serving.bodies.protocol import MAXIMUM_BODY_BYTES, Inference
from pilothouse.serving.bodies.request_report import report_of
from pilothouse.serving.bodies.tensors import NO_TIME
from pilothouse.serving.delivery.request_spans import Begun, RequestSpans
from pilothouse.serving.delivery.spool import Spool
from pilothouse.serving.pages import routes
from pilothouse.serving.pages.route import Asked, Names, Route, Standing
from pilothouse.serving.pages.traffic import Traffic, Version
from pilothouse.serving.prediction.calls import Answer, Deliver, Work
from pilothouse.serving.prediction.shadow import Shadow
from pilothouse.serving.prediction.trial_arms import Arm, arm_of, read_for_arm
from pilothouse.serving.prediction.turns import Outbox, Turns
from pilothouse.serving.prediction.worker import Worker
from pilothouse.serving.versions.live_versions import SHADOW, LoadedTrial, LoadedVersion, Roster
from pilothouse.serving.web import http
from pilothouse.serving.web.access import Access
from pilothouse.serving.web.compression import Headers
from pilothouse.serving.web.direct import Reply, Taken
from pilothouse.serving.web.http import Receive, Scope, Send

log = logging.getLogger(__name__)

MAXIMUM_WAITING = 1_000
"""Requests that may wait for an answer at once; the next is told to come back."""
Times = npt.NDArray[np.int64]
_Read = tuple[Arm, Inference | PilothouseError]
"""Version that answers a request, and the request or what is wrong with it."""
_FAULT = "internal error; the server's log says more"
_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{0,5})?", re.IGNORECASE)
"""Hosts under which a server on the loopback interface answers."""


class ServingApp:
    """ASGI app of one target. ``roster()`` gives the live versions of this moment."""

    def __init__(
        self,
        roster: Callable[[], Roster],
        worker: Worker,
        spool: Spool,
        *,
        only_loopback: bool,
        access: Access | None = None,
        rejected: Mapping[Version, int] | None = None,
        shadow: Shadow | None = None,
        spans: RequestSpans | None = None,
    ) -> None:
        """``access`` None lets everybody in; ``rejected`` counts the predictions that the hub did not take, by version; without
        a ``shadow`` no challenger answers copies; without ``spans`` no request is traced."""
        self._spans = spans or RequestSpans()
        self._roster, self._spool = roster, spool
        self._turns = Turns(worker, spool)
        self._outbox: Outbox | None = None
        self._only_loopback, self._access = only_loopback, access
        self._traffic, self._rejected, self._shadow = Traffic(), rejected, shadow
        self._waiting = 0
        self._room = http.BodyRoom()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. No exception leaves here."""
        await http.respond(send, self._route(scope, receive), log, fault=_FAULT)

    @property
    def room(self) -> http.BodyRoom:
        """Room of all bodies that arrive."""
        return self._room

    def admit(self, scope: Scope) -> None:
        """Look at the head of a request whose body has not come: host, path, token and method. Raises PilothouseError, which is
        counted as refused."""
        try:
            self._find(scope)
        except PilothouseError as error:
            self._traffic.refuse(http.status_of(error))
            raise

    async def answer(self, scope: Scope, receive: Receive, form: Form | None = None) -> http.Answer:
        """Answer to one request, in ``form`` where it is not the route's. Raises ClientGoneError alone."""
        try:
            return await self._route(scope, receive, form)
        except http.ClientGoneError:
            raise
        except Exception as error:  # noqa: BLE001 - answered as every other
            return http.failure(error, log, fault=_FAULT)

    def take(self, scope: Scope) -> Taken | None:
        """What answers a small request for predictions without a task (``direct``); None for every other request, and for one
        that is refused by its head."""
        try:
            route, names = self._find(scope)
            if route.form is None or http.header(scope, b"content-encoding") is not None:
                return None
            asked = routes.version_asked(self._roster(), names)
            self._check_room()
        except PilothouseError:  # refused, and counted as refused, on the other way
            return None
        return partial(self._answer_body, asked, route.form, scope["headers"], time.perf_counter_ns())

    async def _route(self, scope: Scope, receive: Receive, form: Form | None = None) -> http.Answer:
        try:
            route, names = self._find(scope)
            roster = self._roster()
            if route.answer is not None:
                return route.answer(Asked(roster, names, scope["headers"], self._standing))
            asked = routes.version_asked(roster, names)
        except PilothouseError as error:
            self._traffic.refuse(http.status_of(error))
            raise
        form = form or route.form
        assert form is not None
        return await self._infer(scope, receive, asked, form)

    def _standing(self) -> Standing:
        return Standing(
            self._traffic,
            self._waiting,
            self._spool.segments,
            self._spool.sealed_bytes,
            self._rejected or {},
            self._access is not None and self._access.secured,
            self._shadow.counts if self._shadow is not None else {},
            self._spans.dropped,
        )

    def _find(self, scope: Scope) -> tuple[Route, Names]:
        """Route of a request, and the open parts of its path, where it may ask for it. What every request must keep to is
        looked at here."""
        self._check_host(scope)
        route, names = routes.find(scope["path"])
        if self._access is not None and not route.open:
            self._access.check(scope["headers"])
        routes.check_method(route, scope["method"])
        return route, names

    def _check_room(self) -> None:
        """Raise UnavailableError where a prediction would be made for nothing, or too many wait."""
        self._spool.check()
        if self._waiting >= MAXIMUM_WAITING:
            raise UnavailableError(f"{MAXIMUM_WAITING} requests wait already; try again")

    async def _infer(
        self, scope: Scope, receive: Receive, asked: LoadedVersion | LoadedTrial, form: Form
    ) -> http.Answer:
        """Answer to an inference request; every failure but the client's departure is counted as an error of the version."""
        began_ns = time.perf_counter_ns()
        context = context_of(scope["headers"])
        span = self._spans.begin(context)
        arm = arm_of(asked, scope["headers"]) if isinstance(asked, LoadedTrial) else Arm(asked)
        try:
            self._check_room()  # before the body is read
            self._waiting += 1
            try:
                body = await http.read_body(scope, receive, MAXIMUM_BODY_BYTES, self._room, packed=True)
                received_ns = time.perf_counter_ns()
                arm, request = await _read(body, scope, asked, form)
                if isinstance(request, PilothouseError):
                    raise request
                times = _times(request)
                result = await self._answered(arm, request, times, received_ns, context)
            finally:
                self._waiting -= 1
            body, headers = _written(arm.version, form, request, result)
        except http.ClientGoneError:
            raise
        except (
            Exception
        ) as error:  # any failure is an error to this client: it is counted, and answered further up
            self._spool.count_error(arm.version.stream, arm.draw)
            self._traffic.fail(_name(arm.version), http.status_of(error), began_ns)
            if span is not None:
                self._traced(span, arm.version, error)
            raise
        self._traffic.answer(_name(arm.version), request.columns.rows, began_ns)
        if span is not None:
            self._traced(span, arm.version, result, request.columns.rows)
        self._shade(asked, request, times, result)
        return 200, body, headers

    def _answer_body(
        self,
        asked: LoadedVersion | LoadedTrial,
        form: Form,
        headers: Headers,
        began_ns: int,
        body: bytes,
        reply: Reply,
    ) -> None:
        """Answer a request whose body is there. As in ``_infer``, every failure is counted; ``reply`` is called once."""
        received_ns = time.perf_counter_ns()
        context = context_of(headers)
        span = self._spans.begin(context)
        self._waiting += 1

        def settle(outcome: Answer | Exception) -> None:
            self._waiting -= 1
            try:
                if isinstance(outcome, Exception):
                    raise outcome
                answer: http.Answer = 200, *_written(arm.version, form, request, outcome)
                self._traffic.answer(_name(arm.version), request.columns.rows, began_ns)
            except Exception as error:  # noqa: BLE001 - any failure is an error to this client
                self._spool.count_error(arm.version.stream, arm.draw)
                self._traffic.fail(_name(arm.version), http.status_of(error), began_ns)
                reply(http.failure(error, log, fault=_FAULT))
                if span is not None:
                    self._traced(span, arm.version, error)
                return
            reply(answer)
            if span is not None:
                self._traced(span, arm.version, outcome, request.columns.rows)
            self._shade(asked, request, times, outcome)

        arm = Arm(asked if isinstance(asked, LoadedVersion) else asked.champion)
        try:
            arm, read = _read_here(body, headers, asked, form)
            if isinstance(read, PilothouseError):
                raise read
            request, times = read, _times(read)
            self._submit(arm, request, times, received_ns, settle, context)
        except Exception as error:  # noqa: BLE001 - counted and answered as every other
            settle(error)

    def _traced(self, span: Begun, loaded: LoadedVersion, outcome: Answer | Exception, rows: int = 0) -> None:
        """Keep the span of a request that was answered."""
        if isinstance(outcome, Exception):
            self._spans.end(span, _name(loaded), rows, http.status_of(outcome))
        else:
            self._spans.end(span, _name(loaded), rows, 200, prediction=str(outcome.first), call=outcome.call)

    def _shade(
        self, asked: LoadedVersion | LoadedTrial, request: Inference, times: Times, result: Answer
    ) -> None:
        """Offer an answered request to the shadow, where it is one of a trial there."""
        if isinstance(asked, LoadedTrial) and asked.mode == SHADOW and self._shadow is not None:
            self._shadow.offer(asked, request.columns, times, result)

    async def _answered(
        self, arm: Arm, request: Inference, times: Times, received_ns: int, context: TraceContext | None
    ) -> Answer:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def deliver(outcome: Answer | PilothouseError) -> None:
            if future.done():  # cancelled at the end of a shutdown
                return
            if isinstance(outcome, PilothouseError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        self._submit(arm, request, times, received_ns, deliver, context)
        return await future

    def _submit(
        self,
        arm: Arm,
        request: Inference,
        times: Times,
        received_ns: int,
        deliver: Deliver,
        context: TraceContext | None,
    ) -> None:
        """Have a request answered; ``deliver`` is called in the event loop."""
        outbox = self._outbox = self._outbox or Outbox(asyncio.get_running_loop())

        def post(outcome: Answer | PilothouseError) -> None:
            outbox.post(partial(deliver, outcome))

        trace = context.stored_text if context is not None else ""
        self._turns.submit(
            Work(arm.version, request.columns, times, received_ns, post, draw=arm.draw, trace=trace)
        )

    def _check_host(self, scope: Scope) -> None:
        """Refuse other names of a loopback server: a page in a browser on this machine must not reach it by DNS rebinding."""
        if not self._only_loopback:
            return
        host = http.header(scope, b"host")
        if host is not None and not _LOOPBACK.fullmatch(host):
            raise http.HttpError(403, f"host {one_line(host, 80)} is not served here; use 127.0.0.1")


def _written(loaded: LoadedVersion, form: Form, request: Inference, result: Answer) -> Written:
    schema, known = loaded.schema, loaded.predictor.known_categories
    report = report_of(request.columns, schema, known) if request.report else None
    return form.write(schema, loaded.version.version, request, result.prediction, result.first, report)


def _name(loaded: LoadedVersion) -> Version:
    return loaded.version.model, loaded.version.version


def _times(request: Inference) -> Times:
    """Event times of a request's rows: that of its arrival where they have none."""
    times, arrival = request.event_times, time.time_ns() // 1_000
    if times is None:
        return np.full(request.columns.rows, arrival, dtype=np.int64)
    return np.where(times == NO_TIME, arrival, times)


def _read_here(body: bytes, headers: Headers, asked: LoadedVersion | LoadedTrial, form: Form) -> _Read:
    """Request as the version that answers it has read it."""
    if isinstance(asked, LoadedTrial):
        return read_for_arm(asked, form, body, headers)
    return Arm(asked), form.read(body, headers, asked.schema, asked.private)


async def _read(body: bytes, scope: Scope, asked: LoadedVersion | LoadedTrial, form: Form) -> _Read:
    given = (body, scope["headers"], asked, form)
    if len(body) <= form.large and http.header(scope, b"content-encoding") is None:
        return _read_here(*given)
    return await asyncio.to_thread(_read_here, *given)
