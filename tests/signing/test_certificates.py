"""Certificates of OpenSSH, read as its own program writes them."""

from pathlib import Path

import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.identity.ssh_keys import decoded, read_key
from pilothouse.signing.certificates import read_certificate
from support.ssh_keys import certify, keygen, make_key, needs_ssh_keygen, public


@needs_ssh_keygen
@pytest.mark.parametrize("key_type", ["ed25519", "ecdsa", "rsa"])
def test_a_certificate_says_whose_it_is_and_until_when(tmp_path: Path, key_type: str) -> None:
    authority, own = make_key(tmp_path, "authority"), make_key(tmp_path, "own", key_type)
    file = certify(authority, own, "ann", "ann.lee", valid="20260101:20260201", key_id="ann of the desk")
    _, blob, _ = file.read_text().split(maxsplit=2)

    certificate = read_certificate(decoded(blob))

    assert certificate.key.fingerprint == read_key(public(own)).fingerprint
    assert certificate.authority.fingerprint == read_key(public(authority)).fingerprint
    assert (certificate.principals, certificate.key_id) == (("ann", "ann.lee"), "ann of the desk")
    assert certificate.ends is not None
    assert certificate.valid_after < certificate.ends.timestamp()


@needs_ssh_keygen
def test_a_certificate_without_end_and_one_for_a_host(tmp_path: Path) -> None:
    authority, own = make_key(tmp_path, "authority"), make_key(tmp_path, "own")
    _, blob, _ = certify(authority, own, valid="always:forever").read_text().split(maxsplit=2)
    certificate = read_certificate(decoded(blob))
    assert (certificate.principals, certificate.ends) == ((), None)

    keygen("-q", "-h", "-s", authority, "-I", "host", "-n", "ann", own.with_name("own.pub"))
    _, blob, _ = own.with_name("own-cert.pub").read_text().split(maxsplit=2)
    with pytest.raises(InvalidInputError, match="for a host"):
        read_certificate(decoded(blob))


@needs_ssh_keygen
def test_a_certificate_that_is_cut_anywhere_is_refused(tmp_path: Path) -> None:
    authority, own = make_key(tmp_path, "authority"), make_key(tmp_path, "own")
    _, text, _ = certify(authority, own, "ann").read_text().split(maxsplit=2)
    blob = decoded(text)
    read_certificate(blob)

    for size in range(len(blob)):
        with pytest.raises(InvalidInputError):
            read_certificate(blob[:size])
