"""The context of a command: the workspace, the actor, and the format of the output."""

import os
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pilothouse.cli.progress import progress
from pilothouse.domain.errors import NotAllowedError
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.identity.trusted_start import TrustedStart
from pilothouse.system.workspace_place import find_workspace, os_user

if TYPE_CHECKING:
    from pilothouse.operations.services import Services


@dataclass
class Session:
    """One call of the command line."""

    workspace: Path | None
    as_name: str | None
    as_json: bool
    at: str | None = None
    start: TrustedStart | None = None
    """What sshd said of the user, where it started this."""
    upgrades: bool = False
    """True for a command that may bring a registry of an older release to this one; any other leaves it as it is."""

    is_backed_up: bool = False
    """True once the whole workspace is backed up: an upgrade keeps no further copy of its registry."""

    @cached_property
    def root(self) -> Path:
        """The workspace's folder."""
        return find_workspace(self.workspace)

    @cached_property
    def services(self) -> "Services":
        """The open workspace; as it was in the past where a time is given."""
        if self.at is None:
            return self._present
        from pilothouse.operations.workspace import time_machine

        present, actor = self._present, self.actor
        return time_machine.open_past(present, actor, time_machine.read_time(present, actor, self.at))

    @cached_property
    def _present(self) -> "Services":
        from pilothouse.composition import check_schema, open_workspace

        if not self.upgrades:
            check_schema(self.root)
        kept: list[str] = []
        with progress("rows are brought to this release") as tell:
            services = open_workspace(
                self.root, progress=tell, tell=kept.append, keeps_copy=not self.is_backed_up
            )
        for text in kept:
            sys.stderr.write(f"{safe(text, limit=2_000)}\n")
        return services

    @cached_property
    def actor(self) -> Actor:
        """The user with their roles."""
        if self.start is not None:
            from pilothouse.operations.identity import trusted_starts

            if self.as_name is not None:
                raise NotAllowedError("--as is refused over SSH: the key says who it is")
            return trusted_starts.actor_of(self._present, self.start)
        from pilothouse.operations.workspace import workspaces

        return workspaces.identify(self._present, os_user(), self.as_name, uid=os.getuid())

    def close(self) -> None:
        """Close the workspace and its past, if they were opened."""
        for name in ("services", "_present"):
            opened = self.__dict__.pop(name, None)
            if opened is not None:
                opened.close()
