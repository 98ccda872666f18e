"""Places on private networks that sources may lead to, while the file that allows them is applied."""

from pathlib import Path

import pytest

from fixtures.registries import ADMIN, make_example
from pilothouse.domain.integrations.integration_file import load_integrations
from pilothouse.operations.models.source_places import places_at_apply

FILE = '[sources]\nallow = ["10.1.2.3"]\n'


@pytest.mark.parametrize(("name", "places"), [(ADMIN, ("10.1.2.3",)), ("sam", ())])
def test_a_first_file_allows_places_to_who_may_put_it_in_force(
    tmp_path: Path, name: str, places: tuple[str, ...]
) -> None:
    example = make_example(tmp_path / "w")
    with example.services.registry.read() as connection:
        actor = example.actor(name)
        assert places_at_apply(connection, actor, load_integrations(FILE, "integrations.toml")) == places
        assert places_at_apply(connection, actor, None) == ()
    example.services.close()
