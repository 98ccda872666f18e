"""Times of a source: to UTC, the rows known at a moment, and the split into training and hold-out.

Naive times need the zone of ``data.timezone``. Twice a year that is not enough, and the rules are fixed: a time in the
hour that is skipped in spring is read as if the clock had not been moved (02:30 is 03:30 summer time), and a time in the
hour that comes twice in autumn is its first pass (summer time).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.model_spec import DataSpec
from pilothouse.domain.time_units import SECOND_US

Micros = npt.NDArray[np.int64]


def with_utc_times(table: pa.Table, data: DataSpec) -> pa.Table:
    """Table with its timestamp column as ``timestamp[us, UTC]``. Raises InvalidInputError naming the fault."""
    name = data.timestamp
    column = table.column(name)
    if column.null_count:
        raise InvalidInputError(
            f"data.timestamp: {column.null_count} rows have no {name!r}; expected a time in each"
        )
    if pa.types.is_string(column.type):
        column = _parsed(name, column)
    if not pa.types.is_timestamp(column.type):
        raise InvalidInputError(
            f"data.timestamp: {name!r} is of type {column.type}; expected dates with times"
        )
    if column.type.tz is None:
        column = _localised(name, column, data.timezone)
    return table.set_column(table.column_names.index(name), name, column)


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


def _parsed(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    texts = column.to_pandas()
    try:
        parsed = pd.to_datetime(texts, format="ISO8601")
        if parsed.dtype == object:
            parsed = pd.to_datetime(texts, format="ISO8601", utc=True)
    except ValueError:
        try:
            parsed = pd.to_datetime(texts, format="ISO8601", utc=True)
        except ValueError:
            bad = next((text for text in texts if not _is_time(text)), texts.iloc[0])
            raise InvalidInputError(
                f"data.timestamp: {name!r} holds {str(bad)[:60]!r}; expected times as 2013-05-03T14:05:00+00:00"
            ) from None
    kind = pa.timestamp("us", "UTC" if parsed.dt.tz is not None else None)
    if parsed.dt.tz is not None:
        parsed = parsed.dt.tz_convert("UTC")
    return pa.chunked_array([pa.array(parsed.dt.as_unit("us"), type=kind)])


def _is_time(text: object) -> bool:
    try:
        pd.to_datetime(pd.Series([text]), format="ISO8601", utc=True)
    except (ValueError, TypeError):
        return False
    return True


def _localised(name: str, column: pa.ChunkedArray, zone: str | None) -> pa.ChunkedArray:
    if zone is None:
        raise InvalidInputError(
            f"data.timezone: missing, and {name!r} carries no time zone; expected an IANA name, e.g. Europe/Berlin"
        )
    naive = column.to_pandas()
    first_pass = np.ones(len(naive), dtype=bool)
    try:
        local = naive.dt.tz_localize(zone, nonexistent=pd.Timedelta("1h"), ambiguous=first_pass)
    except (KeyError, ValueError, OSError) as error:
        raise InvalidInputError(f"data.timezone: {zone!r} does not fit {name!r}: {error}") from None
    utc = local.dt.tz_convert("UTC").dt.as_unit("us")
    return pa.chunked_array([pa.array(utc, type=pa.timestamp("us", "UTC"))])
