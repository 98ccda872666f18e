"""Several workspaces of one machine: one that answers, one that is read-only, one of an older schema."""

from pathlib import Path

import pytest

from fixtures.registries import make_example, raised
from pilothouse.domain.identity.roles import Role
from pilothouse.operations.sites import identities
from pilothouse.operations.workspace import workspaces, write_state
from pilothouse.system.workspace_place import os_user
from support import older_registry
from support.site_values import MakeSite


@pytest.fixture
def make_site(tmp_path: Path) -> MakeSite:
    """Makes a workspace that the test's own account reads, with one open alert."""

    def make(name: str, *, frozen: str = "") -> Path:
        example = make_example(tmp_path / name)
        identities.renew(example.services, example.actor("ada"), "each is a site of its own")
        workspaces.grant_role(example.services, example.actor("ada"), os_user(), Role.OPERATOR)
        example.add_version()
        raised(example, "performance")
        if frozen:
            write_state.make_read_only(example.services, example.actor("oscar"), frozen)
        example.services.close()
        return tmp_path / name

    return make


@pytest.fixture
def older_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose registry is of an older release."""
    root = tmp_path / "older"
    (root / "state").mkdir(parents=True)
    registry = root / "state" / "registry.db"
    older_registry.make(registry, 3, monkeypatch)
    registry.chmod(0o600)
    return root
