"""The upgrade of a workspace to this release: tried on a copy, backed up as it is, brought to the schema, put on record."""

import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from pilothouse import __version__
from pilothouse.artifacts import ArtifactStore
from pilothouse.domain.errors import NotFoundError
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.operations.authorisation import authorise, changing
from pilothouse.operations.services import Services, wall_clock
from pilothouse.operations.upkeep import backups
from pilothouse.operations.upkeep.backups import BackupSummary
from pilothouse.sqlite.database import copy_database
from pilothouse.store.connection import Registry
from pilothouse.store.migrations import SCHEMA
from pilothouse.store.models.used_versions import read_as_it_is
from pilothouse.system.leader import check_not_led, leader
from pilothouse.system.paths import WorkspacePaths

Identify = Callable[[Services], Actor]
"""Who acts, found in a registry of this release."""


@dataclass(frozen=True, slots=True)
class UpgradePlan:
    """What an upgrade has to do. ``daemon``: the process that has to be stopped first; None where none runs."""

    schema: int
    new_schema: int
    daemon: int | None


def plan(paths: WorkspacePaths) -> UpgradePlan:
    """Look at a workspace as it is; nothing is written. Raises as ``read_as_it_is``."""
    with read_as_it_is(paths.registry) as (_, schema):
        pass
    led_by = leader(paths.daemon_lock)
    return UpgradePlan(schema, SCHEMA.version, led_by.pid if led_by is not None else None)


def default_file(paths: WorkspacePaths, schema: int) -> Path:
    """File of the backup where none is named."""
    return paths.root / "backups" / f"before-upgrade-{schema}-{wall_clock():%Y%m%dT%H%M%SZ}.tar"


def back_up(
    paths: WorkspacePaths, identify: Identify, file: Path, tell: Callable[[str], None] | None = None
) -> BackupSummary:
    """Try the upgrade on a copy of the registry, then back the workspace up as it is: of its old schema, for its old release.
    ``tell`` is told what is under way.

    Whoever runs it must be allowed to make a backup, by the grants in that copy. The workspace is left as it is. Raises
    ConflictError (a daemon runs, the file exists), NotAllowedError, UnavailableError or IntegrityError.
    """
    check_not_led(paths.daemon_lock)
    artifacts = ArtifactStore(paths.artifacts)
    say = tell or (lambda text: None)
    with tempfile.TemporaryDirectory(prefix="pilothouse-") as folder:
        copy = Path(folder) / "registry.db"
        say("the registry is copied, to try the upgrade on the copy")
        copy_database(
            paths.registry,
            copy,
            lambda done, total: say(
                f"{done:,} of {total:,} pages of the registry copied, to try the upgrade"
            ),
        )

        def tried_so_far(done: int, total: int) -> None:
            say(f"{done:,} of {total:,} rows of the copy are brought to this release")

        with closing(Registry.upgrade(copy, progress=tried_so_far)) as registry:
            tried = Services(paths, registry, artifacts, wall_clock, _no_telemetry)
            actor = identify(tried)
            authorise(tried, actor, Permission.BACKUP)
    say("the workspace is backed up")
    file.parent.mkdir(parents=True, exist_ok=True)
    return backups.copy_as_it_is(paths, artifacts, actor.name, wall_clock(), file, tell)


def record(services: Services, actor: Actor, schema: int, backup: BackupSummary) -> None:
    """Put on record that the workspace, now open, was brought here from a schema. Raises NotAllowedError."""
    with changing(services, actor, Permission.BACKUP) as change:
        change.record(
            "workspace.upgraded",
            "workspace",
            {
                "release": __version__,
                "schema": SCHEMA.version,
                "before": schema,
                "backup": backup.file.name,
                "sha256": backup.digest,
            },
        )


def _no_telemetry() -> NoReturn:
    raise NotFoundError("telemetry is not part of a trial of the registry")
