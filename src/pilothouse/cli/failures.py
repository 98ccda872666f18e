"""Exceptions as one line on stderr and an exit code.

0 done · 1 failed · 2 wrong input or usage · 3 not found · 4 not allowed · 5 conflict · 6 integrity
7 unavailable · 10 degraded (status) · 20 critical (status) · 70 internal error · 130 interrupted
"""

import errno
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable

from pilothouse.domain.errors import PilothouseError, UnavailableError
from pilothouse.domain.formats.safe_text import safe

INTERNAL_ERROR = 70
_MACHINE_ERRORS = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EACCES,
        errno.EPERM,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
    }
)
"""Errors of disk and permissions, which are no fault of the program."""


def run(command: Callable[[], object]) -> int:
    """Run a command and return its exit code. An exception becomes a message on stderr."""
    try:
        result = command()
        if sys.stdout is not None:  # closed by the parent process
            sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except PilothouseError as error:
        for line in str(error).splitlines() or [type(error).__name__]:
            _say(line)
        return error.exit_code
    except KeyboardInterrupt:
        _say("interrupted")
        return 130
    except BrokenPipeError:
        # The reader has gone (`| head`): stdout must not be flushed again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in _MACHINE_ERRORS:
            return _internal(error)
        _say(f"{error.filename or 'what was to be written'}: {error.strerror}; check the disk and its rights")
        return UnavailableError.exit_code
    except Exception as error:  # noqa: BLE001 - the last line of defence: the traceback goes to a file, the user gets a line
        return _internal(error)


def _internal(error: Exception) -> int:
    # one line: the path is taken from the terminal as a whole
    _say(
        f"internal error: {type(error).__name__}: {error}; details are in {_keep_traceback()}",
        is_broken=False,
    )
    return INTERNAL_ERROR


def _say(line: str, *, is_broken: bool = True) -> None:
    """Print a message; ``is_broken``: between words at a terminal's width."""
    text = f"pilothouse: {safe(line, limit=2_000)}"
    if is_broken and sys.stderr is not None and sys.stderr.isatty():
        from pilothouse.presentation.documents import hung

        text = "\n".join(hung(text, shutil.get_terminal_size().columns))
    print(text, file=sys.stderr)  # noqa: T201 - messages go to stderr


def _keep_traceback() -> str:
    try:
        handle, path = tempfile.mkstemp(prefix="pilothouse-error-", suffix=".txt")
        with os.fdopen(handle, "w", errors="backslashreplace") as file:
            traceback.print_exc(file=file)
    except OSError as error:
        return f"no file ({error.strerror})"
    return path
