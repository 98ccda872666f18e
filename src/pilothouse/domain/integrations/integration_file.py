"""``integrations.toml``: where metrics, lineage and traces go, from which private networks rows may come, and where jobs run.
Without the file nothing leaves the workspace."""

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from pilothouse.domain.errors import InvalidInputError, ModelFileError
from pilothouse.domain.formats.bounded_toml import one_line_each, parse_toml
from pilothouse.domain.formats.places import PLACES, is_place
from pilothouse.domain.integrations.execution_settings import ExecutionSettings, execution_faults
from pilothouse.domain.models.dataclass_reader import read_dataclass, to_plain

INTEGRATIONS_FILE = "integrations.toml"
SETTING = "integrations"
"""Setting of the workspace that holds what is in force, as plain data."""
_LONGEST = 1_000
_MOST_DEPLOYMENTS = 50_000
_TABLES = ("metrics", "lineage", "traces", "sources", "execution")
_FILES = ("token_file", "file", "tls_ca", "tls_certificate", "tls_key")
_OPENING = ("listen", "url", "allow", "engine", "scheduler", "scheduler_name", *_FILES)
"""Keys that say where figures, rows and code go, and who may read them."""


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """``[metrics]``: address at which the daemon has its page."""

    listen: str = ""
    """``127.0.0.1:9464``; empty: only on the hub's socket."""
    token_file: str = ""
    """File with the token that a scraper shows, relative to the workspace's folder; a must beyond this machine."""
    tls_certificate: str = ""
    tls_key: str = ""
    """Files with which the page is spoken over TLS alone."""
    deployments: int = 1_000
    """Deployments with series of their own at most, the worst first."""


@dataclass(frozen=True, slots=True)
class LineageSettings:
    """``[lineage]``: file, relative to the workspace's folder, or URL that takes OpenLineage events."""

    file: str = ""
    url: str = ""
    token_file: str = ""
    allow: tuple[str, ...] = ()
    """Hosts, addresses and networks that the URL may lead to beside public ones."""
    namespace: str = ""
    """Namespace of the jobs; the host and folder of the workspace otherwise."""


@dataclass(frozen=True, slots=True)
class TracesSettings:
    """``[traces]``: URL of a collector that takes OTLP over HTTP in JSON, as ``http://127.0.0.1:4318/v1/traces``."""

    url: str = ""
    token_file: str = ""
    allow: tuple[str, ...] = ()
    """As of ``[lineage]``."""
    requests: float = 0.0
    """Share of served requests that begin a trace; those that carry one are recorded as their caller does. 0: none at all."""


@dataclass(frozen=True, slots=True)
class SourcesSettings:
    """``[sources]``: where sources of model files by URL may lead."""

    allow: tuple[str, ...] = ()
    """Hosts, addresses and networks beside public ones."""


@dataclass(frozen=True, slots=True)
class Integrations:
    """The whole file."""

    metrics: MetricsSettings | None = None
    lineage: LineageSettings | None = None
    traces: TracesSettings | None = None
    sources: SourcesSettings | None = None
    execution: ExecutionSettings | None = None

    def to_plain(self) -> dict[str, Any]:
        """As it is stored; tables that are not there are left out."""
        plain: dict[str, Any] = to_plain(self)
        return {key: value for key, value in plain.items() if value is not None}


def integrations_from_plain(plain: Mapping[str, Any]) -> Integrations:
    """What ``to_plain`` gave. Raises InvalidInputError for anything else."""
    problems: list[str] = []
    read = read_dataclass(Integrations, plain, "", problems)
    if read is None:
        raise InvalidInputError("; ".join(problems))
    return read


def load_integrations(text: str, file: str = INTEGRATIONS_FILE) -> Integrations:
    """Read the text of a file. Raises ModelFileError with every fault."""
    try:
        plain = parse_toml(text, file)
    except InvalidInputError as error:
        raise ModelFileError([str(error)]) from None
    problems: list[str] = []
    read = read_dataclass(Integrations, plain, "", problems)
    if read is not None:
        problems += _faults(read)
    if read is None or problems:
        raise ModelFileError(one_line_each(f"{file}: {problem}" for problem in problems))
    return read


