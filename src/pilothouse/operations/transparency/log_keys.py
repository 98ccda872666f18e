"""Key that signs the log's heads: a file of the workspace, never in the database. The log itself says which keys it has had."""

import contextlib
import re
import secrets
import socket

from pilothouse.domain.errors import (
    ConflictError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.operations.authorisation import authorise, changing
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import workspace
from pilothouse.store.log import audit
from pilothouse.system import files
from pilothouse.system.paths import WorkspacePaths
from pilothouse.transparency import notes
from pilothouse.transparency.notes import PrivateKey, PublicKey

SETTING = "log_key"
MADE = "log.key_made"
"""Action of the entry that names a new key of the log, and its origin."""
_NEW = "/new-"
_LONGEST_FILE = 1_000


def current(connection: Connection) -> PublicKey | None:
    """Key of the log; its name is the log's origin. None before the first head."""
    text = workspace.setting(connection, SETTING)
    return notes.parse_key(text) if text else None


def all_keys(connection: Connection) -> list[PublicKey]:
    """Every key that the log has had, by its own entries; what is no key was written by somebody else."""
    found = []
    for entry in audit.of_actions(connection, MADE):
        with contextlib.suppress(InvalidInputError, LookupError, AttributeError):
            found.append(notes.parse_key(entry.detail["key"]))
    return found


def signing_key(services: Services, actor: Actor) -> PrivateKey:
    """The key of the log; made at its first use, and anew where the file is gone, as in a workspace that was restored. A new
    key has an origin of its own: no witness takes the restored log for the one from before.

    Raises IntegrityError (another key lies there than the log says) or UnavailableError (it cannot be read or written).
    """
    with services.registry.read() as connection:
        known = current(connection)
    found = _stored(services.paths)
    if known is not None and found is not None:
        return _agreed(services, known, found)
    return make(services, actor)


def make(services: Services, actor: Actor, origin: str = "") -> PrivateKey:
    """Make the key, with an entry in the log; one that was made at the same moment is taken.

    Raises ConflictError where an origin is given and the log has a key already, InvalidInputError where it cannot be one.
    """
    with changing(services, actor, Permission.READ) as change:
        known, found = current(change.connection), _stored(services.paths)
        identity = workspace.identity(change.connection)
        if known is not None and found is not None:
            if origin:
                raise ConflictError(f"the log has a key already, and its origin is {known.name}")
            return _agreed(services, known, found)
        if known is None and found is not None and origin in ("", found.name):
            key = found  # of an interruption
        else:
            key = notes.new_key(origin or _origin(services.paths, known, identity))
            _write(services.paths, key)
        public = key.public
        workspace.set_setting(change.connection, SETTING, str(public))
        detail = {
            "origin": key.name,
            "key": str(public),
            "before": str(known) if known else None,
            "workspace": identity,
        }
        change.record(MADE, "log", detail)
    return key


def fault(services: Services) -> str:
    """What is wrong with the file of the key, empty for nothing: for the doctor."""
    path = services.paths.log_key
    with services.registry.read() as connection:
        known = current(connection)
    if known is None:
        return ""
    try:
        found = _stored(services.paths)
        if found is None:
            return ""  # in a restored workspace: ``is_gone``
        _agreed(services, known, found)
        mode = path.stat().st_mode & 0o777
    except (IntegrityError, UnavailableError) as error:
        return str(error)
    return f"{path} can be read by others, who could sign heads: run chmod 600 {path}" if mode & 0o077 else ""


def is_gone(services: Services) -> bool:
    """True where the log has a key and its file is not here, as in a workspace that was restored."""
    with services.registry.read() as connection:
        return current(connection) is not None and not services.paths.log_key.exists()


def _agreed(services: Services, known: PublicKey, found: PrivateKey) -> PrivateKey:
    if found.public != known:
        raise IntegrityError(
            f"{services.paths.log_key} is not the key that the log says ({known}): put that one back, or take the file "
            "away for a new key"
        )
    return found


def _stored(paths: WorkspacePaths) -> PrivateKey | None:
    try:
        return notes.parse_private_key(files.read_plain_file(paths.log_key, _LONGEST_FILE).decode())
    except NotFoundError:
        return None
    except IntegrityError as error:
        raise IntegrityError(f"{paths.log_key}: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UnavailableError(f"{paths.log_key} cannot be read: {error}") from None


def _write(paths: WorkspacePaths, key: PrivateKey) -> None:
    try:
        files.write_atomically(paths.log_key, key.to_text().encode(), 0o600)
    except OSError as error:
        raise UnavailableError(
            f"{paths.log_key} cannot be written: {error.strerror}: check the disk"
        ) from error


def renew(services: Services, actor: Actor, identity: str) -> PublicKey:
    """A key of its own for a workspace that has a new identity: what it signs from here on is no other workspace's. Raises
    NotAllowedError or UnavailableError."""
    authorise(services, actor, Permission.SET_POLICY)
    try:
        services.paths.log_key.unlink(missing_ok=True)
    except OSError as error:
        raise UnavailableError(f"{services.paths.log_key} cannot be taken away: {error.strerror}") from error
    return make(services, actor, _origin(services.paths, None, identity)).public


def _origin(paths: WorkspacePaths, before: PublicKey | None, identity: str) -> str:
    """The workspace's own name and the beginning of its identity, so that each head says whose it is."""
    if before is not None:
        return f"{before.name.partition(_NEW)[0]}{_NEW}{secrets.token_hex(4)}"
    host, name = (re.sub(r"[^A-Za-z0-9._-]+", "-", part) for part in (socket.gethostname(), paths.root.name))
    return f"{host or 'host'}/{name or 'workspace'}/{identity[:8] or secrets.token_hex(4)}"
