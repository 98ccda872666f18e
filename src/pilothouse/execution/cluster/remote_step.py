"""One attempt of a step on a cluster, seen from the process that has sent it: from its order to the files in its folder."""

import asyncio
import contextlib
import json
import os
import time
import uuid
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.jobs.jobs import StepExit, StepRequest
from pilothouse.execution.cluster import agent
from pilothouse.execution.cluster.connection import Connection, WorkerGoneError
from pilothouse.execution.cluster.contract import (
    CARRIED_BYTES,
    LEASE_S,
    PART_BYTES,
    READ_BYTES,
    TAILED,
    CarriedFile,
    CarriedInput,
    Digests,
    NoRoomError,
    Order,
    Report,
    report_from_text,
    without_paths,
)
from pilothouse.execution.cluster.launchers import Manner
from pilothouse.execution.cluster.places import Place
from pilothouse.execution.own_program import program_digest
from pilothouse.execution.step_process import PROGRESS_FILE, RESULT_FILE, seal_of
from pilothouse.system.files import write_atomically

_LOOK_EVERY_S = 0.5
_RENEW_S = LEASE_S / 4
"""Seconds after which a worker is asked that has no news: its lease goes on."""
_LARGEST_LOG = 64 << 20
"""Bytes of a log that are carried at most."""
_LONGEST_MESSAGE = 500
_SEAL_BYTES = 16
_GONE = frozenset({"KilledWorker", "FutureCancelledError", "FuturesCancelledError", "CancelledError"})
"""Errors of Dask for a task whose worker, or which itself, is no more."""
_CANCELLED = StepExit(None, None, 0.0, 0.0, "cancelled")
_T = TypeVar("_T")


class _CancelledError(Exception):
    pass


class _LostError(Exception):
    pass


