"""The spool: what is acknowledged is on disk, arrives once and in order, and nothing is dropped in silence."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import numpy as np
import pytest

from pilothouse.domain.errors import IntegrityError, PilothouseError, UnavailableError
from pilothouse.domain.formats.wire import PackedTimings, RequestTiming, code_texts, pack_timings
from pilothouse.domain.identifiers import PredictionId
from pilothouse.serving.delivery.segments import ErrorRecord, PredictionRecord, Stream, read_segment, to_batch
from pilothouse.serving.delivery.spool import Entry, Spool
from pilothouse.serving.delivery.spool_limits import SpoolLimits
from support import wait_until

STREAM = Stream("flight-delay", 1, ("temp",), ("carrier",))
OTHER = Stream("flight-delay", 2, ("temp",), ("carrier",))
QUIET = SpoolLimits(age_s=3_600, free_bytes=0)


def record(rows: int = 2, value: float = 1.0) -> PredictionRecord:
    numbers = np.full(rows, value)
    times = np.arange(rows, dtype="<i8")
    return PredictionRecord(
        rows,
        times.tobytes(),
        numbers.tobytes(),
        [numbers.tobytes()],
        [["UA", None][:rows] + ["AA"] * (rows - 2)],
        ["1"] * rows,
        250,
        1_000,
    )


class Acknowledged:
    """Collects what the spool says."""

    def __init__(self) -> None:
        self.outcomes: list[PredictionId | PilothouseError] = []

    def __call__(self, outcome: PredictionId | PilothouseError) -> None:
        self.outcomes.append(outcome)

    @property
    def ids(self) -> list[PredictionId]:
        return [outcome for outcome in self.outcomes if isinstance(outcome, PredictionId)]


def write(folder: Path, count: int, limits: SpoolLimits = QUIET, rows: int = 2) -> Acknowledged:
    spool, heard = Spool(folder, "ewr", limits), Acknowledged()
    spool.start()
    for i in range(count):
        spool.append(STREAM, record(rows, float(i)), heard)
        wait_until(lambda i=i: len(heard.outcomes) > i)
    spool.close()
    return heard


def test_a_caller_may_write_itself(tmp_path: Path) -> None:
    spool, heard = Spool(tmp_path, "ewr", QUIET), Acknowledged()
    threads: list[int] = []
    spool.append_now([Entry(STREAM, record(1), lambda _: threads.append(threading.get_ident()))] * 2)

    assert threads == [threading.get_ident()] * 2
    content = read_segment(segments(tmp_path)[0])
    assert content is not None
    assert content.rows == 2
    spool.start()
    spool.append(STREAM, record(3), heard)
    wait_until(lambda: len(heard.outcomes) == 1)
    spool._flush_ns = 0.0  # as on a quick disk
    spool.append_now([Entry(STREAM, record(1), heard)])
    spool.close()
    assert [prediction.offset for prediction in heard.ids] == [2, 5]


def test_a_caller_does_not_wait_for_another_writer_or_a_slow_disk(tmp_path: Path) -> None:
    spool, heard = Spool(tmp_path, "ewr", QUIET), Acknowledged()
    spool.start()
    spool.append(STREAM, record(1), heard)
    wait_until(lambda: len(heard.outcomes) == 1)
    with spool._writing:
        spool.append_now([Entry(STREAM, record(1), heard)])
        assert len(heard.outcomes) == 1
    wait_until(lambda: len(heard.outcomes) == 2)
    spool._flush_ns = 5e6
    with spool._writing:
        spool.append_now([Entry(STREAM, record(1), heard)])
        assert len(heard.outcomes) == 2
    wait_until(lambda: len(heard.outcomes) == 3)
    spool.close()
    assert [prediction.offset for prediction in heard.ids] == [0, 1, 2]


def test_what_callers_write_keeps_a_segments_bound(tmp_path: Path) -> None:
    limits = SpoolLimits(rows=4, age_s=3_600, free_bytes=0)
    spool, heard = Spool(tmp_path, "ewr", limits), Acknowledged()
    spool.start()
    for i in range(40):
        spool.append_now([Entry(STREAM, record(1), heard), Entry(OTHER, record(2), heard)])
        wait_until(lambda i=i: len(heard.outcomes) == 2 * i + 2)
    spool._flush_ns = 0.0
    spool.append_now([Entry(STREAM, record(3), heard)] * 20)
    spool.close()
    contents = [read_segment(path) for path in segments(tmp_path)]
    assert all(content is not None and content.rows <= 6 for content in contents)
    assert sum(content.rows for content in contents if content is not None) == 180
    assert len(set(map(str, heard.ids))) == 100


def test_a_caller_hears_of_a_write_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool, heard = Spool(tmp_path, "ewr", QUIET), Acknowledged()
    spool.start()
    spool.append(STREAM, record(1), heard)
    wait_until(lambda: len(heard.outcomes) == 1)
    spool._flush_ns = 0.0

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        spool.append_now([Entry(STREAM, record(1), heard)] * 2)
    assert [type(outcome) for outcome in heard.outcomes[1:]] == [UnavailableError] * 2
    spool.close()
    content = read_segment(segments(tmp_path)[0])
    assert content is not None
    assert content.rows == 1


def drained(spool: Spool) -> list[Path]:
    found = []
    while (segment := spool.next_sealed(0.0)) is not None:
        found.append(segment.path)
        spool.remove(segment)
    return found


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.segment"))


def test_what_an_earlier_release_wrote_says_nothing_of_calls() -> None:
    fields = msgspec.structs.astuple(record())[:8]
    old = msgspec.msgpack.decode(msgspec.msgpack.encode(["prediction", *fields]), type=PredictionRecord)
    assert (old.latency_us, old.called_us, old.usual_us) == (250, 0, 0)
    plain = {"rows": b"\2" + bytes(7), "latency_us": b"\5" + bytes(7), "at_us": bytes(8)}
    packed = msgspec.msgpack.decode(msgspec.msgpack.encode(plain), type=PackedTimings)
    assert (len(packed), packed.called_us, packed.usual_us) == (1, b"", b"")
    assert pack_timings([RequestTiming(2, 250, 1_000)]).called_us == b""
    known = pack_timings([RequestTiming(2, 250, 1_000, 200, 50), RequestTiming(2, 250, 1_000)])
    assert np.frombuffer(known.called_us, "<i8").tolist() == [200, 0]
    assert np.frombuffer(known.usual_us, "<i8").tolist() == [50, 0]


def test_an_acknowledged_record_is_on_disk_under_its_id(tmp_path: Path) -> None:
    spool, heard = Spool(tmp_path, "ewr", QUIET), Acknowledged()
    spool.start()
    for value in (1.0, 2.0):
        spool.append(STREAM, record(2, value), heard)
    wait_until(lambda: len(heard.outcomes) == 2)
    content = read_segment(segments(tmp_path)[0])  # still open, and whole
    assert content is not None
    batch = to_batch(content.header, content.records)
    assert [(i.producer, i.sequence, i.offset) for i in heard.ids] == [
        (batch.producer, 0, 0),
        (batch.producer, 0, 2),
    ]
    assert (batch.target, batch.model, batch.version, batch.rows) == ("ewr", "flight-delay", 1, 4)
    assert np.frombuffer(batch.scores).tolist() == [1.0, 1.0, 2.0, 2.0]
    assert np.frombuffer(batch.numeric["temp"]).tolist() == [1.0, 1.0, 2.0, 2.0]
    assert batch.categorical == {"carrier": code_texts(["UA", None, "UA", None])}
    assert batch.labels == code_texts(["1"] * 4)
    assert batch.requests == pack_timings([RequestTiming(2, 250, 1_000)] * 2)
    spool.close()


def test_no_answer_leaves_before_its_record_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: dict[int, int] = {}
    unsafe: list[str] = []
    answers: list[Path] = []
    real = os.fdatasync

    def fdatasync(descriptor: int) -> None:
        real(descriptor)
        file = os.fstat(descriptor)
        synced[file.st_ino] = file.st_size

    def answer(outcome: PredictionId | PilothouseError) -> None:
        assert isinstance(outcome, PredictionId)
        (path,) = tmp_path.glob(f"*-{outcome.producer}-{outcome.sequence}.segment")
        content = read_segment(path, synced.get(path.stat().st_ino, 0))
        if content is None or content.rows <= outcome.offset:
            unsafe.append(str(outcome))
        answers.append(path)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    spool = Spool(tmp_path, "ewr", SpoolLimits(rows=4, age_s=3_600, free_bytes=0))
    spool.start()
    for count, stream in enumerate((STREAM, STREAM, OTHER, STREAM), 1):
        spool.append(stream, record(), answer)
        wait_until(lambda count=count: len(answers) + len(unsafe) >= count)
    spool.close()
    assert unsafe == []
    assert len(set(answers)) == 3


def test_segments_are_sealed_by_rows_and_numbered_in_order(tmp_path: Path) -> None:
    heard = write(tmp_path, 6, SpoolLimits(rows=4, age_s=3_600, free_bytes=0))
    assert [(i.sequence, i.offset) for i in heard.ids] == [(0, 0), (0, 2), (1, 0), (1, 2), (2, 0), (2, 2)]
    assert len({i.producer for i in heard.ids}) == 1
    headers = [content.header for path in segments(tmp_path) if (content := read_segment(path))]
    assert [header.sequence for header in headers] == [0, 1, 2]


def test_a_segment_is_sealed_by_age(tmp_path: Path) -> None:
    spool, heard = Spool(tmp_path, "ewr", SpoolLimits(age_s=0.05, free_bytes=0)), Acknowledged()
    spool.start()
    spool.append(STREAM, record(), heard)
    assert spool.next_sealed(5.0) is not None
    spool.close()


def test_each_version_has_a_producer_of_its_own(tmp_path: Path) -> None:
    spool, heard = Spool(tmp_path, "ewr", QUIET), Acknowledged()
    spool.start()
    spool.append(STREAM, record(), heard)
    spool.append(OTHER, record(), heard)
    spool.close()
    assert len({i.producer for i in heard.ids}) == 2
    found = {content.header.version for path in segments(tmp_path) if (content := read_segment(path))}
    assert found == {1, 2}


def test_a_new_start_never_uses_a_sequence_again(tmp_path: Path) -> None:
    first, second = write(tmp_path, 1), write(tmp_path, 1)
    assert first.ids[0].producer != second.ids[0].producer


def test_what_an_earlier_process_left_is_offered_first_and_in_order(tmp_path: Path) -> None:
    write(tmp_path, 3, SpoolLimits(rows=2, age_s=3_600, free_bytes=0))
    left = segments(tmp_path)
    spool = Spool(tmp_path, "ewr", QUIET)
    assert spool.segments == 3
    assert drained(spool) == left
    assert segments(tmp_path) == []


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_torn_tail_is_cut_and_the_records_before_it_stay(tmp_path: Path, cut: int) -> None:
    write(tmp_path, 3)
    path = segments(tmp_path)[0]
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    Spool(tmp_path, "ewr", QUIET)
    content = read_segment(path)
    assert content is not None
    assert content.rows == 4
    assert path.stat().st_size == content.whole_bytes < len(whole)


@pytest.mark.parametrize("tail", [b"\0" * 64, b"\xff" * 64, b"\x05\0\0\0\0\0\0\0abcde"])
def test_a_tail_of_rubbish_is_cut(tmp_path: Path, tail: bytes) -> None:
    write(tmp_path, 2)
    path = segments(tmp_path)[0]
    whole = path.read_bytes()
    path.write_bytes(whole + tail)
    assert Spool(tmp_path, "ewr", QUIET).segments == 1
    assert path.read_bytes() == whole


def test_the_room_ahead_of_a_segment_that_grew_is_no_torn_tail(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool, heard = Spool(tmp_path, "ewr", QUIET), Acknowledged()
    spool.start()
    for number in range(3):  # the second write reserves room
        spool.append(STREAM, record(), heard)
        wait_until(lambda number=number: len(heard.outcomes) == number + 1)
    path = segments(tmp_path)[0]
    killed = tmp_path / "killed"
    killed.mkdir()
    (killed / path.name).write_bytes(path.read_bytes())
    content = read_segment(path)
    assert content is not None
    assert content.rows == 6
    assert content.whole_bytes < path.stat().st_size
    assert Spool(killed, "ewr", QUIET).segments == 1
    assert (killed / path.name).stat().st_size == content.whole_bytes
    assert "torn" not in caplog.text
    spool.close()
    assert path.stat().st_size == content.whole_bytes


def test_a_segment_without_a_record_is_removed(tmp_path: Path) -> None:
    write(tmp_path, 1)
    path = segments(tmp_path)[0]
    path.write_bytes(path.read_bytes()[:20])
    assert Spool(tmp_path, "ewr", QUIET).segments == 0
    assert segments(tmp_path) == []


def test_a_foreign_format_is_set_aside_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from pilothouse.serving.delivery.segments import SegmentHeader, frame

    header = SegmentHeader("p", 0, "ewr", "flight-delay", 1, [], [], format=99)
    path = tmp_path / "00-p-0.segment"
    path.write_bytes(frame(header))
    with pytest.raises(IntegrityError, match="format 99"):
        read_segment(path)
    assert Spool(tmp_path, "ewr", QUIET).segments == 0
    assert (tmp_path / "refused" / path.name).exists()
    assert "format 99" in caplog.text


def test_a_full_spool_refuses_and_takes_again_when_the_hub_has_taken(tmp_path: Path) -> None:
    limits = SpoolLimits(rows=2, age_s=3_600, total_bytes=1_500, free_bytes=0)
    spool, heard = Spool(tmp_path, "ewr", limits), Acknowledged()
    spool.start()
    for i in range(40):
        spool.append(STREAM, record(), heard)
        wait_until(lambda i=i: len(heard.outcomes) > i)
    refused = [outcome for outcome in heard.outcomes if isinstance(outcome, UnavailableError)]
    assert heard.ids
    assert refused
    assert "start the daemon" in str(refused[0])
    with pytest.raises(UnavailableError):
        spool.check()
    assert sum(path.stat().st_size for path in segments(tmp_path)) < 2_500
    segment = spool.next_sealed(1.0)
    assert segment is not None
    spool.remove(segment)
    drained(spool)
    spool.check()
    spool.append(STREAM, record(), heard)
    wait_until(lambda: len(heard.outcomes) == 41)
    assert isinstance(heard.outcomes[-1], PredictionId)
    spool.close()


def test_a_disk_without_room_for_others_is_left_alone(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "ewr", SpoolLimits(free_bytes=2**62))
    with pytest.raises(UnavailableError, match="free some space"):
        spool.check()


def test_errors_are_counted_into_the_next_batch_and_outlive_a_full_spool(tmp_path: Path) -> None:
    spool, heard = Spool(tmp_path, "ewr", QUIET), Acknowledged()
    spool.start()
    for _ in range(3):
        spool.count_error(STREAM)
    spool.append(STREAM, record(), heard)
    spool.close()
    content = read_segment(segments(tmp_path)[0])
    assert content is not None
    assert to_batch(content.header, content.records).errors == 3
    assert sum(r.count for r in content.records if isinstance(r, ErrorRecord)) == 3


def test_many_threads_get_each_their_own_rows(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "ewr", SpoolLimits(rows=64, age_s=3_600, free_bytes=0))
    spool.start()
    heard = [Acknowledged() for _ in range(4)]

    def produce(own: Acknowledged, value: float) -> None:
        for _ in range(50):
            spool.append(STREAM, record(2, value), own)

    threads = [threading.Thread(target=produce, args=(own, float(i))) for i, own in enumerate(heard)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spool.close()
    values: dict[tuple[int, int], float] = {}
    for path in segments(tmp_path):
        content = read_segment(path)
        assert content is not None
        scores = np.frombuffer(to_batch(content.header, content.records).scores)
        values.update({(content.header.sequence, row): score for row, score in enumerate(scores.tolist())})
    assert len(values) == 400
    for i, own in enumerate(heard):
        assert all(values[place.sequence, place.offset] == float(i) for place in own.ids)


_DISK_FULL = """
import resource, sys, threading
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from test_spool import Acknowledged, STREAM, record
from support import wait_until
from pilothouse.serving.delivery.spool import Spool
from pilothouse.serving.delivery.spool_limits import SpoolLimits
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, resource.RLIM_INFINITY))
spool, heard = Spool(Path(sys.argv[1]), "ewr", SpoolLimits(age_s=3_600, free_bytes=0)), Acknowledged()
spool.start()
for i in range(40):
    spool.append(STREAM, record(), heard)
    wait_until(lambda: len(heard.outcomes) > i)
print(*heard.ids)
print(len(heard.outcomes) - len(heard.ids))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
def accepted():
    try:
        spool.check()
    except Exception:
        return False
    return True
wait_until(accepted)
spool.append(STREAM, record(), heard)
wait_until(lambda: len(heard.outcomes) == 41)
print(heard.ids[-1])
spool.close()
"""


def test_a_write_that_fails_half_way_loses_nothing_acknowledged(tmp_path: Path) -> None:
    here = Path(__file__).parent
    run = subprocess.run(
        [sys.executable, "-c", _DISK_FULL, str(tmp_path), str(here), str(here.parent)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ},
    )
    assert run.returncode == 0, run.stderr
    first, refused, last = run.stdout.strip().split("\n")
    acknowledged = {*first.split(), last}
    assert int(refused) > 0
    on_disk = set()
    for path in segments(tmp_path):
        content = read_segment(path)
        assert content is not None
        assert content.whole_bytes == path.stat().st_size
        rows = [f"{content.header.producer}.{content.header.sequence}.{row}" for row in range(content.rows)]
        on_disk |= set(rows[::2])  # each record has two rows; a record's id is its first row's
    assert on_disk == acknowledged
