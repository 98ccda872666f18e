"""Latency profiles: requests counted in buckets that grow by 1.9 %, so that any percentile is within 1 % of the exact
one."""

import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pilothouse.domain.errors import IntegrityError
from pilothouse.statistics.arrays import Floats, Ints, frozen
from pilothouse.statistics.encoding import unpack, with_checksum, without_checksum

GROWTH = math.log(1.019)
"""Natural logarithm of the factor between buckets: bucket b holds the latencies from exp((b − ½) GROWTH) µs on."""
_LONGEST_US = 86_400e6
BUCKETS = math.ceil(math.log(_LONGEST_US) / GROWTH) + 1
"""Number of the last bucket. Buckets reach from 1 µs to a day; what is shorter or longer counts in the first or the
last one."""
_MIDDLES_US = frozen(np.exp(np.arange(BUCKETS + 1) * GROWTH))
"""Latency in µs that each bucket stands for. One table for all readers: exp of one number and exp of many may differ
in the last bit, by processor."""

_TOGETHER = 128
"""Profiles whose counts are summed at once: what that takes stays in the processor's cache."""

_MAGIC = b"PHSL\x02"
_MAGIC_OF_CALLS = b"PHSL\x03"
"""Magic of a profile that also holds its calls: after the head, and before the counts, stand their two sums."""
_CHECKED = {b"PHSL\x08": _MAGIC, b"PHSL\x0c": _MAGIC_OF_CALLS}
"""Magics of the same with a checksum at the end. No bit that turns makes one of them a magic without."""
_CHECKED_OF = {magic: checked for checked, magic in _CHECKED.items()}
_DAMAGED = "a stored latency profile is damaged: {}; restore it from a backup"
_CALLS = struct.Struct("<qq")
_FRAME = struct.Struct("<5sBHqqqq")
"""Head of an encoded profile: magic, bytes of a count, first bucket, requests, rows, total and longest; counts follow."""


@dataclass(frozen=True, slots=True, eq=False)
class LatencyProfile:
    """Counts of requests by latency: ``counts`` (int64[k], above 0) in ``buckets`` (int64[k], increasing).
    ``total_us`` and ``longest_us`` are microseconds, the total exact to the rounding of each request.

    ``called_us`` is how long the calls of the model took, ``usual_us`` how long they had taken, by their processor time, on the
    machine as it was when the version was loaded; both are 0 where it is not known.
    """

    requests: int
    rows: int
    total_us: int
    longest_us: int
    buckets: Ints
    counts: Ints
    called_us: int = 0
    usual_us: int = 0

    @property
    def slowdown(self) -> float | None:
        """Factor by which the calls took longer than usual for want of a processor; None where it is not known."""
        return max(self.called_us / self.usual_us, 1.0) if self.usual_us else None


_NONE: Ints = frozen(np.empty(0, np.int64))
_ONE: Ints = frozen(np.ones(1, np.int64))
_EMPTY = LatencyProfile(0, 0, 0, 0, _NONE, _NONE)


def empty_latencies() -> LatencyProfile:
    """Latency profile of no requests, read-only and shared."""
    return _EMPTY


def profile_latencies(
    latencies_us: Sequence[int] | Ints | Floats,
    rows: Sequence[int] | Ints,
    calls: tuple[Ints, Ints] | None = None,
) -> LatencyProfile:
    """Latency profile of requests: ``latencies_us`` (microseconds, one a request) and how many ``rows`` each carried.
    A latency below 1 µs or NaN counts as 1 µs, one beyond a day as a day. ``calls``: how long the model's calls took, and
    usually take, in microseconds."""
    micros = np.fmin(
        np.fmax(np.asarray(latencies_us, dtype=np.float64), 1.0), _LONGEST_US
    )  # NaN: the shortest
    counts = np.bincount(np.rint(np.log(micros) / GROWTH).astype(np.int64), minlength=1)
    total = int(np.rint(micros).sum())
    longest = math.ceil(micros.max()) if micros.size else 0
    of_calls = (0, 0) if calls is None else tuple(int(np.clip(us, 0, _LONGEST_US).sum()) for us in calls)
    return _sparse(len(micros), int(np.sum(rows)), total, longest, counts, of_calls)


