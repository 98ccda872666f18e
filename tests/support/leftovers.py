"""What a test must not leave behind: open descriptors, threads, processes, files outside its own folder."""

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RUN = "PILOTHOUSE_TEST_RUN"
"""In the environment of every process that a run of the suite starts: the run's name."""
LASTING_THREADS = ("charts",)
"""The console's drawing thread: one for the process, from the first chart on."""
LASTING_FILES = ("/dev/shm/pym-",)
"""Memory that ``multiprocessing`` shares with its children: it is kept for the next ones."""
SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Held:
    """What this process holds: descriptors with what they lead to, threads, children."""

    descriptors: dict[int, str]
    threads: frozenset[threading.Thread]
    children: frozenset[int]

    def since(self, before: "Held", shared: Path | None = None, own: Path | None = None) -> list[str]:
        """What is held now and was not before, in words; of files below ``shared`` only those in ``own``."""
        new = [
            f"descriptor {number}: {place}"
            for number, place in self.descriptors.items()
            if before.descriptors.get(number) != place
            and not place.startswith(LASTING_FILES)
            and not (_is_below(place, shared) and not _is_below(place, own))
        ]
        new += [
            f"thread: {thread.name}"
            for thread in self.threads - before.threads
            if not thread.name.startswith(LASTING_THREADS)
        ]
        new += [f"process {pid}: {command_line(pid)}" for pid in self.children - before.children]
        return [words for words in new if not words.partition(": ")[2].startswith(tuple(_SHARED))]


@contextlib.contextmanager
def shared(*beginnings: str) -> Iterator[None]:
    """While fixtures of a module hold something that grows as tests use it, no test is blamed for descriptors, threads and
    processes whose words begin so; at the end of the run nothing of it may be left."""
    _SHARED.extend(beginnings)
    try:
        yield
    finally:
        for beginning in beginnings:
            _SHARED.remove(beginning)


_SHARED: list[str] = []


def _is_below(place: str, folder: Path | None) -> bool:
    return folder is not None and place.startswith(f"{folder}/")


def held() -> Held:
    """What this process holds now."""
    return Held(dict(_descriptors()), frozenset(threading.enumerate()), frozenset(_children()))


def processes_of(run: str) -> list[str]:
    """Processes of a run other than this one, wherever they were handed on to, in words."""
    mark = f"{RUN}={run}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                marked = mark in (folder / "environ").read_bytes().split(b"\0")
            except OSError:  # somebody else's, or gone by now
                continue
            if marked:
                found.append(f"process {folder.name}: {command_line(int(folder.name))}")
    return found


def command_line(pid: int) -> str:
    """Its first words."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:160]
    except OSError:
        return "gone"


def shared_memory_of_the_dead() -> set[str]:
    """What processes that are no more have left in shared memory: semaphores, folders of joblib."""
    if not SHARED_MEMORY.is_dir():
        return set()
    return {
        path.name
        for path in SHARED_MEMORY.iterdir()
        if (pid := _maker(path.name)) is not None and not Path(f"/proc/{pid}").exists()
    }


def _maker(name: str) -> int | None:
    for beginning, end in (("sem.loky-", "-"), ("loky-", "-"), ("joblib_memmapping_folder_", "_")):
        number = name.removeprefix(beginning).partition(end)[0]
        if name.startswith(beginning) and number.isdigit():
            return int(number)
    return None


def _descriptors() -> Iterator[tuple[int, str]]:
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - a Path for each is what takes the time
        try:
            yield int(name), os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115 - as above
        except OSError:  # the one that listed the folder
            continue


def _runs(pid: int) -> bool:
    """False for one that has ended: Python fetches its exit code when it starts the next."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _children() -> Iterator[int]:
    for task in os.listdir("/proc/self/task"):  # noqa: PTH208 - as above
        try:
            with open(f"/proc/self/task/{task}/children") as file:  # noqa: PTH123 - as above
                yield from filter(_runs, map(int, file.read().split()))
        except OSError:  # a thread that has ended, or a kernel without this file
            continue
