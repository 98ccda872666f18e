"""Signatures of SSH keys: what ssh-keygen makes is taken, what it refuses is refused, and the texts are the same."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats import ssh_wire as wire
from pilothouse.signing import sshsig
from pilothouse.signing.allowed_signers import (
    AllowedSigner,
    allowed_signers,
    principal,
    revocation_list,
    time_option,
)
from pilothouse.signing.certificates import parse_certificate
from pilothouse.signing.keys import check_signature, parse_blob
from support.soft_keys import NAMESPACE, SoftKey, keygen, of_line

MESSAGE = b'{"request":17}'
NOW = datetime.now(UTC)


def _made(folder: Path, kind: str, bits: str = "") -> Path:
    path = folder / f"key_{kind}{bits}"
    keygen("-q", "-t", kind, *(("-b", bits) if bits else ()), "-N", "", "-C", "ada", "-f", str(path))
    return path


def _signed(key: Path, message: bytes = MESSAGE, namespace: str = NAMESPACE) -> str:
    return keygen("-Y", "sign", "-f", str(key), "-n", namespace, stdin=message).stdout.decode()


@pytest.mark.parametrize(
    ("kind", "bits"), [("ed25519", ""), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521"), ("rsa", "2048")]
)
def test_signatures_of_ssh_keygen_are_taken(tmp_path: Path, kind: str, bits: str) -> None:
    key = _made(tmp_path, kind, bits)
    text = _signed(key)
    signature = sshsig.parse(text)
    assert signature.key == of_line(key.with_suffix(".pub").read_text())
    assert signature.check(MESSAGE, NAMESPACE) is None
    assert sshsig.normalised(text) == text
    with pytest.raises(InvalidInputError, match="not over these bytes"):
        signature.check(MESSAGE + b" ", NAMESPACE)
    with pytest.raises(InvalidInputError, match="namespace 'file'"):
        sshsig.parse(_signed(key, namespace="file")).check(MESSAGE, NAMESPACE)


def test_a_text_of_ours_is_that_of_ssh_keygen(tmp_path: Path) -> None:
    soft = SoftKey()
    key = soft.write(tmp_path / "key")
    assert soft.sshsig(MESSAGE) == _signed(key)


def test_fingerprints_are_those_of_ssh_keygen(tmp_path: Path) -> None:
    soft = SoftKey(hardware=True)
    path = tmp_path / "key.pub"
    path.write_text(soft.line + "\n")
    assert soft.public.fingerprint in keygen("-l", "-f", str(path)).stdout.decode()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: text.rstrip("\n"),
        lambda text: "  \n\t" + text + "\n\n  ",
        lambda text: "\n".join(f"   {line}  " for line in text.splitlines()),
        lambda text: "\n".join(f"> {line}" for line in text.splitlines()),
        lambda text: text.replace("\n", " "),
        lambda text: "\ufeff" + text,
        lambda text: f"Hello,\nhere it is:\n{text}\nRegards, Ada\n",
    ],
)
def test_a_paste_is_normalised(spoil: object) -> None:
    text = SoftKey().sshsig(MESSAGE)
    assert sshsig.normalised(spoil(text)) == text  # type: ignore[operator]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no signature is there"),
        ("-----BEGIN SSH SIGNATURE-----\nA*B\n-----END SSH SIGNATURE-----", "damaged"),
        ("-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----", "end too early"),
        ("-----BEGIN SSH SIGNATURE-----\nAAAAAAAAAAAA\n-----END SSH SIGNATURE-----", "not one of ssh-keygen"),
        ("x" * 70_000, "expected 65,536 at most"),
    ],
)
def test_what_is_no_signature_is_refused_in_one_line(text: str, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words) as caught:
        sshsig.parse(text)
    assert "\n" not in str(caught.value)


def test_every_changed_byte_is_refused() -> None:
    soft = SoftKey()
    blob = soft.signature(MESSAGE)
    for position in range(len(blob)):
        changed = bytearray(blob)
        changed[position] ^= 1
        with pytest.raises(InvalidInputError):
            check_signature(soft.public, bytes(changed), MESSAGE)


def test_every_shorter_and_longer_signature_is_refused() -> None:
    soft = SoftKey(hardware=True)
    blob = soft.signature(MESSAGE)
    for end in range(len(blob)):
        with pytest.raises(InvalidInputError):
            check_signature(soft.public, blob[:end], MESSAGE)
    with pytest.raises(InvalidInputError, match="too many"):
        check_signature(soft.public, blob + b"\0", MESSAGE)


def test_a_hardware_key_must_be_touched() -> None:
    soft = SoftKey(hardware=True)
    device = sshsig.parse(soft.sshsig(MESSAGE)).check(MESSAGE, NAMESPACE)
    assert device is not None
    assert (device.touched, device.verified, device.counter) == (True, False, 7)
    with pytest.raises(InvalidInputError, match="without touching"):
        sshsig.parse(soft.sshsig(MESSAGE, flags=0)).check(MESSAGE, NAMESPACE)


def test_a_hardware_key_of_a_curve() -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    point = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    kind = "sk-ecdsa-sha2-nistp256@openssh.com"
    key = parse_blob(wire.string(kind) + wire.string("nistp256") + wire.string(point) + wire.string("ssh:"))
    soft = SoftKey(hardware=True)
    tail = b"\x05" + (9).to_bytes(4, "big")
    digest = hashes.Hash(hashes.SHA256())
    digest.update(MESSAGE)
    application = hashes.Hash(hashes.SHA256())
    application.update(b"ssh:")
    signed = private.sign(application.finalize() + tail + digest.finalize(), ec.ECDSA(hashes.SHA256()))
    r, s = decode_dss_signature(signed)
    blob = wire.string(kind) + wire.string(wire.number(r) + wire.number(s)) + tail
    device = check_signature(key, blob, MESSAGE)
    assert device is not None
    assert device.verified
    with pytest.raises(InvalidInputError):
        check_signature(soft.public, blob, MESSAGE)


def test_a_signature_of_a_hardware_key_satisfies_ssh_keygen(tmp_path: Path) -> None:
    soft = SoftKey(hardware=True)
    (tmp_path / "sig").write_text(soft.sshsig(MESSAGE))
    (tmp_path / "allowed").write_text(allowed_signers([AllowedSigner("ada", soft.public)], NAMESPACE))
    assert _verified(tmp_path) == 0


def test_an_rsa_signature_over_sha1_and_a_short_key_are_refused(tmp_path: Path) -> None:
    key = _made(tmp_path, "rsa", "2048")
    public = of_line(key.with_suffix(".pub").read_text())
    with pytest.raises(InvalidInputError, match="not over these bytes"):
        check_signature(public, wire.string("ssh-rsa") + wire.string(b"x" * 256), MESSAGE)
    short = wire.string("ssh-rsa") + wire.number(65_537) + wire.number(2**1023 + 1)
    with pytest.raises(InvalidInputError, match="1024 bits"):
        parse_blob(short)


def _certified(folder: Path, *options: str, principals: str = "ada") -> Path:
    authority, key = _made(folder, "ed25519"), _made(folder, "ecdsa", "256")
    keygen(
        "-q",
        "-s",
        str(authority),
        "-I",
        "ada's laptop",
        "-n",
        principals,
        *options,
        str(key.with_suffix(".pub")),
    )
    return folder / f"{key.name}-cert.pub"


def test_a_certificate_names_its_authority_and_is_for_its_names_and_time(tmp_path: Path) -> None:
    path = _certified(tmp_path, "-V", "-1h:+1h")
    signature = sshsig.parse(_signed(path))
    signature.check(MESSAGE, NAMESPACE)
    certificate = signature.certificate
    assert certificate is not None
    assert certificate.authority == of_line((tmp_path / "key_ed25519.pub").read_text())
    certificate.check("ada", NOW)
    with pytest.raises(InvalidInputError, match="is for ada, not for eve"):
        certificate.check("eve", NOW)
    with pytest.raises(InvalidInputError, match="expired"):
        certificate.check("ada", NOW + timedelta(hours=2))
    with pytest.raises(InvalidInputError, match="valid from"):
        certificate.check("ada", NOW - timedelta(hours=2))


def test_a_certificate_that_somebody_changed_or_of_a_host_is_refused(tmp_path: Path) -> None:
    path = _certified(tmp_path, "-V", "-1h:+1h")
    blob = base64.b64decode(path.read_text().split()[1])
    at = blob.index(b"ada's laptop")
    changed = blob[:at] + b"eve's laptop" + blob[at + 12 :]
    with pytest.raises(InvalidInputError, match="not signed by the authority"):
        parse_certificate(changed)
    other = tmp_path / "host"
    other.mkdir()
    host = base64.b64decode(_certified(other, "-h").read_text().split()[1])
    with pytest.raises(InvalidInputError, match="for a host"):
        parse_certificate(host)


def test_a_certificate_that_asks_for_the_pin_of_a_device_needs_one(tmp_path: Path) -> None:
    path = _certified(tmp_path, "-O", "verify-required")
    with pytest.raises(InvalidInputError, match="PIN"):
        sshsig.parse(_signed(path)).check(MESSAGE, NAMESPACE)


# --- what ssh-keygen says of our files ---------------------------------------------------------------------------


def _verified(folder: Path, *options: str, message: bytes = MESSAGE, name: str = "ada") -> int:
    sig, allowed = str(folder / "sig"), str(folder / "allowed")
    options = ("-I", principal(name), "-n", NAMESPACE, "-s", sig, *options)
    return keygen("-Y", "verify", "-f", allowed, *options, stdin=message, code=None).returncode


def test_allowed_signers_and_revoked_keys_are_read_by_ssh_keygen(tmp_path: Path) -> None:
    soft, other = SoftKey(), SoftKey()
    begin, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, 12, 30, tzinfo=UTC)
    (tmp_path / "sig").write_text(soft.sshsig(MESSAGE))
    signers = [AllowedSigner("ada lovelace*", soft.public, begin, end), AllowedSigner("eve", other.public)]
    (tmp_path / "allowed").write_text(allowed_signers(signers, NAMESPACE))
    within = f"-Overify-time={time_option(end - timedelta(minutes=1))}"
    name = "ada lovelace*"
    assert _verified(tmp_path, within, name=name) == 0
    assert _verified(tmp_path, within, name="eve") == 255
    assert _verified(tmp_path, within, name=name, message=MESSAGE + b".") == 255
    assert _verified(tmp_path, f"-Overify-time={time_option(end + timedelta(seconds=1))}", name=name) == 255
    (tmp_path / "revoked").write_bytes(revocation_list([soft.public, other.public], end))
    assert _verified(tmp_path, within, "-r", str(tmp_path / "revoked"), name=name) == 255
    (tmp_path / "revoked").write_bytes(revocation_list([other.public], end))
    assert _verified(tmp_path, within, "-r", str(tmp_path / "revoked"), name=name) == 0
    (tmp_path / "revoked").write_bytes(revocation_list([], end))
    assert _verified(tmp_path, within, "-r", str(tmp_path / "revoked"), name=name) == 0


def test_a_certificate_is_allowed_by_the_line_of_its_authority(tmp_path: Path) -> None:
    path = _certified(tmp_path, "-V", "-1h:+1h")
    (tmp_path / "sig").write_text(_signed(path))
    authority = of_line((tmp_path / "key_ed25519.pub").read_text())
    line = allowed_signers([AllowedSigner("ada", authority, is_authority=True)], NAMESPACE)
    (tmp_path / "allowed").write_text(line)
    assert _verified(tmp_path, f"-Overify-time={time_option(NOW)}") == 0
    assert _verified(tmp_path, f"-Overify-time={time_option(NOW + timedelta(days=1))}") == 255
