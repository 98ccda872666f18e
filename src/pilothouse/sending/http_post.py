"""One POST: to a checked address, TLS verified, no redirect followed; of the answer its status and headers are read."""

import http.client
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from pilothouse.sending.addresses import Place, RefusedAddressError, places_of

_REDIRECTS = range(300, 400)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a try. ``error`` is empty where the receiver said that it has the message, and names no secret."""

    error: str = ""
    asked_s: float | None = None
    """Seconds for which the receiver asked to be left alone."""
    is_gone: bool = False
    """True where it said that it wants no more."""


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    allow: Sequence[str] = (),
    ca_file: str | None = None,
    timeout_s: float = 10.0,
) -> Outcome:
    """Post a body to a URL, which no error text names: it may hold a secret. ``timeout_s`` is for the connection, and for each
    part of the answer."""
    try:
        parts = urlsplit(url)
        host, port, secure = parts.hostname, parts.port, parts.scheme == "https"
    except ValueError:
        return Outcome("its URL is none")
    if (
        not host
        or parts.scheme not in ("http", "https")
        or any(ord(one) <= 32 or ord(one) > 126 for one in url)
    ):
        return Outcome("its URL is none: expected one such as https://host/path")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        port = port or (443 if secure else 80)
        places = places_of(host, port, allow)
        context = ssl.create_default_context(cafile=ca_file) if secure else None
        connection = _Connection(host, port, places, context, timeout_s)
        try:
            connection.request("POST", path, body=body, headers={"User-Agent": "pilothouse", **headers})
            answer = connection.getresponse()
            # the body is not read: one that is slow or cut off takes nothing back of what the status says
            return _outcome(answer.status, answer.getheader("Retry-After"))
        finally:
            connection.close()
    except RefusedAddressError as error:
        return Outcome(str(error))
    except TimeoutError:
        return Outcome(f"no answer within {timeout_s:g} s")
    except ssl.SSLCertVerificationError as error:
        return Outcome(f"its certificate is not valid: {error.verify_message}")
    except socket.gaierror:
        return Outcome("the name of its host has no address")
    except OSError as error:
        return Outcome((error.strerror or type(error).__name__).lower())
    except (http.client.HTTPException, ValueError) as error:
        return Outcome(f"its answer is no HTTP ({type(error).__name__})")


def _outcome(status: int, retry_after: str | None) -> Outcome:
    if 200 <= status < 300:
        return Outcome()
    if status in _REDIRECTS:
        return Outcome(f"it answered {status}: redirects are not followed, name the place itself")
    return Outcome(f"it answered {status}", _seconds(retry_after), is_gone=status == 410)


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
        timeout_s: float,
    ) -> None:
        super().__init__(host, port, timeout=timeout_s)
        self._timeout_s = timeout_s
        if context is not None:
            self.default_port = 443  # the Host header leaves it out
        self._places = places
        self._context = context

    def connect(self) -> None:
        """Connect to the first address that answers."""
        refused: OSError | None = None
        for place in self._places:
            sock = socket.socket(place.family, socket.SOCK_STREAM)
            sock.settimeout(self._timeout_s)
            try:
                sock.connect(place.address)
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
