"""Objects of a store or files of a web server, by fsspec, as files of this machine: each at one version, which is on record."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from pilothouse.domain.errors import InvalidInputError, NotFoundError, UnavailableError
from pilothouse.tables.reader import SUFFIXES
from pilothouse.tables.urls.secrets import Credentials

_MOST_OBJECTS = 100_000
_CHUNK = 8 << 20
_MOST_OF_A_LOG = 64 << 30
"""Bytes of one file of a log: it is read in parts, and lies on the disk for as long."""
_FOLDS = "4 times training.memory_mb (1 GiB at least)"


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds without an answer, and bytes of all objects together."""

    timeout_s: int
    most_bytes: int


@dataclass(frozen=True, slots=True)
class Store:
    """A store or web server, at ``root``, in the words of fsspec."""

    files: Any
    root: str
    is_web: bool

    def open(self, name: str, **own_version: str) -> Any:
        """An object's bytes, as a file."""
        return self.files.open(name, "rb", **own_version)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """``below``: its place below what was named, as a path. ``facts``: ETag, version id, time of its last change."""

    name: str
    below: str
    size: int | None
    facts: dict[str, str]


def fetch_objects(
    location: str, version: str | None, credentials: Credentials, folder: Path, limits: Limits
) -> tuple[Path, dict[str, Any]]:
    """Copy the object at ``location``, or all tables below it, into ``folder``. Returns what to read, and each object with its
    size, ETag and version id. Raises InvalidInputError, NotFoundError, UnavailableError, and whatever the store does."""
    store = open_store(location, credentials, limits.timeout_s, versioned=version is not None)
    objects, left = [], limits.most_bytes
    for name, below in _places(store, version):
        place = folder / below
        if not place.resolve().is_relative_to(folder.resolve()):
            raise InvalidInputError(f"data.source: the store has an object {below[:80]!r}, which is no path")
        place.parent.mkdir(parents=True, exist_ok=True)
        facts = _copy(store, name, version, place, left)
        left -= int(facts["bytes"])
        objects.append({"object": below, **facts})
    is_one = len(objects) == 1 and "/" not in objects[0]["object"]
    what = folder / objects[0]["object"] if is_one else folder
    return what, {"objects": objects}


def open_store(location: str, credentials: Credentials, timeout_s: int, *, versioned: bool) -> Store:
    """The store of a URL; nothing is asked of it yet."""
    import fsspec

    scheme = urlsplit(location).scheme
    options = _options(scheme, credentials, timeout_s, versioned)
    if scheme in ("gs", "gcs"):
        # the class that fsspec has registered asks by gRPC what a bucket is, a minute long where HTTP alone goes through
        from gcsfs.core import GCSFileSystem

        files = GCSFileSystem(**options)
    else:
        files = fsspec.filesystem(scheme, **options)
    is_web = scheme in ("http", "https")
    return Store(files, location if is_web else files._strip_protocol(location), is_web)


def listed(store: Store, version: str | None) -> list[StoredObject]:
    """The objects that would be read, in the order of their names. Raises as ``fetch_objects``."""
    own_version = {"version_id": version} if version is not None else {}
    found = []
    for name, below in _places(store, version):
        info = _info(store.files, name, own_version)
        size = info.get("size")
        found.append(StoredObject(name, below, size if isinstance(size, int) else None, _facts(info)))
    return found


def _places(store: Store, version: str | None) -> Iterator[tuple[str, str]]:
    """Name of each object and its place below what was named. Raises InvalidInputError for one that would lie elsewhere."""
    names = _tables_at(store.files, store.root, is_web=store.is_web)
    is_one = names == [store.root]
    if version is not None and not is_one:
        raise InvalidInputError(
            "data.connection.version: is that of one object; data.source names a folder of them"
        )
    for name in names:
        below = PurePosixPath(name).name if is_one else name.removeprefix(store.root.rstrip("/") + "/")
        below = below.partition("?")[0]
        if ".." in PurePosixPath(below).parts or PurePosixPath(below).is_absolute():
            raise InvalidInputError(f"data.source: the store has an object {below[:80]!r}, which is no path")
        yield name, below


class StoredTables:
    """The tables at a URL, which are copied one at a time: ``names`` in order, of one object, of all below it, or of those that
    fit a pattern (``*``, ``?``, ``[…]``). Raises as ``fetch_objects``."""

    def __init__(self, location: str, credentials: Credentials, timeout_s: int) -> None:
        self._store = open_store(location, credentials, timeout_s, versioned=False)
        self.names = _tables_at(self._store.files, self._store.root, is_web=self._store.is_web)
        infos = [_info(self._store.files, name, {}) for name in self.names]
        self.sizes = [int(info.get("size") or 0) for info in infos]
        """Bytes of each; 0 where the store does not say."""
        self.states = [f"{info.get('size')} {_facts(info)}" for info in infos]
        """What tells one object under a name from another."""

    def copy(self, name: str, place: Path) -> None:
        """Copy an object as it is at one moment. Raises UnavailableError where it is replaced meanwhile."""
        _copy(self._store, name, None, place, _MOST_OF_A_LOG)


