"""Consoles on record: opened, closed once, and found to be lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.registries import make_example
from pilothouse.domain.errors import NotAllowedError
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.identity.sessions import Place
from pilothouse.domain.jobs.jobs import ProcessName
from pilothouse.operations import automation_switch
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import audits, sessions, workspaces
from pilothouse.store.governance import sessions as store


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    example = make_example(tmp_path / "workspace")
    yield example.services
    example.services.close()


@pytest.fixture
def ada(services: Services) -> Actor:
    return workspaces.identify(services, "ada")


def actions(services: Services, ada: Actor) -> list[str]:
    return [entry.action for entry in audits.show(services, ada, limit=20)]


def test_a_session_is_opened_and_closed_once(services: Services, ada: Actor) -> None:
    number = sessions.open_session(services, ada, "xterm-256color over ssh from 10.0.0.7", read_only=True)
    (found,) = sessions.list_sessions(services, ada, open_only=True)
    assert (found.id, found.actor, found.read_only, found.closed_at) == (number, "ada", True, None)
    sessions.close_session(services, Actor("eve"), number, "left")
    sessions.close_session(services, ada, number, "hung up")
    sessions.close_session(services, ada, number, "left")
    (found,) = sessions.list_sessions(services, ada)
    assert found.ending == "hung up"
    assert found.closed_at is not None
    assert actions(services, ada)[:2] == ["session.closed", "session.opened"]


def test_a_session_whose_process_is_gone_is_closed_as_lost(services: Services, ada: Actor) -> None:
    with services.registry.transaction() as connection:
        gone = ProcessName("another boot", 4_000_000, 1)
        number = store.add(
            connection, Actor("pat"), Place("xterm"), process=gone, read_only=False, at=services.now()
        )
    sessions.open_session(services, ada, "xterm")
    by_number = {s.id: s for s in sessions.list_sessions(services, ada)}
    assert by_number[number].ending.startswith("lost")
    assert "session.lost" in actions(services, ada)


def test_a_read_only_workspace_refuses_every_change_but_the_record_of_the_session(
    services: Services, ada: Actor
) -> None:
    services.read_only = True
    number = sessions.open_session(services, ada, "xterm", read_only=True)
    with pytest.raises(NotAllowedError, match="this console is read-only"):
        automation_switch.pause(services, ada, "to see")
    sessions.close_session(services, ada, number, "left")
    assert not automation_switch.status(services, ada).paused


def test_plugins_are_allowed_for_people_under_their_own_name_unless_somebody_decides(
    services: Services, ada: Actor
) -> None:
    assert workspaces.plugins_allowed(services, handed_over=False)
    assert not workspaces.plugins_allowed(services, handed_over=True)
    workspaces.set_plugins(services, ada, allowed=True, reason="a jump host of our own")
    assert workspaces.plugins_allowed(services, handed_over=True)
    workspaces.set_plugins(services, ada, allowed=False)
    assert not workspaces.plugins_allowed(services, handed_over=False)
    assert actions(services, ada)[:2] == ["plugins.forbidden", "plugins.allowed"]
