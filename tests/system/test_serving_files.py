"""Files of tokens and TLS that a target names: what is wrong with them, and copies in the folder of its process."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from pilothouse.domain.errors import UnavailableError
from pilothouse.system.serving_files import ServingFiles, bring, faults, in_force, marks, validity
from support.certificates import made_certificate

NOW = datetime(2026, 6, 1, tzinfo=UTC)
NAMED = ServingFiles("tls/c.pem", "tls/k.pem", "tokens")
PASSWORD = serialization.BestAvailableEncryption(b"secret")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "tls").mkdir()
    (tmp_path / "folder").mkdir()
    certificate, key = made_certificate(NOW)
    (tmp_path / "tls" / "c.pem").write_bytes(certificate)
    (tmp_path / "tls" / "k.pem").write_bytes(key)
    (tmp_path / "tokens").write_text("a-token-of-one-client\n")
    return tmp_path


def said(root: Path) -> list[str]:
    return [fault.replace(f"{root}/", "") for fault in faults(NAMED.sources(root), NOW)]


def test_files_that_fit_have_no_fault(root: Path) -> None:
    assert said(root) == []
    assert validity(root / "tls" / "c.pem")[1] == NOW + timedelta(days=30)


def test_each_fault_is_said_in_one_line(root: Path) -> None:
    certificate, key = root / "tls" / "c.pem", root / "tls" / "k.pem"
    certificate.write_bytes(made_certificate(NOW)[0])
    assert said(root) == ["tls/c.pem with tls/k.pem cannot be used: the key is not the certificate's"]
    for days, begins, words in (
        (-1, -9, "expired on 2026-05-31 00:00 UTC"),
        (9, 3, "is not valid before 2026-06-04 00:00 UTC"),
    ):
        certificate.write_bytes((pair := made_certificate(NOW, days, begins))[0])
        key.write_bytes(pair[1])
        assert said(root) == [f"tls/c.pem {words}"]
    certificate.write_bytes((pair := made_certificate(NOW, encryption=PASSWORD))[0])
    key.write_bytes(pair[1])
    (fault,) = said(root)
    assert "the key is encrypted" in fault
    key.write_text("no key\n")
    (fault,) = said(root)
    assert fault.startswith("tls/c.pem with tls/k.pem cannot be used: ")
    key.unlink()
    (root / "tokens").unlink()
    assert said(root) == [
        "tls/k.pem cannot be read: No such file or directory",
        "tokens cannot be read: No such file or directory",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_a_fault(root: Path) -> None:
    (root / "tls" / "k.pem").chmod(0)
    assert said(root) == ["tls/k.pem cannot be read: Permission denied"]


def test_a_certificate_without_its_key_in_the_folder_of_a_process_is_a_fault(root: Path) -> None:
    folder = root / "folder"
    (folder / "tls-certificate.pem").write_bytes(made_certificate(NOW)[0])
    (fault,) = faults(in_force(root, folder, ServingFiles()), NOW)
    assert fault.endswith("tls-certificate.pem: the key that belongs to it is missing")


def test_copies_follow_what_is_named_and_go_with_it(root: Path) -> None:
    folder = root / "folder"
    own = folder / "client-tokens"
    own.write_text("put-here-by-hand-1234\n")
    bring(root, folder, ServingFiles("tls/c.pem", "tls/k.pem"))
    assert (folder / "tls-key.pem").read_bytes() == (root / "tls" / "k.pem").read_bytes()
    assert (folder / "tls-key.pem").stat().st_mode & 0o777 == 0o600
    assert own.read_text() == "put-here-by-hand-1234\n"
    before = marks(root, NAMED)
    # a renewal by a link, as certbot makes it
    (root / "tls" / "new.pem").write_bytes(made_certificate(NOW)[0])
    (root / "tls" / "c.pem").unlink()
    (root / "tls" / "c.pem").symlink_to("new.pem")
    assert marks(root, NAMED) != before
    bring(root, folder, NAMED)
    assert (folder / "tls-certificate.pem").read_bytes() == (root / "tls" / "new.pem").read_bytes()
    assert own.read_text() == "a-token-of-one-client\n"
    (root / "tokens").unlink()
    with pytest.raises(UnavailableError, match="tokens cannot be read"):
        bring(root, folder, NAMED)
    assert own.read_text() == "a-token-of-one-client\n"  # what was in force stays
    assert set(in_force(root, folder, ServingFiles())) == set()
    bring(root, folder, ServingFiles())
    assert not own.exists()
    assert not (folder / "tls-key.pem").exists()
