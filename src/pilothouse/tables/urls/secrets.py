"""What a source's credentials hold, bound to where they may be sent.

For a database they are its whole URL, for a store or table a JSON object of settings with ``for``, the beginning of the URLs
that they are for. A model file can only name credentials whose own text names the same server, so that who writes model files
can send nobody's secret elsewhere.
"""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from pilothouse.domain.errors import InvalidInputError

_SETTINGS = frozenset(
    {
        *("access_key_id", "secret_access_key", "session_token", "endpoint_url", "region"),  # S3
        *("account_name", "account_key", "sas_token", "connection_string"),  # Azure
        *(
            "service_account",
            "authorization",
            "token",
        ),  # Google (a JSON object), HTTP (a header), Iceberg's catalogue
    }
)
_OPEN = frozenset({"endpoint_url", "region", "account_name"})
"""Settings that are no secret."""
_WHERE = "data.connection.credentials"


@dataclass(frozen=True, slots=True)
class Credentials:
    """``url``: of a database, with its password. ``settings``: of a store, by our names."""

    url: str = field(default="", repr=False)
    settings: dict[str, Any] = field(default_factory=dict, repr=False)

    def secrets(self) -> list[str]:
        """Texts that no message may hold."""
        found = [str(value) for name, value in self.settings.items() if name not in _OPEN]
        service = self.settings.get("service_account")
        if isinstance(service, dict):
            found += [str(value) for name, value in service.items() if name.startswith("private_key")]
        if header := str(self.settings.get("authorization", "")):
            found += [header.split()[-1]] if header.split() else []  # without the word "Bearer"
        if text := str(self.settings.get("connection_string", "")):
            found += [
                value
                for part in text.split(";")
                for name, _, value in (part.partition("="),)
                if value and name.strip().lower() in ("accountkey", "sharedaccesssignature")
            ]
        if self.url:
            parts = urlsplit(self.url)
            found += [self.url, *(value for _, value in parse_qsl(parts.query) if len(value) > 7)]
            if parts.password:
                found += [parts.password, unquote(parts.password)]
        return found


def credentials_of(secret: str, location: str, *, is_database: bool) -> Credentials:
    """Credentials in a secret's text, for the source at ``location``. Raises InvalidInputError, which repeats nothing of it."""
    if not secret:
        return Credentials()
    return _of_database(secret, location) if is_database else _of_store(secret, location)


def _of_database(secret: str, location: str) -> Credentials:
    try:
        own, named = urlsplit(secret), urlsplit(location)
        same = (own.hostname, own.port, own.path.rstrip("/")) == (
            named.hostname,
            named.port,
            named.path.rstrip("/"),
        )
    except ValueError:
        own, same = urlsplit(""), False
    if "://" not in secret or not own.scheme:
        raise InvalidInputError(
            f"{_WHERE}: its content is no URL; expected that of data.source with user and password, "
            "postgresql+psycopg://reader:…@db.example/flights"
        )
    backend, named_backend = (text.partition("+")[0] for text in (own.scheme, named.scheme))
    if not same or backend != named_backend or named.username not in (None, own.username):
        raise InvalidInputError(
            f"{_WHERE}: its content is for another server, port, database or user than data.source names; "
            "expected credentials of the same one"
        )
    redirected = {name.lower() for name, _ in parse_qsl(own.query)} & {
        "host",
        "hostaddr",
        "port",
        "service",
        "unix_socket",
    }
    if redirected:
        raise InvalidInputError(
            f"{_WHERE}: its URL names another {min(redirected)} after '?'; expected it before"
        )
    return Credentials(url=secret)


def _of_store(secret: str, location: str) -> Credentials:
    try:
        plain = json.loads(secret)
    except ValueError:
        plain = None
    if not isinstance(plain, dict) or not isinstance(plain.get("for"), str):
        raise InvalidInputError(
            f'{_WHERE}: its content is no JSON object with "for"; expected {{"for": "s3://bucket", "access_key_id": …}}'
        )
    bound = plain.pop("for").rstrip("/")
    if any(part in ("..", ".") for part in unquote(location).partition("#")[0].split("/")):
        raise InvalidInputError(
            "data.source: has . or .. in its path; expected the path itself, with credentials"
        )
    if "://" not in bound or not (location == bound or location.startswith((f"{bound}/", f"{bound}#"))):
        raise InvalidInputError(f"{_WHERE}: its content is for other URLs than that of data.source")
    unknown = sorted(str(name)[:40] for name in plain.keys() - _SETTINGS)
    if unknown:
        raise InvalidInputError(
            f"{_WHERE}: unknown setting {unknown[0]!r}; expected some of {', '.join(sorted(_SETTINGS))}"
        )
    return Credentials(settings=plain)
