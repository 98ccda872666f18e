"""Answers of a witness, in the order of c2sp.org/tlog-witness."""

from dataclasses import replace

import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.transparency import checkpoints, merkle, notes, witness_requests
from pilothouse.transparency.checkpoints import Checkpoint
from pilothouse.transparency.witness_requests import Request, Seen, judge, parse
from transparency.conftest import LOG_KEY, ORIGIN, Log

KEYS = {ORIGIN: [LOG_KEY.public]}


def request(log: Log, old: int, new: int) -> Request:
    proof = merkle.consistency_proof(old, new, log.subtree) if old <= new else []
    return Request(old, tuple(proof), checkpoints.sign(log.head(new), LOG_KEY))


def status(asked: Request, seen: Seen = Seen()) -> int:  # noqa: B008 - frozen
    refusal = judge(parse(str(asked).encode()), KEYS, seen)
    return refusal.status if refusal else 200


def test_growth_is_cosigned(log: Log) -> None:
    seen = Seen()
    for size in (1, 5, 5, 300, 700):
        assert status(request(log, seen.size, size), seen) == 200
        seen = Seen(size, log.head(size).root)


def test_what_is_refused_and_how(log: Log) -> None:
    seen = Seen(300, log.head(300).root)
    other = Log([b"another", *log.entries[1:]])
    grown = request(log, 300, 400)
    unknown = notes.new_key("stranger.example")
    forged = checkpoints.sign(log.head(400), notes.new_key(ORIGIN))
    damaged = replace(grown.head.note.signatures[0], value=bytes(64))
    wrong = checkpoints.SignedCheckpoint(
        grown.head.checkpoint, replace(grown.head.note, signatures=(damaged,))
    )

    assert (
        status(
            replace(grown, head=checkpoints.sign(replace(log.head(400), origin=unknown.name), unknown)), seen
        )
        == 404
    )
    assert status(replace(grown, head=forged), seen) == 403
    assert status(replace(grown, head=wrong), seen) == 403
    assert status(request(log, 500, 400), seen) == 400
    refusal = judge(request(log, 200, 400), KEYS, seen)
    assert refusal is not None
    assert (refusal.status, refusal.text, refusal.content_type) == (409, "300\n", "text/x.tlog.size")
    assert status(request(other, 300, 400), seen) == 422
    assert status(request(other, 300, 300), seen) == 422
    assert status(replace(grown, proof=grown.proof[:-1]), seen) == 422
    assert status(replace(request(log, 0, 5), proof=grown.proof)) == 422
    assert status(Request(0, (), checkpoints.sign(Checkpoint(ORIGIN, 0, bytes(32)), LOG_KEY))) == 422
    assert status(Request(0, (), checkpoints.sign(Checkpoint(ORIGIN, 0, merkle.EMPTY_ROOT), LOG_KEY))) == 200


@pytest.mark.parametrize(
    "body",
    [
        b"", b"old 1\n", b"old 01\n\n", b"old -1\n\nx", b"new 1\n\nx", b"\xff\n\n", b"old 1\nAAAA\n\na\n1\n",
        b"old 1\n" + b"A" * 43 + b"=\n" * 64 + b"\na\n1\n",
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInputError):
        witness_requests.parse(body)


def test_more_than_63_hashes_are_refused(log: Log) -> None:
    grown = request(log, 300, 400)
    assert parse(str(replace(grown, proof=grown.proof[:1] * 63)).encode()).proof == grown.proof[:1] * 63
    with pytest.raises(InvalidInputError):
        parse(str(replace(grown, proof=grown.proof[:1] * 64)).encode())
