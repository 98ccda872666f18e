"""Keys and certificates of OpenSSH for tests, made by its own ``ssh-keygen``."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

needs_ssh_keygen = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen (OpenSSH)")


ED25519_KEYS = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIO2psBy2o+cBOxALkKCgyFTFRdom4rfdEHpKK1r11Of key 0 of the tests",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHqXB1IsqPWZJNv3cF5n6VzfhA9OJnyBCReMyFlvlh9t key 1 of the tests",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEDpX1s2tkXy5aOlhl2JzqtZD53GDI8PnGckVXJHcm/F key 2 of the tests",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJbj62htu32ki3kUSEvG8XER1KLBsn+kG50ZZ5NvWykF key 3 of the tests",
)
"""Public keys whose private parts nobody has."""


def make_key(folder: Path, name: str, key_type: str = "ed25519", *, bits: int | None = None) -> Path:
    """Make a pair without a passphrase; returns the private file, beside which lies the public one."""
    path = folder / name
    sized = ("-b", str(bits)) if bits else ()
    keygen("-q", "-t", key_type, *sized, "-N", "", "-C", f"{name} of the tests", "-f", path)
    return path


def public(path: Path) -> str:
    """Text of the public file of a private one."""
    return path.with_name(path.name + ".pub").read_text()


def certify(authority: Path, key: Path, *principals: str, valid: str = "+1h", key_id: str = "tests") -> Path:
    """Certificate of an authority for a key; returns its file."""
    named = ("-n", ",".join(principals)) if principals else ()
    keygen("-q", "-s", authority, "-I", key_id, *named, "-V", valid, key.with_name(key.name + ".pub"))
    return key.with_name(key.name + "-cert.pub")


def keygen(*arguments: object) -> str:
    """Run ssh-keygen; returns what it prints."""
    done = subprocess.run(
        ["ssh-keygen", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout


def use_key(key: Path, known_hosts: Path, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let ``ssh`` use a key, and nothing of the user's own configuration."""
    folder.mkdir()
    options = (
        f"-F none -o IdentitiesOnly=yes -o IdentityAgent=none -o StrictHostKeyChecking=no -o LogLevel=ERROR "
        f"-o 'UserKnownHostsFile=\"{known_hosts}\"'"
    )
    real = next(f"{one}/ssh" for one in os.environ["PATH"].split(":") if Path(one, "ssh").exists())
    (folder / "ssh").write_text(f"#!/bin/sh\nexec {real} {options} -i '{key}' \"$@\"\n")
    (folder / "ssh").chmod(0o755)
    patch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
