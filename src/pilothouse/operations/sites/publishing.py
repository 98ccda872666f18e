"""This workspace's own state as files for others: signed, with the head of its log and the tiles that prove what it extends."""

import contextlib
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pilothouse.domain.errors import InvalidInputError, NotFoundError, UnavailableError
from pilothouse.domain.identity.roles import DAEMON, Actor, Permission
from pilothouse.domain.sites.answers import figures_plain
from pilothouse.operations.authorisation import authorise, changing, reading
from pilothouse.operations.services import Services
from pilothouse.operations.sites import site_states, sources
from pilothouse.operations.transparency import heads, log_keys, proofs
from pilothouse.sqlite import Connection
from pilothouse.store import workspace
from pilothouse.store.log import audit
from pilothouse.store.log.log_tree import Tree
from pilothouse.system import files
from pilothouse.system.destinations import check_outside_state
from pilothouse.transparency import published, tiles
from pilothouse.transparency.published import CHECKPOINT, STATE

PUBLISHING = "site_publishing"
"""Setting: the folder that the daemon publishes into, and how often."""
PUBLISHING_SET = "site.publishing_set"
LEAST_S, MOST_S = 10, 86_400
_PARTS_KEPT = 4
"""Parts of one tile that stay for whoever reads while the next is written."""


@dataclass(frozen=True, slots=True)
class Publishing:
    """Where the daemon publishes, and every how many seconds."""

    folder: Path
    every_s: int


def state_note(services: Services, actor: Actor) -> str:
    """The signed state of now, over the newest head of the log, which is signed first where rows have come. Raises
    NotAllowedError, NotFoundError (empty log) or IntegrityError."""
    authorise(services, actor)
    figures = figures_plain(site_states.figures(services, actor))
    # a state says what everybody who is given the files may know: no name, no reason somebody typed
    figures |= {
        "frozen": "read-only" if figures["frozen"] else "",
        "paused": "paused" if figures["paused"] else "",
    }
    heads.sign(services, actor)
    head = heads.newest(services, actor)
    return str(published.sign(figures, head, log_keys.signing_key(services, actor)))


def publish(services: Services, actor: Actor, folder: Path) -> int:
    """Write tiles, head and state into a folder, the state last; returns the number of files written. Raises as
    ``proofs.write_tiles``."""
    authorise(services, actor)
    head, written = proofs.write_tiles(services, actor, folder)
    note = state_note(services, actor)
    if published.parse(note).head.checkpoint != head.checkpoint:  # rows have come meanwhile
        _, more = proofs.write_tiles(services, actor, folder)
        written += more
    try:
        files.write_atomically(folder / STATE, note.encode(), 0o644)
        _take_away_parts(folder)
    except OSError as error:
        raise UnavailableError(
            f"{folder} cannot be written: {error.strerror}: check folder and disk"
        ) from error
    return written + 1


def _take_away_parts(folder: Path) -> None:
    """Take away parts of tiles but for the newest: each head leaves some, and nobody needs old ones."""
    for parts in (folder / "tile").rglob("*.p"):
        is_full = parts.with_suffix("").exists()
        found = sorted((int(one.name), one) for one in parts.iterdir() if one.name.isdecimal())
        for _, one in found if is_full else found[:-_PARTS_KEPT]:
            one.unlink(missing_ok=True)
        if is_full:
            with contextlib.suppress(OSError):
                parts.rmdir()


def published_file(services: Services, actor: Actor, path: str) -> bytes:
    """A file as it would be published now, made from the registry: for followers over SSH. Raises InvalidInputError or
    NotFoundError."""
    sources.check_file(path)
    if path == STATE:
        return state_note(services, actor).encode()
    if path == CHECKPOINT:
        return str(heads.newest(services, actor)).encode()
    with reading(services, actor) as connection:
        return _tile(connection, path)


def _tile(connection: Connection, path: str) -> bytes:
    level, _, rest = path.removeprefix("tile/").partition("/")
    name, _, part = rest.partition(".p/")
    place = int("".join(piece.lstrip("x") for piece in name.split("/")))
    tile = tiles.Tile(int(level), place, int(part) if part else tiles.WIDTH)
    size = audit.head(connection).count
    there = (size >> (tiles.HEIGHT * tile.level)) - place * tiles.WIDTH
    if not 0 < tile.width <= min(tiles.WIDTH, there):
        raise NotFoundError(f"there is no {path} in a log of {size:,} rows")
    return b"".join(Tree(connection).hashes(tile.level, tile.place, tile.width))


def set_publishing(services: Services, actor: Actor, wanted: Publishing | None) -> None:
    """Let the daemon publish on a schedule, or no more. Raises InvalidInputError or NotAllowedError."""
    if wanted is not None:
        check_outside_state(wanted.folder)
        if not wanted.folder.is_absolute():
            raise InvalidInputError(
                f"{wanted.folder}: expected an absolute path, since the daemon writes there"
            )
        if not LEAST_S <= wanted.every_s <= MOST_S:
            raise InvalidInputError(f"every {wanted.every_s} s: expected {LEAST_S} s to a day")
    with changing(services, actor, Permission.SET_POLICY) as change:
        before = workspace.setting(change.connection, PUBLISHING) or ""
        facts = {"folder": str(wanted.folder), "every_s": wanted.every_s} if wanted else {}
        workspace.set_setting(change.connection, PUBLISHING, json.dumps(facts) if facts else "")
        change.record(
            PUBLISHING_SET, "workspace", {**facts, "before": json.loads(before) if before else None}
        )


def publishing(services: Services) -> Publishing | None:
    """Where the daemon publishes; None where it does not."""
    with services.registry.read() as connection:
        text = workspace.setting(connection, PUBLISHING)
    if not text:
        return None
    plain = json.loads(text)
    return Publishing(Path(plain["folder"]), int(plain["every_s"]))


def publish_if_due(services: Services, last: datetime | None) -> datetime | None:
    """Publish where it is time, for the daemon; returns when it was done last."""
    wanted = publishing(services)
    if wanted is None:
        return None
    now = services.now()
    if last is not None and (now - last).total_seconds() < wanted.every_s:
        return last
    publish(services, DAEMON, wanted.folder)
    return now
