"""Process of a step: gives up everything that the step does not need, then runs its module.

The order matters. Descriptors first, for no layer revokes open ones; confinement last, when the log is open and limits are
set; only then code of a user or bytes of a model.
"""

import contextlib
import faulthandler
import functools
import hashlib
import hmac
import importlib
import json
import math
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pilothouse.confinement import confined, namespaces
from pilothouse.domain.confinement import Offered
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.jobs.failures import cause_of, is_disk_full
from pilothouse.domain.jobs.jobs import StepRequest, StepResult
from pilothouse.system.files import write_atomically
from pilothouse.system.processes import close_all_but, die_with_parent

RESULT_FILE, PROGRESS_FILE, LOG_FILE, REQUEST_FILE = (
    "result.json",
    "progress.jsonl",
    "log.txt",
    "request.json",
)
EXIT_OUT_OF_MEMORY = 77
"""Exit code of a step that ran into its memory limit and raised MemoryError."""
EXIT_DISK_FULL = 78
"""Exit code of a step that found no room on the disk, not even for its result."""

_LONGEST_MESSAGE = 1_000
"""Characters of a message."""
NICENESS = 5
"""Niceness of a step, behind serving and consoles."""


@dataclass(frozen=True, slots=True)
class Turn:
    """How a step shares the processors: ``place`` is its number among the steps that run on this machine just now, from 0."""

    place: int = 0
    niceness: int = NICENESS


HASH_SEED = "0"
"""Seed of Python's text hashes in steps, so that a set of names is in the same order in each."""
_LARGEST_FILE = 16 << 30
"""Bytes of the largest file that a step may write."""
MOST_PROCESSES = 1_000
"""Processes of a step at once; a fit starts a few for each of its threads."""
_MOST_TASKS = 512
"""Processes and threads that a step may add to its user's, where nothing ends them all at one stroke: those that fork without
end would outrun whoever stops them."""


def run_step_here(
    request: StepRequest,
    package: str,
    offered: Offered | None,
    seal: bytes,
    secret: int | None = None,
    turn: Turn | None = None,
) -> int:
    """Run the step in this process, a fork that nobody else needs, confined by what is ``offered`` (None: not at all) and
    scheduled as ``turn`` says. ``secret``: the open file with the step's secret. Returns its exit code. The result is sealed: a
    process that ends before leaves none."""
    folder = Path(request.folder)
    try:
        if secret is not None:
            request = replace(request, secret=os.pread(secret, 1 << 20, 0).decode())
        # one that holds a secret is looked into by nobody
        namespaces.set_inspectable(secret is None)
        _detach(folder)
        _limit(request, turn or Turn())
        if offered is not None:
            confined.confine_step(offered, inputs_of(request, package), folder, network=request.network)
        _set_threads(request.threads)
        module = importlib.import_module(f"{package}.{request.step}")
        with (folder / PROGRESS_FILE).open("ab", buffering=0) as progress:
            result = module.run(request, _reporter(progress.write))
        _write_result(folder, result, seal)
    except MemoryError:
        traceback.print_exc()
        return EXIT_OUT_OF_MEMORY
    except BaseException as error:  # noqa: BLE001 - whatever user code raises is the step's failure and its log's
        with contextlib.suppress(OSError):
            traceback.print_exc()
        failed = StepResult(ok=False, error=_in_one_line(error), cause=cause_of(error, request.step))
        try:
            _write_result(folder, failed, seal)
        except OSError:
            return EXIT_DISK_FULL if is_disk_full(error) else 1
    return 0


def inputs_of(request: StepRequest, package: str) -> list[Path]:
    """Paths that a step reads beside its libraries."""
    packages = [Path(path) for path in importlib.import_module(package).__path__]
    network = confined.NETWORK_FILES if request.network else ()
    return [*packages, *(Path(path) for path in request.inputs.values()), *network]


def seal_of(key: bytes, content: bytes) -> str:
    """Seal of a result's content, which only who has the step's key can make."""
    return hmac.new(key, content, hashlib.sha256).hexdigest()


