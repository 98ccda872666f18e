"""Start of somebody whom sshd let in with a key: under a forced command, with the key that sshd names, and never otherwise.

Whoever has a shell under the workspace's account can set any environment variable, and write the registry: these checks tell
people apart who come through sshd, and are no wall around that account.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from pilothouse.domain.errors import InvalidInputError, NotAllowedError
from pilothouse.domain.identity.identity import Identity, IdentityKind
from pilothouse.domain.identity.persons import check_name
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.identity.ssh_keys import decoded, is_certificate, key_of
from pilothouse.domain.identity.trusted_start import TrustedStart
from pilothouse.domain.identity.users import KeyUse
from pilothouse.operations.authorisation import as_now, check_standing, check_time
from pilothouse.operations.identity.users import key_in_force
from pilothouse.operations.services import Services
from pilothouse.signing.certificates import Certificate, read_certificate
from pilothouse.sqlite import Connection
from pilothouse.store.governance import users

_LONGEST = 65_536
_PUBLIC_KEY = "publickey "


def begin(services: Services, name: str, environment: Mapping[str, str]) -> TrustedStart:
    """Start of ``name`` under sshd's forced command.

    Raises NotAllowedError: not under sshd, a key that is not in force or is another person's, a certificate that does not
    name them, is over, or names others too.
    """
    check_name(name)
    address = environment.get("SSH_CONNECTION", "").split(" ")[0]
    file = environment.get("SSH_USER_AUTH", "")
    if not address:
        raise NotAllowedError("pilothouse shell is started by sshd alone, as the forced command of a key")
    if not file:
        raise NotAllowedError(
            "sshd does not say which key it was: its configuration needs ExposeAuthInfo yes "
            "(pilothouse ssh sshd-config)"
        )
    keys = [line.removeprefix(_PUBLIC_KEY) for line in _lines(Path(file)) if line.startswith(_PUBLIC_KEY)]
    if not keys:
        raise NotAllowedError("nobody comes in without a public key")
    with services.registry.read() as connection:
        user = users.newest(connection, name)
        if user is None:
            raise NotAllowedError(f"{name} is no user here")
        check_standing(connection, Actor(name))
        starts = [_start(services, connection, name, key) for key in keys]
        start = replace(
            starts[0],
            address=address[:60],
            identity=replace(starts[0].identity, subject=user.subject),
        )
        check_standing(connection, start.actor)
        return start


def actor_of(services: Services, start: TrustedStart) -> Actor:
    """The user with the roles held now. Raises AccessEndedError once they, their key or their certificate are in force no
    more."""
    check_time(services, start.actor)
    with services.registry.read() as connection:
        actor = as_now(connection, start.actor)
        check_standing(connection, actor)
        return actor


def _lines(path: Path) -> list[str]:
    """Lines of the file that sshd has written for this session alone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, encoding="ascii") as file:
            known = os.fstat(file.fileno())
            if not stat.S_ISREG(known.st_mode) or known.st_uid != os.getuid() or known.st_mode & 0o077:
                raise NotAllowedError("SSH_USER_AUTH names a file that sshd did not write for this session")
            return file.read(_LONGEST).splitlines()
    except (OSError, UnicodeDecodeError):
        raise NotAllowedError("SSH_USER_AUTH names a file that cannot be read") from None


def _start(services: Services, connection: Connection, name: str, line: str) -> TrustedStart:
    key_type, _, text = line.partition(" ")
    try:
        if is_certificate(key_type):
            certificate = read_certificate(decoded(text.split(" ")[0]))
            return _by_certificate(services, connection, name, certificate)
        key = key_of(key_type, text.split(" ")[0])
    except InvalidInputError as error:
        raise NotAllowedError(f"the key that sshd names is none: {error}") from None
    known = key_in_force(connection, key.fingerprint, services.now(), user=name)
    if known is None:
        raise NotAllowedError(f"{key.fingerprint} is no key of {name} in force")
    return TrustedStart(name, Identity(IdentityKind.SSH_KEY, "", key.fingerprint), "", known.valid_before)


def _by_certificate(
    services: Services, connection: Connection, name: str, certificate: Certificate
) -> TrustedStart:
    now = services.now()
    signed_by = certificate.authority.fingerprint
    named = {user.name for user in users.all_users(connection)} & set(certificate.principals)
    theirs = users.keys_in_force(connection, now, fingerprint=signed_by, user=name)
    known = next((key for key in theirs if key.kind is KeyUse.AUTHORITY), None)
    if known is None:
        raise NotAllowedError(f"{signed_by} is no certificate authority of {name} in force")
    if named != {name}:
        others = ", ".join(sorted(named)) or "nobody here"
        raise NotAllowedError(f"the certificate names {others}; expected {name} alone")
    certificate.check(name, now)
    identity = Identity(IdentityKind.SSH_CERTIFICATE, "", certificate.key.fingerprint, signed_by)
    return TrustedStart(name, identity, "", _earlier(known.valid_before, certificate.ends))


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two ends, of which each may be none."""
    ends = [end for end in (one, other) if end is not None]
    return min(ends) if ends else None
