"""A log of this machine that is folded on a cluster: each share is given links to its own files, which travel by digest."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pilothouse.domain.monitoring.log_profiles import LogPlace
from pilothouse.domain.monitoring.log_shares import Part, parts_of_share
from pilothouse.execution.step_files import check_inputs
from pilothouse.tables.reader import log_files


@dataclass(frozen=True, slots=True)
class LogShare:
    """Share of a log: the folder that stands for the log, and the parts to read of it, as options of the step."""

    folder: Path
    parts: list[dict[str, Any]]


class CarriedLog:
    """Files of a log, as they were when they were listed."""

    def __init__(self, place: LogPlace, closed: Sequence[Path]) -> None:
        """``closed``: folders of which nothing is read. Raises NotFoundError, InvalidInputError."""
        self._place = place
        self._files = log_files(place.root, place.pattern)
        # the root too: the process that carries may read all of it
        check_inputs([place.root, *self._files], closed, ())
        self._states = self._now()

    @property
    def files(self) -> int:
        return len(self._files)

    @property
    def bytes(self) -> int:
        return sum(size for size, _ in self._states)

    @property
    def has_changed(self) -> bool:
        """True where other files are there now, or another content."""
        return log_files(self._place.root, self._place.pattern) != self._files or self._now() != self._states

    def shares(self, folder: Path, count: int) -> list[LogShare]:
        """The shares that have anything to read, ``count`` at most, laid out below ``folder``."""
        sizes = [(str(file), size) for file, (size, _) in zip(self._files, self._states, strict=True)]
        parts = [parts_of_share(sizes, share, count, cuts=True) for share in range(count)]
        return [self._laid_out(folder / f"log-{i}", own) for i, own in enumerate(parts) if own]

    def _laid_out(self, folder: Path, parts: Sequence[Part]) -> LogShare:
        plain = []
        for part in parts:
            file = Path(part.file)
            # folders keep their names, which may give columns
            name = Path(file.name) if file == self._place.root else file.relative_to(self._place.root)
            link = folder / name
            link.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            link.symlink_to(file.resolve())
            plain.append({**asdict(part), "file": name.as_posix()})
        return LogShare(folder, plain)

    def _now(self) -> list[tuple[int, int]]:
        stats = [file.stat() for file in self._files]
        return [(stat.st_size, stat.st_mtime_ns) for stat in stats]
