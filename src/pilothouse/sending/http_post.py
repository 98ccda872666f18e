"""Requests to a checked address: TLS verified, no redirect followed, within a time, a cut answer told from a whole one.
Whatever leaves by HTTP leaves by it: one request by ``ask``, several to one server by a ``Link``."""

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from pilothouse.sending.addresses import Place, RefusedAddressError, places_of

_REDIRECTS = range(300, 400)
NO_REDIRECT = "redirects are not followed, name the place itself"


class NotSentError(Exception):
    """There is no answer; the text says why, and names neither URL nor secret."""


class NotTrustedError(NotSentError):
    """The certificate of what answers there is not valid: it will be no better at once."""


class NoHttpError(NotSentError):
    """What answers there is no server of HTTP."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer to a request. ``said``: as much of its body as was asked for."""

    status: int
    retry_after: str | None
    said: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a try. ``error`` is empty where the receiver said that it has the message, and names no secret."""

    error: str = ""
    asked_s: float | None = None
    """Seconds for which the receiver asked to be left alone."""
    is_gone: bool = False
    """True where it said that it wants no more."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What may be reached, and for how long. ``allow``: hosts, addresses and networks beside the public ones."""

    allow: Sequence[str] = ()
    ca_file: str | None = None
    timeout_s: float = 10.0
    """Of the connection, and of each part of the answer."""
    within_s: float = 30.0
    """Of everything after the name was looked up: an answer that drips is left then."""
    longest: int = 0
    """Bytes of the body that are read, where the status is none of success: it takes nothing back of what that says."""
    reads_success: bool = False
    """That body is read too: it holds what was asked for."""


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    allow: Sequence[str] = (),
    ca_file: str | None = None,
    timeout_s: float = 10.0,
) -> Outcome:
    """Post a body to a URL, which no error text names: it may hold a secret. Whatever goes wrong is in the outcome."""
    try:
        answer = ask(url, body, headers, Bounds(allow, ca_file, timeout_s))
    except NotSentError as error:
        return Outcome(str(error))
    if 200 <= answer.status < 300:
        return Outcome()
    if answer.status in _REDIRECTS:
        return Outcome(f"it answered {answer.status}: {NO_REDIRECT}")
    return Outcome(f"it answered {answer.status}", _seconds(answer.retry_after), is_gone=answer.status == 410)


def ask(
    url: str, body: bytes | None, headers: Mapping[str, str], bounds: Bounds, method: str = "POST"
) -> Answer:
    """Send a request, and take the answer, whatever its status. Raises NotSentError."""
    link = Link(url, bounds)
    try:
        answer = link.send(method, link.path, body, headers)
        is_taken = 200 <= answer.status < 300
        is_read = bounds.longest and (bounds.reads_success or not is_taken)
        said = link.read(answer, bounds.longest, is_whole=is_taken) if is_read else b""
        return Answer(answer.status, answer.getheader("Retry-After"), said)
    finally:
        link.close()


