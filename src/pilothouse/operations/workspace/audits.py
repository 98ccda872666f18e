"""The audit log: its entries and its verification."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from pilothouse.domain.errors import IntegrityError, InvalidInputError
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.records import AuditEntry, AuditHead
from pilothouse.operations.authorisation import reading
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.log import audit, audit_agreement, row_agreement, row_walk
from pilothouse.store.log.row_agreement import Tampering


@dataclass(frozen=True, slots=True)
class RowDifference:
    """Row that is not what the log says: ``row`` in people's words, ``difference`` in one or two, ``text`` as a sentence."""

    row: str
    difference: str
    text: str

    @property
    def sentence(self) -> str:
        """What was done past Pilothouse, as far as it is known."""
        return f"{self.text} past Pilothouse" if self.difference in _DONE_TO_ROWS else self.text


_DONE_TO_ROWS = tuple(str(one) for one in Tampering if one is not Tampering.DIGEST)
_MOST_NAMED = 20
"""Rows that are named in text; all are listed as JSON."""


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


Progress = Callable[[int, int], None]
"""What is told how many of how many are compared."""


def verify(
    services: Services,
    actor: Actor,
    *,
    known: str | None = None,
    progress: Progress | None = None,
) -> AuditHead:
    """``verify_chain``, and that every row that decides is what the log says. Raises as that does, or IntegrityError that
    names the first row that somebody changed, put in or deleted past Pilothouse."""
    head = verify_chain(services, actor, known=known, progress=progress)
    check_rows(services, actor)
    return head


def differing_rows(
    services: Services, actor: Actor, *, newest: int | None = None, progress: Progress | None = None
) -> list[RowDifference]:
    """Rows that are not what the log says; none where all are, and in the past, which is put together from the rows that there
    are now. They are read in parts, so that a writer's log of the database is not held back for minutes.

    ``newest``: so many of the last rows of each table and of the newest changes are compared, and of what the entries
    themselves say settings and grants. ``progress`` is told how far it is, but with ``newest``.
    Raises IntegrityError where they cannot be compared.
    """
    if services.at is not None:
        return []

    def read() -> AbstractContextManager[Connection]:
        return reading(services, actor)

    with read() as connection:
        walk = row_walk.Walk(progress, row_walk.total(connection)) if progress is not None else None
        found = [] if newest is None else list(row_agreement.newest_differences(connection, newest))
    if newest is None:
        found = list(row_agreement.differences_in_parts(read, walk.watched if walk is not None else iter))
    with read() as connection:
        found += row_agreement.disagreements_on_record(connection)
    if found:
        return [RowDifference(row.name, row.tampering.value, str(row)) for row in found]
    try:  # what the entries of the log themselves say, which is all there is of the time before the digests
        if newest is None:
            lines = list(audit_agreement.disagreements_in_parts(read))
        else:
            with read() as connection:
                lines = list(audit_agreement.disagreements(connection, access_alone=True))
    except (LookupError, TypeError, AttributeError, ValueError) as error:  # entries that we never wrote
        raise IntegrityError(f"cannot be compared with the audit log: {error!r}") from error
    return [
        RowDifference(line, "not what its entry says", f"{line} is not what the audit log says")
        for line in lines
    ]


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found of the log and of the rows that it accounts for."""

    head: AuditHead | None
    """None where the chain is broken: ``fault`` says how."""
    fault: str
    rows: list[RowDifference]

    @property
    def is_sound(self) -> bool:
        """True where nothing is wrong."""
        return not (self.fault or self.rows)


def examine(
    services: Services,
    actor: Actor,
    *,
    known: str | None = None,
    tell: Callable[[str], None] | None = None,
) -> Examination:
    """All that is wrong with the chain and with the rows; the rows are compared where the chain is broken too. ``tell`` is told
    how far it is. Raises InvalidInputError where ``known`` is not a head."""
    head, faults, differing = None, [], []
    try:
        head = verify_chain(services, actor, known=known, progress=said(tell, "entries verified"))
    except IntegrityError as error:
        faults.append(str(error))
    try:
        differing = differing_rows(services, actor, progress=said(tell, "rows compared with the log"))
    except IntegrityError as error:
        faults.append(str(error))
    return Examination(head, "; ".join(faults), differing)


def said(tell: Callable[[str], None] | None, what: str) -> Progress | None:
    """Progress as a text; None where nobody asks for it."""
    if tell is None:
        return None
    return lambda done, total: tell(f"{done:,} of {total:,} {what}")


def lines(found: Examination) -> list[str]:
    """A line for the chain's fault and for each of the first rows that are not what the log says, then how many more."""
    texts = [found.fault] if found.fault else []
    texts += [one.sentence for one in found.rows[:_MOST_NAMED]]
    if len(found.rows) > _MOST_NAMED:
        texts.append(f"and {len(found.rows) - _MOST_NAMED:,} more: pilothouse audit verify --json lists all")
    return texts


def check_rows(
    services: Services, actor: Actor, *, newest: int | None = None, progress: Progress | None = None
) -> None:
    """Raise IntegrityError that names the first row that is not what the log says, and how many more there are; ``newest`` and
    ``progress`` as in ``differing_rows``."""
    differing = differing_rows(services, actor, newest=newest, progress=progress)
    if differing:
        more = f" (and {len(differing) - 1:,} more)" if len(differing) > 1 else ""
        raise IntegrityError(
            f"{differing[0].text}{more}: somebody changed the database past Pilothouse; "
            "pilothouse audit verify names them"
        )


def verify_chain(
    services: Services,
    actor: Actor,
    *,
    known: str | None = None,
    newest: int | None = None,
    progress: Progress | None = None,
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


def _parse_head(text: str) -> AuditHead:
    count, colon, digest = text.partition(":")
    if not (colon and count.isdecimal() and len(digest) == 64):
        raise InvalidInputError(
            f"{text!r} is not a head of the audit log: expected COUNT:HASH as audit head prints it"
        )
    return AuditHead(int(count), digest)
