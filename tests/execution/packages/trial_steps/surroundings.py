"""Say what the process has: descriptors, environment, folder, session, limits."""

import os
import threading
from pathlib import Path

from pilothouse.domain.jobs import StepResult


def run(request, report):
    print("printed")
    os.system("echo from a shell")
    descriptors = {}
    for entry in list(Path("/proc/self/fd").iterdir()):
        try:
            descriptors[entry.name] = str(entry.readlink())
        except OSError:
            continue
    record = {
        "descriptors": descriptors,
        "environment": dict(os.environ),
        "first environment": Path("/proc/self/environ").read_text("utf-8"),
        "cwd": str(Path.cwd()),
        "leader": os.getsid(0) == os.getpid(),
        "threads": threading.active_count(),
    }
    return StepResult(ok=True, record=record)
