"""Keys of SSH made in the process, a hardware key among them, and the programs of OpenSSH where they are installed."""

import base64
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from pilothouse.domain.formats.ssh_wire import string
from pilothouse.signing.keys import PublicKey, parse_blob
from pilothouse.signing.sshsig import armored, bytes_to_sign

NAMESPACE = "approval@pilothouse"


class SoftKey:
    """Ed25519 key in the process; ``hardware``: one that answers as a device does."""

    def __init__(self, *, hardware: bool = False) -> None:
        self.private = Ed25519PrivateKey.generate()
        self.hardware = hardware
        point = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        kind = "sk-ssh-ed25519@openssh.com" if hardware else "ssh-ed25519"
        blob = string(kind) + string(point) + (string("ssh:") if hardware else b"")
        self.public: PublicKey = parse_blob(blob)

    @property
    def line(self) -> str:
        return self.public.line

    def signature(self, message: bytes, *, flags: int = 1) -> bytes:
        """Blob of a signature."""
        if not self.hardware:
            return string(self.public.kind) + string(self.private.sign(message))
        tail = bytes([flags]) + (7).to_bytes(4, "big")
        signed = hashlib.sha256(b"ssh:").digest() + tail + hashlib.sha256(message).digest()
        return string(self.public.kind) + string(self.private.sign(signed)) + tail

    def sshsig(self, message: bytes, namespace: str = NAMESPACE, *, flags: int = 1) -> str:
        """Text of a signature as ``ssh-keygen -Y sign`` writes it."""
        signature = self.signature(bytes_to_sign(message, namespace), flags=flags)
        return armored(self.public.blob, namespace, signature)

    def write(self, path: Path) -> Path:
        """Private key file for OpenSSH, the public one beside it."""
        data = self.private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        path.write_bytes(data)
        path.chmod(0o600)
        path.with_suffix(".pub").write_text(f"{self.line} test\n")
        return path


def of_line(line: str) -> PublicKey:
    """Public key of a line of a ``.pub`` file."""
    return parse_blob(base64.b64decode(line.split()[1]))


def openssh(name: str) -> str:
    """Path of a program of OpenSSH; the test is skipped where it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def keygen(*arguments: str, stdin: bytes = b"", code: int | None = 0) -> subprocess.CompletedProcess[bytes]:
    """Run ssh-keygen; fails unless it ends with this code (None: any)."""
    done = subprocess.run([openssh("ssh-keygen"), *arguments], input=stdin, capture_output=True, check=False)
    assert code is None or done.returncode == code, done.stderr.decode() + done.stdout.decode()
    return done


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="ph-", dir=os.environ.get("TMPDIR", "/tmp")) as folder:
        yield Path(folder)


@contextmanager
def agent(*keys: Path) -> Iterator[str]:
    """A real agent that holds these keys; its socket."""
    with short_folder() as folder:
        yield from _agent(folder / "agent.sock", keys)


def _agent(path: Path, keys: Sequence[Path]) -> Iterator[str]:
    process = subprocess.Popen(
        [openssh("ssh-agent"), "-D", "-a", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 20
        while not path.exists():
            assert time.monotonic() < deadline, "the agent has not come up"
            assert process.poll() is None, "the agent has ended"
            time.sleep(0.01)
        for key in keys:
            environment = {"SSH_AUTH_SOCK": str(path), "PATH": "/usr/bin:/bin"}
            subprocess.run([openssh("ssh-add"), str(key)], env=environment, check=True, capture_output=True)
        yield str(path)
    finally:
        process.terminate()
        process.wait()
