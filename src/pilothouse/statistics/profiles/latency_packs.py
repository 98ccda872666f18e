"""Many latency profiles of few requests each as one frame, column by column."""

from collections.abc import Sequence

import numpy as np

from pilothouse.domain.errors import IntegrityError
from pilothouse.statistics.arrays import frozen
from pilothouse.statistics.encoding import pack_plain, unpack_plain
from pilothouse.statistics.profiles.latency import BUCKETS, LatencyProfile

_LEVEL = 12
"""zstd level: a pack is written once, at rest."""


def encode(profiles: Sequence[LatencyProfile]) -> bytes:
    """Bytes of latency profiles (kind "M"), which ``decode`` gives back exactly."""
    sums = np.array(
        [(p.requests, p.rows, p.total_us, p.called_us, p.usual_us, p.longest_us) for p in profiles], np.int64
    ).reshape(-1, 6)
    # the longest of one request is the total too
    beyond = sums[:, 2] - sums[:, 5]
    many = [array for p in profiles for array in (p.buckets, p.counts)]
    return pack_plain(
        "M",
        (len(profiles),),
        (
            *sums[:, :5].T,
            (beyond << 1) ^ (beyond >> 63),
            np.array([len(p.buckets) for p in profiles], np.int64),
            np.concatenate(many[::2]) if many else np.empty(0, np.int64),
            np.concatenate(many[1::2]) if many else np.empty(0, np.int64),
        ),
        level=_LEVEL,
    )


def decode(data: bytes) -> list[LatencyProfile]:
    """Latency profiles from the bytes that ``encode`` wrote. Raises IntegrityError for damaged bytes."""
    head, arrays = unpack_plain("M", data)
    try:
        requests, rows, totals, called, usual, beyond, sizes, buckets, counts = arrays
        longest = totals - ((beyond >> 1) ^ -(beyond & 1))
        ends = sizes.cumsum()
        if head != (len(sizes),) or int(ends[-1:].sum()) != len(buckets) or len(buckets) != len(counts):
            raise ValueError("profiles are missing")
        if buckets.size and int(buckets.max()) > BUCKETS:
            raise ValueError("buckets out of range")
        columns = (requests, rows, totals, longest, ends - sizes, ends, called, usual)
        return [
            LatencyProfile(
                asked, carried, total, top, frozen(buckets[first:end]), frozen(counts[first:end]), *calls
            )
            for asked, carried, total, top, first, end, *calls in zip(
                *(column.tolist() for column in columns), strict=True
            )
        ]
    except (TypeError, ValueError) as error:
        raise IntegrityError(
            f"stored latency profiles are damaged: {error}; restore them from a backup"
        ) from None
