"""Shares of a log of predictions: which files, or row groups of them, each of several readers takes."""

from collections.abc import Sequence
from dataclasses import dataclass

_FILES_A_SHARE = 4
"""Files a share from which whole files are dealt out; of fewer, parquet files are cut by row groups."""


@dataclass(frozen=True, slots=True)
class Part:
    """Part of a log: a file below a root, whole, or every ``shares``-th row group of it from ``share`` on."""

    file: str
    share: int = 0
    shares: int = 1


def parts_of_share(files: Sequence[tuple[str, int]], share: int, shares: int, *, cuts: bool) -> list[Part]:
    """Parts that one of several shares consists of, by (name, size) of every file: all shares together hold each row once.

    Files go by size to the share that has least. ``cuts``: parquet files may be cut where there are few.
    """
    cut = cuts and len(files) < _FILES_A_SHARE * shares
    loads, mine = [0] * shares, []
    for name, size in sorted(files, key=lambda file: (-file[1], file[0])):
        if cut and name.lower().endswith(".parquet"):
            mine.append(Part(name, share, shares))
            continue
        least = loads.index(min(loads))
        loads[least] += max(size, 1)
        if least == share:
            mine.append(Part(name))
    return sorted(mine, key=lambda part: part.file)
