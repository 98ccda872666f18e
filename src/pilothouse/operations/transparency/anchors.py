"""Which anchors take the log's heads, and how many witnesses must have signed one."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from pilothouse.domain.audit.log_anchors import Anchor, AnchorKind, AnchorState
from pilothouse.domain.errors import ConflictError, InvalidInputError, NotFoundError
from pilothouse.domain.identifiers import check_name
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.operations.authorisation import changing, clean_text, reading
from pilothouse.operations.services import Services
from pilothouse.operations.transparency.heads import ADDED, QUORUM, QUORUM_SET, REMOVED, quorum
from pilothouse.operations.transparency.held_heads import looked_at
from pilothouse.store import workspace
from pilothouse.store.log import log_anchors
from pilothouse.system.destinations import check_outside_state
from pilothouse.transparency.notes import COSIGNATURE, parse_key

SYSLOG = "/dev/log"
"""Socket of the system's log."""
_LONGEST_PLACE = 1_000


def add(
    services: Services, actor: Actor, name: str, kind: AnchorKind, place: str, *, key: str = ""
) -> Anchor:
    """Let an anchor take heads: a file by its path, the system's log by its socket, a witness by its URL and its key.

    Raises InvalidInputError, ConflictError (the name or the witness's key is taken) or NotAllowedError.
    """
    check_name(name, "anchor")
    place = _checked_place(kind, clean_text(place, "the place of an anchor"))
    if kind is AnchorKind.WITNESS:
        public = parse_key(key)
        if public.kind != COSIGNATURE:
            raise InvalidInputError(
                f"{key} is not the key of a witness: expected the one that pilothouse witness show prints"
            )
        key = str(public)
    elif key:
        raise InvalidInputError("only a witness has a key")
    with changing(services, actor, Permission.SET_POLICY) as change:
        for one in log_anchors.in_use(change.connection):
            if one.name == name:
                raise ConflictError(
                    f"there is an anchor {name} already ({one.place}): remove it, or take another name"
                )
            if key and one.key and parse_key(one.key).key == parse_key(key).key:
                raise ConflictError(f"the witness {one.name} has that key: one witness counts once")
        number = log_anchors.add(change.connection, name, kind, place, key=key, by=actor.name, at=change.at)
        change.record(
            ADDED, f"anchor {name}", {"kind": str(kind), "place": place, **({"key": key} if key else {})}
        )
        return log_anchors.all_anchors(change.connection)[number]


def remove(services: Services, actor: Actor, name: str) -> Anchor:
    """Let an anchor take no further head; what it has stays on record. Raises NotFoundError, ConflictError (then too few
    witnesses for the quorum) or NotAllowedError."""
    with changing(services, actor, Permission.SET_POLICY) as change:
        listed = log_anchors.in_use(change.connection)
        anchor = next((one for one in listed if one.name == name), None)
        if anchor is None:
            raise NotFoundError(f"there is no anchor {name!r}: see pilothouse log anchors list")
        least = quorum(change.connection)
        if anchor.key and sum(bool(one.key) for one in listed) <= least:
            raise ConflictError(
                f"{least} witnesses must sign a head: pilothouse log quorum {least - 1} first"
            )
        log_anchors.remove(change.connection, anchor.id, by=actor.name, at=change.at)
        change.record(REMOVED, f"anchor {name}", {"kind": str(anchor.kind), "place": anchor.place})
        return anchor


def set_quorum(services: Services, actor: Actor, least: int) -> None:
    """Set how many witnesses must have signed a head. Raises InvalidInputError where there are fewer."""
    with changing(services, actor, Permission.SET_POLICY) as change:
        witnesses = sum(bool(one.key) for one in log_anchors.in_use(change.connection))
        if not 0 <= least <= witnesses:
            raise InvalidInputError(
                f"quorum: found {least}; expected 0 to {witnesses}, the number of witnesses"
            )
        before = quorum(change.connection)
        workspace.set_setting(change.connection, QUORUM, str(least))
        change.record(QUORUM_SET, "log", {"quorum": least, "before": before})


def states(services: Services, actor: Actor) -> list[AnchorState]:
    """Anchors with how far each is."""
    with reading(services, actor) as connection:
        return looked_at(connection, log_anchors.states(connection))


def _checked_place(kind: AnchorKind, place: str) -> str:
    if len(place) > _LONGEST_PLACE or not place.isprintable():
        raise InvalidInputError("the place of an anchor: expected a path or a URL")
    if kind is AnchorKind.WITNESS:
        parts = urlsplit(place)
        if not (
            (parts.scheme in ("http", "https") and parts.hostname)
            or (parts.scheme == "unix" and parts.path[:1] == "/")
        ):
            raise InvalidInputError(f"{place!r}: expected http://HOST:PORT, https://HOST or unix:/SOCKET")
        if parts.username or parts.query or parts.fragment:
            raise InvalidInputError(f"{place!r}: expected a URL without a user, a query or a fragment")
        return place.rstrip("/")
    if not Path(place).is_absolute():
        raise InvalidInputError(f"{place!r}: expected an absolute path")
    if kind is AnchorKind.FILE:
        check_outside_state(Path(place))
    return place


def check_takes_lines(kind: AnchorKind, place: str) -> None:
    """Raise InvalidInputError where no head can go to a file or socket now, which is not made by this: said when an anchor is
    added by hand, rather than by the first head that does not arrive."""
    file = Path(place)
    if kind is AnchorKind.SYSLOG and not file.is_socket():
        raise InvalidInputError(f"{place}: there is no socket of a system's log here")
    if kind is not AnchorKind.FILE or not file.is_absolute():
        return
    if file.is_symlink() or (file.exists() and not file.is_file() and not file.is_fifo()):
        raise InvalidInputError(f"{file} is a link, or no plain file: expected a file that heads go to")
    at = file if file.exists() else file.parent
    if not at.exists():
        raise InvalidInputError(f"{file}: there is no folder {at}: make it, or name another file")
    if not os.access(at, os.W_OK):
        raise InvalidInputError(
            f"{file} cannot be written by the account that runs this: give it the right to, or name another file"
        )
