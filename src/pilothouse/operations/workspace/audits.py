"""The audit log: its entries, its verification, its export."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import IO

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.records import AuditEntry, AuditHead
from pilothouse.domain.roles import Actor
from pilothouse.operations.authorisation import reading
from pilothouse.operations.services import Services
from pilothouse.store import audit

_EXPORTED_AT_ONCE = 10_000
"""Entries that are read in one transaction."""


def show(
    services: Services, actor: Actor, *, limit: int = 100, before: int | None = None, text: str = ""
) -> list[AuditEntry]:
    """Entries, newest first; ``before`` (a seq) pages, ``text`` searches actor, action and subject."""
    with reading(services, actor) as connection:
        return audit.entries(connection, limit=limit, before=before, text=text)


def head(services: Services, actor: Actor) -> AuditHead:
    """Number of entries and hash of the last one, to be kept elsewhere."""
    with reading(services, actor) as connection:
        return audit.head(connection)


def verify(
    services: Services,
    actor: Actor,
    *,
    known: str | None = None,
    newest: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> AuditHead:
    """Compute the hashes of the chain again, of all of it or of its ``newest`` entries; ``known`` is a head kept elsewhere,
    ``COUNT:HASH``. ``progress`` is told how many entries of how many are verified.

    Raises IntegrityError that names the first wrong row, or InvalidInputError where ``known`` is not a head.
    """
    anchor = _parse_head(known) if known is not None else None
    with reading(services, actor) as connection:
        total = audit.head(connection).count
        reached = audit.BEGINNING
        if newest is not None and newest < total:
            reached = audit.head(connection, total - newest)
    while True:
        with reading(services, actor) as connection:
            after = audit.verify_next(connection, reached, anchor)
        if after == reached:
            audit.check_end(reached, anchor)
            return reached
        reached = after
        if progress is not None:
            progress(reached.count, max(total, reached.count))


def export(services: Services, actor: Actor, stream: IO[str]) -> int:
    """Write every entry, oldest first, as one JSON object a line; returns the number of entries.

    Each line holds exactly the fields that are hashed (``recorded_at`` in microseconds) and ``hash``.
    """
    last = written = 0
    while True:
        with reading(services, actor) as connection:
            entries = audit.following(connection, last, _EXPORTED_AT_ONCE)
        for entry in entries:
            plain = asdict(entry) | {"recorded_at": audit.recorded_us(entry)}
            stream.write(json.dumps(plain, ensure_ascii=True) + "\n")
        if not entries:
            return written
        last, written = entries[-1].seq, written + len(entries)


def _parse_head(text: str) -> AuditHead:
    count, colon, digest = text.partition(":")
    if not (colon and count.isdecimal() and len(digest) == 64):
        raise InvalidInputError(
            f"{text!r} is not a head of the audit log: expected COUNT:HASH as audit head prints it"
        )
    return AuditHead(int(count), digest)
