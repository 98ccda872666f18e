"""Try what a step must not be able to do; every attempt is harmless where it succeeds. Say for each what came of it."""

import ctypes
import fcntl
import mmap
import os
import resource
import socket
import stat
import struct
import sys
import tempfile
import time
from pathlib import Path

from pilothouse.confinement.syscalls import number_of
from pilothouse.domain.jobs.jobs import StepResult

SHARED = Path("/dev/shm")
LEFT = "left-by-a-step-of-the-tests"
CALLS = (
    *("ptrace", "process_vm_readv", "pidfd_getfd", "kcmp", "mount", "umount2", "pivot_root", "chroot", "open_tree"),
    *("move_mount", "fsopen", "mount_setattr", "setns", "unshare", "open_by_handle_at", "add_key", "keyctl", "bpf"),
    *("perf_event_open", "userfaultfd", "clock_settime", "settimeofday", "adjtimex", "kexec_load", "init_module", "swapon"),
    *("acct", "quotactl", "move_pages", "migrate_pages", "shmget", "msgget", "semget", "mq_open", "memfd_create"),
    *("shmat", "shmctl", "msgsnd", "msgrcv", "msgctl", "semop", "semctl", "mq_unlink", "bind", "connect"),
    *("io_uring_setup", "clone3"),
)  # fmt: skip


def run(request, report):
    return globals()[request.options["how"]](request)


def try_everything(request):
    options = request.options
    return StepResult(ok=True, record={"attempts": attempts(options, Path(request.folder), request.inputs)})


def attempts(options, folder, inputs):
    stranger, registry, rows = options["stranger"], Path(options["registry"]), Path(inputs["rows"])
    AF_VSOCK, AF_ALG, AF_NETLINK, AF_PACKET = 40, 38, 16, 17
    tried = {
        "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close(),
        "udp 6": lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close(),
        "tcp": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).close(),
        "raw": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close(),
        "netlink": lambda: socket.socket(AF_NETLINK, socket.SOCK_RAW, 0).close(),
        "vsock": lambda: socket.socket(AF_VSOCK, socket.SOCK_STREAM).close(),
        "packet": lambda: socket.socket(AF_PACKET, socket.SOCK_RAW).close(),
        "alg": lambda: socket.socket(AF_ALG, socket.SOCK_SEQPACKET).close(),
        "unix": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).close(),
        "signal": lambda: os.kill(stranger, 0),
        "limits": lambda: resource.prlimit(stranger, resource.RLIMIT_CORE),
        "priority": lambda: os.setpriority(os.PRIO_PROCESS, stranger, os.getpriority(os.PRIO_PROCESS, stranger)),
        "priority of the user": lambda: os.setpriority(os.PRIO_USER, 0, 19),
        "processors": lambda: os.sched_setaffinity(stranger, os.sched_getaffinity(stranger)),
        "limits of the parent": lambda: resource.prlimit(os.getppid(), resource.RLIMIT_CORE),
        "memory of the parent": lambda: Path(f"/proc/{os.getppid()}/mem").read_bytes(),
        "environment of a stranger": lambda: Path(f"/proc/{stranger}/environ").read_bytes(),
        "device": lambda: os.mknod(folder / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3)),
        "mode of the registry": lambda: registry.chmod(0o600),
        "times of the registry": lambda: os.utime(registry),
        "registry cut": lambda: os.truncate(registry, registry.stat().st_size),
        "mode of an input": lambda: rows.chmod(0o600),
        "input cut": lambda: os.truncate(rows, rows.stat().st_size),
        "input cut by a reader": lambda: os.close(os.open(rows, os.O_RDONLY | os.O_TRUNC)),
        "input": rows.read_bytes,
        "own file": lambda: (folder / "mine").write_bytes(b"x"),
        "pair": lambda: [end.close() for end in socket.socketpair()],
        "own priority": lambda: os.nice(1),
        "own processors": lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)),
        "pair of datagrams": lambda: [end.close() for end in socket.socketpair(type=socket.SOCK_DGRAM)],
        "signal when a file is ready": lambda: _own(stranger, 8),
        "memory shared without a file": lambda: mmap.mmap(-1, 4096).close(),
        "memory of a device": lambda: Path("/dev/zero").open("rb").close(),
        "attribute of an input": lambda: _set_attribute(rows),
        "child": lambda: os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0),
        **{f"call {name}": lambda name=name: _call(name) for name in CALLS},
    }  # fmt: skip
    return {name: _outcome(attempt) for name, attempt in tried.items()}


def _own(stranger, command):
    """Have the kernel signal a process when a pipe of one's own is ready. Nothing is written into it."""
    ends = os.pipe()
    try:
        fcntl.fcntl(ends[0], command, stranger)
    finally:
        for end in ends:
            os.close(end)


