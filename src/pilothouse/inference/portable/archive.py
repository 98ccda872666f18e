"""Bytes of a portable program and back: a zip of ``program.json`` and ``.npy`` members, stored as they are.

``numpy.load`` reads the arrays of such a file. Equal programs have equal bytes. The reader may be given hostile bytes:
every fault of a file is one IntegrityError, and no array is larger than the file itself.
"""

import io
import json
import math
import zipfile
from typing import Any

import numpy as np

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.bounded_json import parse_json
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.inference.portable.program import FORMAT, MAXIMUM_DEPTH, MAXIMUM_NODES, Array, Node, Program

PROGRAM = "program.json"
MAXIMUM_BYTES = 4 * 2**30
MAXIMUM_MEMBERS = 50_000
MAXIMUM_PROGRAM_BYTES = 8 * 2**20
"""Of ``program.json``, which is a few kilobytes, and more only where columns have very many categories."""
MAXIMUM_CONTAINERS = 10 * MAXIMUM_NODES
"""Arrays and objects in ``program.json``: a node has four, and one for each list of its settings."""
MAXIMUM_EMPTY_DIMENSION = 2**16
"""Length of a dimension of an array that has no bytes."""
DTYPES = ("<f8", "<f4", "<i8", "<i4", "<i2", "|i1", "|u1", "<u2", "<u4", "<u8", "|b1")
"""Types of numbers that an array may have."""
MAXIMUM_DIMENSIONS = 4
_EPOCH = (1980, 1, 1, 0, 0, 0)
_HEADER_BYTES = 4096


def to_bytes(program: Program) -> bytes:
    """Bytes that ``from_bytes`` reads. Raises ValueError for a program that it would refuse."""
    arrays: list[Array] = []
    document = {
        "format": FORMAT,
        "features": list(program.features),
        "answers": list(program.answers),
        "known": {name: list(values) for name, values in program.known.items()},
        "made_with": program.made_with,
        "root": _plain(program.root, arrays, 1),
    }
    written = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    text = written.encode()
    if len(text) > MAXIMUM_PROGRAM_BYTES:
        raise ValueError(
            f"its texts and settings take {len(text)} bytes; expected {MAXIMUM_PROGRAM_BYTES} at most"
        )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        _write(archive, PROGRAM, text)
        for number, array in enumerate(arrays):
            _write(archive, f"a{number}.npy", _npy(array))
    return packed.getvalue()


def _plain(node: Node, arrays: list[Array], depth: int) -> dict[str, Any]:
    if depth > MAXIMUM_DEPTH:
        raise ValueError(f"nodes lie more than {MAXIMUM_DEPTH} levels deep")
    names = {}
    for role in sorted(node.arrays):
        names[role] = f"a{len(arrays)}"
        arrays.append(node.arrays[role])
    children = [_plain(child, arrays, depth + 1) for child in node.children]
    return {"op": node.op, "settings": node.settings, "arrays": names, "children": children}


def _npy(array: Array) -> bytes:
    if array.dtype.newbyteorder("<").str not in DTYPES:
        raise ValueError(f"an array of {array.dtype} has no place in a portable model")
    written = io.BytesIO()
    np.lib.format.write_array(
        written, array.astype(array.dtype.newbyteorder("<"), order="K", copy=False), (1, 0), False
    )
    return written.getvalue()


