"""Progress of something long, on a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """Function that shows so many of so many on one line of stderr, which is gone at the end; None without a terminal. It is
    given 0 where nobody knows of how many."""
    if not sys.stderr.isatty():
        yield None
        return

    with step() as say:
        assert say is not None
        yield lambda done, total: say(f"{done:,}{f' of {total:,}' if total else ''} {what}")


@contextmanager
def step() -> Iterator[Callable[[str], None] | None]:
    """Function that shows what is under way on one line of stderr, which is gone at the end; None without a terminal."""
    if not sys.stderr.isatty():
        yield None
        return

    def tell(text: str) -> None:
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()

    try:
        yield tell
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
