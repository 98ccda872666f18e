"""Export of the audit log, whole or in part: JSON lines that anybody can hash again, or CSV for a spreadsheet."""

import csv
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import IO, Literal

from pilothouse.domain.formats.csv_text import csv_text
from pilothouse.domain.formats.safe_text import safe_json
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.records import AuditEntry
from pilothouse.operations import handing_out
from pilothouse.operations.authorisation import reading
from pilothouse.operations.services import Services
from pilothouse.store.log import audit

Format = Literal["jsonl", "csv"]
COLUMNS = ("seq", "recorded_at", "actor", "action", "subject", "detail", "previous", "hash", "rows")
_AT_ONCE = 10_000
"""Entries that are read in one transaction."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Entries that are wanted; all where nothing is said. A subject that ends in ``*`` stands for all that begin so."""

    since: datetime | None = None
    until: datetime | None = None
    """Exclusive."""
    actor: str | None = None
    subject: str | None = None


def export(
    services: Services, actor: Actor, stream: IO[str], wanted: Wanted = Wanted(), *, form: Format = "jsonl"
) -> int:
    """Write the wanted entries, oldest first, part by part; returns their number. An entry says who took it.

    A JSON line holds exactly the fields that are hashed (``recorded_at`` in microseconds) and ``hash``; ``rows`` where the
    entry covers rows. CSV has the time in ISO 8601, the detail as JSON, and nothing that a spreadsheet or a terminal obeys.
    """
    selected = {key: str(value) for key, value in asdict(wanted).items() if value is not None}
    handing_out.record(services, actor, "log.exported", "audit log", {"form": form, **selected})
    write = _write_csv if form == "csv" else write_lines
    written = 0
    if form == "csv":
        csv.writer(stream, lineterminator="\n").writerow(COLUMNS)
    for entries in _parts(services, actor, wanted):
        write(stream, entries)
        written += len(entries)
    return written


def _parts(services: Services, actor: Actor, wanted: Wanted) -> Iterator[list[AuditEntry]]:
    last = 0
    while True:
        with reading(services, actor) as connection:
            entries = audit.matching(
                connection, last, _AT_ONCE, since=wanted.since, until=wanted.until, actor=wanted.actor,
                subject=wanted.subject,
            )  # fmt: skip
        if not entries:
            return
        yield entries
        last = entries[-1].seq


def write_lines(stream: IO[str], entries: list[AuditEntry]) -> None:
    """Write entries as JSON lines, each with exactly the fields that are hashed, and its hash."""
    for entry in entries:
        plain = asdict(entry) | {"recorded_at": audit.recorded_us(entry)}
        if entry.rows is None:
            del plain["rows"]
        stream.write(json.dumps(plain, ensure_ascii=True) + "\n")


def _write_csv(stream: IO[str], entries: list[AuditEntry]) -> None:
    csv.writer(stream, lineterminator="\n").writerows(
        (
            entry.seq,
            entry.recorded_at.isoformat(),
            csv_text(entry.actor),
            csv_text(entry.action),
            csv_text(entry.subject),
            safe_json(json.dumps(entry.detail, sort_keys=True)),
            entry.previous,
            entry.hash,
            entry.rows or "",
        )
        for entry in entries
    )
