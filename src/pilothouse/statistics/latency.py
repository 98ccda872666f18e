"""How long requests took: counts in buckets that grow by 1.9 %, so that any percentile is within 1 % of the exact one."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pilothouse.domain.errors import IntegrityError

from .arrays import Floats, Ints, frozen
from .encoding import pack, unpack

_GROWTH = math.log(1.019)
_BUCKETS = math.ceil(math.log(86_400e6) / _GROWTH) + 1
"""From 1 µs to a day; what is shorter or longer is counted in the first or the last bucket."""


@dataclass(frozen=True, slots=True, eq=False)
class LatencyProfile:
    """``counts`` (int64[k]) requests in ``buckets`` (increasing, int64[k]); ``total_us`` is their exact sum."""

    requests: int
    rows: int
    total_us: int
    longest_us: int
    buckets: Ints
    counts: Ints


def empty_latencies() -> LatencyProfile:
    """The profile of no requests."""
    none = frozen(np.empty(0, np.int64))
    return LatencyProfile(0, 0, 0, 0, none, none)


def profile_latencies(
    latencies_us: Sequence[int] | Ints | Floats, rows: Sequence[int] | Ints
) -> LatencyProfile:
    """Count requests by latency (microseconds, one a request); ``rows`` is how many rows each one carried."""
    micros = np.clip(np.nan_to_num(np.asarray(latencies_us, dtype=np.float64)), 1.0, 86_400e6)
    counts = np.bincount(np.rint(np.log(micros) / _GROWTH).astype(np.int64), minlength=1)
    total = int(np.rint(micros).sum())
    longest = math.ceil(micros.max()) if micros.size else 0
    return _sparse(len(micros), int(np.sum(rows)), total, longest, counts)


def merge(first: LatencyProfile, second: LatencyProfile) -> LatencyProfile:
    """The profile of the requests of both. Exact and associative."""
    return merge_all((first, second))


def merge_all(profiles: Iterable[LatencyProfile]) -> LatencyProfile:
    """The profile of all the requests. Exact and associative."""
    parts = list(profiles)
    counts = np.zeros(_BUCKETS + 1, np.int64)
    for part in parts:
        counts[part.buckets] += part.counts
    return _sparse(
        sum(part.requests for part in parts),
        sum(part.rows for part in parts),
        sum(part.total_us for part in parts),
        max((part.longest_us for part in parts), default=0),
        counts,
    )


def percentile_ms(profile: LatencyProfile, percent: float) -> float:
    """The latency in milliseconds that ``percent`` (0 to 100) of the requests did not exceed; NaN without requests.

    The nearest-rank percentile, within 1 % of the exact one.
    """
    if not profile.requests:
        return math.nan
    rank = max(1, math.ceil(percent / 100 * profile.requests - 1e-9))
    bucket = int(profile.buckets[np.searchsorted(np.cumsum(profile.counts), rank)])
    return min(math.exp(bucket * _GROWTH), float(profile.longest_us)) / 1000


def mean_ms(profile: LatencyProfile) -> float:
    """The mean latency in milliseconds; NaN without requests."""
    return profile.total_us / profile.requests / 1000 if profile.requests else math.nan


def encode(profile: LatencyProfile) -> bytes:
    """Compact bytes of a latency profile."""
    header = {
        "requests": profile.requests,
        "rows": profile.rows,
        "total": profile.total_us,
        "longest": profile.longest_us,
    }
    return pack("L", header, {"buckets": profile.buckets, "counts": profile.counts})


def decode(data: bytes) -> LatencyProfile:
    """Read what ``encode`` wrote. Raises IntegrityError."""
    header, arrays = unpack("L", data)
    try:
        buckets, counts = arrays["buckets"], arrays["counts"]
        if len(buckets) != len(counts) or (buckets.size and int(buckets.max()) > _BUCKETS):
            raise ValueError("buckets out of range")
        return LatencyProfile(
            header["requests"], header["rows"], header["total"], header["longest"], buckets, counts
        )
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"a stored latency profile is damaged: {error!r}; restore it from a backup"
        ) from None


def _sparse(requests: int, rows: int, total_us: int, longest_us: int, counts: Ints) -> LatencyProfile:
    buckets = np.flatnonzero(counts)
    return LatencyProfile(requests, rows, total_us, longest_us, frozen(buckets), frozen(counts[buckets]))
