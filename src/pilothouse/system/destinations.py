"""Where a command may write what the user names by path: a new file or folder, never inside the state of a workspace."""

import contextlib
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from pilothouse.domain.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError
from pilothouse.system.files import write_atomically

_OF_A_STATE = ("registry.db", "artifacts")
"""What makes a folder the state of a workspace, whatever its name (it may be linked)."""


def check_outside_state(path: Path) -> None:
    """Raise InvalidInputError for a path inside the state of any workspace, or for ``-`` where a name is expected."""
    if str(path) == "-":
        raise InvalidInputError("- is no name here: this is not written to stdout; name a file or folder")
    whole = path.absolute().resolve()
    for folder in (whole, *whole.parents):
        if all((folder / name).exists() for name in _OF_A_STATE):
            raise InvalidInputError(
                f"{path}: the workspace's state keeps what Pilothouse writes; name another place"
            )


def check_new_folder(folder: Path) -> None:
    """Raise InvalidInputError inside a workspace's state, ConflictError where anything is there but an empty folder."""
    check_outside_state(folder)
    if (folder.is_symlink() or folder.exists()) and (not folder.is_dir() or any(folder.iterdir())):
        raise ConflictError(f"{folder} exists and is not empty: name a new folder")


def write_new_folder(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files, by their names inside, into a new or empty folder, which is as it was after an error. Scripts (``.sh``) may
    be run. Raises as ``check_new_folder``, or UnavailableError."""
    check_new_folder(folder)
    is_there = folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / name, data, 0o755 if name.endswith(".sh") else 0o644)
    except BaseException as error:
        # in place, since one that is there may be a volume of its own: what is in it is ours, for it was empty
        for left in folder.iterdir() if folder.is_dir() else ():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        if folder.is_dir() and not is_there:
            folder.rmdir()
        if isinstance(error, OSError):
            raise UnavailableError(
                f"{folder} cannot be written: {error.strerror}: name another folder"
            ) from error
        raise


def check_new_file(file: Path) -> None:
    """Raise InvalidInputError inside a workspace's state, ConflictError where it exists, NotFoundError without a folder."""
    check_outside_state(file)
    if file.exists() or file.is_symlink():
        raise ConflictError(f"{file} exists: nothing is overwritten; name another file")
    if not file.parent.is_dir():
        raise NotFoundError(f"{file.parent} is not a folder: make it, or name another one")


@contextlib.contextmanager
def new_text_file(file: Path) -> Iterator[IO[str]]:
    """A new file to write text into, which is not there after an error. Raises as ``check_new_file``, or UnavailableError.

    A terminal, a pipe and ``/dev/null`` keep nothing that could be lost, and are taken.
    """
    is_stream = _is_stream(file)
    if not is_stream:
        check_new_file(file)
    try:
        stream = file.open("w" if is_stream else "x", encoding="utf-8")
    except OSError as error:
        raise UnavailableError(f"{file} cannot be written: {error.strerror}") from error
    try:
        with stream:
            yield stream
    except BaseException:
        if not is_stream:
            file.unlink(missing_ok=True)
        raise


def _is_stream(file: Path) -> bool:
    try:
        mode = file.stat().st_mode
    except OSError:
        return False
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)
