"""Title of a forked process: what ps(1) shows in place of its parent's command line."""

import ctypes
import os
from pathlib import Path

_ARGUMENTS_START, _ARGUMENTS_END = 47, 48
"""Fields of ``/proc/self/stat`` (proc(5)), counted from 0: where the command line lies in memory."""


def set_title(arguments: list[str]) -> None:
    """Have this process shown with that command line, as far as it is no longer than its own; does nothing where the kernel
    does not say where that lies."""
    try:
        text = Path("/proc/self/stat").read_bytes()
    except OSError:
        return
    # the command's name, the second field, may hold blanks and brackets
    fields = [b"", b"", *text[text.rindex(b")") + 2 :].split()]
    start, end = int(fields[_ARGUMENTS_START]), int(fields[_ARGUMENTS_END])
    title = b"\0".join(os.fsencode(argument) for argument in arguments)
    if 0 < start < end:
        ctypes.memmove(start, title[: end - start - 1].ljust(end - start, b"\0"), end - start)
