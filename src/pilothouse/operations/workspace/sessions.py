"""Consoles on record: opened by whom, on what terminal, and how each ended."""

from pilothouse.domain.roles import Actor, Permission
from pilothouse.domain.sessions import LOST, ConsoleSession
from pilothouse.operations.authorisation import changing, clean_text, reading
from pilothouse.operations.services import Services
from pilothouse.store import audit, sessions
from pilothouse.system.processes import is_alive, own_name


def open_session(services: Services, actor: Actor, terminal: str, *, read_only: bool = False) -> int:
    """Record that a console was opened by this process; returns its number.

    Sessions whose process is gone without a word are closed first, as lost. Raises NotAllowedError (may not read).
    """
    words = clean_text(terminal, "terminal")[:200]
    with changing(services, actor, Permission.READ) as change:
        for found in sessions.listed(change.connection, open_only=True, limit=1_000):
            if not is_alive(found.process):
                sessions.end(change.connection, found.id, found.actor, LOST, at=change.at)
                change.record("session.lost", f"session {found.id}", {"actor": found.actor})
        number = sessions.add(
            change.connection,
            actor=actor.name,
            terminal=words,
            process=own_name(),
            read_only=read_only,
            at=change.at,
        )
        change.record("session.opened", f"session {number}", {"terminal": words, "read_only": read_only})
    return number


def close_session(services: Services, name: str, number: int, ending: str) -> None:
    """Record how it ended: ``left``, ``hung up``, ``terminated``. Says nothing where that is on record already.

    ``name`` is whose it is: somebody whose role was revoked meanwhile closes it all the same, and nobody else can.
    """
    with services.registry.transaction() as connection:
        at = services.now()
        if sessions.end(connection, number, name, ending, at=at):
            audit.append(
                connection,
                at=at,
                actor=name,
                action="session.closed",
                subject=f"session {number}",
                detail={"ending": ending},
            )


def list_sessions(
    services: Services, actor: Actor, *, open_only: bool = False, limit: int = 100
) -> list[ConsoleSession]:
    """Sessions, newest first. One that is not closed and whose process is gone is shown as lost."""
    with reading(services, actor) as connection:
        return sessions.listed(connection, open_only=open_only, limit=limit)
