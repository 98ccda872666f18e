"""Requests to a witness and its answers (c2sp.org/tlog-witness), and what it answers, from what it has seen before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pilothouse.domain.errors import IntegrityError, InvalidInputError
from pilothouse.transparency import checkpoints, merkle
from pilothouse.transparency.checkpoints import SignedCheckpoint
from pilothouse.transparency.notes import PublicKey, decode_hash, encode

PATH = "/add-checkpoint"
SIZE_TYPE = "text/x.tlog.size"
"""Content type of the size that a witness has seen."""
LONGEST = 64_000
_MOST_HASHES = 63


@dataclass(frozen=True, slots=True)
class Seen:
    """What a witness has cosigned last of a log."""

    size: int = 0
    root: bytes = merkle.EMPTY_ROOT


@dataclass(frozen=True, slots=True)
class Request:
    """Head to cosign, with the proof that it extends the one of ``old`` leaves."""

    old: int
    proof: tuple[bytes, ...]
    head: SignedCheckpoint

    def __str__(self) -> str:
        hashes = "".join(f"{encode(one)}\n" for one in self.proof)
        return f"old {self.old}\n{hashes}\n{self.head}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Answer of a witness that does not cosign."""

    status: int
    text: str
    content_type: str = "text/plain; charset=utf-8"


def parse(body: bytes) -> Request:
    """Request of its body. Raises InvalidInputError."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise InvalidInputError("the request is not UTF-8") from None
    above, separator, below = text.partition("\n\n")
    lines = above.split("\n")
    if not separator or not lines[0].startswith("old ") or len(lines) > 1 + _MOST_HASHES:
        raise InvalidInputError("expected 'old SIZE', at most 63 hashes, an empty line and a head")
    old = checkpoints.number(lines[0].removeprefix("old "))
    return Request(old, tuple(decode_hash(line) for line in lines[1:]), checkpoints.parse(below))


def judge(request: Request, keys: Mapping[str, Sequence[PublicKey]], seen: Seen) -> Refusal | None:
    """Why a witness does not cosign the head, in the order that the protocol demands; None where it does.

    ``keys`` are those of the logs it knows, ``seen`` what it has cosigned last of the head's log.
    """
    head = request.head.checkpoint
    if head.origin not in keys:
        return Refusal(404, f"the log {head.origin} is not known here\n")
    try:
        checkpoints.check(request.head, keys[head.origin])
    except IntegrityError as error:
        return Refusal(403, f"{error}\n")
    if request.old > head.size:
        return Refusal(400, f"the head of {head.size} leaves is older than {request.old}\n")
    if request.old != seen.size:
        return Refusal(409, f"{seen.size}\n", SIZE_TYPE)
    if head.size == 0 and head.root != merkle.EMPTY_ROOT:
        return Refusal(422, "an empty tree has another root\n")
    try:
        merkle.check_consistency(seen.size, head.size, seen.root, head.root, request.proof)
    except IntegrityError as error:
        return Refusal(422, f"{error}\n")
    return None
