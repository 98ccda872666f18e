"""A real sshd on loopback, with its own host key and configuration, that lets the test's own account in."""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from support import wait_until
from support.ssh_keys import make_key

ACCOUNT = pwd.getpwuid(os.getuid()).pw_name
_SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
_PRIVILEGE_SEPARATION = Path("/run/sshd")


def why_not() -> str:
    """Reason why no sshd can be run here; empty where one can."""
    if _SSHD is None or shutil.which("ssh") is None:
        return "needs sshd and ssh (OpenSSH)"
    if os.getuid() == 0 and not _PRIVILEGE_SEPARATION.is_dir():
        return "sshd as root needs the folder /run/sshd"
    shell = Path(pwd.getpwuid(os.getuid()).pw_shell)
    if shell.name in ("nologin", "false") or not os.access(shell, os.X_OK):
        return f"needs an account with a shell: that of {ACCOUNT} is {shell}"
    return ""


needs_sshd = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")


@dataclass(frozen=True)
class Sshd:
    """The server: its process, its port, and the folder of its files."""

    process: "subprocess.Popen[bytes]"
    port: int
    folder: Path

    def command(self, key: Path, *words: str, options: Sequence[str] = ()) -> list[str]:
        """``ssh`` with one key, and nothing of the user's own configuration."""
        always = (
            "IdentitiesOnly=yes", "IdentityAgent=none", "BatchMode=yes", "StrictHostKeyChecking=no", "LogLevel=ERROR",
            f"UserKnownHostsFile={self.folder / 'known_hosts'}",
        )  # fmt: skip
        given = [part for option in always for part in ("-o", option)]
        return [
            "ssh", "-F", "none", *given, "-p", str(self.port), "-i", str(key), *options, f"{ACCOUNT}@127.0.0.1", *words,
        ]  # fmt: skip

    def run(self, key: Path, *words: str, options: Sequence[str] = (), given: str = "") -> "Answer":
        """What a command over ssh says."""
        done = subprocess.run(
            self.command(key, *words, options=options),
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


@dataclass(frozen=True)
class Answer:
    """What a command left behind."""

    code: int
    out: str
    err: str


@contextmanager
def running_sshd(folder: Path, *lines: str) -> Iterator[Sshd]:
    """An sshd with these lines at the end of its configuration."""
    folder.mkdir(exist_ok=True)
    make_key(folder, "host")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    configuration = (
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {folder / 'host'}",
        f"PidFile {folder / 'pid'}",
        "UsePAM no",
        "StrictModes no",
        "PermitRootLogin prohibit-password",
        "PermitUserEnvironment no",
        "Subsystem sftp internal-sftp",
        *lines,
    )
    (folder / "config").write_text("\n".join(configuration) + "\n")
    assert _SSHD is not None
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [_SSHD, "-D", "-e", "-f", str(folder / "config")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    server = Sshd(process, port, folder)
    try:
        wait_until(lambda: process.poll() is not None or _listens(port))
        assert process.poll() is None, server.log()
        yield server
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
