"""Agent in a worker of a cluster: keeps launchers, each a clean process by exec, and has them fork the confined steps.

A step never runs in the worker's process nor is forked from it: its threads, signal handlers and open connections would be the
step's. ``run_step`` is the task that the cluster schedules; the other functions are called beside it, in the worker's own loop,
by the process that has sent it.

An order names the agent that is to run it, which has a new name each time that its worker starts, and runs it once. So a task
that the cluster runs again after a lost worker, which it does up to four times, does not run. Where the agent lacks an input,
or the order names none, the task says where it is and waits to be let go, which whoever sent it does once. A step whose task
the scheduler takes back, as it does when the client that has sent it goes away, is ended and its result dropped; so is one that
nobody asks about for ``LEASE_S``.
"""

import asyncio
import contextlib
import logging
import shutil
import socket
import threading
import time
import uuid
from base64 import b64decode
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pilothouse.confinement import probe
from pilothouse.domain.confinement import confines, describe
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.jobs.jobs import StepExit, StepRequest, StepResult
from pilothouse.execution.cluster.attempts import Attempt, Left, left_by, read_part
from pilothouse.execution.cluster.blobs import NO_ROOM, Blobs
from pilothouse.execution.cluster.contract import (
    LEASE_S,
    PART_BYTES,
    TAILED,
    NoRoomError,
    Order,
    Report,
    key_of,
    order_from_text,
)
from pilothouse.execution.cluster.launchers import Launchers, Manner
from pilothouse.execution.own_program import environment_digest, program_digest
from pilothouse.system.cpu import cpu_features

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.5
_LONGEST_FAULT = 500
_MOST_THREADS = 1_000
_MOST_MET = 10_000
"""Attempts that an agent remembers, so that none runs twice."""
_LEASE_ENDED = "nobody asked about it for so long that its lease ended"
_TAKEN_BACK = "whoever had sent it went away"
Announce = Callable[[str, dict[str, Any]], None]
"""Tell whoever listens to a topic."""


