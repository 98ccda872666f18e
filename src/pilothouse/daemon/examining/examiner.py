"""The daemon's side of an examination: starts the process that reads all rows, waits for it, and acts on what it found.

In a thread of the daemon it would take its turns from all others, for minutes of a million jobs and versions.
"""

import contextlib
import json
import subprocess
import sys
import threading
from typing import Any

from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import write_state
from pilothouse.operations.workspace.write_state import Examined

_LOOK_EVERY_S = 0.5
_MODULE = "pilothouse.daemon.examining.main"


def examine(services: Services, stop: threading.Event) -> str:
    """Examine registry and audit log, and make the workspace read-only on damage, else seal it. Returns what was found as text,
    empty where the daemon stops meanwhile. Raises UnavailableError where the process ended without an answer."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-m", _MODULE, str(services.paths.root)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        start_new_session=True,
    )
    with process:
        said = complaint = None
        while said is None and not stop.is_set():
            with contextlib.suppress(subprocess.TimeoutExpired):
                said, complaint = process.communicate(timeout=_LOOK_EVERY_S)
        if said is None or complaint is None:
            process.kill()  # it writes nothing
            return ""
    return write_state.conclude(services, _read(process.returncode, said, complaint))


def _read(code: int, said: bytes, complaint: bytes) -> Examined:
    try:
        answer: dict[str, Any] = json.loads(said)
    except ValueError:
        last = (complaint.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        raise UnavailableError(
            f"the examination of the registry ended with exit code {code}: {one_line(last)[:200]}"
        ) from None
    if "error" in answer:
        raise UnavailableError(f"the registry could not be examined: {answer['error']}")
    return Examined(**answer)