def profile_latency_groups(
    latencies_us: Ints, rows: Ints, calls: tuple[Ints, Ints], groups: Ints
) -> list[tuple[int, LatencyProfile]]:
    """(group, profile) of each group of requests, by increasing group: ``groups`` (int64[n]) says to which each belongs.
    Equal to ``profile_latencies`` of each group's requests, at little more than the cost of one call for all."""
    micros = np.fmin(np.fmax(latencies_us.astype(np.float64), 1.0), _LONGEST_US)
    buckets = np.rint(np.log(micros) / GROWTH).astype(np.int64)
    whole, longest = np.rint(micros).astype(np.int64), np.ceil(micros).astype(np.int64)
    called, usual = (np.clip(us, 0, _LONGEST_US).astype(np.int64) for us in calls)
    order = np.argsort(groups, kind="stable")
    distinct, starts = np.unique(groups[order], return_index=True)
    sums = [np.add.reduceat(of[order], starts).tolist() for of in (rows, whole, called, usual)]
    tops = np.maximum.reduceat(longest[order], starts).tolist()
    sorted_buckets, ends = frozen(buckets[order]), [*starts[1:].tolist(), len(order)]
    profiles = []
    for i, (group, first, end) in enumerate(zip(distinct.tolist(), starts.tolist(), ends, strict=True)):
        own, counts = sorted_buckets[first:end], _ONE
        if end - first > 1:
            own, counts = np.unique(own, return_counts=True)
        profiles.append(
            (
                group,
                LatencyProfile(
                    end - first,
                    sums[0][i],
                    sums[1][i],
                    tops[i],
                    frozen(own),
                    frozen(counts),
                    sums[2][i],
                    sums[3][i],
                ),
            )
        )
    return profiles


def merge_all(profiles: Iterable[LatencyProfile]) -> LatencyProfile:
    """Latency profile of all the requests; of no profiles the empty one. Exact and associative."""
    parts = list(profiles)
    counts = np.zeros(BUCKETS + 1, np.int64)
    for part in parts:
        counts[part.buckets] += part.counts
    return _sparse(
        sum(part.requests for part in parts),
        sum(part.rows for part in parts),
        sum(part.total_us for part in parts),
        max((part.longest_us for part in parts), default=0),
        counts,
        (sum(part.called_us for part in parts), sum(part.usual_us for part in parts)),
    )


def percentile_ms(profile: LatencyProfile, percent: float) -> float:
    """Latency in milliseconds that ``percent`` (0 to 100) of the requests did not exceed, within 1 % of the exact
    nearest-rank percentile (Hyndman and Fan 1996, American Statistician 50:361, definition 1); at most the longest.
    NaN without requests."""
    if not profile.requests:
        return math.nan
    # 1e-9: rounding must not lift a whole rank to the next
    rank = max(1, math.ceil(percent / 100 * profile.requests - 1e-9))
    bucket = int(profile.buckets[np.searchsorted(np.cumsum(profile.counts), rank)])
    return min(float(_MIDDLES_US[bucket]), float(profile.longest_us)) / 1000


def encode(profile: LatencyProfile) -> bytes:
    """Bytes of a latency profile: counts of all buckets from the first to the last in their narrowest type, raw. They
    are not compressed, so that a day's 1,440 minutes are read in milliseconds."""
    first = int(profile.buckets[0]) if profile.buckets.size else 0
    top = int(profile.counts.max()) if profile.counts.size else 0
    width = 1 if top < 1 << 8 else 2 if top < 1 << 16 else 4 if top < 1 << 32 else 8
    if profile.buckets.size == 1:
        raw = top.to_bytes(width, "little")
    else:
        counts = np.zeros(int(profile.buckets[-1]) - first + 1 if profile.buckets.size else 0, np.int64)
        counts[profile.buckets - first] = profile.counts
        raw = counts.astype(f"<u{width}").tobytes()
    head = (profile.requests, profile.rows, profile.total_us, profile.longest_us)
    if not profile.called_us:
        return with_checksum(_FRAME.pack(_CHECKED_OF[_MAGIC], width, first, *head) + raw)
    calls = _CALLS.pack(profile.called_us, profile.usual_us)
    return with_checksum(_FRAME.pack(_CHECKED_OF[_MAGIC_OF_CALLS], width, first, *head) + calls + raw)


def _sound(data: bytes) -> bytes:
    """The same profile as it is encoded without a checksum. Raises ValueError where it has one that differs."""
    magic = _CHECKED.get(data[: len(_MAGIC)])
    return data if magic is None else magic + without_checksum(data)[len(magic) :]


def _without_calls(data: bytes) -> bytes:
    """The same profile as it is encoded without its calls."""
    if not data.startswith(_MAGIC_OF_CALLS):
        return data
    return b"".join((_MAGIC, data[len(_MAGIC) : _FRAME.size], data[_FRAME.size + _CALLS.size :]))


