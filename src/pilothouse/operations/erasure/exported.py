"""Exported predictions in which a value stands. They lie outside of the workspace, where no erasure reaches: they are named."""

import io
from collections.abc import Iterable
from pathlib import Path

from pilothouse.domain.errors import PilothouseError
from pilothouse.operations.erasure.files_with_rows import pattern_of
from pilothouse.operations.erasure.residue import SHORTEST
from pilothouse.operations.services import Services
from pilothouse.operations.upkeep import telemetry_export

_ROWS = 65_536
"""Rows that are in memory at once."""


def search(services: Services, values: Iterable[str]) -> list[str]:
    """Partitions in which a value stands, and folders of exports that could not be searched, each as a line."""
    searched = [value for value in values if len(value) >= SHORTEST]
    found = []
    for name, at in sorted(telemetry_export.folders_taken(services).items()):
        exported = f"exported on {at:%Y-%m-%d}"
        if not searched:
            found.append(f"{name}, {exported}, was not searched")
            continue
        try:
            paths = telemetry_export.read_partitions(Path(name))
            holding = [path for path in paths if _holds(Path(name, path), searched)]
        except (PilothouseError, OSError):
            found.append(f"{name}, {exported}, cannot be read from here, and was not searched")
            continue
        found += [f"{name}/{path}, {exported}" for path in holding]
    return found


def _holds(path: Path, values: list[str]) -> bool:
    import pyarrow as pa
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    pattern = pattern_of(values)
    try:
        with pq.ParquetFile(path) as file:
            for rows in file.iter_batches(_ROWS):
                out = io.BytesIO()
                pc.write_csv(rows, out)
                if pattern.search(out.getvalue()):
                    return True
    except pa.ArrowException as error:
        raise OSError(str(error)) from error
    return False
