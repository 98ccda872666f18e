"""Digest of rows: of their names, types and values, whatever file they are in and however it was written."""

import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def content_digest(table: pa.Table) -> str:
    """sha256 of the rows in their order, in hex.

    A header names each column and its type; then, column by column, which values are present (a bit a row), and the
    values: little-endian numbers, UTF-8 text with its lengths. A missing value and NaN count as the same. Columns are
    taken in the order of their names.
    """
    names = sorted(table.column_names)
    header = {
        "rows": table.num_rows,
        "columns": [[name, str(table.schema.field(name).type)] for name in names],
    }
    total = hashlib.sha256(json.dumps(header, sort_keys=True, ensure_ascii=False).encode())
    for name in names:
        for part in _parts(
            pa.concat_arrays(table.column(name).chunks or [pa.array([], table.column(name).type)])
        ):
            total.update(part)
    return total.hexdigest()


def _parts(array: pa.Array) -> list[bytes]:
    kind = array.type
    present = pc.is_valid(array)
    if pa.types.is_floating(kind):
        present = pc.and_(present, pc.invert(pc.fill_null(pc.is_nan(array), True)))
    mask = present.to_numpy(zero_copy_only=False)
    bits = np.packbits(mask).tobytes()
    if pa.types.is_string(kind):
        filled = pc.fill_null(array, "")
        lengths = pc.binary_length(filled).to_numpy(zero_copy_only=False).astype("<i4")
        return [bits, lengths.tobytes(), "".join(filled.to_pylist()).encode()]
    if pa.types.is_boolean(kind):
        values = pc.fill_null(array, False).to_numpy(zero_copy_only=False)
        return [bits, np.packbits(values).tobytes()]
    if pa.types.is_floating(kind):
        numbers = np.where(mask, array.to_numpy(zero_copy_only=False), 0.0).astype("<f8")
        return [bits, numbers.tobytes()]
    integers = pc.fill_null(array.cast(pa.int64()), 0).to_numpy(zero_copy_only=False).astype("<i8")
    return [bits, integers.tobytes()]
