"""Kinds of failures: those that may pass by themselves, and those that stay until somebody changes something."""

import errno
from collections.abc import Iterator

from pilothouse.domain.errors import IntegrityError, NotFoundError, UnavailableError, UserCodeError
from pilothouse.domain.jobs.jobs import Cause

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_READING_STEPS = frozenset({"read", "snapshot", "verify"})
"""Steps that read the source: what they do not find or see changing may be whole a moment later."""


def cause_of(error: BaseException, step: str = "") -> Cause:
    """The cause that ``error`` stands for where it ended ``step`` (or came before any step)."""
    if is_disk_full(error):
        return "disk full"
    if isinstance(error, UserCodeError):
        return "user"
    passing = isinstance(error, NotFoundError | IntegrityError | UnavailableError) or any(
        isinstance(link, OSError) for link in _chain(error)
    )
    return "source" if step in _READING_STEPS and passing else "data"


def is_disk_full(error: BaseException) -> bool:
    """True where a full disk or a used-up quota is behind the error, as the system or SQLite says it."""
    return any(
        (isinstance(link, OSError) and link.errno in _FULL) or "disk is full" in str(link)
        for link in _chain(error)
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those that it came from, also where the message hides them."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__
