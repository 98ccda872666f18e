"""Public keys and certificates of OpenSSH, read as its own program writes them."""

import base64
from pathlib import Path

import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.identity.ssh_keys import key_of, read_certificate, read_key
from support.ssh_keys import certify, keygen, make_key, needs_ssh_keygen, public

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIO2psBy2o+cBOxALkKCgyFTFRdom4rfdEHpKK1r11Of ann@desk"
HARDWARE = base64.b64encode(
    b"".join(len(part).to_bytes(4) + part for part in (b"sk-ssh-ed25519@openssh.com", b"\1" * 32, b"ssh:"))
).decode()


@needs_ssh_keygen
@pytest.mark.parametrize(
    ("key_type", "bits"), [("ed25519", None), ("ecdsa", 256), ("ecdsa", 521), ("rsa", 2048)]
)
def test_a_key_has_the_fingerprint_that_ssh_keygen_prints(tmp_path: Path, key_type: str, bits: int) -> None:
    path = make_key(tmp_path, "id", key_type, bits=bits)

    key = read_key(public(path))

    assert keygen("-l", "-f", path).split()[1] == key.fingerprint
    assert (key.comment, key.is_hardware) == ("id of the tests", False)
    assert public(path).split()[:2] == [key.key_type, key.public_key]


def test_a_key_in_a_device_says_so() -> None:
    assert read_key(f"sk-ssh-ed25519@openssh.com {HARDWARE} token").is_hardware


def test_comments_and_windows_line_ends_are_no_part_of_a_key() -> None:
    assert read_key(f"# mine\r\n{ED25519}\r\n").comment == "ann@desk"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "found 0 lines"),
        (f"{ED25519}\n{ED25519}", "found 2 lines"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "private key, which stays with its owner"),
        ('command="sh" ' + ED25519, "does not begin with a type of key"),
        (ED25519.replace("ssh-ed25519 ", "ssh-dss "), "does not begin with a type of key"),
        (ED25519.replace("ssh-ed25519 ", "ssh-rsa "), "not those of a key of the type ssh-rsa"),
        (ED25519.replace("ssh-ed25519 ", "ssh-ed25519-cert-v01@openssh.com "), "this is a certificate"),
        ("ssh-ed25519 AAAA!", "not base64"),
        ("ssh-ed25519", "cut off"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIO2psBy2o+cBOxALkKCgyFTFRdom4rfdEHp", "cut off"),
        (
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIO2psBy2o+cBOxALkKCgyFTFRdom4rfdEHpKK1r11OfAAAA",
            "do not end",
        ),
        ("ssh-ed25519 " + "A" * 20_000, "too long"),
    ],
)
def test_what_is_no_public_key_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        read_key(text)


def test_a_short_rsa_key_is_refused() -> None:
    parts = (b"ssh-rsa", b"\1\0\1", b"\0" + b"\xff" * 128)
    blob = b"".join(len(part).to_bytes(4) + part for part in parts)
    with pytest.raises(InvalidInputError, match="1024 bits is too short"):
        key_of("ssh-rsa", base64.b64encode(blob).decode())


@needs_ssh_keygen
@pytest.mark.parametrize("key_type", ["ed25519", "ecdsa", "rsa"])
def test_a_certificate_says_whose_it_is_and_until_when(tmp_path: Path, key_type: str) -> None:
    authority, own = make_key(tmp_path, "authority"), make_key(tmp_path, "own", key_type)
    file = certify(authority, own, "ann", "ann.lee", valid="20260101:20260201", key_id="ann of the desk")
    kind, blob, _ = file.read_text().split(maxsplit=2)

    certificate = read_certificate(kind, blob)

    assert certificate.key.fingerprint == read_key(public(own)).fingerprint
    assert certificate.authority.fingerprint == read_key(public(authority)).fingerprint
    assert (certificate.principals, certificate.key_id) == (("ann", "ann.lee"), "ann of the desk")
    assert certificate.valid_before is not None
    assert certificate.valid_after < certificate.valid_before


@needs_ssh_keygen
def test_a_certificate_without_end_and_one_for_a_host(tmp_path: Path) -> None:
    authority, own = make_key(tmp_path, "authority"), make_key(tmp_path, "own")
    kind, blob, _ = certify(authority, own, valid="always:forever").read_text().split(maxsplit=2)
    certificate = read_certificate(kind, blob)
    assert (certificate.principals, certificate.valid_before) == ((), None)

    keygen("-q", "-h", "-s", authority, "-I", "host", "-n", "ann", own.with_name("own.pub"))
    kind, blob, _ = own.with_name("own-cert.pub").read_text().split(maxsplit=2)
    with pytest.raises(InvalidInputError, match="not one for users"):
        read_certificate(kind, blob)


@needs_ssh_keygen
def test_a_certificate_that_is_cut_anywhere_is_refused(tmp_path: Path) -> None:
    authority, own = make_key(tmp_path, "authority"), make_key(tmp_path, "own")
    kind, text, _ = certify(authority, own, "ann").read_text().split(maxsplit=2)
    blob = base64.b64decode(text)
    whole = read_certificate(kind, text)
    signature_at = blob.rindex(base64.b64decode(whole.authority.public_key))

    for size in range(signature_at):
        with pytest.raises(InvalidInputError):
            read_certificate(kind, base64.b64encode(blob[:size]).decode())
