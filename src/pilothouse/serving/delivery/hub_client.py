"""Client of the hub for a serving process: HTTP over a unix socket or TLS, bodies in msgpack, one token for one target."""

import contextlib
import http.client
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pilothouse.domain.errors import (
    ConflictError,
    IntegrityError,
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    PilothouseError,
    UnavailableError,
)
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.formats.wire import (
    BaselineAnswer,
    BaselineQuestion,
    BatchReceipt,
    DesiredState,
    PairBatch,
    PredictionBatch,
    ReportReceipt,
    RequestSpan,
    ServingReport,
)
from pilothouse.serving.delivery.credential import Credential
from pilothouse.serving.delivery.hub_address import HubAddress, HubConnection

MAXIMUM_ANSWER_BYTES = 2 * 2**30
"""Bytes of an answer beyond which the hub is taken to be at fault."""
_TIMEOUT_S = 30.0
"""Seconds for the connection, and for each read and write."""
_ENCODER = msgspec.msgpack.Encoder()
_T = TypeVar("_T")

_ERRORS: dict[int, type[PilothouseError]] = {
    400: InvalidInputError,
    401: NotAllowedError,
    403: NotAllowedError,
    404: NotFoundError,
    409: ConflictError,
    413: InvalidInputError,
    422: InvalidInputError,
}
"""Errors by the status of the hub's answer; any other status is UnavailableError."""


class HubBusyError(UnavailableError):
    """Refusal of the hub that passes: it says after how many seconds to come again."""

    def __init__(self, message: str, again_after_s: float) -> None:
        super().__init__(message)
        self.again_after_s = again_after_s


@dataclass(frozen=True, slots=True)
class Exchange:
    """Times of a request and its answer in microseconds: sent and got by the clock here, received and answered by the hub's,
    0 where the hub does not say them."""

    sent_us: int
    received_us: int
    answered_us: int
    got_us: int


class HubClient:
    """Connection to the hub, opened when needed and kept. For one thread.

    Every method raises UnavailableError where the hub is away or in trouble, and NotAllowedError, NotFoundError,
    ConflictError or InvalidInputError where it refuses.
    """

    def __init__(self, hub: HubAddress | Path, token: Credential | Path) -> None:
        """Client of the hub at an address, or at the path of its socket; ``token`` may be the path of a token's file."""
        self._hub = hub if isinstance(hub, HubAddress) else HubAddress(hub)
        self._credential = token if isinstance(token, Credential) else Credential(token)
        self._token = ""
        self._connection: HubConnection | None = None
        self._again_after = ""
        """Header of the last answer that says after how many seconds to come again."""
        self._is_left = False

    def another(self) -> "HubClient":
        """Client of the same hub, for another thread."""
        return HubClient(self._hub, self._credential)

    @property
    def is_local(self) -> bool:
        """True where the hub is on this machine."""
        return self._hub.path is not None

    def desired(self, revision: str, wait_s: int = 0) -> DesiredState | None:
        """Desired state, or None where that is still ``revision`` after ``wait_s`` seconds; a hub of an earlier release
        does not wait."""
        headers = {"If-None-Match": f'"{revision}"', **({"Prefer": f"wait={wait_s}"} if wait_s else {})}
        status, body = self._ask("GET", "/v1/desired", headers=headers)
        return None if status == 304 else _decode(body, DesiredState)

    def baseline(self, question: BaselineQuestion) -> BaselineAnswer:
        """Baseline that another process of this machine has measured, after waiting for it; with figures, tell the hub."""
        return _decode(self._ask("POST", "/v1/baseline", _ENCODER.encode(question))[1], BaselineAnswer)

    def artifact(self, digest: str) -> bytes:
        """Bytes that the hub has under ``digest``; the caller verifies them. Raises IntegrityError where the hub says that its
        own are damaged: a hub that is away may come back, such bytes do not."""
        return self._ask("GET", f"/v1/artifacts/{digest}", errors={**_ERRORS, 410: IntegrityError})[1]

    def send_batch(self, batch: PredictionBatch | PairBatch) -> BatchReceipt:
        """Receipt of a batch, which says that it is committed."""
        path = "/v1/pairs" if isinstance(batch, PairBatch) else "/v1/batches"
        return _decode(self._ask("POST", path, _ENCODER.encode(batch))[1], BatchReceipt)

    def report(self, report: ServingReport) -> "Exchange":
        """Send the state of this process to the hub; returns when it was sent and answered by both clocks."""
        body = _ENCODER.encode(report)
        sent_us, began_ns = time.time_ns() // 1_000, time.monotonic_ns()
        answer = self._ask("POST", "/v1/report", body)[1]
        receipt = _decode(answer, ReportReceipt) if answer else ReportReceipt()
        # by the monotonic clock: the wall's may be set meanwhile
        took_us = (time.monotonic_ns() - began_ns) // 1_000
        return Exchange(sent_us, receipt.received_us, receipt.answered_us, sent_us + took_us)

    def send_spans(self, spans: Sequence[RequestSpan]) -> None:
        """Send spans of requests to the hub."""
        self._ask("POST", "/v1/spans", _ENCODER.encode(spans))

    def leave(self) -> None:
        """End what another thread waits for here, and ask nothing any more. For any thread."""
        self._is_left = True
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError):  # it has ended
                connection.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        errors: Mapping[int, type[PilothouseError]] = _ERRORS,
    ) -> tuple[int, bytes]:
        status, answer = self._exchange(method, path, body, headers or {})
        if status == 401:  # the token may have been issued anew since it was read
            self._token = ""
            status, answer = self._exchange(method, path, body, headers or {})
        if status in (200, 304):
            return status, answer
        if self._again_after.isdecimal() and status not in errors:
            raise HubBusyError(f"the hub answered {status}: {_reason(answer)}", float(self._again_after[:6]))
        raise errors.get(status, UnavailableError)(f"the hub answered {status}: {_reason(answer)}")

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        if self._is_left:
            raise UnavailableError("the process ends")
        sent = {**headers, "Authorization": f"Bearer {self._bearer()}", "Content-Type": "application/msgpack"}
        is_kept = self._connection is not None
        try:
            return self._exchange_once(method, path, body, sent)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not is_kept:
                raise UnavailableError(f"the hub does not answer at {self._hub}: {_message(error)}") from None
        # the hub may have closed the kept connection meanwhile; every request may be sent twice
        return self._exchange(method, path, body, headers)

    def _exchange_once(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = HubConnection(self._hub, _TIMEOUT_S)
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        data = response.read(MAXIMUM_ANSWER_BYTES)
        self._again_after = response.getheader("retry-after", "").strip()
        if not response.isclosed():
            raise http.client.HTTPException("its answer is too long")
        return response.status, data

    def _bearer(self) -> str:
        if not self._token:
            self._token = self._credential.read()
        return self._token


def _decode(body: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise UnavailableError(f"the hub's answer is not a {kind.__name__}: {error}") from None


def _reason(answer: bytes) -> str:
    try:
        document: Any = msgspec.json.decode(answer[:4_096])
        return one_line(str(document["error"]))
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError, KeyError, RecursionError):
        return "no reason given"


def _message(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not trusted: {error.verify_message} (--ca names a file with the authority's)"
        )
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