class Agent:
    """Launchers and attempts of one worker."""

    def __init__(
        self,
        folder: Path,
        address: str,
        memory_mb: float,
        threads: int,
        announce: Announce,
        is_taken_back: Callable[[str], bool],
    ) -> None:
        """``is_taken_back``: whether the scheduler does not want the task of a key any more."""
        self._folder = folder
        self._address = address
        self._memory_mb = memory_mb
        self._announce = announce
        self._is_taken_back = is_taken_back
        self._lock = threading.Condition()
        self._attempts: dict[str, Attempt] = {}
        self._met: deque[str] = deque(maxlen=_MOST_MET)
        self._used_mb = 0
        self.id = uuid.uuid4().hex
        self.blobs = Blobs(folder / "blobs")
        self.launchers = Launchers(threads)
        # how many run at once is for the scheduler to say, and one that nobody waits for any more may still end
        self.threads = ThreadPoolExecutor(_MOST_THREADS, "pilothouse step")
        self._closing = threading.Event()
        self._keeper = threading.Thread(target=self._keep_leases, name="pilothouse leases", daemon=True)
        self._keeper.start()

    def close(self) -> None:
        """Keep no leases any more; a worker of Dask does not ask for this, and ends."""
        self._closing.set()
        self._keeper.join()

    def facts(self) -> dict[str, Any]:
        """What this worker is, as plain data."""
        return {
            "agent": self.id,
            "host": socket.gethostname(),
            "program": program_digest(),
            "environment": environment_digest(),
            "cpu": sorted(cpu_features()),
            "confined": confines(probe.offered()),
            "confinement": describe(probe.offered()),
        }

    def run(self, order: Order) -> Report:
        """Run an attempt, from its order to its report."""
        folder = self._folder / "steps" / order.token
        sizes = order.sizes()
        memory_mb = int(order.request["memory_mb"])
        attempt = Attempt(folder, sorted(sizes), memory_mb, order.store_mb, order.topic)
        attempt.key = key_of(str(order.request.get("step", "")), order.token)
        with self._lock:
            if order.agent not in ("", self.id):
                return self._lost(order, f"worker {self._address} was started anew before it began")
            if order.token in self._met:
                return self._lost(order, f"worker {self._address} was given it before, or told to leave it")
            self._met.append(order.token)
            self._attempts[order.token] = attempt
        try:
            self.blobs.hold(order.token, attempt.digests)
            for digest, text in order.carried.items():
                if digest in sizes and self.blobs.missing([digest]):
                    self.blobs.add_part(order.token, digest, b64decode(text), sizes[digest])
            self._wait_to_begin(order, attempt)
            return self._run(order, attempt)
        except (PilothouseError, OSError) as error:
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                return self._report(order, exit_=StepExit(None, None, 0.0, 0.0, "disk full"))
            return self._report(order, fault=one_line(str(error), _LONGEST_FAULT))
        finally:
            attempt.ended = True

    def _wait_to_begin(self, order: Order, attempt: Attempt) -> None:
        missing = self.blobs.missing(attempt.digests)
        if order.agent and not missing:
            return
        self._say(order.token, order.topic, missing=missing)
        attempt.go.wait()

    def _say(self, token: str, topic: str, **more: Any) -> None:
        """Tell whoever has sent an attempt what they cannot know. It goes with what the worker tells the scheduler anyway; a
        question from there costs a connection of its own, with TLS from the start."""
        self._announce(topic, {"token": token, "worker": self._address, "host": socket.gethostname(), **more})

    def _run(self, order: Order, attempt: Attempt) -> Report:
        if (ended := self._ended_early(order, attempt)) is not None:
            return ended
        if order.program != program_digest():
            return self._report(
                order,
                fault=f"worker {self._address} has other code of Pilothouse than the workspace: install the same release there",
            )
        if attempt.memory_mb > self._memory_mb:
            return self._report(
                order,
                fault=f"training.memory_mb, {attempt.memory_mb:,} MiB, is more than worker {self._address} has, "
                f"{self._memory_mb:,.0f} MiB: lower it, or start workers with a larger --memory-limit",
            )
        request = self._lay_out(order, attempt)
        with self._memory(attempt):
            if (ended := self._ended_early(order, attempt)) is not None:
                return ended
            with self.launchers.lent(order.manner) as launcher:
                launcher.place = order.place
                exit_, result = launcher.run_step(request, attempt.cancel, lambda line: None)
        if attempt.fence:
            return self._lost(order, f"{attempt.fence} while it ran")
        return self._report(order, exit_, result, Path(request.folder))

    def _ended_early(self, order: Order, attempt: Attempt) -> Report | None:
        """Report of an attempt that is not to begin any more."""
        if attempt.fence:
            return self._lost(order, f"{attempt.fence} before it began")
        if attempt.cancel.is_set():
            return self._report(order, exit_=StepExit(None, None, 0.0, 0.0, "cancelled"))
        return None

    def _lay_out(self, order: Order, attempt: Attempt) -> StepRequest:
        """Show an attempt its inputs, beside its own folder and not in it."""
        inputs = {}
        for name, item in order.inputs.items():
            place = attempt.folder / "in" / name
            place.mkdir(mode=0o700, parents=True)
            for file in item.files:
                path = place / file.path
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self.blobs.link(file.digest, path)
            inputs[name] = str(place if item.is_folder else place / item.files[0].path)
        return StepRequest(**order.request, inputs=inputs, folder=str(attempt.folder / "own"))

    @contextlib.contextmanager
    def _memory(self, attempt: Attempt) -> Iterator[None]:
        """Hold the memory that a step may take: steps whose bounds together are more than the worker's wait for each other."""
        with self._lock:
            while self._used_mb + attempt.memory_mb > self._memory_mb and not attempt.cancel.is_set():
                self._lock.wait(_LOOK_EVERY_S)
            self._used_mb += attempt.memory_mb
        try:
            yield
        finally:
            with self._lock:
                self._used_mb -= attempt.memory_mb
                self._lock.notify_all()

    def _lost(self, order: Order, why: str) -> Report:
        """Not the step's fault: another attempt may come through."""
        return self._report(order, exit_=StepExit(None, None, 0.0, 0.0, "worker lost", why))

    def _report(
        self,
        order: Order,
        exit_: StepExit | None = None,
        result: StepResult | None = None,
        folder: Path | None = None,
        fault: str = "",
    ) -> Report:
        attempt = self._attempts.get(order.token)
        left = Left(is_whole=True) if attempt is None or folder is None else left_by(attempt, folder, result)
        if attempt is not None:
            attempt.is_whole = left.is_whole
        return Report(
            token=order.token,
            host=socket.gethostname(),
            worker=self._address,
            environment=environment_digest(),
            exit={} if exit_ is None else {**asdict(exit_), "seal": ""},
            fault=fault,
            **vars(left),
        )

    def deliver(self, token: str, parts: Sequence[tuple[str, bytes, int]], *, go: bool) -> list[str] | None:
        """Take parts of files, each with its digest and the size of its file, and with ``go`` let the attempt run. Returns the
        digests that it still lacks; None where there is no such attempt. Raises NoRoomError where the disk is full."""
        attempt = self._heard(token)
        if attempt is None:
            return None
        try:
            for digest, data, size in parts:
                self.blobs.add_part(token, digest, data, size)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            raise NoRoomError from None
        if not go:
            return []
        missing = self.blobs.missing(attempt.digests)
        if not missing:
            attempt.go.set()
        return missing

    def look(self, token: str, offsets: dict[str, int]) -> dict[str, bytes] | None:
        """What was appended to the files of ``TAILED`` behind the offsets; None where there is no such attempt."""
        attempt = self._heard(token)
        if attempt is None:
            return None
        attempt.had = {name: offsets.get(name, 0) for name in TAILED}
        return {
            name: read_part(attempt.folder / "own" / name, offset) for name, offset in attempt.had.items()
        }

    def read(self, token: str, path: str, offset: int) -> bytes | None:
        """Part of a file that an attempt that has ended has left."""
        attempt = self._heard(token)
        if attempt is None or not attempt.ended:
            return None
        return read_part(attempt.folder / "own" / path, offset, PART_BYTES)

    def cancel(self, token: str) -> bool:
        """End an attempt; one that has not begun does not begin. Returns whether there is one."""
        with self._lock:
            if token not in self._attempts:
                self._met.append(token)
        attempt = self._heard(token)
        if attempt is not None:
            attempt.cancel.set()
            attempt.go.set()
        return attempt is not None

    def release(self, token: str) -> None:
        """Forget an attempt that has ended, with all that it has left."""
        with self._lock:
            attempt = self._attempts.get(token)
            if attempt is None or not attempt.ended:
                return
            del self._attempts[token]
        shutil.rmtree(attempt.folder, ignore_errors=True)
        self.blobs.let_go(token)
        self.blobs.make_room(attempt.store_mb << 20)

    def _heard(self, token: str) -> Attempt | None:
        with self._lock:
            attempt = self._attempts.get(token)
            if attempt is not None:
                attempt.heard_at = time.monotonic()
            return attempt

    def _keep_leases(self) -> None:
        while not self._closing.wait(_LOOK_EVERY_S):
            with self._lock:
                attempts = dict(self._attempts)
            for token, attempt in attempts.items():
                try:
                    self._look_after(token, attempt)
                except Exception:  # one that cannot be cleared away must not end the leases of the others
                    log.exception("worker %s: a step could not be looked after", self._address)

    def _look_after(self, token: str, attempt: Attempt) -> None:
        """End an attempt that nobody waits for, forget one that is done, tell news of one that runs."""
        is_late = time.monotonic() - attempt.heard_at > LEASE_S
        if is_late or (not attempt.ended and self._is_taken_back(attempt.key)):
            attempt.fence = attempt.fence or (_LEASE_ENDED if is_late else _TAKEN_BACK)
            attempt.cancel.set()
            attempt.go.set()
        if attempt.ended and (attempt.is_whole or attempt.fence):
            self.release(token)
        elif not attempt.ended and attempt.has_news():
            self._say(token, attempt.topic, news=True)


