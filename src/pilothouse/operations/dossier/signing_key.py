"""Key by which a workspace signs what it hands out: made at its first use, readable by the workspace's account alone."""

from pilothouse.domain.errors import IntegrityError, UnavailableError
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.interop import signing_keys
from pilothouse.operations.authorisation import authorise, changing
from pilothouse.operations.services import Services
from pilothouse.system.files import read_plain_file, write_atomically

_LONGEST = 10_000


def private_key(services: Services, actor: Actor) -> bytes:
    """The private key, made where there is none. Raises NotAllowedError, IntegrityError (no P-256 key) or UnavailableError."""
    authorise(services, actor)
    path = services.paths.signing_key
    if not path.exists():
        _make(services, actor)
    key = read_plain_file(path, _LONGEST)
    try:
        signing_keys.public_part(key)
    except ValueError as error:
        raise IntegrityError(
            f"{path} is not the key that Pilothouse made ({error}): restore it, or move it away to have another made"
        ) from None
    return key


def _make(services: Services, actor: Actor) -> None:
    """Make the key, with an audit row that holds its public part: keys that come later are not taken for it."""
    path, key = services.paths.signing_key, signing_keys.make_key()
    public = signing_keys.public_part(key)
    with changing(services, actor, Permission.READ) as change:
        if path.exists():  # made by somebody else while this waited for its turn
            return
        try:
            write_atomically(path, key)
        except OSError as error:
            raise UnavailableError(f"{path} cannot be written: {error.strerror}") from error
        change.record(
            "signing_key.made",
            "dossiers",
            {"public": public.decode(), "fingerprint": signing_keys.fingerprint(public)},
        )