def decode(data: bytes) -> LatencyProfile:
    """Latency profile from the bytes that ``encode`` wrote, also of the first format. Raises IntegrityError for
    damaged bytes."""
    try:
        called, usual, data = 0, 0, _sound(data)
        if data.startswith(_MAGIC_OF_CALLS):
            called, usual = _CALLS.unpack_from(data, _FRAME.size)
            data = _without_calls(data)
        if not data.startswith(_MAGIC):
            return _decode_first_format(data)
        _, width, first, requests, rows, total, longest = _FRAME.unpack_from(data)
        counts = np.frombuffer(data, f"<u{width}", offset=_FRAME.size).astype(np.int64)
        buckets = np.flatnonzero(counts)
        if buckets.size and first + int(buckets[-1]) > BUCKETS:
            raise ValueError("buckets out of range")
        if int(counts.sum()) != requests:
            raise ValueError(f"{int(counts.sum())} requests counted, expected {requests}")
        return LatencyProfile(
            requests, rows, total, longest, frozen(buckets + first), frozen(counts[buckets]), called, usual
        )
    except (KeyError, TypeError, ValueError, struct.error) as error:
        raise IntegrityError(_DAMAGED.format(repr(error))) from None


def percentiles_ms(stored: Sequence[bytes | None], percents: Sequence[float]) -> Floats:
    """Percentiles of many encoded profiles at once, float64[profiles, percents] in milliseconds, as ``percentile_ms``
    gives them; NaN for None and for profiles without requests. Raises IntegrityError for damaged bytes."""
    answer = np.full((len(stored), len(percents)), np.nan)
    by_width: dict[int, list[int]] = {}
    try:
        stored = [data if data is None else _without_calls(_sound(data)) for data in stored]
    except ValueError as error:
        raise IntegrityError(_DAMAGED.format(error)) from None
    for i, data in enumerate(stored):
        if data is None:
            continue
        if data.startswith(_MAGIC) and len(data) >= _FRAME.size:
            by_width.setdefault(data[len(_MAGIC)], []).append(i)
        else:
            profile = decode(data)
            answer[i] = [percentile_ms(profile, percent) for percent in percents]
    try:
        for width, numbers in by_width.items():
            for first in range(0, len(numbers), _TOGETHER):
                indices = numbers[first : first + _TOGETHER]
                frames = [stored[i] or b"" for i in indices]
                answer[indices] = _percentiles_of_frames(frames, np.dtype(f"<u{width}"), percents)
    except (TypeError, ValueError, struct.error) as error:
        raise IntegrityError(_DAMAGED.format(error)) from None
    return answer


def _percentiles_of_frames(stored: Sequence[bytes], kind: np.dtype[Any], percents: Sequence[float]) -> Floats:
    """Percentiles of frames of one width. All frames' counts lie end to end and are summed once; a rank is searched
    among the sums, beyond those of the frames before."""
    frames = np.array([_FRAME.unpack_from(data)[2:] for data in stored], np.int64)
    first, requests, longest = frames[:, 0], frames[:, 1], frames[:, 4]
    sizes = np.array([len(data) for data in stored]) - _FRAME.size
    if (sizes % kind.itemsize).any() or (first + sizes // kind.itemsize > BUCKETS + 1).any():
        raise ValueError("buckets out of range")
    ends = np.cumsum(sizes // kind.itemsize)
    counts = np.frombuffer(b"".join([data[_FRAME.size :] for data in stored]), kind)
    summed = np.concatenate(([0], np.cumsum(counts.astype(np.int64))))
    starts = np.concatenate(([0], ends[:-1]))
    before = summed[starts]
    if not np.array_equal(summed[ends] - before, requests):
        raise ValueError("counts are missing")
    ranks = np.maximum(1, np.ceil(np.asarray(percents) / 100 * requests[:, None] - 1e-9)).astype(np.int64)
    buckets = np.searchsorted(summed[1:], before[:, None] + ranks) - starts[:, None] + first[:, None]
    middles = _MIDDLES_US.take(buckets, mode="clip")  # without requests a rank lies anywhere
    percentiles = np.minimum(middles, longest[:, None]) / 1000
    return np.where(requests[:, None] > 0, percentiles, np.nan)


def _decode_first_format(data: bytes) -> LatencyProfile:
    header, arrays = unpack("L", data)
    buckets, counts = arrays["buckets"], arrays["counts"]
    if len(buckets) != len(counts) or (buckets.size and int(buckets.max()) > BUCKETS):
        raise ValueError("buckets out of range")
    return LatencyProfile(
        header["requests"], header["rows"], header["total"], header["longest"], buckets, counts
    )


def _sparse(
    requests: int, rows: int, total_us: int, longest_us: int, counts: Ints, calls: Sequence[int]
) -> LatencyProfile:
    buckets = np.flatnonzero(counts)
    return LatencyProfile(
        requests, rows, total_us, longest_us, frozen(buckets), frozen(counts[buckets]), calls[0], calls[1]
    )
