"""Requests to a server of others, through the one client by which everything leaves: bounded answers, a link a thread, tried
again where busy."""

import json
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from http.client import HTTPResponse
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlencode, urlsplit

from pilothouse.domain.errors import InvalidInputError, NotAllowedError, NotFoundError, UnavailableError
from pilothouse.domain.formats.bounded_json import JsonError, parse_json
from pilothouse.domain.formats.safe_text import one_line, safe
from pilothouse.foreign.tracking_access import ADVICE, UNTRUSTED, access
from pilothouse.sending.http_post import Bounds, Link, NotSentError, NotTrustedError

_TIMEOUT_S = 60.0
_WITHIN_S = 1_800.0
_LARGEST_ANSWER = 256 << 20
_CHUNK = 1 << 18
_TRIES = 5
_BUSY = frozenset({429, 500, 502, 503, 504})
"""Answers after which a request is made again: all of ours only read. MLflow's server under Python 3.11 answers 500 to a good
search now and then where several come together, for its parser of lists does not bear threads."""
_LONGEST_PAUSE_S = 20.0

Parameters = Sequence[tuple[str, str]]
T = TypeVar("T")


class _CutError(UnavailableError):
    """An answer that ended too early."""


class HttpClient:
    """Client of one server, which may be reached wherever it is: a person has named it. Safe to share between threads. Its
    credentials come from the environment, by MLflow's own names."""

    def __init__(
        self,
        uri: str,
        environment: Mapping[str, str] | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = checked_address(uri)
        self._prefix = parts.path.rstrip("/")
        allowed = access(os.environ if environment is None else environment)
        self._bounds = Bounds(
            (parts.hostname or "",), allowed.ca_file, timeout_s=_TIMEOUT_S, within_s=_WITHIN_S
        )
        self.address = f"{parts.scheme}://{parts.netloc}{self._prefix}"
        self._headers = {
            "Accept": "*/*",
            **allowed.headers,
        }
        self._pause = pause
        self._local = threading.local()
        self._open: list[Link] = []
        self._lock = threading.Lock()
        self._closed = False

    def json(self, path: str, parameters: Parameters = (), body: object | None = None) -> dict[str, Any]:
        """Object that the server answers. Raises PilothouseError, NotFoundError where it knows no such thing."""
        answer = self.taken(path, parameters, lambda parts: parse_json(b"".join(parts) or b"{}"), body)
        if not isinstance(answer, dict):
            raise UnavailableError(f"{self.address}{path} answered no JSON object: is it a tracking server?")
        return answer

    def taken(
        self,
        path: str,
        parameters: Parameters,
        take: Callable[[Iterator[bytes]], T],
        body: object | None = None,
    ) -> T:
        """What ``take`` makes of the parts of an answer as they come; it may raise JsonError. Asked for again, and taken from
        the beginning, where the answer is cut off, as by a worker of the server that is made anew. Raises PilothouseError."""
        for tried in range(1, _TRIES + 1):
            try:
                with closing(self.chunks(path, parameters, body)) as parts:
                    return take(parts)
            except _CutError:
                if tried == _TRIES:
                    raise
                self._pause(0.2 * 2**tried)
            except JsonError as error:
                raise UnavailableError(
                    f"{self.address}{path} answered what is no JSON ({error}): is it a tracking server?"
                ) from None
        raise AssertionError("unreachable")

    def chunks(
        self, path: str, parameters: Parameters = (), body: object | None = None, most: int = _LARGEST_ANSWER
    ) -> Generator[bytes, None, None]:
        """Bytes of an answer as they come; UnavailableError where there are more than ``most``, or fewer than promised."""
        answer, link = self._answered(path, parameters, body)
        taken, is_whole = 0, False
        try:
            while chunk := link.read(answer, _CHUNK):
                taken += len(chunk)
                if taken > most:
                    raise UnavailableError(
                        f"{self.address}{path} answered with more than {most:,} bytes; not taken"
                    )
                yield chunk
            is_whole = True
        except NotSentError as error:
            raise _CutError(f"{self.address}{path}: {one_line(str(error), 200)}") from None
        finally:
            if is_whole:
                link.finish()
            else:
                link.close()

    def close(self) -> None:
        """Close the links of all threads, for good; a request that is under way fails."""
        with self._lock:
            self._closed = True
            for link in self._open:
                link.end()
            self._open.clear()

    def _answered(self, path: str, parameters: Parameters, body: object | None) -> tuple[HTTPResponse, Link]:
        query = f"?{urlencode(list(parameters))}" if parameters else ""
        data = json.dumps(body).encode() if body is not None else None
        headers = {**self._headers, **({"Content-Type": "application/json"} if data is not None else {})}
        link = self._link()
        for tried in range(1, _TRIES + 1):
            if self._closed:
                raise UnavailableError(f"{self.address}: the client was closed")
            try:
                answer = link.send(
                    "POST" if data is not None else "GET", f"{self._prefix}{path}{query}", data, headers
                )
            except NotTrustedError as error:
                raise UnavailableError(f"{self.address}: {one_line(str(error), 200)}; {UNTRUSTED}") from None
            except NotSentError as error:
                if tried == _TRIES:
                    said = one_line(str(error), 200)
                    raise UnavailableError(f"{self.address} does not answer: {said}") from None
                self._pause(min(0.2 * 2**tried, _LONGEST_PAUSE_S))
                continue
            if answer.status == 200:
                return answer, link
            try:
                said = message_of(link.read(answer, _CHUNK))
            except NotSentError:  # the status says enough
                said = ""
            link.close()
            if answer.status not in _BUSY or tried == _TRIES:
                raise self._refused(path, answer, said)
            self._pause(_asked(answer, min(0.2 * 2**tried, _LONGEST_PAUSE_S)))
        raise AssertionError("unreachable")

    def _refused(self, path: str, answer: HTTPResponse, said: str) -> Exception:
        where = f"{self.address}{path} answered {answer.status}{': ' + said if said else ''}"
        if 300 <= answer.status < 400:
            return UnavailableError(f"{where}{sent_to(answer.getheader('Location'))}")
        if answer.status in (401, 403):
            return NotAllowedError(
                f"{where}: {ADVICE}; a server that refuses the host wants it in MLFLOW_SERVER_ALLOWED_HOSTS"
            )
        if answer.status == 404:  # a tracking server says what it does not find
            return NotFoundError(
                where if said else f"{where}: is it a tracking server, and its prefix in the address?"
            )
        return UnavailableError(where)

    def _link(self) -> Link:
        link: Link | None = getattr(self._local, "link", None)
        if link is None:
            link = self._local.link = Link(self.address, self._bounds)
            with self._lock:
                self._open.append(link)
        return link


def checked_address(uri: str) -> SplitResult:
    """Parts of a server's address, which holds no password. Raises InvalidInputError."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        raise InvalidInputError(f"{safe(uri, 100)}: expected http://HOST:PORT or https://HOST") from None
    if parts.username or parts.password:
        raise InvalidInputError(
            "the address holds a user or password: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
            "MLFLOW_TRACKING_TOKEN, instead"
        )
    try:
        _ = parts.port
    except ValueError:
        raise InvalidInputError(f"{safe(uri, 100)}: its port is no number of 1 to 65535") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise InvalidInputError(f"{safe(uri, 100)}: expected http://HOST:PORT or https://HOST")
    if not uri.isascii() or not uri.isprintable() or " " in uri:
        raise InvalidInputError(
            f"{safe(uri, 100)}: expected ASCII without blanks, other letters as %C3%BC in the path and xn--… in the host"
        )
    return parts


def sent_to(location: str | None) -> str:
    """Where a redirect leads, without its query, and what to do about it."""
    place = one_line((location or "").partition("?")[0], 200)
    to = f" and sends to {place}" if place else ""
    return f"{to}: redirects are not followed; name the address itself, or a token where that is a page to sign in"


def message_of(data: bytes) -> str:
    """What the server says of a refusal, on one line; empty where it says nothing."""
    try:
        found = parse_json(data)
    except JsonError:
        return ""
    return one_line(str(found.get("message", "")), 200) if isinstance(found, dict) else ""


def _asked(answer: HTTPResponse, pause: float) -> float:
    asked = answer.getheader("Retry-After", "")
    return min(float(asked), _LONGEST_PAUSE_S) if asked.isascii() and asked.isdigit() else pause
