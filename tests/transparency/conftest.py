"""A log of hashes of numbers, and what an independent implementation makes of it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from pilothouse.transparency import merkle
from pilothouse.transparency.checkpoints import Checkpoint
from pilothouse.transparency.notes import COSIGNATURE, ED25519, PrivateKey

ORIGIN, WITNESS = "acme.example/ops/1a2b3c4d", "witness.example/w1"
LOG_KEY = PrivateKey(ORIGIN, ED25519, bytes(range(32)))
WITNESS_KEY = PrivateKey(WITNESS, COSIGNATURE, bytes(range(32, 64)))
TIME = 1_764_374_400


class Log:
    """Entries, and the hashes of their complete subtrees, each computed from its leaves."""

    def __init__(self, entries: list[bytes]) -> None:
        self.entries = entries
        self.leaves = [merkle.leaf_hash(one) for one in entries]

    def subtree(self, level: int, place: int) -> bytes:
        leaves = self.leaves[place << level : (place + 1) << level]
        assert len(leaves) == 1 << level
        return merkle.fold(leaves)

    def head(self, size: int) -> Checkpoint:
        return Checkpoint(ORIGIN, size, merkle.root(size, self.subtree))


@pytest.fixture(scope="session")
def log() -> Log:
    return Log([hashlib.sha256(str(number).encode()).digest() for number in range(700)])


@pytest.fixture(scope="session")
def aics() -> dict[str, Any]:
    """What aics-tlog 0.2.1 made (tests/peers/tlog_vectors.py)."""
    made: dict[str, Any] = json.loads((Path(__file__).parent / "aics_tlog.json").read_text())
    return made
