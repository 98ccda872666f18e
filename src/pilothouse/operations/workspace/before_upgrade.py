"""Registry as it was before a command, the console or a daemon brought it to this release: one copy, the way back where nobody
has made a backup.

``pilothouse upgrade --apply`` makes a backup of everything first, and no copy is needed there.
"""

import os
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from pilothouse.domain.errors import PilothouseError
from pilothouse.sqlite.database import copy_database
from pilothouse.sqlite.schema import version_of
from pilothouse.store.migrations import SCHEMA
from pilothouse.system.files import sync_folder
from pilothouse.system.paths import WorkspacePaths

_NAME = "registry-before-upgrade.db"
_LEFT_FREE = 256 << 20
"""Bytes that stay free beside the copy, and beside SQLite's log of the upgrade, which may be as large as the registry."""


def keep(paths: WorkspacePaths) -> str:
    """Copy the registry, of an older schema, beside the backups, in the place of a copy of an earlier upgrade. Returns what was
    done, or why not, as a sentence: an upgrade does not fail for want of room for its copy."""
    folder = paths.root / "backups"
    file = folder / _NAME
    size = sum(
        path.stat().st_size
        for path in (paths.registry, paths.registry.with_name(f"{paths.registry.name}-wal"))
        if path.exists()
    )
    free = shutil.disk_usage(paths.root).free
    if free < 2 * size + _LEFT_FREE:
        return (
            f"no copy of the registry before its upgrade is kept: it has {size >> 20:,} MiB, and {free >> 20:,} MiB are free; "
            "pilothouse upgrade --apply --backup FILE makes one elsewhere"
        )
    draft = folder / f".{_NAME}.{os.getpid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        for left in folder.glob(f".{_NAME}.*"):
            if not Path("/proc", left.suffix[1:]).exists():  # of a process that was killed
                left.unlink(missing_ok=True)
        copy_database(paths.registry, draft)
        if (schema := version_of(draft, SCHEMA)) >= SCHEMA.version:
            return "the registry was brought to this release by another process"
        draft.replace(file)
        sync_folder(folder)
    except (OSError, PilothouseError) as error:
        return f"no copy of the registry before its upgrade is kept: {error}"
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    return f"the registry as it was, of schema {schema}, is kept as backups/{_NAME}: docs/upgrade.md has the way back"


def kept_text(paths: WorkspacePaths) -> str:
    """What is kept, for the doctor. Raises UnavailableError or IntegrityError where it is no registry, or open to others."""
    file = paths.root / "backups" / _NAME
    if not file.exists():
        return "none of an earlier release"
    schema = version_of(file, SCHEMA)
    status = file.stat()
    at = f"{datetime.fromtimestamp(status.st_mtime, UTC):%Y-%m-%d %H:%M} UTC"
    return f"backups/{_NAME}: schema {schema}, {status.st_size:,} bytes, of {at}; remove it once nobody goes back"
