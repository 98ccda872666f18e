"""Access to a serving process: tokens of its clients, and TLS, by files in its folder.

``client-tokens`` holds a token a line; where the file is there, every request but those for health needs one of them.
``tls-certificate.pem`` and ``tls-key.pem`` have the process speak TLS alone. Each is read again when it has changed, a second
later at most. A file that goes away while the process runs leaves what it said in force.
"""

import hashlib
import logging
import os
import ssl
import time
from pathlib import Path

from pilothouse.domain.errors import InvalidInputError, PilothouseError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.serving.web.compression import Headers
from pilothouse.serving.web.http import HttpError
from pilothouse.system.files import read_plain_file
from pilothouse.system.paths import CLIENT_TOKENS, TLS_CERTIFICATE, TLS_KEY

log = logging.getLogger(__name__)

TOKENS, CERTIFICATE, KEY = CLIENT_TOKENS, TLS_CERTIFICATE, TLS_KEY
_LOOK_EVERY_S = 1.0
"""Seconds between two looks at the files."""
_LARGEST_FILE = 1 << 20
_SHORTEST_TOKEN, _LONGEST_TOKEN = 16, 256
"""Characters of a token."""

_Mark = tuple[int, int, int] | None


def speaks_tls(folder: Path) -> bool:
    """True where the process of this folder speaks TLS."""
    return _mark(folder / CERTIFICATE) is not None or _mark(folder / KEY) is not None


def marks(folder: Path) -> tuple[_Mark, _Mark, _Mark]:
    """Marks of the files of ``folder``, which differ once one of them has changed."""
    return _mark(folder / TOKENS), _mark(folder / CERTIFICATE), _mark(folder / KEY)


class Access:
    """Who may ask. ``tls`` is None where the process speaks plain HTTP; ``tls_http2`` is the same for HTTP/2 alone, as gRPC
    speaks it."""

    def __init__(self, folder: Path) -> None:
        """Access by the files of ``folder``. Raises PilothouseError where one of them cannot be used."""
        self._folder = folder
        self._digests: frozenset[bytes] | None = None
        self._looked = time.monotonic()
        self._marks = self._seen()
        if self._marks[0] is not None:
            self._digests = _digests(folder / TOKENS)
        self.tls: ssl.SSLContext | None = None
        self.tls_http2: ssl.SSLContext | None = None
        if speaks_tls(folder):
            self.tls, self.tls_http2 = _context(), _context()
            self.tls_http2.set_alpn_protocols(["h2"])
            self._load_certificates()

    @property
    def secured(self) -> bool:
        """True where requests need a token."""
        return self._digests is not None

    def check(self, headers: Headers) -> None:
        """Raise HttpError 401 for a request without a token in force."""
        self._look()
        if self._digests is None:
            return
        given = [value for name, value in headers if name == b"authorization"]
        scheme, _, token = given[0].strip().partition(b" ") if len(given) == 1 else (b"", b"", b"")
        # digests are compared, not tokens: how long it takes says nothing about a token
        if (
            scheme.lower() != b"bearer"
            or len(token) > _LONGEST_TOKEN
            or hashlib.sha256(token.strip()).digest() not in self._digests
        ):
            raise HttpError(
                401,
                "expected a token of this server: Authorization: Bearer TOKEN",
                {"www-authenticate": "Bearer"},
            )

    def _look(self) -> None:
        now = time.monotonic()
        if now - self._looked < _LOOK_EVERY_S:
            return
        self._looked = now
        marks = self._seen()
        if marks == self._marks:
            return
        before, self._marks = self._marks, marks
        try:
            if marks[0] != before[0] and marks[0] is not None:
                self._digests = _digests(self._folder / TOKENS)
                log.info("client tokens were read again")
            if self.tls is not None and marks[1:] != before[1:]:
                self._load_certificates()
                log.info("the TLS certificate was read again")
        except (
            PilothouseError
        ) as error:  # half written, perhaps: what was in force stays so until the next look
            self._marks = before
            log.warning("%s; the one before stays in force", error)

    def _seen(self) -> tuple[_Mark, _Mark, _Mark]:
        return marks(self._folder)

    def _load_certificates(self) -> None:
        try:
            for context in filter(None, (self.tls, self.tls_http2)):
                context.load_cert_chain(self._folder / CERTIFICATE, self._folder / KEY, password=_no_password)
        except (OSError, ssl.SSLError, ValueError) as error:
            raise InvalidInputError(
                f"{CERTIFICATE} and {KEY} cannot be used: {one_line(str(error))}"
            ) from None


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted; expected one without a password")


def _mark(path: Path) -> _Mark:
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError:  # there, and not to be seen: reading it will say why
        return 0, 0, 0
    return status.st_mtime_ns, status.st_size, status.st_ino


def _digests(path: Path) -> frozenset[bytes]:
    """Digests of the tokens in a file. Raises PilothouseError."""
    try:
        text = read_plain_file(path, _LARGEST_FILE).decode("ascii")
    except UnicodeDecodeError:
        raise InvalidInputError(f"{TOKENS} is not ASCII") from None
    tokens = [line.strip() for line in text.splitlines()]
    tokens = [token for token in tokens if token and not token.startswith("#")]
    for token in tokens:
        if not _SHORTEST_TOKEN <= len(token) <= _LONGEST_TOKEN or " " in token:
            raise InvalidInputError(
                f"{TOKENS}: expected tokens of {_SHORTEST_TOKEN} to {_LONGEST_TOKEN} characters without blanks, one a line"
            )
    return frozenset(hashlib.sha256(token.encode()).digest() for token in tokens)
