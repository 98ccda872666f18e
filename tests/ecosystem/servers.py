"""Real servers of sources on loopback: MariaDB, Azurite, an emulator of Google's store, nginx, Python's own web server.

They are installed into ``.ecosystem`` at the first use; a test is skipped where one cannot be had.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from installed import FOLDER, package_of_node, program_of_debian, python_with

from support.source_servers import PASSWORD, PATIENCE_S, free_port

AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Key of the account ``devstoreaccount1``, the same in every Azurite."""
_BOOTSTRAP = ("mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql")


@contextmanager
def mariadb() -> Iterator[int]:
    """Port of a MariaDB server with the database ``air`` and the user ``reader`` with ``PASSWORD``."""
    server = program_of_debian("mariadb-server-core", "mariadbd", "libaio1", "liburing2")
    unpacked = server.parents[1]
    shared = unpacked / "share" / "mysql"
    root = Path(tempfile.mkdtemp(prefix="maria-", dir="/tmp"))
    libraries = {"LD_LIBRARY_PATH": str(unpacked / "lib" / "x86_64-linux-gnu")}
    command = [str(server), "--no-defaults", f"--datadir={root / 'data'}", f"--lc-messages-dir={shared}"]
    command += [f"--character-sets-dir={shared / 'charsets'}", "--innodb-flush-log-at-trx-commit=0"]
    if os.geteuid() == 0:
        command.append("--user=root")
    try:
        (root / "data").mkdir()
        tables = [(shared / name).read_text(encoding="utf-8") for name in _BOOTSTRAP]
        subprocess.run(
            [*command, "--bootstrap"],
            input="\n".join(("CREATE DATABASE mysql;", "USE mysql;", *tables)).encode(),
            check=True,
            capture_output=True,
            env={**os.environ, **libraries},
        )
        (root / "users.sql").write_text(
            f"CREATE DATABASE air CHARACTER SET utf8mb4;\nCREATE USER reader@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n"
            "GRANT ALL ON air.* TO reader@'127.0.0.1';\n",
            encoding="utf-8",
        )
        port = free_port()
        command += [f"--port={port}", "--bind-address=127.0.0.1", f"--socket={root / 'sock'}"]
        command += [f"--pid-file={root / 'pid'}", f"--init-file={root / 'users.sql'}"]
        with _running(command, port, libraries):
            yield port
    finally:
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def azurite() -> Iterator[str]:
    """Address of the blob service of Azurite, with the account ``devstoreaccount1`` in its path."""
    script = package_of_node("azurite@3.37.0") / "dist" / "src" / "blob" / "main.js"
    with tempfile.TemporaryDirectory(prefix="azurite-") as folder:
        port = free_port()
        command = [
            "node",
            str(script),
            "--blobHost",
            "127.0.0.1",
            "--blobPort",
            str(port),
            "--location",
            folder,
        ]
        # the client's newest version of the protocol may be ahead of the emulator's
        with _running([*command, "--silent", "--skipApiVersionCheck", "--disableTelemetry"], port):
            yield f"http://127.0.0.1:{port}/devstoreaccount1"


@contextmanager
def google_store() -> Iterator[str]:
    """Address of gcp-storage-emulator with the bucket ``flights``."""
    python = python_with("gcp-storage-emulator", "gcp-storage-emulator==2026.7.19")
    port = free_port()
    command = [str(python.parent / "gcp-storage-emulator"), "start", "--host=127.0.0.1", f"--port={port}"]
    with _running([*command, "--in-memory", "--default-bucket=flights"], port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def nginx(files: Path) -> Iterator[str]:
    """Address of nginx over ``files``: ``/`` for everybody, ``/closed/`` with a header, ``/moved/`` a redirect, ``/live/``
    compressed on the way."""
    program = program_of_debian("nginx", "nginx")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="nginx-") as folder:
        Path(folder, "nginx.conf").write_text(
            f"""daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
{"user root;" if os.geteuid() == 0 else ""}
events {{}}
http {{
  access_log {folder}/access.log; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b;
  fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{
    listen 127.0.0.1:{port}; root {files};
    location /closed/ {{ if ($http_authorization != "Bearer {PASSWORD.encode().hex()}") {{ return 401; }} alias {files}/; }}
    location /moved/ {{ rewrite ^/moved/(.*)$ /$1 redirect; }}
    location /live/ {{ gzip on; gzip_types *; gzip_min_length 1; alias {files}/; }}
  }}
}}
"""
        )
        command = [str(program), "-e", f"{folder}/error.log", "-p", folder, "-c", f"{folder}/nginx.conf"]
        with _running(command, port):
            yield f"http://127.0.0.1:{port}"


@contextmanager
def python_web(files: Path) -> Iterator[str]:
    """Address of Python's own web server over ``files``, which knows neither ETag nor ranges."""
    port = free_port()
    command = [shutil.which("python3") or "python3", "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    with _running([*command, "--directory", str(files)], port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _running(
    command: Sequence[str], port: int, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """A server from the moment in which its port answers."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **(environment or {})}, cwd="/"
        )
        try:
            deadline = time.monotonic() + PATIENCE_S
            while True:
                with socket.socket() as client:
                    if client.connect_ex(("127.0.0.1", port)) == 0:
                        break
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise AssertionError(log.read().decode(errors="replace")[-2_000:])
                time.sleep(0.05)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
