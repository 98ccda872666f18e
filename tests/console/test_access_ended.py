"""A console whose user is let in no more ends by itself, with the reason."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from pilothouse.console.app import Console
from pilothouse.console.screenshots import settle
from pilothouse.domain.errors import AccessEndedError, NotAllowedError
from pilothouse.domain.identity.identity import Identity, IdentityKind
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.identity.ssh_keys import read_key
from pilothouse.domain.identity.trusted_start import TrustedStart
from pilothouse.operations import automation_switch
from pilothouse.operations.identity import users
from pilothouse.operations.services import Services
from support import example
from support.ssh_keys import ED25519_KEYS

KEY = read_key(ED25519_KEYS[0])


def start_of_pat(workspace: Path, **more: object) -> TrustedStart:
    with example.opened(workspace) as services:
        users.add_user(services, example.person(services, "ada"), "pat", keys=[KEY])
    return TrustedStart("pat", Identity(IdentityKind.SSH_KEY, "", KEY.fingerprint), "10.0.0.7", **more)  # type: ignore[arg-type]


def disable(services: Services, ada: Actor) -> None:
    users.disable_user(services, ada, "pat", "left")


def revoke(services: Services, ada: Actor) -> None:
    users.revoke_key(services, ada, "pat", KEY.fingerprint, "laptop lost")


async def ends(app: Console, change: Callable[[], object]) -> str:
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert app.session.actor.identity.fingerprint == KEY.fingerprint  # type: ignore[union-attr]
        change()
        while app.return_value is None:
            app.look()
            await pilot.pause()
    assert app.return_value == NotAllowedError.exit_code
    return app.session.ended


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (disable, "pat is disabled, by ada: left"),
        (revoke, "the key that pat came with is in force no more, by ada: laptop lost"),
    ],
)
async def test_it_ends_with_the_user_and_with_the_key(
    make_console, workspace: Path, change, reason: str
) -> None:
    app = make_console("pat", trusted=start_of_pat(workspace))

    def act() -> None:
        with example.opened(workspace) as services:
            change(services, example.person(services, "ada"))

    assert await ends(app, act) == reason


async def test_an_operation_is_refused_before_the_console_has_seen_that_its_time_is_over(
    make_console, workspace: Path
) -> None:
    until = example.NOW + timedelta(hours=1)
    app = make_console("pat", trusted=start_of_pat(workspace, valid_until=until))
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        services = app.session.services
        assert services is not None
        services.now = lambda: until
        for act in (automation_switch.status, lambda s, a: automation_switch.pause(s, a, "why")):
            with pytest.raises(AccessEndedError, match="the time of the key is over that pat came with"):
                act(services, app.session.actor)


async def test_it_ends_with_the_time_of_its_key(make_console, workspace: Path) -> None:
    until = example.NOW + timedelta(hours=1)
    app = make_console("pat", trusted=start_of_pat(workspace, valid_until=until))

    def pass_time() -> None:
        assert app.session.services is not None
        app.session.services.now = lambda: until

    assert await ends(app, pass_time) == "the time of the key is over that pat came with"


async def test_the_console_of_an_account_ends_too(make_console, workspace: Path) -> None:
    start_of_pat(workspace)
    app = make_console("pat")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        with example.opened(workspace) as services:
            disable(services, example.person(services, "ada"))
        while app.return_value is None:
            app.look()
            await pilot.pause()
    assert app.session.ended == "pat is disabled, by ada: left"
