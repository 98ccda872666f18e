"""Bytes from strangers, whatever they are: taken, or refused in one line, and nothing else."""

import base64
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats import ssh_wire as wire
from pilothouse.domain.identity.ssh_keys import KINDS
from pilothouse.domain.promotion.statements import parse_statement
from pilothouse.signing import sshsig
from pilothouse.signing.certificates import parse_certificate
from pilothouse.signing.keys import check_signature, parse_blob
from support.soft_keys import NAMESPACE, SoftKey

SOFT = SoftKey(hardware=True)
TEXT = SOFT.sshsig(b"message")
BLOB = base64.b64decode("".join(TEXT.splitlines()[1:-1]))


def refused_at_most(read: Callable[[], object]) -> None:
    said = ""
    try:
        read()
    except InvalidInputError as error:
        said = str(error)
    assert "\n" not in said
    assert len(said) < 500


@given(st.text())
def test_any_text_is_no_reason_to_fail(text: str) -> None:
    refused_at_most(lambda: sshsig.parse(text))
    begin, end = TEXT.splitlines()[0], TEXT.splitlines()[-1]
    refused_at_most(lambda: sshsig.parse(f"{begin}\n{text}\n{end}"))


@given(st.integers(0, len(BLOB) - 1), st.binary(max_size=8), st.integers(0, 8))
def test_any_piece_of_a_signature_exchanged(position: int, piece: bytes, cut: int) -> None:
    changed = BLOB[:position] + piece + BLOB[position + cut :]
    begin, end = TEXT.splitlines()[0], TEXT.splitlines()[-1]
    armored = f"{begin}\n{base64.b64encode(changed).decode()}\n{end}"
    refused_at_most(lambda: sshsig.parse(armored).check(b"message", NAMESPACE))


@given(st.binary(max_size=200))
def test_any_bytes_as_key_certificate_and_statement(data: bytes) -> None:
    for read in (parse_blob, parse_certificate, parse_statement):
        refused_at_most(lambda read=read: read(data))


@given(st.sampled_from(sorted(KINDS)), st.lists(st.binary(max_size=300), max_size=4), st.binary(max_size=80))
def test_any_fields_of_a_key_and_any_signature(kind: str, fields: list[bytes], raw: bytes) -> None:
    blob = wire.string(kind) + b"".join(map(wire.string, fields))
    for data in (blob, wire.string(kind) + wire.string(b"nistp256") + blob[4 + len(kind) :]):
        refused_at_most(
            lambda data=data: check_signature(
                parse_blob(data), wire.string(kind) + wire.string(raw) + b"\1\0\0\0\1", b"message"
            )
        )


def test_an_endless_rsa_key_is_refused() -> None:
    long = wire.string("ssh-rsa") + wire.number(65_537) + wire.number(2**16_384 + 1)
    with pytest.raises(InvalidInputError, match="2048 to 16384"):
        parse_blob(long)
