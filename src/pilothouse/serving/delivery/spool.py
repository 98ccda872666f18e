"""Spool of predictions: each is on disk before its answer leaves, and stays there until the hub has it.

One thread owns the open segments. It takes all records that wait, gives them their ids, writes them, calls fdatasync once
for each segment touched (group commit), and only then lets the answers go. A segment is sealed by rows, bytes or age,
handed to the shipper, and removed when the hub has acknowledged it. The spool is bounded: when it or the disk is full,
records are refused and nothing is dropped. Another thread may write too (``append_now``), while the disk is quick: that spares
two hand-overs between threads.

A producer is named after its target and at random, for each start and each version, and numbers its segments from 0: no
sequence has to be remembered from one start to the next, so none can be used twice.
"""

import contextlib
import logging
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pilothouse.domain.errors import IntegrityError, PilothouseError, UnavailableError
from pilothouse.domain.identifiers import PredictionId
from pilothouse.serving.delivery.failed_requests import FailedRequests
from pilothouse.serving.delivery.pair_records import PairRecord, PairStream
from pilothouse.serving.delivery.segments import (
    PredictionRecord,
    Stream,
    frame,
    new_producer,
    read_segment,
    reserve,
    truncate,
)
from pilothouse.serving.delivery.spool_limits import Space, SpoolLimits
from pilothouse.serving.prediction.vital_threads import vital_thread
from pilothouse.system.files import sync_folder

log = logging.getLogger(__name__)