class RemoteStep:
    """An attempt. ``heard`` is called with what its agent announces."""

    def __init__(
        self, connection: Connection, digests: Digests, request: StepRequest, manner: Manner
    ) -> None:
        self.token = uuid.uuid4().hex
        self.cancelled = asyncio.Event()
        self.worker = self.host = ""
        self.job, self.name = request.job, request.step
        self._connection = connection
        self._digests = digests
        self._request = request
        self._manner = manner
        self._folder = Path(request.folder)
        self._announced: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._offsets = dict.fromkeys(TAILED, 0)
        self._future: Any = None
        self._place: Place | None = None
        self._has_begun = self._is_whole = False
        self._has_ended = False

    def heard(self, said: dict[str, Any]) -> None:
        """Take an announcement of this attempt."""
        self._announced.put_nowait(said)

    async def run(self) -> StepExit:
        """Run the attempt to its end; its files are in the request's folder then."""
        try:
            return await self._run()
        except _CancelledError:
            return replace(_CANCELLED, host=self.host, worker=self.worker)
        except (_LostError, WorkerGoneError) as error:
            text = one_line(str(error), _LONGEST_MESSAGE)
            return StepExit(None, None, 0.0, 0.0, "worker lost", text, host=self.host, worker=self.worker)

    async def leave(self) -> None:
        """Let go of the attempt wherever it is, once its end is told: nobody has to wait for this."""
        if self._future is not None:
            with contextlib.suppress(Exception):
                if not self._future.done():
                    await asyncio.wait_for(self._future.cancel(), 5)
                self._future.release()
        if self.worker and self.worker in self._connection.workers:
            with contextlib.suppress(Exception):
                if not self._has_ended:
                    await self._call(agent.cancel, self.token)
                if not self._is_whole:
                    await self._call(agent.release, self.token)

    async def _run(self) -> StepExit:
        inputs = await asyncio.to_thread(self._carried)
        self._place = await self._placed()
        try:
            report = await self._sent(inputs, self._place)
        except NoRoomError:
            self._connection.places.shun(self._place)
            return StepExit(None, None, 0.0, 0.0, "disk full", host=self.host, worker=self.worker)
        finally:
            self._connection.places.give_back(self._place)
        if report.exit.get("reason") == "disk full":
            self._connection.places.shun(self._place)
        return await self._take(report)

    async def _placed(self) -> Place:
        """Turn on a worker. Nothing is lost with a scheduler that goes while a step waits for one."""
        places = self._connection.places
        if not self._connection.stands:
            self._note("waits for the cluster: its scheduler does not answer")
            await self._unless_cancelled(self._connection.until_it_stands())
        self._note("waits for a worker of the cluster")
        while True:
            place = await self._unless_cancelled(places.take())
            if self._connection.stands:
                return place
            places.give_back(place)
            await self._unless_cancelled(self._connection.until_it_stands())

    async def _sent(self, inputs: dict[str, CarriedInput], place: Place) -> Report:
        """Report of the attempt on its worker. Raises _LostError, NoRoomError."""
        worker = place.worker
        self.worker, self.host = worker.address, worker.host
        order = Order(
            token=self.token,
            topic=self._connection.topic,
            program=program_digest(),
            request=without_paths(self._request),
            inputs=inputs,
            manner=self._manner,
            agent=worker.agent,
            place=place.number,
            store_mb=self._connection.store_mb,
        )
        sizes = order.sizes()
        carried = await asyncio.to_thread(self._small, sizes, worker.known)
        text = replace(order, carried=carried).to_text()
        self._note(f"on {self.host}")
        self._future = self._connection.submit(text, self._request.step, self.token, worker.address)
        ended = asyncio.ensure_future(self._result())
        try:
            await self._follow(ended, sizes)
            report = await ended
            self._has_ended, self._is_whole = True, report.is_whole
        finally:
            ended.cancel()
        worker.known |= sizes.keys()
        return report

    def _carried(self) -> dict[str, CarriedInput]:
        return {name: self._digests.of_input(Path(path)) for name, path in self._request.inputs.items()}

    def _small(self, sizes: dict[str, int], known: set[str]) -> dict[str, str]:
        """Content of the files that go along with the order."""
        carried, room = {}, CARRIED_BYTES
        for digest, size in sizes.items():
            if digest not in known and size <= room:
                room -= size
                carried[digest] = b64encode(self._digests.places[digest].read_bytes()).decode()
        return carried

    async def _result(self) -> Report:
        try:
            text = await self._future
        except Exception as error:  # noqa: BLE001 - what the library or a worker raises is anything
            name = type(error).__name__
            # an error of the operating system is of the way there: one of the step is in its report
            if name in _GONE or isinstance(error, OSError):
                raise _LostError(f"its worker went away ({name})") from None
            raise _FaultError(one_line(f"{name}: {error}", _LONGEST_MESSAGE)) from None
        return report_from_text(text)

    async def _unless_cancelled(self, waited_for: Awaitable[_T]) -> _T:
        """What is waited for. Raises _CancelledError, or _LostError where the connection goes meanwhile."""
        return await _first(waited_for, {self.cancelled: _CancelledError()})

    async def _deliver(self, sizes: dict[str, int], missing: Sequence[str]) -> None:
        """Carry the files that the worker lacks, as many in a message as fit, and with the last let the attempt go."""
        parts: list[tuple[str, bytes, int]] = []
        held = 0
        for digest in missing:
            with self._digests.places[digest].open("rb") as file:
                while True:
                    data = await asyncio.to_thread(file.read, PART_BYTES - held)
                    parts.append((digest, data, sizes[digest]))
                    held += len(data)
                    if held >= PART_BYTES:
                        await self._call(agent.deliver, self.token, parts, False)
                        parts, held = [], 0
                    if file.tell() >= sizes[digest] or not data:
                        break
        lacking = await self._call(agent.deliver, self.token, parts, True)
        if lacking is None:
            raise _LostError(f"worker {self.worker} knows nothing of it any more")
        if lacking:
            raise _LostError(f"{len(lacking)} inputs of it did not reach worker {self.worker} on {self.host}")

    async def _follow(self, ended: "asyncio.Future[Report]", sizes: dict[str, int]) -> None:
        """Deliver what the worker lacks, and copy log and progress, until the task has ended; being asked keeps its lease."""
        silent_since: float | None = None
        looked_at = time.monotonic()
        asked = False
        while not ended.done():
            has_news = False
            again = asyncio.ensure_future(self._announced.get())
            stops = [asyncio.ensure_future(self._connection.lost.wait())]
            if not asked:
                stops.append(asyncio.ensure_future(self.cancelled.wait()))
            waited_for: list[asyncio.Future[Any]] = [ended, again, *stops]
            await asyncio.wait(waited_for, timeout=_LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
            for waiting in (*stops, again):
                if not waiting.done():
                    waiting.cancel()
            if ended.done():
                return
            if again.done() and not again.cancelled():
                said = again.result()
                if said.get("news"):
                    self._has_begun = has_news = True
                elif self._has_begun:  # it was sent to one worker, and runs once
                    with contextlib.suppress(WorkerGoneError):
                        await self._connection.call(str(said["worker"]), agent.cancel, self.token)
                    raise _LostError(f"worker {self.worker} on {self.host} went away")
                else:
                    self._has_begun = True
                    await self._deliver(sizes, [digest for digest in said["missing"] if digest in sizes])
                    continue
            if self._connection.lost.is_set():
                raise _LostError("the scheduler went away")
            if self.cancelled.is_set() and not asked:
                asked = True
                if not await self._call(agent.cancel, self.token):
                    raise _CancelledError  # it has not begun, and will not
            gone = self.worker not in self._connection.workers
            if not (has_news or gone or silent_since or time.monotonic() - looked_at > _RENEW_S):
                continue
            try:
                looked_at = time.monotonic()
                await self._look()
                silent_since = None
            except WorkerGoneError as error:
                silent_since = silent_since or time.monotonic()
                gone = self.worker not in self._connection.workers
                if gone or time.monotonic() - silent_since > LEASE_S:
                    raise _LostError(f"worker {self.worker} on {self.host} went away") from error

    async def _look(self) -> bool:
        """Copy what is new; True where there may be more."""
        new = await self._call(agent.look, self.token, self._offsets)
        if new is None:
            if (
                not self._has_begun and self.worker in self._connection.workers
            ):  # others' tasks have the worker's threads
                return False
            raise WorkerGoneError(f"worker {self.worker} knows nothing of it any more")
        self._has_begun = True
        is_full = False
        for name, data in new.items():
            if name in self._offsets and data and self._offsets[name] < _LARGEST_LOG:
                self._offsets[name] += len(data)
                is_full = is_full or len(data) >= READ_BYTES
                self._append(name, data)
        return is_full

    async def _take(self, report: Report) -> StepExit:
        """Bring what an attempt has left into its folder, its result last. Raises _LostError where the worker is gone."""
        if report.token != self.token:
            raise _LostError("the cluster answered with the report of another attempt")
        place: dict[str, Any] = {
            "host": report.host,
            "worker": report.worker,
            "environment": report.environment,
        }
        if report.fault:
            return replace(StepExit(1, None, 0.0, 0.0, "exited", report.fault), **place)
        if self._keep_tails(report):
            while await self._look():
                pass
        exit_ = StepExit(**{**report.exit, **place, "seal": os.urandom(_SEAL_BYTES).hex()})
        if report.result is not None:
            for file in report.outputs.values():
                await self._fetch(file, report.carried)
            outputs = {name: file.path for name, file in report.outputs.items()}
            content = json.dumps({**report.result, "outputs": outputs})
            sealed = {"seal": seal_of(bytes.fromhex(exit_.seal), content.encode()), "result": content}
            write_atomically(self._folder / RESULT_FILE, json.dumps(sealed).encode(), durably=False)
        return exit_

    def _keep_tails(self, report: Report) -> bool:
        """Append what came with a report of log and progress; True where there may be more."""
        is_full = False
        for name, (begin, text) in report.tails.items():
            data = b64decode(text)
            is_full = is_full or len(data) >= READ_BYTES
            known = self._offsets.get(name, 0) - begin
            if name in self._offsets and 0 <= known < len(data) and self._offsets[name] < _LARGEST_LOG:
                self._offsets[name] = begin + len(data)
                self._append(name, data[known:])
        return is_full

    async def _fetch(self, file: CarriedFile, carried: dict[str, str]) -> None:
        incoming = self._folder / f".in-{file.digest}"
        path = self._folder / file.path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with incoming.open("wb") as out:
            out.write(b64decode(carried.get(file.digest, "")))
            while out.tell() < file.size:
                data = await self._call(agent.read, self.token, file.path, out.tell())
                if not data:
                    raise _LostError(f"worker {self.worker} on {self.host} lost an output of it, {file.path}")
                out.write(data)
        (received,) = Digests().of_input(incoming).files
        if (received.digest, received.size) != (file.digest, file.size):
            raise _LostError(f"an output of it, {file.path}, arrived as another file than the worker said")
        incoming.replace(path)

    async def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await self._connection.call(self.worker, function, *arguments)

    def _append(self, name: str, data: bytes) -> None:
        descriptor = os.open(
            self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600
        )
        with open(descriptor, "ab") as file:  # noqa: PTH123 - a descriptor
            file.write(data)

    def _note(self, message: str) -> None:
        """Progress that this process has to tell, before the step tells its own."""
        line = {"at": time.time(), "fraction": 0.0, "message": message}
        self._append(PROGRESS_FILE, json.dumps(line).encode() + b"\n")


class _FaultError(Exception):
    """The cluster could not run it, and would not elsewhere."""


async def _first(waited_for: Awaitable[_T], stops: dict[asyncio.Event, Exception]) -> _T:
    """What is waited for. Raises what stands for the event that came before."""
    wanted = asyncio.ensure_future(waited_for)
    events = {asyncio.ensure_future(event.wait()): error for event, error in stops.items()}
    try:
        await asyncio.wait([wanted, *events], return_when=asyncio.FIRST_COMPLETED)
        if wanted.done():
            return wanted.result()
        raise next(error for waiting, error in events.items() if waiting.done())
    finally:
        for waiting in (wanted, *events):
            waiting.cancel()
