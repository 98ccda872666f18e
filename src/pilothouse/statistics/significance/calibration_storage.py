"""Calibrations as bytes."""

from collections.abc import Sequence
from dataclasses import astuple, replace
from typing import Any

from pilothouse.domain.errors import IntegrityError
from pilothouse.statistics.encoding import pack, unpack
from pilothouse.statistics.significance.calibration import Calibration, Null
from pilothouse.statistics.significance.overdispersion import Overdispersion
from pilothouse.statistics.significance.sampling_null import SamplingNull


def encode(calibration: Calibration) -> bytes:
    """Bytes of a calibration (kind "C")."""
    columns = {name: [astuple(null) for null in nulls] for name, nulls in calibration.columns.items()}
    return pack("C", {"window_days": calibration.window_days, "columns": columns}, {})


def decode(data: bytes) -> Calibration:
    """Calibration from the bytes that ``encode`` wrote. Raises IntegrityError for damaged bytes."""
    header, _ = unpack("C", data)
    try:
        columns = {
            name: tuple(_null(fields) for fields in nulls) for name, nulls in header["columns"].items()
        }
        return Calibration(int(header["window_days"]), columns)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise IntegrityError(f"a stored calibration is damaged: {error!r}; calibrate again") from None


def _null(fields: Sequence[Any]) -> Null:
    """Null from its fields as ``astuple`` gave them, with lists for tuples."""
    *plain, sampling, overdispersion = fields
    return replace(
        Null(*_tuples(plain)),
        sampling=SamplingNull(*_tuples(sampling)) if sampling else None,
        overdispersion=Overdispersion(*_tuples(overdispersion)) if overdispersion else None,
    )


def _tuples(fields: Sequence[Any]) -> list[Any]:
    return [tuple(field) if isinstance(field, list) else field for field in fields]
