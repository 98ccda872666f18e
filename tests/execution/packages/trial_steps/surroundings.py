"""Say what the process has: descriptors, environment, folder, session, limits."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from pilothouse.domain.jobs.jobs import StepResult


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
        "order": ["".join({"wind", "load", "hour", "carrier"}), _ordered_elsewhere()],
    }
    return StepResult(ok=True, record=record)


def _ordered_elsewhere():
    code = "print(''.join({'wind', 'load', 'hour', 'carrier'}))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip()
