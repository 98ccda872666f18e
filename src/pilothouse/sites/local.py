"""A site of this machine: its own operations answer, under the account's own rights. An older registry is left as it is."""

import os
from contextlib import closing
from pathlib import Path

from pilothouse import __version__
from pilothouse.composition import open_workspace, schema_of
from pilothouse.domain.sites.answers import SiteAnswer
from pilothouse.operations.sites import site_states
from pilothouse.operations.workspace import workspaces
from pilothouse.system.workspace_place import os_user


def other_schema(root: Path) -> SiteAnswer | None:
    """The answer of a workspace whose schema is not that of this release, which is not opened: that would upgrade it. None for
    any other. Raises NotFoundError, UnavailableError or IntegrityError."""
    schema, knows = schema_of(root)
    return None if schema == knows else SiteAnswer(schema=schema, knows=knows, release=__version__)


def answer(root: Path) -> SiteAnswer:
    """What the workspace says of itself to the account that asks. Raises PilothouseError."""
    other = other_schema(root)
    if other is not None:
        return other
    with closing(open_workspace(root)) as services:
        actor = workspaces.identify(services, os_user(), uid=os.getuid())
        return site_states.answer(services, actor)
