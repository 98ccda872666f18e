"""Proof that a log holds an entry (c2sp.org/tlog-proof@v1): one file that is verified without asking anybody."""

from collections.abc import Iterable
from dataclasses import dataclass

from pilothouse.domain.errors import IntegrityError, InvalidInputError
from pilothouse.transparency import checkpoints, merkle
from pilothouse.transparency.checkpoints import SignedCheckpoint
from pilothouse.transparency.notes import PublicKey, decode_hash, encode
from pilothouse.transparency.policies import Policy

FIRST_LINE = "c2sp.org/tlog-proof@v1"
_MOST_HASHES = 63


@dataclass(frozen=True, slots=True)
class Proof:
    """Place of an entry (from 0), the hashes from it to the root, and the head."""

    index: int
    hashes: tuple[bytes, ...]
    head: SignedCheckpoint

    def __str__(self) -> str:
        hashes = "".join(f"{encode(one)}\n" for one in self.hashes)
        return f"{FIRST_LINE}\nindex {self.index}\n{hashes}\n{self.head}"


def parse(text: str) -> Proof:
    """Proof of its text; nothing is verified. Raises InvalidInputError."""
    above, _, below = text.partition("\n\n")
    lines = above.split("\n")
    if lines[0] != FIRST_LINE:
        raise InvalidInputError(f"this is not a proof: its first line is not {FIRST_LINE}")
    if len(lines) > 1 and lines[1].startswith("extra "):
        del lines[1]
    if len(lines) < 2 or not lines[1].startswith("index ") or len(lines) > 2 + _MOST_HASHES:
        raise InvalidInputError("this is not a proof: expected a line 'index NUMBER', then hashes")
    index = checkpoints.number(lines[1].removeprefix("index "))
    return Proof(index, tuple(decode_hash(line) for line in lines[2:]), checkpoints.parse(below))


def check(proof: Proof, entry: bytes, policy: Policy | None = None, keys: Iterable[PublicKey] = ()) -> None:
    """Raise IntegrityError unless the log's key has signed the head, enough witnesses have seen it, and it holds the entry."""
    trusted = [*keys, *(policy.logs if policy else ())]
    checkpoints.check(proof.head, trusted)
    if policy is not None and not policy.is_met(policy.cosigners(proof.head)):
        raise IntegrityError("the head of the proof has not been cosigned by enough witnesses")
    head = proof.head.checkpoint
    merkle.check_inclusion(proof.index, head.size, merkle.leaf_hash(entry), proof.hashes, head.root)
