"""What the C library keeps of freed memory, given back to the kernel."""

import ctypes
import functools
from collections.abc import Callable


def give_back() -> None:
    """Return whole free pages to the kernel, in milliseconds; nothing where the C library has no malloc_trim(3).

    Without it glibc keeps for good what the largest calculation has needed: freed memory below what is still in use.
    """
    _trim()(0)


@functools.cache
def _trim() -> Callable[[int], object]:
    found: Callable[[int], object] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return found or (lambda pad: None)
