"""Baselines of the versions that a target serves, on disk: a process that is started again need not measure them again.

Clients wait for it then, and what is measured under their requests is no latency without traffic. They count for this boot of
this machine and this release alone.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from pilothouse import __version__
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.formats.wire import DesiredVersion
from pilothouse.serving.versions.baseline import Baseline
from pilothouse.system.files import write_atomically
from pilothouse.system.processes import boot_id

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _File:
    boot: str
    release: str
    by_version: dict[str, Baseline] = field(default_factory=dict)


class KeptBaselines:
    """Baselines in a file of the target's folder, by model and schema file. A file that cannot be read holds none."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "baselines.json"
        self._kept = _read(self._path)

    def find(self, version: DesiredVersion) -> Baseline | None:
        """Baseline that was kept for a version."""
        return self._kept.by_version.get(_key(version))

    def keep(self, version: DesiredVersion, baseline: Baseline, needed: Iterable[DesiredVersion]) -> None:
        """Keep a baseline, and of the others those of ``needed`` versions. Where the disk refuses, none is kept; after a power
        cut it counts for nothing, so that no flush is waited for."""
        keys = {_key(other) for other in needed}
        others = {key: kept for key, kept in self._kept.by_version.items() if key in keys}
        self._kept = _File(boot_id(), __version__, {**others, _key(version): baseline})
        try:
            write_atomically(self._path, msgspec.json.encode(self._kept), durably=False)
        except OSError as error:
            log.warning("the baselines cannot be kept on disk: %s", error.strerror)


def _key(version: DesiredVersion) -> str:
    return f"{version.model_digest} {version.schema_digest}"


def _read(path: Path) -> _File:
    fresh = _File(boot_id(), __version__)
    try:
        read = msgspec.json.decode(path.read_bytes(), type=_File)
    except FileNotFoundError:
        return fresh
    except (OSError, msgspec.DecodeError) as error:
        log.warning("the kept baselines cannot be read; measuring them again: %s", one_line(str(error)))
        return fresh
    return read if (read.boot, read.release) == (fresh.boot, fresh.release) else fresh