Completion = Callable[[PredictionId | PilothouseError], None]
"""Function called with the id of the record's first row once it is on disk, or with the error, in the thread that wrote it."""
_QUICK_NS = 1_000_000
"""Duration of a usual flush up to which a thread that has other things to do may wait for it."""
_STEP = 1.1
"""Factor by which the duration of a usual flush follows the last one: it settles at the median."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """Segment that will not grow any more."""

    path: Path
    size: int


@dataclass(slots=True)
class _Open:
    """Segment that grows. ``size`` counts the bytes that are on disk for certain."""

    path: Path
    descriptor: int
    producer: str
    sequence: int
    opened: float
    size: int = 0
    reserved: int = 0
    """Length of the file, with the room ahead."""
    rows: int = 0
    waiting: list[bytes] = field(default_factory=list)
    waiting_rows: int = 0
    completions: list[tuple[Completion, PredictionId]] = field(default_factory=list)


AnyStream = Stream | PairStream


@dataclass(frozen=True, slots=True)
class Entry:
    """Prediction or pairs to write, or (without a record) an error to count."""

    stream: AnyStream
    record: PredictionRecord | PairRecord | None
    complete: Completion
    draw: int = 0  # of an error: the key of a canary's request, hashed; 0 where it has none


_Done = tuple[Completion, PredictionId | PilothouseError]
"""Completion to call, and the outcome to call it with."""


class Spool:
    """Spool of one serving process. ``append`` may be called from any thread."""

    def __init__(self, folder: Path, target: str, limits: SpoolLimits | None = None) -> None:
        """Open ``folder``, cut torn tails, and queue what an earlier process left. Raises OSError."""
        self._folder, self._target = folder, target
        self._limits = limits or SpoolLimits()
        self._entries: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._open: dict[AnyStream, _Open] = {}
        self._errors = FailedRequests()
        self._producers: dict[AnyStream, tuple[str, int]] = {}
        self._serial = 0
        self._sealed: deque[Sealed] = deque()
        self._changed = threading.Condition()
        self._sealed_bytes = 0
        self._refused_bytes = 0
        self._writing = threading.Lock()
        """Held by whoever adds to, writes and seals the open segments."""
        self._flush_ns = _QUICK_NS / 4
        """Running median of the duration of a flush."""
        self._space = Space(folder, self._limits.total_bytes, self._limits.free_bytes)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._recover()
        self._thread = vital_thread(self._run, "spool")

    def start(self) -> None:
        self._thread.start()

    def append(self, stream: Stream, record: PredictionRecord, complete: Completion) -> None:
        """Have ``record`` written; ``complete`` is called when it is safe, or with the error."""
        self.put(Entry(stream, record, complete))

    def put(self, entry: Entry) -> None:
        """Have ``entry`` written by the spool's thread."""
        self._entries.put(entry)

    def append_now(self, entries: Sequence[Entry]) -> None:
        """Have predictions written by the caller, so that their completions have been called when this returns; what the
        caller would have to wait for (another thread that writes, a slow disk) is left to the spool's thread."""
        done: list[_Done] = []
        if self._flush_ns > _QUICK_NS or not self._writing.acquire(blocking=False):
            for entry in entries:
                self.put(entry)
            return
        try:
            for entry in entries:
                self._add(entry, done)
                segment = self._open.get(entry.stream)
                if segment is not None and segment.rows + segment.waiting_rows >= self._limits.rows:
                    self._commit(done)
                    self._seal_ripe()
            self._commit(done)
            self._seal_ripe()
        finally:
            self._writing.release()
        for complete, outcome in done:
            complete(outcome)

    def count_error(self, stream: Stream, draw: int = 0) -> None:
        """Have one request that was answered with an error counted in the stream's next batch. ``draw``: that of a canary."""
        self.put(Entry(stream, None, _nobody, draw))

    def check(self) -> None:
        """Raise UnavailableError while nothing more can be taken: before a prediction is made for nothing."""
        self._space.check()

    @property
    def takes_pairs(self) -> bool:
        """True while there is room for more than predictions: pairs leave them half of the spool."""
        return not self._space.refusal and self._sealed_bytes < self._limits.total_bytes // 2

    @property
    def segments(self) -> int:
        """Number of sealed segments that the hub has not acknowledged."""
        return len(self._sealed)

    @property
    def sealed_bytes(self) -> int:
        """Bytes of those segments."""
        return self._sealed_bytes

    def next_sealed(self, timeout: float) -> Sealed | None:
        """Oldest sealed segment, after waiting up to ``timeout`` seconds for one; None where there is none."""
        with self._changed:
            self._changed.wait_for(lambda: self._sealed, timeout)
            return self._sealed[0] if self._sealed else None

    def remove(self, segment: Sealed) -> None:
        """Let go of a segment that the hub has acknowledged. It must be the oldest."""
        # If the removal is undone by a power cut the segment is sent again, and the hub knows it by its sequence.
        segment.path.unlink(missing_ok=True)
        self._take_off(segment)
        self._consider_space(at_once=True)

    def set_aside(self, segment: Sealed) -> Path:
        """Move a segment that the hub will never take into ``refused/``, for an operator to look at; returns its new path."""
        path = self._folder / "refused" / segment.path.name
        path.parent.mkdir(mode=0o700, exist_ok=True)
        segment.path.rename(path)
        # both folders: after a power cut the segment must be in one of them
        sync_folder(path.parent)
        sync_folder(self._folder)
        self._take_off(segment)
        self._refused_bytes += segment.size
        return path

    def close(self) -> None:
        """Write what waits, seal everything, stop the thread."""
        self._entries.put(None)
        self._thread.join()

    def _take_off(self, segment: Sealed) -> None:
        with self._changed:
            assert self._sealed[0] is segment
            self._sealed.popleft()
            self._sealed_bytes -= segment.size

    def _recover(self) -> None:
        for path in sorted(self._folder.glob("*.segment")):
            try:
                content = read_segment(path)
            except IntegrityError as error:
                log.error("%s; moved to refused/", error)
                self._sealed.appendleft(Sealed(path, path.stat().st_size))
                self._sealed_bytes += self._sealed[0].size
                self.set_aside(self._sealed[0])
                continue
            size = path.stat().st_size
            if content is None or not content.records:
                path.unlink()
                continue
            if content.whole_bytes < size:
                if content.is_torn:
                    log.warning("%s: cut a torn tail of %d bytes", path.name, size - content.whole_bytes)
                truncate(path, content.whole_bytes)
            self._sealed.append(Sealed(path, content.whole_bytes))
            self._sealed_bytes += content.whole_bytes
        refused = self._folder / "refused"
        if refused.is_dir():
            self._refused_bytes = sum(file.stat().st_size for file in refused.iterdir())
        self._consider_space(at_once=True)

    def _run(self) -> None:
        going = True
        while going:
            entries, going = self._take()
            done: list[_Done] = []
            with self._writing:
                for entry in entries:
                    if entry.record is None:
                        self._errors.note(entry.stream, entry.draw)
                    else:
                        self._add(entry, done)
                self._add_errors()
                self._commit(done)
                self._seal_ripe(every=not going)
            for complete, outcome in done:
                complete(outcome)

    def _take(self) -> tuple[list[Entry], bool]:
        """Wait for an entry or until a segment is ripe; take all that are there, within bounds. False at the end."""
        entries: list[Entry] = []
        taken = 0
        try:
            entry = self._entries.get(timeout=self._patience())
        except queue.Empty:
            return entries, True
        while entry is not None:
            entries.append(entry)
            taken += entry.record.rows if entry.record is not None else 0
            if taken >= self._limits.rows:  # a segment becomes one batch, whose rows the hub bounds too
                break
            try:
                entry = self._entries.get_nowait()
            except queue.Empty:
                break
        return entries, entry is not None

    def _patience(self) -> float:
        oldest = min((segment.opened for segment in self._open.copy().values()), default=None)
        if oldest is None:
            return 1.0
        return max(0.0, oldest + self._limits.age_s - time.monotonic())

    def _add(self, entry: Entry, done: list[_Done]) -> None:
        """Add a prediction to an open segment, in memory; ``_commit`` writes it. What cannot be added is done."""
        record, complete = entry.record, entry.complete
        assert record is not None
        try:
            self._space.check()
            segment = self._segment(entry.stream)
        except (UnavailableError, OSError) as error:
            refusal = self._space.write_failed(error) if isinstance(error, OSError) else error
            done.append((complete, refusal))
            return
        segment.waiting.append(frame(record))
        prediction_id = PredictionId(segment.producer, segment.sequence, segment.rows + segment.waiting_rows)
        segment.waiting_rows += record.rows
        segment.completions.append((complete, prediction_id))

    def _add_errors(self) -> None:
        """Count errors in the stream's open segment; while there is no room for one they go on waiting."""
        for stream, record in self._errors.records():
            try:
                self._space.check()
                self._segment(stream).waiting.append(frame(record))
            except (UnavailableError, OSError):
                continue
            self._errors.forget(stream)

    def _segment(self, stream: AnyStream) -> _Open:
        segment = self._open.get(stream)
        if segment is not None:
            return segment
        producer, sequence = self._producers.get(stream) or (new_producer(self._target), 0)
        self._serial += 1
        name = f"{time.time_ns() // 1_000:020d}-{self._serial:06d}-{producer}-{sequence}.segment"
        path = self._folder / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        segment = _Open(path, descriptor, producer, sequence, time.monotonic())
        header = stream.header(producer, sequence, self._target)
        segment.waiting.append(frame(header))
        self._producers[stream] = (producer, sequence + 1)
        self._open[stream] = segment
        return segment

    def _commit(self, done: list[_Done]) -> None:
        """Write and flush what waits; what is then on disk, or cannot be written, is done."""
        for stream, segment in list(self._open.items()):
            if not segment.waiting:
                continue
            data = b"".join(segment.waiting)
            completions, segment.completions = segment.completions, []
            began = time.perf_counter_ns()
            try:
                if segment.size:  # most segments of little traffic are written once
                    segment.reserved = reserve(segment.descriptor, segment.reserved, segment.size + len(data))
                _write_all(segment.descriptor, data, segment.size)
                os.fdatasync(segment.descriptor)
                if segment.size == 0:  # a new file: its name must survive a power cut too
                    sync_folder(self._folder)
            except OSError as error:
                self._give_up(stream, segment)
                refusal = self._space.write_failed(error)
                done += [(complete, refusal) for complete, _ in completions]
                continue
            if segment.size:  # to make a file takes longer than to add to it
                took = time.perf_counter_ns() - began
                self._flush_ns *= _STEP if took > self._flush_ns else 1 / _STEP
            segment.size += len(data)
            segment.rows += segment.waiting_rows
            segment.waiting, segment.waiting_rows = [], 0
            done += completions

    def _give_up(self, stream: AnyStream, segment: _Open) -> None:
        """After a failed write: cut off what was not acknowledged, and never write to this file again."""
        log.error("%s: a write failed; the segment ends at its last safe record", segment.path.name)
        try:
            os.ftruncate(segment.descriptor, segment.size)
            segment.reserved = segment.size
            os.fsync(segment.descriptor)
        except OSError as error:
            log.error("%s: cannot cut its tail: %s", segment.path.name, error.strerror)
        self._seal(stream, segment)

    def _seal_ripe(self, *, every: bool = False) -> None:
        now = time.monotonic()
        for stream, segment in list(self._open.items()):
            if every or self._is_ripe(segment, now):
                self._seal(stream, segment)
        self._consider_space()

    def _is_ripe(self, segment: _Open, now: float) -> bool:
        return (
            segment.rows >= self._limits.rows
            or segment.size >= self._limits.segment_bytes
            or now - segment.opened >= self._limits.age_s
        )

    def _seal(self, stream: AnyStream, segment: _Open) -> None:
        del self._open[stream]
        if segment.reserved > segment.size:
            with contextlib.suppress(OSError):  # the room stays: whoever reads the file sees its end
                os.ftruncate(segment.descriptor, segment.size)
        os.close(segment.descriptor)
        if segment.size == 0:
            segment.path.unlink(missing_ok=True)
            return
        with self._changed:
            self._sealed.append(Sealed(segment.path, segment.size))
            self._sealed_bytes += segment.size
            self._changed.notify_all()

    def _consider_space(self, *, at_once: bool = False) -> None:
        growing = sum(segment.size for segment in self._open.copy().values())
        self._space.consider(self._sealed_bytes + self._refused_bytes + growing, at_once=at_once)


def _write_all(descriptor: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, at)
        view, at = view[written:], at + written


def _nobody(_: object) -> None:
    """Nobody waits for an error to be counted."""