def _write(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.external_attr = 0o444 << 16
    entry.create_system = 3
    archive.writestr(entry, data)


def from_bytes(data: bytes) -> Program:
    """Program from ``data``, the very bytes whose digest was checked. Raises IntegrityError."""
    try:
        return _program(data)
    except IntegrityError:
        raise
    except Exception as error:  # noqa: BLE001 - a damaged file fails in whichever part it breaks
        raise _fault(f"{type(error).__name__}: {error}") from None


def _program(data: bytes) -> Program:
    if len(data) > MAXIMUM_BYTES:
        raise _fault(f"it has {len(data)} bytes; expected {MAXIMUM_BYTES} at most")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        if len(entries) > MAXIMUM_MEMBERS:
            raise _fault(f"it has {len(entries)} members; expected {MAXIMUM_MEMBERS} at most")
        members: dict[str, bytes] = {}
        room = len(data)
        for entry in entries:
            stored = entry.compress_type == zipfile.ZIP_STORED and not entry.flag_bits & 0x1
            if not stored or entry.file_size != entry.compress_size or entry.filename in members:
                raise _fault(f"the member {entry.filename!r} is packed, encrypted or there twice")
            room -= entry.file_size
            if room < 0:
                raise _fault("its members are larger than the file")
            members[entry.filename] = archive.read(entry)
    text = members.pop(PROGRAM, b"")
    if not text or len(text) > MAXIMUM_PROGRAM_BYTES:
        raise _fault(f"{PROGRAM} is missing or too large")
    document = parse_json(text, MAXIMUM_CONTAINERS)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        found = document.get("format") if isinstance(document, dict) else document
        raise _fault(f"its format is {found!r}; expected {FORMAT}")
    arrays = {name.removesuffix(".npy"): _array(name, raw) for name, raw in members.items()}
    root = _node(document["root"], arrays, [MAXIMUM_NODES], 1)
    if arrays:
        raise _fault(f"the array {min(arrays)!r} belongs to no node")
    known = {name: _texts(values) for name, values in dict(document["known"]).items()}
    made_with = {str(name): str(value)[:40] for name, value in dict(document["made_with"]).items()}
    return Program(root, _texts(document["features"]), _texts(document["answers"]), known, made_with)


def _array(name: str, raw: bytes) -> Array:
    if not name.endswith(".npy"):
        raise _fault(f"the member {name!r} is no array")
    stream = io.BytesIO(raw)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise _fault(f"the array {name!r} is of another format than 1.0")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=_HEADER_BYTES)
    if dtype.str not in DTYPES or len(shape) > MAXIMUM_DIMENSIONS or min(shape, default=0) < 0:
        raise _fault(f"the array {name!r} is {dtype} of {len(shape)} dimensions")
    if 0 in shape and max(shape) > MAXIMUM_EMPTY_DIMENSION:
        raise _fault(f"the array {name!r} has no bytes and a dimension of {max(shape)}")
    start = stream.tell()
    if math.prod(shape) * dtype.itemsize != len(raw) - start:
        raise _fault(f"the array {name!r} has {len(raw) - start} bytes, which is not its shape")
    flat = np.frombuffer(raw, dtype, offset=start).astype(dtype.newbyteorder("="))
    if dtype.kind == "b" and flat.view(np.uint8).max(initial=0) > 1:
        raise _fault(f"the array {name!r} holds bytes that are neither true nor false")
    array = flat.reshape(shape, order="F" if fortran else "C")
    array.flags.writeable = False
    return array


def _node(plain: Any, arrays: dict[str, Array], room: list[int], depth: int) -> Node:
    """Node of its JSON. Arrays that it names are taken out of ``arrays``; ``room``: how many nodes may still come."""
    room[0] -= 1
    if room[0] < 0 or depth > MAXIMUM_DEPTH:
        raise _fault(f"it has more than {MAXIMUM_NODES} nodes, or more than {MAXIMUM_DEPTH} levels of them")
    op, settings, names, children = (plain[key] for key in ("op", "settings", "arrays", "children"))
    if not (isinstance(op, str) and isinstance(settings, dict) and isinstance(names, dict)):
        raise _fault("a node has no op, settings or arrays")
    if not isinstance(children, list):
        raise _fault("the children of a node are no list")
    own = {role: arrays.pop(name) for role, name in names.items()}
    return Node(op, settings, own, tuple(_node(child, arrays, room, depth + 1) for child in children))


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise _fault("names, classes or categories are no texts")
    return tuple(values)


def _fault(what: str) -> IntegrityError:
    return IntegrityError(f"the portable model cannot be read: {one_line(what)}")
