"""Places on private networks that sources may lead to: those in force, and what a file allows that is not."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fixtures.registries import ADMIN, make_example
from pilothouse.domain.identity.roles import Role
from pilothouse.domain.integrations.integration_file import load_integrations
from pilothouse.operations.identity import proposals
from pilothouse.operations.models.source_places import places_to_look_at
from pilothouse.operations.models.source_reach import Places
from pilothouse.operations.workspace import apply_models, workspaces
from support.small_workspace import MODEL

FILE = '[sources]\nallow = ["10.1.2.3"]\n'


@pytest.mark.parametrize(
    ("name", "applied", "places"),
    [
        (ADMIN, True, Places(("10.1.2.3",))),
        ("sam", True, Places(())),
        (ADMIN, False, Places((), ("10.1.2.3",))),
        ("sam", False, Places((), ("10.1.2.3",))),
    ],
)
def test_a_file_allows_places_to_who_puts_it_in_force_and_to_no_plan(
    tmp_path: Path, name: str, applied: bool, places: Places
) -> None:
    example = make_example(tmp_path / "w")
    with example.services.registry.read() as connection:
        actor = example.actor(name)
        described = load_integrations(FILE, "integrations.toml")
        assert places_to_look_at(example.services, connection, actor, described, applied=applied) == places
        assert places_to_look_at(example.services, connection, actor, None, applied=applied) == Places(())
    example.services.close()


def test_one_person_alone_asks_no_such_place_where_it_takes_two(tmp_path: Path) -> None:
    example = make_example(tmp_path / "w")
    workspaces.grant_role(example.services, example.actor(ADMIN), "eve", Role.ADMIN)
    proposals.set_dual_control(example.services, example.actor(ADMIN), on=True, reason="two of us")
    with example.services.registry.read() as connection:
        described = load_integrations(FILE, "integrations.toml")
        actor = example.actor(ADMIN)
        assert places_to_look_at(example.services, connection, actor, described, applied=True) == Places(())
    example.services.close()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """What waits for connections on this machine."""
    with closing(socket.socket()) as waiting:
        waiting.bind(("127.0.0.1", 0))
        waiting.listen()
        waiting.setblocking(False)
        yield waiting


def test_a_plan_asks_no_address_that_only_the_planned_file_allows(
    tmp_path: Path, listener: socket.socket
) -> None:
    """Who wrote the two files may not look round the network by the hand of the admin who reviews them."""
    example = make_example(tmp_path / "w")
    admin = workspaces.identify(example.services, ADMIN)
    place = f"postgresql://127.0.0.1:{listener.getsockname()[1]}/flights"
    text = MODEL.format(training='estimator = "sklearn.linear_model.LogisticRegression"', more="")
    text = text.replace('source = "../../data/rows.csv"', f'source = "{place}"\nquery = "SELECT 1"')
    folder = tmp_path / "w" / "models" / "late"
    folder.mkdir(parents=True)
    (folder / "model.toml").write_text(text.replace('name = "delay"', 'name = "late"'))
    (tmp_path / "w" / "integrations.toml").write_text('[sources]\nallow = ["127.0.0.1"]\n')
    planned = {one.model: one for one in apply_models.plan(example.services, admin)}
    assert any("allow" in line for line in planned["integrations.toml"].loosens)
    (note,) = (one for one in planned["late"].notes if one.startswith("data.source:"))
    assert "its columns were not looked at: 127.0.0.1 is on a private network" in note
    assert "is not in force yet" in note
    with pytest.raises(BlockingIOError):
        listener.accept()
    example.services.close()
