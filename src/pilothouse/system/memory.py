"""Limits on the free memory that the C library keeps: enough for the next calculation, the rest goes back to the kernel."""

import ctypes
import functools
from collections.abc import Callable

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""``M_TRIM_THRESHOLD`` and ``M_MMAP_THRESHOLD`` of mallopt(3)."""
_KEPT = 32 << 20
"""Free bytes at the heap's end that are kept between two calculations."""
_LARGE = 4 << 20
"""Bytes from which an array is a mapping of its own, which goes back to the kernel at once."""


def hold() -> None:
    """Keep the memory of one calculation for the next; does nothing where the C library has no mallopt(3).

    By default glibc learns its thresholds from what happens to be freed first, and may from then on give every array of a
    calculation back and ask for it again, page by page: folding 50,000 rows takes 13, 20 or 40 ms by that luck alone.
    Call it once at the start of a process that calculates again and again, and ``give_back`` where it rests.
    """
    for parameter, value in ((_MMAP_THRESHOLD, _LARGE), (_TRIM_THRESHOLD, _KEPT)):
        _option()(parameter, value)


@functools.cache
def _option() -> Callable[[int, int], object]:
    mallopt: Callable[[int, int], object] | None = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt or (lambda parameter, value: None)


def give_back() -> None:
    """Return whole free pages to the kernel, in milliseconds; does nothing where the C library has no malloc_trim(3).

    Without it glibc keeps for good what the largest calculation has needed: freed memory below what is still in use.
    """
    _trim()(0)


@functools.cache
def _trim() -> Callable[[int], object]:
    malloc_trim: Callable[[int], object] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return malloc_trim or (lambda pad: None)