class Link:
    """Connection to one server, kept from request to request and made anew where it has ended. For one thread."""

    def __init__(self, url: str, bounds: Bounds) -> None:
        """Nothing is connected yet. Raises NotSentError where ``url`` is none."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise NotSentError("its URL is none") from None
        if (
            not host
            or parts.scheme not in ("http", "https")
            or any(ord(one) <= 32 or ord(one) > 126 for one in url)
        ):
            raise NotSentError("its URL is none: expected one such as https://host/path")
        self.path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        """Path and query of the URL."""
        self._bounds, self._host, self._is_secure = bounds, host, parts.scheme == "https"
        self._port = port or (443 if self._is_secure else 80)
        self._connection: _Connection | None = None
        self._watch: threading.Timer | None = None

    def send(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        """Head of the answer to a request, whatever its status; ``read`` or ``finish`` is next. Raises NotSentError."""
        with self._said():
            if self._connection is None:
                places = places_of(self._host, self._port, self._bounds.allow)
                context = ssl.create_default_context(cafile=self._bounds.ca_file) if self._is_secure else None
                self._connection = _Connection(self._host, self._port, places, context, self._bounds)
            # a limit of each part alone lets an answer drip for hours
            self._watch = threading.Timer(self._bounds.within_s, self._connection.shut)
            self._watch.daemon = True
            self._watch.start()
            try:
                self._connection.request(
                    method, path, body=body, headers={"User-Agent": "pilothouse", **headers}
                )
            except (BrokenPipeError, ConnectionResetError):
                # who refuses a body says so before it has come, and reads no more of it
                if self._connection.sock is None:
                    raise
            return self._connection.getresponse()

    def read(self, answer: http.client.HTTPResponse, most: int, *, is_whole: bool = True) -> bytes:
        """Next bytes of the answer, ``most`` of them; fewer at its end. Raises NotSentError where it ends too early, unless it
        need not be whole: what came until then is the answer of who refuses a body and reads no more of it."""
        with self._said():
            if not is_whole:
                return _until_cut(answer, most)
            data = answer.read(most)
            if len(data) < most and answer.length:  # http.client ends a cut answer like a whole one
                raise NotSentError(f"the connection ended {answer.length:,} bytes too early")
            return data

    def finish(self) -> None:
        """The answer has been read to its end: the next request may take as long."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def close(self) -> None:
        """End the connection; the next request makes another."""
        self.finish()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def end(self) -> None:
        """End what is under way on it, from another thread, which wakes the one that reads."""
        if (connection := self._connection) is not None:
            connection.shut()
            connection.close()

    @contextmanager
    def _said(self) -> Iterator[None]:
        """Faults of the network in words; the connection ends with one."""
        connection = None
        try:
            yield
        except Exception as error:
            connection = self._connection
            self.close()
            if isinstance(error, NotSentError):
                raise
            if connection is not None and connection.was_shut and isinstance(error, _FAULTS):
                raise NotSentError(f"no whole answer within {self._bounds.within_s:g} s") from None
            if isinstance(error, RefusedAddressError):
                raise NotSentError(str(error)) from None
            if isinstance(error, TimeoutError):
                raise NotSentError(f"no answer within {self._bounds.timeout_s:g} s") from None
            if isinstance(error, ssl.SSLCertVerificationError):
                raise NotTrustedError(f"its certificate is not valid: {error.verify_message}") from None
            if isinstance(error, socket.gaierror):
                raise NotSentError("the name of its host has no address") from None
            if isinstance(error, OSError):
                raise NotSentError((error.strerror or type(error).__name__).lower()) from None
            if isinstance(error, _FAULTS):
                raise NoHttpError(f"its answer is no HTTP ({type(error).__name__})") from None
            raise


_FAULTS = (OSError, http.client.HTTPException, ValueError)


def _until_cut(answer: http.client.HTTPResponse, most: int) -> bytes:
    """What came of the answer until it or its connection ended."""
    parts: list[bytes] = []
    with contextlib.suppress(*_FAULTS):
        while most > 0 and (part := answer.read1(most)):
            parts.append(part)
            most -= len(part)
    return b"".join(parts)


def _seconds(retry_after: str | None) -> float | None:
    """Seconds of a Retry-After in either of its forms."""
    if retry_after is None:
        return None
    if retry_after.strip().isascii() and retry_after.strip().isdigit():
        return float(retry_after.strip()[:9])
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


class _Connection(http.client.HTTPConnection):
    """Connection to one of the addresses that were checked, whatever the name resolves to by now."""

    def __init__(
        self,
        host: str,
        port: int,
        places: Sequence[Place],
        context: ssl.SSLContext | None,
        bounds: Bounds,
    ) -> None:
        super().__init__(host, port, timeout=bounds.timeout_s)
        self._bounds = bounds
        if context is not None:
            self.default_port = 443  # the Host header leaves it out
        self._places = places
        self._context = context
        self.was_shut = False

    def shut(self) -> None:
        """End it from another thread: its time is over."""
        self.was_shut = True
        if (sock := self.sock) is not None:
            with contextlib.suppress(OSError):  # it has ended by itself
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def connect(self) -> None:
        """Connect to the first address that answers."""
        end = time.monotonic() + self._bounds.within_s
        refused: OSError | None = None
        for place in self._places:
            left = end - time.monotonic()
            if refused is not None and left <= 0:
                break
            sock = socket.socket(place.family, socket.SOCK_STREAM)
            sock.settimeout(min(self._bounds.timeout_s, max(left, 0.1)))
            try:
                sock.connect(place.address)
                sock.settimeout(self._bounds.timeout_s)
                self.sock = (
                    sock
                    if self._context is None
                    else self._context.wrap_socket(sock, server_hostname=self.host)
                )
            except OSError as error:
                sock.close()
                refused = error
            else:
                return
        assert refused is not None
        raise refused
