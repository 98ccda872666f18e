"""Sessions of consoles as they are recorded: who opened each, on what terminal, and how it ended."""

from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.identity.sessions import LOST, ConsoleSession, Place
from pilothouse.operations.authorisation import change_in, changing, clean_text, reading
from pilothouse.operations.services import Services
from pilothouse.store.governance import sessions
from pilothouse.system.processes import is_alive, own_name


def open_session(
    services: Services, actor: Actor, terminal: str, *, address: str = "", read_only: bool = False
) -> int:
    """Record that this process opened a console; returns the number of its session.

    Open sessions whose process is gone are closed first, as lost. Raises NotAllowedError (may not read).
    """
    place = Place(clean_text(terminal, "terminal")[:200], clean_text(address, "address")[:60])
    with changing(services, actor, Permission.READ, even_read_only=True) as change:
        for session in sessions.listed(change.connection, open_only=True, limit=1_000):
            if not is_alive(session.process):
                sessions.end(change.connection, session.id, session.actor, LOST, at=change.at)
                change.record("session.lost", f"session {session.id}", {"actor": session.actor})
        number = sessions.add(
            change.connection,
            actor,
            place,
            process=own_name(),
            read_only=read_only,
            at=change.at,
        )
        detail = {"terminal": place.terminal, "read_only": read_only}
        detail |= {"address": place.address} if place.address else {}
        change.record("session.opened", f"session {number}", detail)
    return number


def close_session(services: Services, owner: Actor, number: int, ending: str) -> None:
    """Record how a session ended: ``left``, ``hung up``, ``terminated``, or why it was. Nothing changes where it has ended.

    Only its owner can close it; a role that was revoked meanwhile does not matter.
    """
    with services.registry.transaction() as connection:
        change = change_in(services, connection, owner)
        if sessions.end(connection, number, owner.name, ending, at=change.at):
            change.record("session.closed", f"session {number}", {"ending": ending})


def list_sessions(
    services: Services, actor: Actor, *, open_only: bool = False, limit: int = 100
) -> list[ConsoleSession]:
    """Sessions, newest first. An open one whose process is gone is shown as lost."""
    with reading(services, actor) as connection:
        return sessions.listed(connection, open_only=open_only, limit=limit)


def count_sessions(services: Services, actor: Actor, *, open_only: bool = False) -> int:
    """Number of sessions."""
    with reading(services, actor) as connection:
        return sessions.count(connection, open_only=open_only)
