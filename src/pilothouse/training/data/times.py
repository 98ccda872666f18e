"""Times of a source's rows: what is known at a moment, and the split into training and hold-out."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.time_units import SECOND_US
from pilothouse.domain.models.model_spec import DataSpec

Micros = npt.NDArray[np.int64]


def check_times(table: pa.Table, data: DataSpec) -> None:
    """Check that each row has its time. Raises InvalidInputError."""
    missing = table.column(data.timestamp).null_count
    if missing:
        raise InvalidInputError(
            f"data.timestamp: {missing} rows have no {data.timestamp!r}; expected a time in each"
        )


def micros(table: pa.Table, timestamp: str) -> Micros:
    """Times of the rows as int64 microseconds, whatever unit the column counts in."""
    column = table.column(timestamp)
    values: Micros = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64()).to_numpy()
    return values


@dataclass(frozen=True, slots=True)
class KnownRows:
    """Rows that a training may know, oldest first."""

    table: pa.Table
    unlabelled: int
    """Number of rows left out since they have no outcome."""


def known_rows(table: pa.Table, data: DataSpec, as_of_us: int | None) -> KnownRows:
    """Rows sorted by time that are known at ``as_of_us`` (microseconds; None: all that are there).

    A row counts as known when its time plus ``outcome_delay`` is not after ``as_of_us``. ``lookback`` keeps the rows whose
    time is at most that long before ``as_of_us``, or before the newest row where there is none.
    """
    times = micros(table, data.timestamp)
    labelled = pc.is_valid(table.column(data.target)).to_numpy(zero_copy_only=False)
    keep = np.ones(len(times), dtype=bool)
    if as_of_us is not None:
        keep &= times + data.outcome_delay * SECOND_US <= as_of_us
    if data.lookback is not None and keep.any():
        newest = as_of_us if as_of_us is not None else int(times[keep].max())
        keep &= times >= newest - data.lookback * SECOND_US
    chosen = np.flatnonzero(keep & labelled)
    ordered = chosen[np.argsort(times[chosen], kind="stable")]
    return KnownRows(table.take(pa.array(ordered)).combine_chunks(), int((keep & ~labelled).sum()))


def holdout_start(times: Micros, holdout_s: int) -> int:
    """Number of rows for training: those more than ``holdout_s`` older than the newest. ``times`` is sorted."""
    return int(np.searchsorted(times, times[-1] - holdout_s * SECOND_US, side="left"))
