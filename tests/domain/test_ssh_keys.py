"""Public keys of OpenSSH, read as its own program writes them."""

import base64
from pathlib import Path

import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.identity.ssh_keys import key_of, read_key
from support.ssh_keys import keygen, make_key, needs_ssh_keygen, public

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
        ("ssh-ed25519", "end too early"),
        (
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIO2psBy2o+cBOxALkKCgyFTFRdom4rfdEHp",
            "copy the whole line again",
        ),
        (
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIO2psBy2o+cBOxALkKCgyFTFRdom4rfdEHpKK1r11OfAAAA",
            "bytes too many",
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
    with pytest.raises(InvalidInputError, match="1024 bits; expected 2048 to 16384"):
        key_of("ssh-rsa", base64.b64encode(blob).decode())