def _detach(folder: Path) -> None:
    """Make the process a session of its own with default signals, its log as output, and no other descriptor."""
    os.setsid()
    die_with_parent()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    log = os.open(folder / LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    close_all_but({0, 1, 2})
    sys.stdin, sys.stdout, sys.stderr = (
        open(0, closefd=False),  # noqa: SIM115 - they live as long as the process
        open(1, "w", buffering=1, closefd=False, errors="backslashreplace"),  # noqa: SIM115
        open(2, "w", buffering=1, closefd=False, errors="backslashreplace"),  # noqa: SIM115
    )
    faulthandler.enable(sys.stderr)
    os.umask(0o077)
    os.chdir(folder)


def _limit(request: StepRequest, turn: Turn) -> None:
    """Set the step's environment, temporary folder and resource limits."""
    temporary = Path(request.folder) / "tmp"
    temporary.mkdir(mode=0o700, exist_ok=True)
    os.environ.clear()
    os.environ.update(
        {
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "HOME": request.folder,
            "TMPDIR": str(temporary),
            "JOBLIB_TEMP_FOLDER": str(temporary),
            "LOKY_MAX_CPU_COUNT": str(request.threads),
            "OMP_NUM_THREADS": str(request.threads),
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": HASH_SEED,  # for what a step starts, joblib's workers for one
        }
    )
    time.tzset()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))
    # Writable memory beyond what the launcher had. A huge allocation then fails at once, with Python's MemoryError; slow
    # growth, also of its children, is watched by the supervisor.
    data = _data_bytes() + request.memory_mb * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (data, data))
    if os.getppid() != 1:  # no PID namespace ends everything at one stroke
        tasks = _tasks_of_user() + _MOST_TASKS
        resource.setrlimit(resource.RLIMIT_NPROC, (tasks, tasks))
    _limit_processors(request.threads, turn)


def _tasks_of_user() -> int:
    """Threads of all processes of this user, which the kernel's limit of processes counts; root has none."""
    count = 0
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):  # it has ended
            if entry.name.isdecimal() and entry.stat().st_uid == os.geteuid():
                count += len(os.listdir(entry / "task"))  # noqa: PTH208
    return count


def _limit_processors(threads: int, turn: Turn) -> None:
    """Bind the process and all that it starts to as many processors as threads, behind serving and consoles."""
    processors = sorted(os.sched_getaffinity(0))
    first = turn.place * threads  # steps that run side by side take different ones
    chosen = {processors[(first + i) % len(processors)] for i in range(min(threads, len(processors)))}
    with contextlib.suppress(OSError):  # a container may forbid it
        os.sched_setaffinity(0, chosen)
    with contextlib.suppress(OSError):
        os.nice(turn.niceness)


def _data_bytes() -> int:
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0


@functools.cache
def look_up_thread_pools() -> Any:
    """The libraries with threads that are loaded. To look through all of them takes longer than a fork: the launcher does it
    once, for the steps that are forked from it."""
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController()


def _set_threads(threads: int) -> None:
    """Set the number of OpenMP threads again: it read its environment when the launcher imported it."""
    look_up_thread_pools().limit(limits=threads, user_api="openmp")


def _reporter(write: Callable[[bytes], object]) -> Callable[..., None]:
    def report(fraction: float, message: str, figures: dict[str, float] | None = None) -> None:
        line = {
            "at": time.time(),
            "fraction": float(fraction) if math.isfinite(fraction) else 0.0,
            "message": str(message)[:_LONGEST_MESSAGE],
            "figures": {str(k): float(v) for k, v in (figures or {}).items() if math.isfinite(v)},
        }
        write(json.dumps(line).encode() + b"\n")

    return report


def _write_result(folder: Path, result: StepResult, seal: bytes) -> None:
    plain: dict[str, Any] = {
        "ok": result.ok,
        "outputs": result.outputs,
        "record": result.record,
        "error": result.error,
        "cause": result.cause,
    }
    content = json.dumps(plain, default=_plain_number)
    sealed = {"seal": seal_of(seal, content.encode()), "result": content}
    # whoever takes it has its seal in memory alone: after a power cut it is worth nothing
    write_atomically(folder / RESULT_FILE, json.dumps(sealed).encode(), durably=False)


def _plain_number(value: Any) -> Any:
    """Python number of a numpy scalar. Raises TypeError for anything else that JSON does not know."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"a step's record holds a {type(value).__name__}: expected plain data")


def _in_one_line(error: BaseException) -> str:
    if isinstance(error, PilothouseError):
        return one_line(str(error), _LONGEST_MESSAGE)
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return one_line(f"{type(error).__name__}: {error}", _LONGEST_MESSAGE) + where