_agents: dict[str, Agent] = {}
_making = threading.Lock()


def _agent_of(worker: Any) -> Agent:
    """The agent of a worker of Dask, made when it is first needed."""
    with _making:
        if worker.address not in _agents:
            limit = worker.memory_manager.memory_limit
            memory_mb = limit / 2**20 if limit else float("inf")
            folder = Path(worker.local_directory).resolve() / "pilothouse"
            threads = int(worker.state.nthreads)

            def is_taken_back(key: str) -> bool:  # a task that runs is not stopped then, but called cancelled
                task = worker.state.tasks.get(key)
                has_ended = worker.status.name in ("closing", "closed", "failed")  # and waits for its threads
                return has_ended or (task is not None and task.state == "cancelled")

            _agents[worker.address] = Agent(
                folder, worker.address, memory_mb, threads, worker.log_event, is_taken_back
            )
        return _agents[worker.address]


async def run_step(text: str) -> str:
    """Task that the cluster schedules: an Order in, a Report out, as text.

    It waits beside the worker's loop and in none of its threads: those the library looks into a hundred times a second, to
    profile them, for as long as they have a task.
    """
    from distributed import get_worker

    agent = _agent_of(get_worker())
    return await asyncio.get_running_loop().run_in_executor(agent.threads, _run_text, agent, text)


def _run_text(agent: Agent, text: str) -> str:
    return agent.run(order_from_text(text)).to_text()


def facts(manner: dict[str, Any], dask_worker: Any = None) -> dict[str, Any]:
    """Facts of the worker, which makes a launcher ready for steps of a Manner."""
    agent = _agent_of(dask_worker)
    with contextlib.suppress(PilothouseError, OSError):  # a step that cannot be run says why
        agent.launchers.keep_ready(Manner(**manner))
    return agent.facts()


def deliver(
    token: str, parts: Sequence[tuple[str, bytes, int]], go: bool, dask_worker: Any = None
) -> list[str] | None:
    """See ``Agent.deliver``."""
    return _agent_of(dask_worker).deliver(token, parts, go=go)


def look(token: str, offsets: dict[str, int], dask_worker: Any = None) -> dict[str, bytes] | None:
    """See ``Agent.look``."""
    return _agent_of(dask_worker).look(token, offsets)


def read(token: str, path: str, offset: int, dask_worker: Any = None) -> bytes | None:
    """See ``Agent.read``."""
    return _agent_of(dask_worker).read(token, path, offset)


def cancel(token: str, dask_worker: Any = None) -> bool:
    """See ``Agent.cancel``."""
    return _agent_of(dask_worker).cancel(token)


def release(token: str, dask_worker: Any = None) -> None:
    """See ``Agent.release``."""
    _agent_of(dask_worker).release(token)
