"""Threads without which the process must not go on."""

import logging
import os
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

EXIT_CODE = 70
"""Exit code of a process whose vital thread failed (EX_SOFTWARE of sysexits.h)."""


def vital_thread(target: Callable[[], None], name: str) -> threading.Thread:
    """Thread whose unexpected end ends the process at once, so that its supervisor starts a new one.

    Requests that wait for a dead thread would hang for ever; acknowledged predictions are on disk already.
    """

    def run() -> None:
        try:
            target()
        except BaseException:  # whatever it was, nothing in this process can stand in for the thread
            log.critical("the %s thread failed; the process ends", name, exc_info=True)
            os._exit(EXIT_CODE)

    return threading.Thread(target=run, name=name, daemon=True)
