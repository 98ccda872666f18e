"""Stored predictions as a data set of Parquet files by model, target and day, for whoever reads them elsewhere.

The folder has a manifest with the rows and the sha256 of each partition. An export into a folder of before goes on with it:
what is whole and unchanged is left. Who took what away is in the audit log before the first row leaves.
"""

import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path

from pilothouse.domain.errors import (
    ConflictError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)
from pilothouse.domain.formats.time_units import DAY_US
from pilothouse.domain.identity.roles import Actor
from pilothouse.operations import handing_out
from pilothouse.operations.authorisation import authorise, reading
from pilothouse.operations.catalogue import require_model
from pilothouse.operations.model_files import spec_in_force
from pilothouse.operations.services import Services
from pilothouse.operations.upkeep import telemetry_files
from pilothouse.operations.upkeep.telemetry_files import Layout, Partition, Source
from pilothouse.store.log import audit
from pilothouse.store.models import targets as target_store
from pilothouse.system import files
from pilothouse.system.destinations import check_outside_state
from pilothouse.system.turns import turn
from pilothouse.telemetry.intake.streams import list_streams
from pilothouse.telemetry.rows import exported_rows

EXPORTED, COMPLETED = "telemetry.exported", "telemetry.export_completed"
"""Actions of the audit entries before the first row leaves, and after the last."""
MANIFEST = "manifest.json"
_LOCK = ".lock"
_FORM = "pilothouse/telemetry-manifest/1"
_EVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Selected:
    """What is exported: of one model (all: empty), of some targets (all: none), events of whole days, UTC."""

    model: str = ""
    targets: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    """The first day that is left out."""

    @property
    def span_us(self) -> tuple[int, int]:
        return (
            _us(self.since) if self.since else 0,
            _us(self.until) if self.until else _EVER,
        )

    def to_plain(self) -> dict[str, object]:
        return {
            "model": self.model,
            "targets": list(self.targets),
            "from": self.since and self.since.isoformat(),
            "to": self.until and self.until.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export did; ``shares`` are (model, target, partitions, rows) of what it looked at."""

    folder: str
    written: int
    left: int
    removed: int
    rows: int
    bytes: int
    manifest: str
    """sha256 of the manifest."""
    shares: tuple[tuple[str, str, int, int], ...]


@dataclass
class ExportFolder:
    """Folder of partitions, open to be brought up to date day by day; its manifest is written when it is left."""

    services: Services
    folder: Path
    known: dict[str, dict[str, object]]
    """Partitions of the manifest by path."""
    _models: dict[str, tuple[Layout, list[Source]]] = field(default_factory=dict)

    def put(self, model: str, target: str, day: int, *, read_back: bool = False) -> Partition | None:
        """Bring the partition of a day (since 1970, UTC) up to date; None where it has no row. ``read_back``: its rows are read
        from the file again and compared with those that are stored. Raises IntegrityError (it is
        not as it was written) or OSError."""
        layout, of_model = self._of(model)
        sources = [one for one in of_model if one.stream.target == target]
        path = (telemetry_files.folder_of(model, target, day) / telemetry_files.PART).as_posix()
        with self.services.telemetry.read() as connection:  # one state: rows are counted, then written
            partition = telemetry_files.put(connection, self.folder, sources, day, layout)
            if read_back and not telemetry_files.holds_all(connection, self.folder, sources, day, layout):
                raise IntegrityError(f"{self.folder / path} does not hold what was written: check the disk")
        before = self.known.pop(path, None)
        if partition is None:
            return None
        if before and before["made"] == partition.made and before["sha256"] != partition.sha256:
            self.known[path] = before
            raise IntegrityError(
                f"{self.folder / path} is not as it was written: delete it and export again, or fetch it from a copy where "
                "its rows are stored no more"
            )
        self.known[path] = {
            name: value for name, value in asdict(partition).items() if name not in ("path", "is_new")
        }
        return partition

    def days(self, model: str, target: str, span_us: tuple[int, int]) -> list[int]:
        """Days of which rows are stored or a partition is there, within a span."""
        _, of_model = self._of(model)
        found = telemetry_files.days_there(self.folder, model, target)
        found = {day for day in found if span_us[0] <= day * DAY_US < span_us[1]}
        with self.services.telemetry.read() as connection:
            for one in of_model:
                if one.stream.target == target:
                    found |= exported_rows.days_with_rows(connection, one.stream, *span_us)
        return sorted(found)

    def _of(self, model: str) -> tuple[Layout, list[Source]]:
        if model not in self._models:
            with self.services.registry.read() as registry:
                spec = spec_in_force(registry, model)
            with self.services.telemetry.read() as connection:
                sources = [
                    Source(stream, self.services.telemetry.specification(connection, stream.id))
                    for stream in list_streams(connection, model)
                ]
            private = spec.data.private if spec else ()
            layout = telemetry_files.layout_of([one.specification for one in sources], private)
            self._models[model] = layout, sources
        return self._models[model]


def export(services: Services, actor: Actor, folder: Path, selected: Selected) -> Exported:
    """Write the stored predictions that are selected into a folder, new, or of an export of before.

    Raises NotAllowedError, NotFoundError (no such model or target), InvalidInputError (the past, a folder inside the state),
    ConflictError (a folder of something else), IntegrityError (a partition is damaged) or UnavailableError.
    """
    authorise(services, actor)
    if services.at is not None:
        raise InvalidInputError(
            "predictions are exported as they are stored now: leave --at out; --to ends the days"
        )
    if selected.since and selected.until and selected.since >= selected.until:
        raise InvalidInputError(
            f"--from {selected.since} is not before --to {selected.until}: no day is between"
        )
    with reading(services, actor) as registry:
        if selected.model:
            require_model(registry, selected.model)
        for target in selected.targets:
            if target_store.target_id(registry, target) is None:
                raise NotFoundError(f"there is no target {target!r}: list them with pilothouse targets")
    with services.reading_telemetry() as connection:
        if connection is None:
            raise NotFoundError("no prediction has come yet: there is nothing to export")
        places = {
            (stream.model, stream.target): None
            for stream in list_streams(connection, selected.model or None)
            if not selected.targets or stream.target in selected.targets
        }
    counts, rows = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    made = Counter[str]()
    with opened(services, actor, folder, selected.to_plain()) as into:
        for model, target in places:
            for day in into.days(model, target, selected.span_us):
                was_there = (into.folder / telemetry_files.folder_of(model, target, day)).exists()
                partition = into.put(model, target, day)
                if partition is None:
                    made["removed"] += was_there
                    continue
                made["written" if partition.is_new else "left"] += 1
                made["bytes"] += partition.bytes
                counts[model, target] += 1
                rows[model, target] += partition.rows
        whole = into.folder
    manifest = files.sha256_file(whole / MANIFEST)
    handing_out.record(
        services,
        actor,
        COMPLETED,
        "telemetry",
        {"folder": str(whole), "written": made["written"], "rows": rows.total(), "manifest": manifest},
    )
    return Exported(
        str(whole),
        made["written"],
        made["left"],
        made["removed"],
        rows.total(),
        made["bytes"],
        manifest,
        tuple((*place, counts[place], rows[place]) for place in places),
    )


@contextlib.contextmanager
def opened(services: Services, actor: Actor, folder: Path, what: dict[str, object]) -> Iterator[ExportFolder]:
    """Folder of an export, new or of before, for one at a time; ``what`` goes into the audit log first. Raises as
    ``export``."""
    authorise(services, actor)
    whole = folder.absolute()
    check_outside_state(whole)
    _known(services, whole)  # nothing is made in a folder of something else
    handing_out.record(services, actor, EXPORTED, "telemetry", {"folder": str(whole), **what})
    try:
        whole.mkdir(parents=True, exist_ok=True)
        with turn(whole / _LOCK, f"another export into {folder} is under way: wait for it", alone=True):
            for left in whole.iterdir():
                if _is_left(left.name) and left.name != _LOCK:
                    left.unlink()
            # read again: another export may have ended since
            into = ExportFolder(services, whole, _known(services, whole))
            _write_manifest(into)  # from now on the folder is one of ours
            try:
                yield into
            finally:
                _write_manifest(into)
    except OSError as error:
        raise UnavailableError(
            f"{folder} cannot be written: {error.strerror}: make room or name another folder, and export again; what is whole "
            "is left"
        ) from error


def parse_day(text: str | None, option: str) -> date | None:
    """Day as typed. Raises InvalidInputError."""
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(f"{option}: found {text!r}; expected a day such as 2026-05-01") from None


def read_partitions(folder: Path) -> list[str]:
    """Paths of the partitions in the manifest of a folder. Raises NotFoundError or IntegrityError."""
    return sorted(_partitions_of(folder))


def folders_taken(services: Services) -> dict[str, datetime]:
    """Folders to which predictions were exported, with the time of the last time, by the audit log."""
    with services.registry.read() as registry:
        return {
            str(entry.detail["folder"]): entry.recorded_at for entry in audit.of_actions(registry, EXPORTED)
        }


def _known(services: Services, folder: Path) -> dict[str, dict[str, object]]:
    """Partitions of the manifest of a folder; none where it is absent or holds nothing but what an export begins with, as where
    the first was cut off. Raises ConflictError, IntegrityError or UnavailableError."""
    try:
        is_new = not folder.exists() or all(_is_left(one.name) for one in folder.iterdir())
    except NotADirectoryError:
        raise ConflictError(f"{folder} is no folder: name a new one, or one of an export") from None
    except OSError as error:
        raise UnavailableError(f"{folder} cannot be read: {error.strerror}: name another folder") from error
    if is_new:
        return {}
    if not (folder / MANIFEST).exists():
        raise ConflictError(
            f"{folder} is not empty and has no {MANIFEST}: name a new folder, or one of an export"
        )
    plain = files.read_json(folder / MANIFEST)
    if isinstance(plain, dict) and plain.get("workspace") != _workspace(services):
        raise ConflictError(f"{folder} holds an export of another workspace: name a new folder")
    return _partitions_of(folder)


def _is_left(name: str) -> bool:
    """True for the lock, and for what a killed export leaves beside its partitions."""
    return name in (_LOCK, telemetry_files.TEMPORARY) or name.startswith(f".{MANIFEST}.")


def _partitions_of(folder: Path) -> dict[str, dict[str, object]]:
    plain = files.read_json(folder / MANIFEST)
    partitions = plain.get("partitions") if isinstance(plain, dict) else None
    if not isinstance(partitions, dict) or plain.get("form") != _FORM:
        raise IntegrityError(
            f"{folder / MANIFEST} is no manifest of an export: delete it and export into a new folder"
        )
    return {
        str(path): entry
        for path, entry in partitions.items()
        if isinstance(entry, dict) and {"made", "sha256", "rows", "bytes"} <= set(entry)
    }


def _write_manifest(into: ExportFolder) -> None:
    plain = {
        "form": _FORM,
        "workspace": _workspace(into.services),
        "partitions": dict(sorted(into.known.items())),
    }
    files.write_atomically(into.folder / MANIFEST, json.dumps(plain, indent=1).encode(), 0o644)


def _workspace(services: Services) -> str:
    """What names a workspace for good: the hash of the first entry of its audit log."""
    with services.registry.read() as registry:
        return audit.head(registry, 1).hash


def _us(day: date) -> int:
    return (day - date(1970, 1, 1)).days * DAY_US
