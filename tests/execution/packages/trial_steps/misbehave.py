"""End in the way that the options name."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.jobs.jobs import StepResult


def run(request, report):
    how = request.options["how"]
    report(0.25, how, {})
    return globals()[how](request)


def segfault(request):
    os.kill(os.getpid(), signal.SIGSEGV)


def sleep(request):
    time.sleep(60)


def stubborn(request):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    children = [
        subprocess.Popen(["sleep", "61"]),
        subprocess.Popen(["sleep", "62"], start_new_session=True),
        subprocess.Popen(["sh", "-c", "trap '' TERM; sleep 63 & wait"]),
    ]
    Path("children").write_text(" ".join(str(child.pid) for child in children))
    time.sleep(60)


def leave_children(request):
    children = [subprocess.Popen(["sleep", "64"], start_new_session=True) for _ in range(2)]
    return StepResult(ok=True, record={"children": [child.pid for child in children]})


def allocate_at_once(request):
    bytearray(request.memory_mb * 2 * 2**20)


def allocate_slowly_in_a_child(request):
    code = "import time\nkept = []\nwhile True:\n    kept.append(b'x' * 2**23)\n    time.sleep(0.01)"
    subprocess.run([sys.executable, "-I", "-c", code], check=False)
    time.sleep(60)


def compute_in_orphans(request):
    """Processor time of processes that have left their parent, one after another, each for a moment."""
    code = "import time\nwhile time.process_time() < 0.3: pass"
    while True:
        subprocess.run(["sh", "-c", '"$0" -I -c "$1" & sleep 0.2', sys.executable, code], check=False)


def user_error(request):
    raise ValueError("column 'delay'\nis empty")


def our_error(request):
    raise InvalidInputError("data.target: not in the source")


def leave_early(request):
    sys.exit("enough")


def vanish(request):
    os._exit(9)


def link_as_output(request):
    Path("model").symlink_to(request.options["registry"])
    return StepResult(ok=True, outputs={"model": "model"})


def parent_as_output(request):
    return StepResult(ok=True, outputs={"model": "../../state/registry.db"})


def nonsense_result(request):
    Path("result.json").write_text('{"ok": "yes"}')
    os._exit(0)


def numpy_record(request):
    import numpy as np

    return StepResult(ok=True, record={"rows": np.int64(3), "share": np.float32(0.5)})