def address_of(listen: str) -> tuple[str, int]:
    """Address and port of ``127.0.0.1:9464`` or ``[::1]:9464``. Raises ValueError."""
    host, _, port = listen.rpartition(":")
    address = ipaddress.ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
    if not (port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) < 65_536):
        raise ValueError(port)
    return str(address), int(port)


def is_loopback(listen: str) -> bool:
    """True for an address that only this machine reaches."""
    return ipaddress.ip_address(address_of(listen)[0]).is_loopback


def differences(before: Integrations, after: Integrations) -> Iterator[str]:
    """Lines such as ``metrics.listen: none → 127.0.0.1:9464``."""
    old, new = before.to_plain(), after.to_plain()
    for table in _TABLES:
        left, right = old.get(table) or {}, new.get(table) or {}
        for key in dict.fromkeys((*left, *right)):
            was, now = _shown(left.get(key)), _shown(right.get(key))
            if was != now:
                yield f"{table}.{key}: {was} → {now}"


def opens(line: str) -> bool:
    """True for a difference that lets figures go to another place, or to whoever shows no token: an admin's matter."""
    return line.partition(":")[0].rpartition(".")[2] in _OPENING


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return "none" if value in (None, "") else str(value)


def _faults(read: Integrations) -> Iterator[str]:
    if metrics := read.metrics:
        yield from _listen_faults(metrics)
        if bool(metrics.tls_certificate) != bool(metrics.tls_key):
            yield "metrics.tls_certificate: expected tls_key with it, or neither"
        if not 0 <= metrics.deployments <= _MOST_DEPLOYMENTS:
            yield (f"metrics.deployments: found {metrics.deployments}; expected 0 to {_MOST_DEPLOYMENTS:,}")
    if lineage := read.lineage:
        if bool(lineage.file) == bool(lineage.url):
            yield "lineage.file: expected a file or a url, and not both"
        if lineage.url:
            yield from _url_faults("lineage.url", lineage.url)
        if lineage.namespace and not lineage.namespace.isprintable():
            yield "lineage.namespace: has characters that cannot be shown; expected printable ones"
    if traces := read.traces:
        yield from _url_faults("traces.url", traces.url)
        if not 0 <= traces.requests <= 1:
            yield f"traces.requests: found {traces.requests}; expected 0 to 1, such as 0.01"
    if execution := read.execution:
        yield from execution_faults(execution)
    for name in _TABLES:
        table = getattr(read, name)
        for i, place in enumerate(getattr(table, "allow", ())):
            if not is_place(place):
                yield f"{name}.allow[{i}]: found {place[:80]!r}; expected {PLACES}"
        for key in _FILES:
            path = getattr(table, key, "")
            if len(path) > _LONGEST or "\0" in path or not path.isprintable():
                yield f"{name}.{key}: expected a path of {_LONGEST:,} printable characters at most"
            elif not _is_free(path, may_be_absolute=key != "file"):
                kind = "a relative path" if key == "file" else "a path"
                yield f"{name}.{key}: found {path[:120]!r}; expected {kind} outside of state and models, without .."


def _is_free(path: str, *, may_be_absolute: bool) -> bool:
    """True where nothing of the workspace's own is, as far as the text says: no secret of it is sent away, and no line is put
    into its files. Where a path leads by links is looked at when it is used."""
    parts = PurePosixPath(path).parts
    if path.startswith("/"):
        return may_be_absolute and ".." not in parts
    return ".." not in parts and parts[:1] not in (("state",), ("models",))


def _listen_faults(metrics: MetricsSettings) -> Iterator[str]:
    if not metrics.listen:
        return
    try:
        outside = not is_loopback(metrics.listen)
    except ValueError:
        yield f"metrics.listen: found {metrics.listen!r}; expected an address and a port, as 127.0.0.1:9464 or [::1]:9464"
        return
    if outside and not metrics.token_file:
        yield (
            f"metrics.token_file: is missing; {metrics.listen} can be reached from other machines: name a file with a token, "
            "or listen on 127.0.0.1"
        )


def _url_faults(path: str, url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable, parts = False, None
    if not usable or len(url) > _LONGEST or not url.isprintable() or " " in url:
        yield f"{path}: found {url[:120]!r}; expected http:// or https:// and a host"
    elif parts is not None and (parts.username or parts.password):
        yield f"{path}: holds a name or password; expected token_file for it, which names a file"
