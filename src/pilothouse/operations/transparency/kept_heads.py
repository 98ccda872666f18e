"""Heads that files have kept, whoever wrote them; and what is said of a head that the log's rows do not bear out."""

import json
import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from pilothouse.domain.errors import ContradictionError, IntegrityError, InvalidInputError, PilothouseError
from pilothouse.store.log.log_tree import Tree
from pilothouse.transparency import checkpoints, notes, proofs
from pilothouse.transparency.checkpoints import Checkpoint, SignedCheckpoint

_LONGEST_LINE = 1 << 20
_LOOKED_AT = 64 << 10
"""Bytes at the end of a file in which its newest head is looked for."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Head that somebody has kept: where, and since when by their word."""

    source: str
    head: SignedCheckpoint
    time: str = ""


def cut_text(size: int, rows: int, when: str = "") -> str:
    """What is said of a head that has more rows than the log."""
    return f"its head of {size:,} rows{when} goes on where this log ends: rows {rows + 1:,} to {size:,} were cut off"


def changed_text(size: int, first: int = 1, when: str = "") -> str:
    """What is said of a head with another root than the log's; rows before ``first`` are known to be as they were."""
    return (
        f"its head of {size:,} rows{when} is not of this log: from a row among {first:,} to {size:,} on rows were changed, "
        "or the log was written anew"
    )


def taken_out_text(sent: int, newest: int) -> str:
    """What is said of a file whose newest head is older than the one that it was sent."""
    return f"it was sent a head of {sent:,} rows, and its newest is of {newest:,}: lines were taken out"


def contradiction(head: Checkpoint, tree: Tree, rows: int) -> str:
    """What of a head contradicts the log of so many rows; empty where nothing does."""
    if head.size > rows:
        return cut_text(head.size, rows)
    try:
        return "" if tree.root(head.size) == head.root else changed_text(head.size)
    except IntegrityError as error:  # a row is missing
        return str(error)


def newest_in_file(path: Path, origins: Collection[str], *, must_hold: bool = False) -> Kept | None:
    """The newest head of one of the origins at the end of a file; None where there is none, or the file cannot be read.

    Raises ContradictionError where it ``must_hold`` one, can be read, is not empty, and has none there.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return None
            end = os.pread(descriptor, _LOOKED_AT, max(0, status.st_size - _LOOKED_AT))
        finally:
            os.close(descriptor)
    except OSError:
        return None
    lines = end.decode("utf-8", "replace").split("\n")
    for line in reversed(lines):
        one = _of_line(str(path), line)
        if one is not None and one.head.checkpoint.origin in origins:
            return one
    if end and must_hold:
        raise ContradictionError("its end holds no head of this log")
    return None


def read_kept(path: Path) -> Iterator[Kept]:
    """Heads in a file: lines of JSON with the head as ``note``, behind what a system log puts before; or a head, or a proof."""
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            first = stream.read(1)
            stream.seek(0)
            if (
                first
                and first not in "{<"
                and "\n\n\N{EM DASH} " in (text := stream.read(notes.LONGEST_NOTE))
            ):
                is_proof = text.startswith(proofs.FIRST_LINE)
                yield Kept(str(path), proofs.parse(text).head if is_proof else checkpoints.parse(text))
                return
            stream.seek(0)
            while line := stream.readline(_LONGEST_LINE):
                if (kept := _of_line(str(path), line)) is not None:
                    yield kept
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror}") from None


def _of_line(source: str, line: str) -> Kept | None:
    begin = line.find('{"')
    if begin < 0 or '"note"' not in line:
        return None
    try:
        facts = json.loads(line[begin:])
        return Kept(source, checkpoints.parse(facts["note"]), str(facts.get("time", ""))[:40])
    except (ValueError, LookupError, TypeError, RecursionError, PilothouseError):
        return None
