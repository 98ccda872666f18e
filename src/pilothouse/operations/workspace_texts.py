"""Files of settings that people write into a workspace's folder, read in one way."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pilothouse.domain.errors import ModelFileError
from pilothouse.domain.formats.toml_lines import load_with_lines
from pilothouse.domain.models.target_file import TARGETS_FILE, TargetDescription, load_targets
from pilothouse.operations.services import Services

_FILE_LIMIT = 1 << 20
_Content = TypeVar("_Content")


def read_text(path: Path, name: str) -> str:
    """Text of a file that a user writes. Raises ModelFileError (unreadable, too large, not UTF-8)."""
    try:
        if not path.is_file():  # a pipe would be waited for
            raise ModelFileError([f"{name}: is no plain file; expected a file of settings"])
        if path.stat().st_size > _FILE_LIMIT:
            raise ModelFileError([f"{name}: is over {_FILE_LIMIT >> 20} MiB; expected a file of settings"])
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelFileError([f"{name}: is not UTF-8 at byte {error.start}; save it as UTF-8"]) from None
    except OSError as error:
        raise ModelFileError([f"{name}: cannot be read: {error.strerror}"]) from None


def read_targets(root: Path) -> dict[str, TargetDescription] | None:
    """Targets of ``targets.toml`` in a workspace's folder, by name; None without one. Raises ModelFileError."""
    path = root / TARGETS_FILE
    return (
        load_with_lines(load_targets, read_text(path, TARGETS_FILE), TARGETS_FILE) if path.exists() else None
    )


def read_settings(
    services: Services, file: str, load: Callable[[str, str], _Content], problems: list[str]
) -> _Content | None:
    """Content of a file in the workspace's folder; None without one, or where it has faults, which are added to
    ``problems``. ``load`` raises ModelFileError."""
    path = services.paths.root / file
    if not path.exists():
        return None
    try:
        return load_with_lines(load, read_text(path, file), file)
    except ModelFileError as error:
        problems += error.problems
    return None
