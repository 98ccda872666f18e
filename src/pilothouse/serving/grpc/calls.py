"""Calls of the service: each is asked as the HTTP route of the same meaning is, with the same tokens, bounds and counts."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from pilothouse.domain.errors import InvalidInputError, NotFoundError, PilothouseError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.formats.trace_context import HEADER
from pilothouse.serving.bodies.forms import Form, header_of
from pilothouse.serving.grpc.inferences import LARGE_BYTES, MODEL_INFER, unpacked
from pilothouse.serving.grpc.messages import decode, encode
from pilothouse.serving.prediction.trial_arms import KEY
from pilothouse.serving.web import compression, http
from pilothouse.serving.web.compression import Headers

SERVICE = "/inference.GRPCInferenceService/"
PREFIX_BYTES = 5
"""Bytes before a message: whether it is packed, and its length."""
OK, INVALID, NOT_FOUND, UNIMPLEMENTED, INTERNAL, UNAVAILABLE = 0, 3, 5, 12, 13, 14
_CODES = {
    400: INVALID,
    401: 16,
    403: 7,
    404: NOT_FOUND,
    408: 4,
    409: 10,
    413: 8,
    415: UNIMPLEMENTED,
    503: UNAVAILABLE,
}
"""Codes of gRPC by the status of HTTP."""
_LONGEST_NAMES = 4_096
"""Bytes of a message that names a model and a version, and has nothing else to say; unpacked too."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Answer to a call. ``message`` is encoded; empty unless the code is 0."""

    code: int
    message: bytes = b""
    text: str = ""


class Answers(Protocol):
    """App that answers requests in the forms of HTTP."""

    def admit(self, scope: http.Scope) -> None:
        """Look at the head of a request. Raises PilothouseError."""

    async def answer(self, scope: http.Scope, receive: http.Receive, form: Form | None = None) -> http.Answer:
        """Answer to one request. Raises ClientGoneError alone."""


@dataclass(frozen=True, slots=True)
class _Call:
    """Call that is asked at the route of ``path``, that of a model by its name and version where it names one."""

    path: str
    request: str
    response: str
    of_model: bool = False
    form: Form | None = None


_CALLS = {
    "ServerLive": _Call("/v2/health/live", "ServerLiveRequest", "ServerLiveResponse"),
    "ServerReady": _Call("/v2/health/ready", "ServerReadyRequest", "ServerReadyResponse"),
    "ServerMetadata": _Call("/v2", "ServerMetadataRequest", "ServerMetadataResponse"),
    "ModelReady": _Call("/ready", "ModelReadyRequest", "ModelReadyResponse", of_model=True),
    "ModelMetadata": _Call("", "ModelMetadataRequest", "ModelMetadataResponse", of_model=True),
    "ModelInfer": _Call("/infer", "ModelInferRequest", "ModelInferResponse", of_model=True, form=MODEL_INFER),
}


@dataclass(frozen=True, slots=True)
class _Message:
    """Message as it came. ``encoding`` is empty where it is not packed."""

    content: bytes
    encoding: str


def refusal(app: Answers, path: str, headers: Headers) -> Outcome | None:
    """Refusal of a call by its head, before its message comes: an unknown call, or one without the token that it needs."""
    call = _call(path)
    if call is None:
        return Outcome(UNIMPLEMENTED, text=f"there is no call {one_line(path, 120)}")
    try:
        # every model's route asks for the same token: which model is meant is in the message
        app.admit(_scope(call, _model_path("any") + call.path if call.of_model else call.path, headers))
    except PilothouseError as error:
        return _failure(error)
    return None


async def answer(app: Answers, path: str, headers: Headers, framed: bytes) -> Outcome:
    """Answer to a call that was not refused by its head, and whose request is ``framed``: one message behind its prefix."""
    call = _call(path)
    assert call is not None
    try:
        message = _unframed(framed, headers)
        is_large = call.form is not None and (message.encoding or len(message.content) > LARGE_BYTES)
        asked = await asyncio.to_thread(_path, call, message) if is_large else _path(call, message)
    except PilothouseError as error:
        return _failure(error)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": message.content}

    scope = _scope(call, asked, headers)
    if message.encoding:  # what is unpacked twice is held once, and as long as it is decoded
        scope["headers"].append((b"content-encoding", message.encoding.encode()))
    try:
        status, body, _ = await app.answer(scope, receive, call.form)
    except http.ClientGoneError:
        return Outcome(UNAVAILABLE, text="the server is ending")
    if status == 200 and call.form is not None:
        return Outcome(OK, body)
    document = msgspec.json.decode(body)
    if "error" in document:
        return Outcome(_CODES.get(status, INTERNAL), text=document["error"])
    return Outcome(OK, encode(call.response, document))  # 503 of a readiness is an answer here


def _call(path: str) -> _Call | None:
    return _CALLS.get(path.removeprefix(SERVICE)) if path.startswith(SERVICE) else None


def _failure(error: PilothouseError) -> Outcome:
    return Outcome(_CODES.get(http.status_of(error), INTERNAL), text=one_line(str(error)))


def _unframed(framed: bytes, headers: Headers) -> _Message:
    if len(framed) < PREFIX_BYTES or int.from_bytes(framed[1:PREFIX_BYTES]) != len(framed) - PREFIX_BYTES:
        raise InvalidInputError("expected one whole message behind its length")
    message = framed[PREFIX_BYTES:]
    if framed[0] == 0:
        return _Message(message, "")
    encoding = header_of(headers, b"grpc-encoding").strip().lower()
    if framed[0] != 1 or encoding not in ("gzip", "deflate"):
        raise InvalidInputError("the message is packed; expected grpc-encoding gzip or deflate")
    return _Message(message, encoding)


def _path(call: _Call, message: _Message) -> str:
    """Path of the route that a call asks. Raises InvalidInputError or NotFoundError."""
    if not call.of_model:
        return call.path
    if call.form is None:
        if len(message.content) > _LONGEST_NAMES:
            raise http.HttpError(413, f"the message is longer than {_LONGEST_NAMES:,} bytes")
        content = compression.unpack(message.content, message.encoding, _LONGEST_NAMES)
        named: Mapping[str, Any] = decode(call.request, content)
        model, version = named.get("name", ""), named.get("version", "")
    else:
        named = decode(
            "NamedModel", unpacked(message.content, message.encoding)
        )  # the tensors are read where the app admits them
        model, version = named.get("model_name", ""), named.get("model_version", "")
    for part in (model, version):
        if quote(part, safe="") != part:
            raise NotFoundError(f"there is no {one_line(part, 80)} here")
    if not model:
        raise InvalidInputError("the request names no model")
    return _model_path(model) + (f"/versions/{version}" if version else "") + call.path


def _model_path(model: str) -> str:
    return f"/v2/models/{model}"


def _scope(call: _Call, path: str, headers: Headers) -> http.Scope:
    return {"path": path, "method": "POST" if call.form else "GET", "headers": _as_http(headers)}


def _as_http(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Headers as the app knows them: the authority is the host."""
    return [
        (b"host" if name == b":authority" else name, value)
        for name, value in headers
        if name in (b":authority", b"authorization", KEY, HEADER)
    ]
