"""Calibrations as bytes."""

from dataclasses import astuple

from pilothouse.domain.errors import IntegrityError
from pilothouse.statistics.encoding import pack, unpack
from pilothouse.statistics.significance.calibration import Calibration, Null
from pilothouse.statistics.significance.overdispersion import Overdispersion
from pilothouse.statistics.significance.sampling_null import SamplingNull


def encode(calibration: Calibration) -> bytes:
    """Bytes of a calibration (kind "C")."""
    columns = {
        name: [
            [
                null.statistic,
                null.rows,
                null.mean,
                null.deviation,
                null.freedom,
                null.windows,
                null.recent,
                None if null.sampling is None else astuple(null.sampling),
                None if null.overdispersion is None else astuple(null.overdispersion),
            ]
            for null in nulls
        ]
        for name, nulls in calibration.columns.items()
    }
    return pack("C", {"window_days": calibration.window_days, "columns": columns}, {})


def decode(data: bytes) -> Calibration:
    """Calibration from the bytes that ``encode`` wrote. Raises IntegrityError for damaged bytes."""
    header, _ = unpack("C", data)
    try:
        columns = {
            column: tuple(
                Null(
                    name,
                    tuple(rows),
                    tuple(mean),
                    tuple(spread),
                    tuple(freedom),
                    float(windows),
                    bool(recent),
                    None if sampling is None else SamplingNull.of_plain(sampling),
                    None if overdispersion is None else Overdispersion.of_plain(overdispersion),
                )
                for name, rows, mean, spread, freedom, windows, recent, sampling, overdispersion in nulls
            )
            for column, nulls in header["columns"].items()
        }
        return Calibration(int(header["window_days"]), columns)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise IntegrityError(f"a stored calibration is damaged: {error!r}; calibrate again") from None
