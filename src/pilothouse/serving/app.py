"""Open Inference Protocol v2 over HTTP, as one plain ASGI app.

``GET /v2``, ``/v2/health/live``, ``/v2/health/ready``, ``/v2/models/M[/versions/V]`` and its ``/ready``, the inference
``POST /v2/models/M[/versions/V]/infer``, and ``/v2/repository/index`` (GET or POST). Beside the protocol: plain records by
``POST /v2/models/M[/versions/V]/predict``. A trailing slash is taken too. Every error is ``{"error": "one line"}``: 400 for a
bad request, 404 for what is not served, 503 while predictions cannot be spooled.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pilothouse.domain.errors import InvalidInputError, NotFoundError, PilothouseError, UnavailableError
from pilothouse.domain.identifiers import PredictionId
from pilothouse.domain.safe_text import one_line
from pilothouse.inference.predictor import Prediction
from pilothouse.inference.schema import InputSchema
from pilothouse.serving import http
from pilothouse.serving.http import Receive, Scope, Send
from pilothouse.serving.live_versions import LoadedVersion, Roster
from pilothouse.serving.protocol import (
    MAXIMUM_BODY_BYTES,
    Inference,
    encode,
    infer_answer,
    model_metadata,
    read_inference,
    server_metadata,
)
from pilothouse.serving.records import read_rows, rows_answer
from pilothouse.serving.request_report import report_of
from pilothouse.serving.spool import Spool
from pilothouse.serving.tensors import NO_TIME
from pilothouse.serving.worker import Answer, Work, Worker

log = logging.getLogger(__name__)

MAXIMUM_WAITING = 1_000
"""Requests that may wait for an answer at once; the next is told to come back."""
_LARGE_BODY_BYTES = 256 * 1_024
"""Bytes from which a body is parsed in a thread, so that the event loop goes on answering others."""
_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{0,5})?", re.IGNORECASE)
"""Hosts under which a server on the loopback interface answers."""


@dataclass(frozen=True, slots=True)
class _Form:
    """Form of an inference request and of its answer."""

    read: Callable[[bytes, InputSchema, Sequence[str]], Inference]
    write: Callable[
        [InputSchema, int, Inference, Prediction, PredictionId, list[dict[str, Any]] | None], bytes
    ]


_FORMS = {"infer": _Form(read_inference, infer_answer), "predict": _Form(read_rows, rows_answer)}
"""Forms by the last part of the path: the protocol's tensors, and plain records."""


