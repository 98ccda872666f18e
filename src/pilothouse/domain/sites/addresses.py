"""Addresses of sites: a folder of this machine, or ``ssh://user@host:port/path``."""

import re
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.safe_text import one_line

_SSH = re.compile(
    r"ssh://(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9._-]{0,63})@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>/.*)?"
)
_LONGEST_PATH = 1_000
_CONNECT_S = 10


@dataclass(frozen=True, slots=True)
class SiteAddress:
    """Where a site is. ``host`` is empty for a folder of this machine; ``path`` is empty where the far side names the
    workspace itself, as the forced command of a key does."""

    text: str
    path: str
    host: str = ""
    user: str = ""
    port: int | None = None

    @property
    def is_here(self) -> bool:
        """True for a folder of this machine."""
        return not self.host

    @property
    def login(self) -> str:
        """``user@host``, as ssh takes it."""
        return f"{self.user}@{self.host}" if self.user else self.host

    @property
    def folder_name(self) -> str:
        """Last part of the path; empty where there is none."""
        return self.path.rstrip("/").rpartition("/")[2]


def read_address(text: str) -> SiteAddress:
    """Address of what somebody typed. Raises InvalidInputError: another scheme, a host or user that ssh could take for an
    option, a path that is not printable."""
    if not text.isprintable() or not text or len(text) > _LONGEST_PATH:
        raise InvalidInputError(
            f"{one_line(text, 80)!r} is no address of a workspace: expected a folder or ssh://USER@HOST/PATH"
        )
    if "://" not in text:
        return SiteAddress(text, text)
    found = _SSH.fullmatch(text)
    if found is None or not 0 < int(found["port"] or 22) < 65_536:
        raise InvalidInputError(
            f"{one_line(text, 80)!r} is no address of a workspace: expected a folder, ssh://USER@HOST/PATH or ssh://USER@HOST:PORT/PATH"
        )
    path = (found["path"] or "").rstrip("/")
    port = int(found["port"]) if found["port"] else None
    return SiteAddress(text, path, found["host"].strip("[]"), found["user"] or "", port)


def names_of(addresses: Sequence[SiteAddress]) -> list[str]:
    """A short name for each, no two alike: the folder's name here, the host elsewhere. Of those that would be alike, what tells
    them apart stands first, since a name may be cut at its end: ``old/ewr``, ``eu-1:a``; and a number where that is not
    enough."""
    short = [one.folder_name or one.path if one.is_here else _short(one.host) for one in addresses]
    often = Counter(short)
    alike: dict[str, list[SiteAddress]] = {}
    for name, one in zip(short, addresses, strict=True):
        alike.setdefault(name, []).append(one)
    names = [
        name if often[name] == 1 else _told_apart(name, one, alike[name])
        for name, one in zip(short, addresses, strict=True)
    ]
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return unique


def _told_apart(name: str, one: SiteAddress, alike: Sequence[SiteAddress]) -> str:
    if not one.is_here:
        return f"{one.host}{one.path and ':'}{one.folder_name}"
    own, *others = [
        other.path.rstrip("/").split("/")
        for other in (one, *(two for two in alike if two.is_here and two != one))
    ]
    for parts in range(2, len(own)):
        if all(other[-parts:] != own[-parts:] for other in others):
            return "/".join(own[-parts:])
    return one.path


def _short(host: str) -> str:
    """The host's own name without its domain; an IP address is whole."""
    return host if ":" in host or host.replace(".", "").isdecimal() else host.partition(".")[0]


def ssh_command(address: SiteAddress, words: Sequence[str], *, terminal: bool) -> list[str]:
    """Command that runs ``pilothouse`` with these words there. The user's own configuration of ssh says how to get there; one
    that only asks is never asked for a password."""
    port = ["-p", str(address.port)] if address.port else []
    quiet = ["-T", "-a", "-x", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={_CONNECT_S}"]
    place = ["-w", address.path] if address.path else []
    # the far shell, or the forced command, splits this text into words again
    text = shlex.join(["pilothouse", *place, *words])
    return ["ssh", *(["-t"] if terminal else quiet), *port, "--", address.login, text]
