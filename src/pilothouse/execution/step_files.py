"""Files that pass between a step and the daemon through the step's folder, read as untrusted.

The step's process may have run a user's code and owned its folder, so nothing in there is followed, trusted or unbounded.
"""

import contextlib
import hmac
import math
import os
import stat
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

from pilothouse.domain.errors import IntegrityError, InvalidInputError, NotFoundError
from pilothouse.domain.formats import bounded_json
from pilothouse.domain.jobs.jobs import Cause, ProgressLine, StepResult
from pilothouse.execution.step_process import LOG_FILE, PROGRESS_FILE, REQUEST_FILE, RESULT_FILE, seal_of
from pilothouse.system.files import parse_json, read_plain_file

_KEPT = frozenset({LOG_FILE, PROGRESS_FILE, REQUEST_FILE, RESULT_FILE})
"""Files of a step that stay when its folder is emptied."""
EARLY_END = "the step's process ended early, or its result was written by code other than ours: a step ends by returning"
_LARGEST_RESULT = 64 << 20
"""Bytes of a result file at most."""
_LONGEST_LINE = 8_192
"""Bytes of a progress line at most."""
_LONGEST_READ = 1 << 18
"""Bytes of the progress file that are read at once; older lines are skipped."""


def check_inputs(paths: Sequence[Path], closed: Sequence[Path], opened: Sequence[Path]) -> None:
    """Raise InvalidInputError where giving a step one of ``paths`` would show it something of ``closed``.

    Links are followed first. What lies inside one of the ``opened`` folders is allowed.
    """
    shut = [folder.resolve() for folder in closed]
    free = [folder.resolve() for folder in opened]
    for path in paths:
        real = path.resolve()
        if any(real != folder and real.is_relative_to(folder) for folder in free):
            continue
        for folder in shut:
            if real.is_relative_to(folder) or folder.is_relative_to(real):
                raise InvalidInputError(
                    f"{path}: a job may not read it, for {folder} is the workspace's own state: "
                    "keep data and code outside it, and it outside them"
                )


def read_result(folder: Path, seal: str) -> StepResult | None:
    """Result of a step with outputs as absolute paths; None where there is none.

    ``seal`` is the key, in hex, that the step's process had: a result without its seal was left by code that then ended the
    process, or wrote over it. An output is a regular file of the step's own making inside its folder: a link would have the
    next step, or the artifact store, read whatever it points to.
    """
    path = folder / RESULT_FILE
    try:
        sealed = parse_json(read_plain_file(path, _LARGEST_RESULT), path)
        content = sealed.get("result") if isinstance(sealed, dict) else None
        if not isinstance(content, str) or not _is_sealed(content, sealed.get("seal"), seal):
            return StepResult(ok=False, error=EARLY_END)
        plain = parse_json(content.encode(), path)
    except NotFoundError:
        return None
    except (IntegrityError, UnicodeEncodeError) as error:
        return StepResult(ok=False, error=str(error))
    if not _is_result(plain):
        return StepResult(ok=False, error=f"{path}: expected ok, outputs, record and error")
    try:
        outputs = {name: str(_own_file(folder, value)) for name, value in plain["outputs"].items()}
    except IntegrityError as error:
        return StepResult(ok=False, record=plain["record"], error=str(error))
    cause = plain.get("cause")
    return StepResult(
        plain["ok"], outputs, plain["record"], plain["error"], cause if cause in get_args(Cause) else ""
    )


def _is_sealed(content: str, seal: Any, key: str) -> bool:
    return (
        bool(key)
        and isinstance(seal, str)
        and seal.isascii()
        and hmac.compare_digest(seal_of(bytes.fromhex(key), content.encode()), seal)
    )


def discard_files(folder: Path) -> None:
    """Remove what a step left behind, once the artifacts have what is to be kept; its log and messages stay.

    Never follows a link. Folders may be shut, or nested deeper than a path can name: each is opened, and the folders in it are
    moved up before it is removed. What cannot be removed stays: it is waste, not a fault.
    """
    if not folder.is_dir() or folder.is_symlink():
        return
    left: list[Path] = []
    for entry in folder.iterdir():
        if _is_folder(entry):
            left.append(entry)
        elif entry.name not in _KEPT:
            with contextlib.suppress(OSError):
                entry.unlink()
    while left:
        shut = left.pop()
        with contextlib.suppress(OSError):
            shut.chmod(0o700)
            for entry in list(shut.iterdir()):
                if _is_folder(entry):
                    entry.chmod(0o700)
                    left.append(entry.rename(folder / uuid.uuid4().hex))
                else:
                    entry.unlink()
            shut.rmdir()


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


class ProgressTail:
    """Reader of ``progress.jsonl`` that hands on its lines as they are appended; other lines are skipped."""

    def __init__(self, path: Path, on_progress: Callable[[ProgressLine], None]) -> None:
        self._path = path
        self._on_progress = on_progress
        self._offset = 0
        self._rest = b""

    def read(self) -> None:
        """Hand on the newest line; of many new ones the older are skipped, for progress is a state and not a log."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return
        try:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode) or facts.st_size == self._offset:
                return
            start = max(self._offset, facts.st_size - _LONGEST_READ)
            new = os.pread(descriptor, _LONGEST_READ, start)
        finally:
            os.close(descriptor)
        data = self._rest + new if start == self._offset else new
        self._offset = start + len(new)
        *lines, self._rest = data.split(b"\n")
        self._rest = self._rest[-_LONGEST_LINE:]
        for line in reversed(lines):
            if (parsed := _progress_line(line)) is not None:
                self._on_progress(parsed)
                return


def _is_result(plain: Any) -> bool:
    return (
        isinstance(plain, dict)
        and plain.keys() - {"cause"} == {"ok", "outputs", "record", "error"}
        and isinstance(plain["ok"], bool)
        and isinstance(plain["error"], str)
        and isinstance(plain["record"], dict)
        and isinstance(plain["outputs"], dict)
        and all(isinstance(value, str) for value in plain["outputs"].values())
    )


def _own_file(folder: Path, value: str) -> Path:
    path = folder / value
    real_folder = folder.resolve()
    try:
        facts = path.lstat()
    except (OSError, ValueError):
        raise IntegrityError(f"{path}: named as an output, and there is no such file") from None
    inside = (
        path.resolve().is_relative_to(real_folder) and path.parent.resolve() / path.name == path.resolve()
    )
    # one link: a second one could be the name of a file that is not the step's own
    if not (inside and stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1):
        raise IntegrityError(f"{path}: named as an output; expected a regular file inside {folder}")
    return path.resolve()


def _progress_line(line: bytes) -> ProgressLine | None:
    try:
        plain = bounded_json.parse_json(line[:_LONGEST_LINE])
        fraction = float(plain["fraction"])
        figures = {str(name): float(value) for name, value in plain.get("figures", {}).items()}
        at = float(plain["at"])
        message = str(plain["message"])
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None
    if not (math.isfinite(fraction) and math.isfinite(at)):
        return None
    return ProgressLine(at, min(1.0, max(0.0, fraction)), message, figures)