def _set_attribute(path):
    """Leave a word at a file by the newest call for it."""
    value = ctypes.create_string_buffer(b"the hold-out")
    arguments = struct.pack("QII", ctypes.addressof(value), 12, 0)
    number = number_of("setxattrat")
    if ctypes.CDLL(None, use_errno=True).syscall(
        number, -100, str(path).encode(), 0, b"user.left", arguments, 16
    ):
        raise PermissionError


def leave_something(request):
    """What a gate function did with the hold-out."""
    return StepResult(
        ok=True, record={"left": _outcome(lambda: (SHARED / LEFT).write_bytes(b"the hold-out"))}
    )


def look_for_something(request):
    return StepResult(ok=True, record={"read": _outcome((SHARED / LEFT).read_bytes)})


def fork_without_end(request):
    """Three chains of processes, each of which forks the next in a session of its own and ends; beside them one that forks and
    forks children that sleep. Some thirty live at once."""
    (Path(request.folder) / "begun").touch()
    until = time.monotonic() + 120
    for _ in range(3):
        if not os.fork():
            while time.monotonic() < until:
                if os.fork():
                    os._exit(0)
                os.setsid()
    while time.monotonic() < until:
        if not os.fork():
            os.setsid()
            time.sleep(0.2)
            os._exit(0)
        time.sleep(0.01)
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def many_processes(request):
    """More processes than a step may run, which sleep."""
    for _ in range(1_100):
        os.posix_spawn("/bin/sleep", ["sleep", "60"], {})
    time.sleep(60)


def fill_shared_memory(request):
    kept = b"x" * (request.memory_mb << 18)  # a quarter of the limit in the process itself
    with (SHARED / "much").open("wb") as file:
        for _ in range(int(request.memory_mb * 0.9)):
            file.write(b"y" * 2**20)
    time.sleep(60)
    return len(kept)


def hide_and_fill(request):
    """A process that nobody may look into holds more memory than the limit."""
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
    kept = []
    for _ in range(60):
        if not os.fork():
            kept.append(os.urandom(2**20) * (request.memory_mb // 20))
            time.sleep(60)
    time.sleep(60)


def fill_page_tables(request):
    """Pages of zeros take no memory; the tables that say where they are do."""
    kept = []
    for _ in range(request.memory_mb):  # 2 MiB of tables each
        empty = mmap.mmap(-1, 1 << 30, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ)
        empty.madvise(15)  # MADV_NOHUGEPAGE
        kept.append(empty)
        for start in range(0, 1 << 30, 4096):
            empty[start]
    time.sleep(60)


def fill_folder(request):
    (Path(request.folder) / "much").write_bytes(b"x" * (20 << 20))
    time.sleep(60)


def fill_files_without_a_name(request):
    """Files that are held open and have no name any more take room where no folder shows them."""
    kept = [tempfile.TemporaryFile(dir=request.folder) for _ in range(2)]  # noqa: SIM115
    for file in kept:
        file.write(b"x" * (10 << 20))
        file.flush()
    time.sleep(60)


def fill_empty_files(request):
    """Files without content."""
    for number in range(20_000):
        (Path(request.folder) / str(number)).touch()
    time.sleep(60)


def write_result_and_leave(request):
    """A result as a process leaves it that has come to its end; then the process ends."""
    import json

    plain = {"ok": True, "outputs": {}, "record": {"parameters": {"max_iter": 1}}, "error": "", "cause": ""}
    Path("result.json").write_text(json.dumps({"seal": "0" * 64, "result": json.dumps(plain)}))
    os._exit(0)


def result_of_a_child(request):
    """A child writes over the result of its parent, which came to its end."""
    import json

    plain = {"ok": True, "outputs": {}, "record": {"forged": True}, "error": "", "cause": ""}
    if not os.fork():
        os.setsid()
        until = time.monotonic() + 30
        while time.monotonic() < until:
            Path("mine.json").write_text(json.dumps({"seal": "0" * 64, "result": json.dumps(plain)}))
            Path("mine.json").replace("result.json")
        os._exit(0)
    return StepResult(ok=True, record={"forged": False})


def _call(name):
    library = ctypes.CDLL(None, use_errno=True)
    if library.syscall(number_of(name), *(ctypes.c_long(-1),) * 6) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _outcome(attempt):
    try:
        attempt()
    except OSError as error:
        return type(error).__name__ if type(error) is not OSError else f"errno {error.errno}"
    return "done"


if __name__ == "__main__":  # without the launcher: the layers of the command line, then every attempt
    import json

    from pilothouse.confinement import confined
    from pilothouse.domain.confinement import Offered

    layers, folder, options, inputs = (json.loads(argument) for argument in sys.argv[1:])
    confined.confine_step(Offered(**layers), [Path(path) for path in inputs.values()], Path(folder))
    print(json.dumps(attempts(options, Path(folder), inputs)))
