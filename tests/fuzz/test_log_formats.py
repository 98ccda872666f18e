"""Fuzzing of what strangers send or hand in about logs: heads, proofs, policies, keys, requests to a witness, kept files."""

import json
from pathlib import Path
from random import Random

import pytest

from pilothouse.operations.transparency import kept_heads
from pilothouse.transparency import checkpoints, merkle, notes, policies, proofs, tiles, witness_requests
from pilothouse.transparency.checkpoints import Checkpoint
from pilothouse.transparency.notes import COSIGNATURE, ED25519, PrivateKey
from pilothouse.transparency.witness_requests import Request, Seen
from support.fuzzing import fuzz, text_like

LOG = PrivateKey("acme.example/log", ED25519, bytes(range(32)))
WITNESS = PrivateKey("w.example/1", COSIGNATURE, bytes(range(32, 64)))
LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(100)]


def _subtree(level: int, place: int) -> bytes:
    return merkle.fold(LEAVES[place << level :][: 1 << level])


SIGNED = checkpoints.sign(Checkpoint(LOG.name, 100, merkle.fold(LEAVES)), LOG)
HEAD = checkpoints.SignedCheckpoint(
    SIGNED.checkpoint, SIGNED.note.plus([checkpoints.cosign(SIGNED, WITNESS, 1_764_374_400)])
)
POLICY = policies.at_least(1, [LOG.public], {"w1": WITNESS.public})
PROOF = str(proofs.Proof(7, tuple(merkle.inclusion_proof(7, 100, _subtree)), HEAD))
REQUEST = str(Request(60, tuple(merkle.consistency_proof(60, 100, _subtree)), HEAD))
LINE = json.dumps({"origin": LOG.name, "size": 100, "time": "2026-11-29T06:00:00Z", "note": str(HEAD)})


def read_head(text: str) -> None:
    read = checkpoints.parse(text)
    assert str(checkpoints.parse(str(read))) == str(read)
    POLICY.cosigners(read)
    checkpoints.check(read, POLICY.logs)
    assert (
        read.checkpoint == HEAD.checkpoint
    )  # whatever else stands there, the signed text is the one that was signed


def read_proof(text: str) -> None:
    read = proofs.parse(text)
    proofs.check(read, bytes([7]), POLICY)
    assert (read.index, read.head.checkpoint) == (7, HEAD.checkpoint)


def read_policy(text: str) -> None:
    read = policies.parse(text)
    assert policies.parse(str(read)) == read
    assert isinstance(read.is_met(()), bool)


def read_key(text: str) -> None:
    assert str(notes.parse_key(text)).strip() == text.strip()


def read_private_key(text: str) -> None:
    assert notes.parse_private_key(text).to_text().strip() == text.strip()


def read_request(body: bytes) -> None:
    read = witness_requests.parse(body)
    seen = Seen(60, merkle.fold(LEAVES[:60]))
    if witness_requests.judge(read, {LOG.name: [LOG.public]}, seen) is None:
        assert read.head.checkpoint == HEAD.checkpoint


def _text(whole: str):
    return lambda draw: text_like(draw, (whole,))


def _bytes(whole: str):
    return lambda draw: text_like(draw, (whole,)).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize(
    ("name", "whole", "read"),
    [
        ("a head", str(HEAD), read_head),
        ("a proof", PROOF, read_proof),
        ("a policy", str(POLICY), read_policy),
        ("a key", str(LOG.public), read_key),
        ("a private key", LOG.to_text(), read_private_key),
    ],
    ids=lambda given: given if isinstance(given, str) and len(given) < 20 else "",
)
def test_texts(name: str, whole: str, read) -> None:
    fuzz(name, _text(whole), read)


def test_requests_to_a_witness() -> None:
    fuzz("a request to a witness", _bytes(REQUEST), read_request)


def test_bundles_of_entries() -> None:
    whole = tiles.bundle([bytes([number]) * number for number in range(40)])

    def draw(chance: Random) -> bytes:
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        return bytes(data[: chance.randrange(len(data) + 1)])

    def read(data: bytes) -> None:
        assert tiles.bundle(tiles.parse_bundle(data)) == data

    fuzz("a bundle of entries", draw, read)


def test_files_that_somebody_kept(tmp_path: Path) -> None:
    path = tmp_path / "kept"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        for kept in kept_heads.read_kept(path):
            assert kept.head.checkpoint.size >= 0

    for name, whole in (("a line of an anchor", LINE), ("a kept head", str(HEAD)), ("a kept proof", PROOF)):
        fuzz(name, _bytes(whole), read)