class ServingApp:
    """ASGI app of one target. ``roster()`` gives the live versions of this moment."""

    def __init__(
        self, roster: Callable[[], Roster], worker: Worker, spool: Spool, *, only_loopback: bool
    ) -> None:
        self._roster, self._worker, self._spool = roster, worker, spool
        self._only_loopback = only_loopback
        self._waiting = 0
        self._room = http.BodyRoom()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. No exception leaves here."""
        await http.respond(
            send, self._route(scope, receive), log, fault="internal error; the server's log says more"
        )

    async def _route(self, scope: Scope, receive: Receive) -> http.Answer:
        self._check_host(scope)
        method, path = scope["method"], scope["path"].rstrip("/").split("/")[1:]
        roster = self._roster()
        match path:
            case ["v2"]:
                return _get(method, 200, server_metadata())
            case ["v2", "health", "live"]:
                return _get(method, 200, {"live": True})
            case ["v2", "health", "ready"]:
                return _get(method, 200 if roster.ready else 503, {"ready": roster.ready})
            case ["v2", "repository", "index"]:
                _allow(method, "GET", "POST")
                return 200, encode(_index(roster)), {}
            case ["v2", "models", model, *rest]:
                version = rest[1] if len(rest) > 1 and rest[0] == "versions" else None
                match rest if version is None else rest[2:]:
                    case []:
                        _allow(method, "GET")
                        loaded = roster.find(model, version)
                        return 200, encode(model_metadata(loaded.schema, loaded.version.version)), {}
                    case ["ready"]:
                        return _get(method, *_model_ready(roster, model, version))
                    case ["infer" | "predict" as form]:
                        _allow(method, "POST")
                        return await self._infer(scope, receive, roster.find(model, version), _FORMS[form])
        raise NotFoundError(f"there is nothing at {one_line(scope['path'], 120)}; see GET /v2")

    async def _infer(self, scope: Scope, receive: Receive, loaded: LoadedVersion, form: _Form) -> http.Answer:
        """Answer to an inference request; every failure but the client's departure is counted as an error of the version."""
        try:
            return 200, await self._predict(scope, receive, loaded, form), {}
        except http.ClientGoneError:
            raise
        except Exception:  # any failure is an error to this client: it is counted, and answered further up
            self._spool.count_error(loaded.stream)
            raise

    async def _predict(self, scope: Scope, receive: Receive, loaded: LoadedVersion, form: _Form) -> bytes:
        self._spool.check()  # before the body is read: a prediction that cannot be kept is not made
        if self._waiting >= MAXIMUM_WAITING:
            raise UnavailableError(f"{MAXIMUM_WAITING} requests wait already; try again")
        if http.header(scope, b"inference-header-content-length") is not None:
            raise InvalidInputError("binary tensor data is not taken; send the tensors as JSON")
        self._waiting += 1
        try:
            body = await http.read_body(scope, receive, MAXIMUM_BODY_BYTES, self._room)
            received_ns = time.perf_counter_ns()
            request = await _read(body, loaded, form)
            result = await self._answered(loaded, request, received_ns)
        finally:
            self._waiting -= 1
        schema, known = loaded.schema, loaded.predictor.known_categories
        report = report_of(request.columns, schema, known) if request.report else None
        return form.write(schema, loaded.version.version, request, result.prediction, result.first, report)

    async def _answered(self, loaded: LoadedVersion, request: Inference, received_ns: int) -> Answer:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()

        def settle(outcome: Answer | PilothouseError) -> None:
            if future.done():  # cancelled at the end of a shutdown
                return
            if isinstance(outcome, PilothouseError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        def deliver(outcome: Answer | PilothouseError) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, outcome)

        times, arrival = request.event_times, time.time_ns() // 1_000
        if times is None:
            times = np.full(request.columns.rows, arrival, dtype=np.int64)
        else:
            times = np.where(times == NO_TIME, arrival, times)
        self._worker.submit(Work(loaded, request.columns, times, received_ns, deliver))
        return await future

    def _check_host(self, scope: Scope) -> None:
        """Refuse other names of a loopback server: a page in a browser on this machine must not reach it by DNS rebinding."""
        if not self._only_loopback:
            return
        host = http.header(scope, b"host")
        if host is not None and not _LOOPBACK.fullmatch(host):
            raise http.HttpError(403, f"host {one_line(host, 80)} is not served here; use 127.0.0.1")


async def _read(body: bytes, loaded: LoadedVersion, form: _Form) -> Inference:
    if len(body) <= _LARGE_BODY_BYTES:
        return form.read(body, loaded.schema, loaded.private)
    return await asyncio.to_thread(form.read, body, loaded.schema, loaded.private)


def _get(method: str, status: int, document: Any) -> http.Answer:
    _allow(method, "GET")
    return status, encode(document), {}


def _allow(method: str, *allowed: str) -> None:
    if method not in allowed:
        expected = ", ".join(allowed)
        raise http.HttpError(
            405, f"{one_line(method, 20)} is not taken here; expected {expected}", {"allow": expected}
        )


def _model_ready(roster: Roster, model: str, version: str | None) -> tuple[int, Any]:
    if model in roster.desired and model not in roster.live and version is None:
        return 503, {"name": model, "ready": False}
    roster.find(model, version)
    return 200, {"name": model, "ready": True}


def _index(roster: Roster) -> list[dict[str, str]]:
    """Every live version, and every desired one that is not live yet, with the reason."""
    rows = [
        {"name": model, "version": str(loaded.version.version), "state": "READY", "reason": ""}
        for model, loaded in sorted(roster.live.items())
    ]
    for model, version in sorted(roster.desired.items()):
        loaded = roster.live.get(model)
        if loaded is None or loaded.version != version:
            reason = roster.failed.get(model, "")
            state = "UNAVAILABLE" if reason else "LOADING"
            rows.append({"name": model, "version": str(version.version), "state": state, "reason": reason})
    return rows
