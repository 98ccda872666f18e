"""A Dask cluster of real processes on loopback, with mutual TLS by an authority of its own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pilothouse.domain.integrations.execution_settings import ExecutionSettings
from support import wait_until

_PEM = serialization.Encoding.PEM
_DAYS = timedelta(days=2)


class Cluster:
    """Scheduler and workers below a folder, with the files that a workspace names to reach them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        make_authority(folder)
        self._processes: list[subprocess.Popen[bytes]] = []
        self.workers: list[subprocess.Popen[bytes]] = []
        self.scheduler = self.start_scheduler()

    @property
    def settings(self) -> ExecutionSettings:
        return ExecutionSettings(
            engine="dask",
            scheduler=self.address,
            tls_ca="ca.pem",
            tls_certificate="workspace.pem",
            tls_key="workspace.key",
        )

    def start_scheduler(self, port: int = 0) -> "subprocess.Popen[bytes]":
        """Start the scheduler; with the port of one before it takes its place."""
        told = self.folder / "scheduler.json"
        told.unlink(missing_ok=True)
        command = ["dask_scheduler", "--host", "127.0.0.1", "--protocol", "tls", "--port", str(port)]
        command += ["--no-dashboard", "--no-jupyter", "--scheduler-file", str(told)]
        self.scheduler = self._start(*command)

        def known() -> bool:
            with contextlib.suppress(OSError, ValueError):
                self.address = str(json.loads(told.read_text())["address"])
                return True
            return False

        wait_until(known)
        return self.scheduler

    def start_worker(
        self, name: str, memory: str = "4GiB", threads: int = 1, *options: str, under: Sequence[str] = ()
    ) -> "subprocess.Popen[bytes]":
        """Start a worker; it has no nanny, so that one that is killed stays away. ``under`` is a command that execs it."""
        place = self.folder_of(name)
        command = ["dask_worker", self.address, "--no-nanny", "--no-dashboard", "--nthreads", str(threads)]
        command += ["--memory-limit", memory, "--local-directory", str(place), "--name", name, *options]
        worker = self._start(*command, under=under)
        self.workers.append(worker)
        return worker

    def folder_of(self, name: str) -> Path:
        """Folder that a worker writes in."""
        return self.folder / f"worker-{name}"

    def kill(self, process: "subprocess.Popen[bytes]") -> None:
        """Kill a process of this cluster, and wait for its end."""
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                self.kill(process)

    def _start(self, program: str, *arguments: str, under: Sequence[str] = ()) -> "subprocess.Popen[bytes]":
        files = ["--tls-ca-file", "ca.pem", "--tls-cert", "cluster.pem", "--tls-key", "cluster.key"]
        log = (self.folder / f"{program}-{len(self._processes)}.log").open("wb")
        with log:
            process = subprocess.Popen(
                [*under, sys.executable, "-m", f"distributed.cli.{program}", *arguments, *files],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={
                    **os.environ,
                    "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "true",
                    "DASK_TEMPORARY_DIRECTORY": str(self.folder),
                },
            )
        self._processes.append(process)
        return process


@contextlib.contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """A cluster with so many workers, which ends with the block."""
    made = Cluster(folder)
    try:
        for number in range(workers):
            made.start_worker(f"w{number + 1}")
        yield made
    finally:
        made.stop()


def make_authority(folder: Path) -> None:
    """Write ``ca.pem``, and a certificate with its key for ``cluster`` and for ``workspace``."""
    now = datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cluster authority")])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    own_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    of_authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    authority = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - _DAYS)
        .not_valid_after(now + _DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(own_id, critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(authority.public_bytes(_PEM))
    for number, subject in enumerate(("cluster", "workspace"), start=2):
        own = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(name)
            .public_key(own.public_key())
            .serial_number(number)
            .not_valid_before(now - _DAYS)
            .not_valid_after(now + _DAYS)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False)
            .add_extension(of_authority, critical=False)
            .sign(key, hashes.SHA256())
        )
        (folder / f"{subject}.pem").write_bytes(certificate.public_bytes(_PEM))
        private = own.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (folder / f"{subject}.key").write_bytes(private)
