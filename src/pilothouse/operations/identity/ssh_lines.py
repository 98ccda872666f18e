"""Lines for sshd: of ``authorized_keys``, for one key by ``AuthorizedKeysCommand``, and of its configuration."""

import pwd
import shlex
import sys
from pathlib import Path

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.identity.ssh_keys import decoded, is_certificate, key_of
from pilothouse.domain.identity.users import KeyUse, UserKey
from pilothouse.operations.authorisation import reading
from pilothouse.operations.services import Services
from pilothouse.signing.certificates import read_certificate
from pilothouse.store.governance import users

_OPTIONS = "restrict,pty,agent-forwarding"
"""Nothing but a terminal and the agent that signs: no forwarding of ports or displays, no file of the user's own."""


def authorized_keys(services: Services, actor: Actor) -> list[str]:
    """Lines of ``authorized_keys``: the keys in force of users in force, each with its forced command."""
    with reading(services, actor) as connection:
        keys = users.keys_in_force(connection, services.now())
    return [_line(services.paths.root, key) for key in keys]


def keys_command(services: Services, account: str, key_type: str, text: str) -> list[str]:
    """Lines for the one key, or certificate, that somebody offers to sshd; none where it is nobody's, or for another account
    than the workspace's. It is the machine that asks, so that no role is needed."""
    if account != owner(services.paths.root):
        return []
    try:
        if not is_certificate(key_type):
            fingerprint, kind, named = key_of(key_type, text).fingerprint, KeyUse.KEY, None
        else:
            certificate = read_certificate(decoded(text))
            fingerprint, kind = certificate.authority.fingerprint, KeyUse.AUTHORITY
            named = set(certificate.principals)
    except InvalidInputError:
        return []
    with services.registry.read() as connection:
        keys = users.keys_in_force(connection, services.now(), fingerprint=fingerprint)
    return [
        _line(services.paths.root, key)
        for key in keys
        if key.kind is kind and (named is None or key.user in named)
    ]


def sshd_config(root: Path) -> list[str]:
    """Lines of ``sshd_config`` for the account that owns the workspace."""
    account = owner(root)
    command = shlex.join([*_program(root), "ssh", "keys-command"])
    return [
        f"# Pilothouse, workspace {root}: people come as {account}, each with a key of their own",
        f"Match User {account}",
        "    AuthenticationMethods publickey",
        "    PasswordAuthentication no",
        "    KbdInteractiveAuthentication no",
        "    # the key of a session is told to its program",
        "    ExposeAuthInfo yes",
        "    # no variable of the client's comes through, not even LANG",
        "    AcceptEnv none",
        "    PermitUserRC no",
        "    AllowTcpForwarding no",
        "    AllowStreamLocalForwarding no",
        "    X11Forwarding no",
        "    AllowAgentForwarding yes",
        "    # keys come from the workspace alone; each line has its own command, so ForceCommand is not needed",
        "    AuthorizedKeysFile none",
        f"    AuthorizedKeysCommand {command} %u %t %k",
        f"    AuthorizedKeysCommandUser {account}",
        "    ClientAliveInterval 15",
        "    ClientAliveCountMax 3",
    ]


def owner(root: Path) -> str:
    """Account of the system that owns the workspace."""
    return pwd.getpwuid(root.stat().st_uid).pw_name


def _line(root: Path, key: UserKey) -> str:
    command = shlex.join([*_program(root), "shell", key.user]).replace('"', '\\"')
    options = [_OPTIONS, f'command="{command}"']
    if key.kind is KeyUse.AUTHORITY:
        options.insert(0, f'cert-authority,principals="{key.user}"')
    if key.valid_before:
        # by sshd's own clock, in its time zone: releases before 9.1 know no other
        local = key.valid_before.astimezone()
        options.append(f'expiry-time="{local:%Y%m%d%H%M%S}"')
    return f"{','.join(options)} {key.key_type} {key.public_key} {key.user}"


def _program(root: Path) -> list[str]:
    """Pilothouse by its full path, in an interpreter that reads no variable and no folder of the caller's."""
    return [sys.executable, "-I", "-m", "pilothouse.cli.main", "-w", str(root)]
