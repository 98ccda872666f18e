"""Merkle tree of RFC 6962 over rows that are only ever added: roots, and proofs from the hashes of complete subtrees.

``subtree(level, place)`` is the hash of the ``place``-th run of ``2**level`` leaves; leaves themselves are level 0.
"""

import hashlib
from collections.abc import Callable, Sequence

from pilothouse.domain.errors import IntegrityError

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root of the tree without leaves."""
Subtree = Callable[[int, int], bytes]


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of a node over its two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """Hashes of all complete subtrees over some leaves, by level; the leaves are level 0."""
    sha256 = hashlib.sha256
    found = [list(leaves)]
    while len(found[-1]) > 1:
        row = found[-1]
        pairs = zip(row[::2], row[1::2], strict=False)
        found.append([sha256(b"\x01" + left + right).digest() for left, right in pairs])
    return found


def fold(leaves: Sequence[bytes]) -> bytes:
    """Root over hashes of leaves, or over hashes of complete subtrees of one size with the leaves that follow them."""
    if not leaves:
        return EMPTY_ROOT
    sha256 = hashlib.sha256
    row = list(leaves)
    while len(row) > 1:
        pairs = [
            sha256(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=False)
        ]
        row = [*pairs, row[-1]] if len(row) % 2 else pairs
    return row[0]


def join(peaks: Sequence[bytes]) -> bytes:
    """Root over the hashes of complete subtrees, the largest first."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


def root(size: int, subtree: Subtree) -> bytes:
    """Root of the tree of the first ``size`` leaves."""
    return range_hash(0, size, subtree) if size else EMPTY_ROOT


def range_hash(start: int, end: int, subtree: Subtree) -> bytes:
    """Hash over the leaves from ``start`` to before ``end``, of which ``start`` begins a complete subtree at least as large."""
    peaks = []
    while start < end:
        level = (end - start).bit_length() - 1
        peaks.append(subtree(level, start >> level))
        start += 1 << level
    return join(peaks)


def _split(count: int) -> int:
    """Largest power of two below ``count``."""
    return 1 << (count - 1).bit_length() - 1


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """Hashes from the leaf's sibling up to the root's child (RFC 6962, 2.1.1)."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    start, end, path = 0, size, []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(range_hash(middle, end, subtree))
            end = middle
        else:
            path.append(range_hash(start, middle, subtree))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """Hashes that show that the tree of ``new`` leaves begins with that of ``old`` (RFC 6962, 2.1.2); none from the empty tree,
    or to itself."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} does not follow one of {old}")
    if old in (0, new):
        return []
    start, end, path, is_whole = 0, new, [], True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(range_hash(middle, end, subtree))
            end = middle
        else:
            path.append(range_hash(start, middle, subtree))
            start, is_whole = middle, False
    if not is_whole:
        path.append(range_hash(start, end, subtree))
    return path[::-1]


def check_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], tree_root: bytes) -> None:
    """Raise IntegrityError unless the proof leads from a leaf's hash to the root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        raise IntegrityError(f"leaf {index} is not in a tree of {size}")
    place, last, reached = index, size - 1, leaf
    for step in proof:
        if last == 0:
            raise IntegrityError("the proof of inclusion has too many hashes")
        if place & 1 or place == last:
            reached = node_hash(step, reached)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            reached = node_hash(reached, step)
        place, last = place >> 1, last >> 1
    if last != 0 or reached != tree_root:
        raise IntegrityError(f"leaf {index} is not what the head of {size} leaves has there")


def check_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Raise IntegrityError unless the proof shows that the new tree begins with the old one (RFC 9162, 2.1.4.2)."""
    fault = IntegrityError(
        f"the tree of {new} leaves does not begin with the one of {old} that was seen before"
    )
    if old > new or (old in (0, new) and proof):
        raise fault
    if old == new:
        if old_root != new_root:
            raise fault
        return
    if old == 0:
        if old_root != EMPTY_ROOT:
            raise fault
        return
    if not proof:
        raise fault
    steps = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise fault
        if place & 1 or place == last:
            first, second = node_hash(step, first), node_hash(step, second)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            second = node_hash(second, step)
        place, last = place >> 1, last >> 1
    if last != 0 or first != old_root or second != new_root:
        raise fault
