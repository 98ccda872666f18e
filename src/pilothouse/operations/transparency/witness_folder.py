"""A witness: its key, the logs that it knows, and what it has cosigned last of each, in a folder of files.

What was cosigned is on the disk before the answer goes out, and is read again under a lock for each request: neither a kill nor
a second process lets it sign two heads of which neither extends the other.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import (
    ConflictError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)
from pilothouse.system import files
from pilothouse.system.destinations import check_outside_state
from pilothouse.transparency import checkpoints, notes, witness_requests
from pilothouse.transparency.notes import COSIGNATURE, ED25519, PrivateKey, PublicKey
from pilothouse.transparency.witness_requests import Refusal, Seen

_LONGEST_FILE = 1 << 20


@dataclass(frozen=True, slots=True)
class KnownLog:
    """Log that a witness knows, with what it has cosigned last of it."""

    origin: str
    keys: tuple[PublicKey, ...]
    seen: Seen


@dataclass(frozen=True, slots=True)
class Witness:
    """Witness in a folder."""

    folder: Path
    clock: Callable[[], float] = time.time

    @classmethod
    def create(cls, folder: Path, name: str) -> "Witness":
        """Make a witness with a new key. Raises ConflictError where there is one, InvalidInputError or UnavailableError."""
        check_outside_state(folder)
        witness = cls(folder)
        key = notes.new_key(name, COSIGNATURE)
        with _named(folder):
            (folder / "heads").mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
            with witness._lock():
                if witness._key_path.exists():
                    raise ConflictError(f"{folder} is a witness already: {witness.key.public}")
                files.write_atomically(witness._key_path, key.to_text().encode())
        return witness

    @property
    def key(self) -> PrivateKey:
        """The key that signs. Raises NotFoundError where the folder is no witness, or IntegrityError."""
        try:
            return notes.parse_private_key(files.read_plain_file(self._key_path, _LONGEST_FILE).decode())
        except NotFoundError:
            raise NotFoundError(
                f"{self.folder} is no witness: make one with pilothouse witness init"
            ) from None

    @property
    def _key_path(self) -> Path:
        return self.folder / "witness.key"

    def add_log(self, key: PublicKey) -> None:
        """Know a log by its key; its name is the log's origin. Raises ConflictError or InvalidInputError."""
        if key.kind != ED25519:
            raise InvalidInputError(
                f"{key} is not the key of a log: expected the one that pilothouse log status shows"
            )
        _ = self.key
        with _named(self.folder), self._lock():
            known = self._keys()
            if key in known.get(key.name, ()):
                raise ConflictError(f"the log {key.name} is known by that key already")
            known.setdefault(key.name, []).append(key)
            plain = {origin: [str(one) for one in keys] for origin, keys in sorted(known.items())}
            files.write_atomically(self.folder / "logs.json", json.dumps(plain, indent=1).encode())

    def logs(self) -> list[KnownLog]:
        """Logs that it knows."""
        with _named(self.folder), self._lock():
            return [
                KnownLog(origin, tuple(keys), self._seen(origin))
                for origin, keys in sorted(self._keys().items())
            ]

    def answer(self, body: bytes) -> str | Refusal:
        """Signature lines for the head of a request, or why there are none. What was signed is on the disk by then."""
        try:
            request = witness_requests.parse(body)
        except InvalidInputError as error:
            return Refusal(400, f"{error}\n")
        key = self.key
        with _named(self.folder), self._lock():
            known = self._keys()
            origin = request.head.checkpoint.origin
            seen = self._seen(origin) if origin in known else Seen()
            refusal = witness_requests.judge(request, known, seen)
            if refusal is not None:
                return refusal
            head = request.head.checkpoint
            if (head.size, head.root) != (seen.size, seen.root) or head.size == 0:
                plain = {"origin": origin, "size": head.size, "root": head.root.hex()}
                files.write_atomically(self._head_path(origin), json.dumps(plain).encode())
            return str(checkpoints.cosign(request.head, key, int(self.clock())))

    def _head_path(self, origin: str) -> Path:
        return self.folder / "heads" / f"{hashlib.sha256(origin.encode()).hexdigest()}.json"

    def _keys(self) -> dict[str, list[PublicKey]]:
        path = self.folder / "logs.json"
        stored = _read(path) if path.exists() else {}
        try:
            return {origin: [notes.parse_key(key) for key in keys] for origin, keys in stored.items()}
        except (AttributeError, TypeError, InvalidInputError) as error:
            raise IntegrityError(f"{path} is damaged: {error}") from None

    def _seen(self, origin: str) -> Seen:
        path = self._head_path(origin)
        if not path.exists():
            return Seen()
        stored = _read(path)
        try:
            if stored["origin"] != origin:
                raise ValueError("it is of another log")
            return Seen(int(stored["size"]), bytes.fromhex(stored["root"]))
        except (LookupError, TypeError, ValueError) as error:
            raise IntegrityError(f"{path} is damaged: {error}: nothing is signed for {origin}") from None

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _read(path: Path) -> Any:
    return files.parse_json(files.read_plain_file(path, _LONGEST_FILE), path)


@contextlib.contextmanager
def _named(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UnavailableError(f"{folder}: {error.strerror}: check the folder and the disk") from error
