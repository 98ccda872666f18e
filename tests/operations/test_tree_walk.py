"""The walk over all rows gives the root of every size, and names subtrees on record that are others."""

import hashlib

import pytest

from pilothouse.operations.transparency.tree_walk import Walk
from pilothouse.transparency import merkle

ENTRIES = [hashlib.sha256(str(number).encode()).digest() for number in range(1_700)]
LEAVES = [merkle.leaf_hash(one) for one in ENTRIES]


@pytest.mark.parametrize("at_once", [256, 512, 1_792])
def test_roots_of_every_size(at_once: int) -> None:
    walk = Walk(set(range(1, 1_800)), {})
    for start in range(0, len(ENTRIES), at_once):
        assert walk.take(ENTRIES[start : start + at_once], {}) == []
    assert walk.size == len(ENTRIES)
    assert walk.roots == {size: merkle.fold(LEAVES[:size]) for size in range(1, 1_701)}


def test_subtrees_on_record_that_are_others_are_named() -> None:
    on_record = {place: merkle.fold(LEAVES[256 * place :][:256]) for place in range(6)}
    larger = {(9, 1): merkle.fold(LEAVES[512:1_024]), (10, 0): merkle.fold(LEAVES[:1_024])}
    assert Walk(set(), larger).take(ENTRIES, on_record) == []
    assert Walk(set(), larger).take(ENTRIES, on_record | {2: bytes(32)}) == [(513, 768)]
    assert Walk(set(), larger | {(10, 0): bytes(32)}).take(ENTRIES, on_record) == [(1, 1_024)]
