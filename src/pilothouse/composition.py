"""Composition of a workspace from its parts. Front ends open a workspace here and hand it on.

Nothing below imports this module; importing it pulls in no database library beyond SQLite, no pandas, no scikit-learn.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pilothouse.artifacts import ArtifactStore
from pilothouse.domain.errors import NotFoundError, UnavailableError
from pilothouse.operations.services import Services, wall_clock
from pilothouse.operations.states import form
from pilothouse.sqlite import Progress
from pilothouse.sqlite.schema import version_of
from pilothouse.store.connection import Registry
from pilothouse.system.leader import check_not_led
from pilothouse.system.paths import WorkspacePaths
from pilothouse.system.write_guard import WriteGuard

if TYPE_CHECKING:
    from pilothouse.telemetry import TelemetryStore


def open_workspace(
    root: Path,
    *,
    create: bool = False,
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
    keeps_copy: bool = True,
) -> Services:
    """Open the workspace in ``root``; with ``create`` also make what is missing of it.

    A registry of an older schema is brought up to date; ``progress`` is told how many rows of how many are,
    which takes a minute for millions. A copy of it as it was is kept before, where there is room and ``keeps_copy`` says so;
    ``tell`` is told where, or why not. Raises NotFoundError (no workspace), ConflictError (older schema
    while a daemon runs), UnavailableError (newer schema, unsafe file system or library) or IntegrityError (damaged).
    """
    paths = WorkspacePaths(root.resolve())
    if create and not paths.registry.exists():
        paths.make_folders()
        Registry.create(paths.registry).close()
    if not paths.registry.exists():
        raise NotFoundError(
            f"{root} is not a workspace: it has no state/registry.db; make one with pilothouse init"
        )

    def prepare() -> None:
        check_not_led(paths.daemon_lock)
        if keeps_copy:
            from pilothouse.operations.workspace import before_upgrade

            said = before_upgrade.keep(paths)
            if tell is not None:
                tell(said)

    registry = Registry.upgrade(paths.registry, prepare, progress)
    services = Services(
        paths=paths,
        registry=registry,
        artifacts=ArtifactStore(paths.artifacts),
        now=wall_clock,
        open_telemetry=lambda: _open_telemetry(paths),
    )
    if not form.is_of_this_release(services):
        from pilothouse.operations.states import states

        # as the schema: before the guard, else a read-only workspace would show nothing
        states.bring_up_to_date(services)
    registry.guard = WriteGuard(paths.read_only).check
    return services


def schema_of(root: Path) -> tuple[int, int]:
    """Version of the schema of the registry in ``root``, and the one that this release reads and writes. Nothing is opened to
    write, and an older one stays as it is. Raises NotFoundError (no workspace), UnavailableError or IntegrityError."""
    path = WorkspacePaths(root.resolve()).registry
    if not path.exists():
        raise NotFoundError(f"{root} is not a workspace: it has no state/registry.db")
    return version_of(path, Registry.schema), Registry.schema.version


def check_schema(root: Path) -> None:
    """Raise UnavailableError with what to do where the registry is of an older release; it stays as it is. Where there is none,
    or another kind of file, opening it says so."""
    path = WorkspacePaths(root.resolve()).registry
    if not path.exists():
        return
    found, wanted = schema_of(root)
    if found < wanted:
        raise UnavailableError(
            f"the registry is of an older release (schema {found}, here {wanted}), and is left as it is: pilothouse upgrade "
            "says what an upgrade would do, pilothouse upgrade --apply does it"
        )


def _open_telemetry(paths: WorkspacePaths) -> "TelemetryStore":
    from pilothouse.telemetry import TelemetryStore

    store = TelemetryStore(paths.telemetry, before_upgrade=lambda: check_not_led(paths.daemon_lock))
    store.guard = WriteGuard(paths.read_only).check
    return store