def _tables_at(file_system: Any, root: str, *, is_web: bool) -> list[str]:
    """Names of what is to be read: ``root`` itself, all tables below it, or those that fit it as a pattern, in the order of
    their names."""
    is_pattern = not is_web and any(mark in root for mark in "*?[")
    if is_web or (root.lower().endswith(SUFFIXES) and not is_pattern):
        return [root]
    found = sorted(
        name
        for name in (file_system.glob(root) if is_pattern else file_system.find(root))
        if name.lower().endswith(SUFFIXES)
        and not any(part.startswith((".", "_")) for part in name.removeprefix(root).split("/"))
    )
    if not found:
        raise NotFoundError(f"data.source: holds no {', '.join(SUFFIXES)} object")
    if len(found) > _MOST_OBJECTS:
        raise InvalidInputError(f"data.source: holds over {_MOST_OBJECTS:,} objects; expected fewer")
    return found


def _copy(store: Store, name: str, version: str | None, place: Path, most: int) -> dict[str, Any]:
    """Copy one object as it is at one moment; what is on record of it. Raises InvalidInputError beyond ``most`` bytes, whatever
    length was announced."""
    own_version = {"version_id": version} if version is not None else {}
    file_system = store.files
    before = _info(file_system, name, own_version)
    with store.open(name, **own_version) as source, place.open("wb") as file:
        taken = 0
        while chunk := source.read(_CHUNK):
            taken += len(chunk)
            if taken > most:
                raise InvalidInputError(
                    f"data.source: its objects have more bytes than {_FOLDS}; expected fewer, or a larger training.memory_mb"
                )
            file.write(chunk)
    facts = _facts(before)
    if version is None:
        with contextlib.suppress(AttributeError):
            file_system.invalidate_cache()
        if _facts(_info(file_system, name, {})) != facts:
            raise UnavailableError(
                f"data.source: {PurePosixPath(name).name} was replaced while it was read; train again"
            )
    size = before.get("size")
    if isinstance(size, int) and place.stat().st_size != size:
        raise UnavailableError(
            f"data.source: {PurePosixPath(name).name} came with another length than was announced"
        )
    if version is not None:
        facts["version_id"] = version
    return {"bytes": place.stat().st_size, **facts}


def _info(file_system: Any, name: str, own_version: dict[str, str]) -> dict[str, Any]:
    """What the store says of an object. A web server's refusal is told as such: fsspec calls every one "not found"."""
    try:
        found: dict[str, Any] = file_system.info(name, **own_version)
    except FileNotFoundError as error:
        refusal = getattr(error.__cause__, "status", None)
        if refusal in (None, *_ABSENT):
            raise
        said = f"data.source: the server answers {refusal} {getattr(error.__cause__, 'message', '')}".rstrip()
        kind = UnavailableError if refusal in _PASSING or refusal >= 500 else InvalidInputError
        raise kind(said) from None
    return found


_ABSENT, _PASSING = (404, 410), (408, 425, 429)
"""Statuses of HTTP: there is nothing; it may pass."""


def _facts(info: dict[str, Any]) -> dict[str, str]:
    """ETag, version id and the time that a web server names, where there are any."""
    known = {
        "etag": ("ETag", "etag"),
        "version_id": ("VersionId", "version_id", "generation"),
        "modified": ("Last-Modified",),
    }
    facts = {}
    for name, keys in known.items():
        value = next((info[key] for key in keys if info.get(key)), None)
        if value is not None and str(value) != "null":
            facts[name] = str(value).strip('"')
    return facts


def _options(scheme: str, credentials: Credentials, timeout_s: int, versioned: bool) -> dict[str, Any]:
    """Settings of fsspec's file system; without credentials it asks as nobody, and looks for none on the machine."""
    own = credentials.settings
    if scheme == "s3":
        client = {"endpoint_url": own.get("endpoint_url"), "region_name": own.get("region")}
        return {
            "anon": "access_key_id" not in own,
            "key": own.get("access_key_id"),
            "secret": own.get("secret_access_key"),
            "token": own.get("session_token"),
            "client_kwargs": {name: value for name, value in client.items() if value},
            "config_kwargs": {"connect_timeout": 15, "read_timeout": timeout_s},
            "version_aware": versioned,
            "use_listings_cache": False,
        }
    if scheme in ("gs", "gcs"):
        return {"token": own.get("service_account") or "anon", "endpoint_url": own.get("endpoint_url")}
    if scheme in ("az", "abfs", "abfss"):
        names = ("account_name", "account_key", "sas_token", "connection_string")
        return {"anon": not own, **{name: own[name] for name in names if name in own}}
    import aiohttp

    headers = {"Authorization": own["authorization"]} if "authorization" in own else {}
    return {
        "client_kwargs": {"headers": headers, "timeout": aiohttp.ClientTimeout(total=timeout_s)},
        "use_listings_cache": False,
    }
