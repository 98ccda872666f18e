"""Threads, and work of the event loop, without which the process must not go on."""

import logging
import os
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

EXIT_CODE = 70
"""Exit code of a process whose vital thread failed (EX_SOFTWARE of sysexits.h)."""


def vital_thread(target: Callable[[], None], name: str) -> threading.Thread:
    """Thread whose unexpected end ends the process at once, as ``vital`` says."""
    return threading.Thread(target=vital(target, f"{name} thread"), name=name, daemon=True)


def vital(target: Callable[[], None], what: str) -> Callable[[], None]:
    """``target`` whose failure ends the process at once, so that its supervisor starts a new one.

    Requests that wait for what has failed would hang for ever; acknowledged predictions are on disk already.
    """

    def run() -> None:
        try:
            target()
        except BaseException:  # whatever it was, nothing in this process can stand in for it
            log.critical("the %s failed; the process ends", what, exc_info=True)
            os._exit(EXIT_CODE)

    return run
