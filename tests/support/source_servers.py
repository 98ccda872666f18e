"""Servers that teams keep their data on, started for a test on loopback: PostgreSQL, and S3 by moto."""

import contextlib
import os
import pickle
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pilothouse.domain.errors import PilothouseError
from pilothouse.tables.urls.fetching import Fetched, Wanted, fetch
from pilothouse.tables.urls.secrets import credentials_of
from pilothouse.tables.urls.stores import Limits, fetch_objects

PATIENCE_S = 600.0
"""A server that starts in a second takes minutes where eight share a core; one that ended is told at once."""
PASSWORD = "s3cret-Pa:ss@word/ä%"
"""With every character that a URL has to quote."""
SECRET_KEY = "mo+to/Secret=Key0123456789"


def _program(name: str) -> str | None:
    """A program of PostgreSQL, which distributions keep away from the path."""
    found = shutil.which(name)
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return (
        found
        if found and name != "postgres"
        else next((str(f / name) for f in folders if (f / name).exists()), found)
    )


def _user() -> dict[str, object]:
    """PostgreSQL does not run as root."""
    if os.geteuid():
        return {}
    try:
        found = pwd.getpwnam("postgres")
    except KeyError:
        found = pwd.getpwnam("nobody")
    return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def postgres() -> Iterator[int]:
    """Port of a PostgreSQL server with the user ``reader`` and ``PASSWORD``; skips where there is none."""
    initdb, server, ready = (_program(name) for name in ("initdb", "postgres", "pg_isready"))
    if not initdb or not server or not ready:
        pytest.skip("no PostgreSQL here: apt-get install postgresql")
    root = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    process = None
    try:
        root.chmod(0o777)
        word = root / "word"
        word.write_text(PASSWORD, encoding="utf-8")
        as_user = _user()
        command = [initdb, "-D", str(root / "data"), "-U", "reader", "--pwfile", str(word)]
        command += ["-A", "scram-sha-256", "-N", "-E", "UTF8", "--locale=C"]
        subprocess.run(command, check=True, capture_output=True, cwd=root, **as_user)  # type: ignore[call-overload]
        port = free_port()
        settings = (
            "fsync=off",
            "shared_buffers=16MB",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={root}",
        )
        command = [server, "-D", str(root / "data"), "-p", str(port)]
        for setting in settings:
            command += ["-c", setting]
        with (root / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=root, **as_user)  # type: ignore[call-overload]
        deadline = time.monotonic() + PATIENCE_S
        while subprocess.run(
            [ready, "-h", "127.0.0.1", "-p", str(port), "-t", "3"], capture_output=True
        ).returncode:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"PostgreSQL did not start: {(root / 'log').read_text()}")
            time.sleep(0.05)
        yield port
    finally:
        if process is not None:
            process.terminate()
            process.wait(PATIENCE_S)
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def s3() -> Iterator[str]:
    """URL of an S3 server by moto."""
    pytest.importorskip("moto")
    port = free_port()
    code = (
        "import logging; logging.disable(); from moto.server import main; "
        f"main(['-H', '127.0.0.1', '-p', '{port}'])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError("moto did not start")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


@contextmanager
def elsewhere() -> Iterator[Callable[..., Any]]:
    """Runs functions of this module in one other process: drivers keep threads and descriptors for good."""
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}; from support import source_servers; source_servers.work()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout

        def run(function: Callable[..., Any], *arguments: Any) -> Any:
            pickle.dump((function.__name__, arguments), process.stdin)
            process.stdin.flush()
            answer = pickle.load(process.stdout)
            if isinstance(answer, Exception):
                raise answer
            return answer

        try:
            yield run
        finally:
            process.stdin.close()
            process.wait(30)


def work() -> None:
    """What that process does until nobody asks any more."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            name, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        answer: Any
        try:
            answer = globals()[name](*arguments)
        except Exception as error:  # noqa: BLE001
            answer = (
                error
                if isinstance(error, PilothouseError)
                else RuntimeError(f"{type(error).__name__}: {error}")
            )
        pickle.dump(answer, answers)
        answers.flush()


def fetched(wanted: Wanted, folder: Path) -> Fetched:
    return fetch(wanted, folder)


def copied(location: str, secret: str, folder: Path, most: int) -> int:
    """Bytes of the one object at a place, copied within a bound."""
    credentials = credentials_of(secret, location, is_database=False)
    _, facts = fetch_objects(location, None, credentials, folder, Limits(60, most))
    return int(facts["objects"][0]["bytes"])


def _client(address: str) -> Any:
    import boto3

    return boto3.client(
        "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y"
    )


def make_bucket(address: str, name: str) -> None:
    client = _client(address)
    client.create_bucket(Bucket=name)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


def put(address: str, bucket: str, key: str, content: bytes) -> tuple[str, str]:
    """ETag and version id of a new object."""
    said = _client(address).put_object(Bucket=bucket, Key=key, Body=content)
    return said["ETag"].strip('"'), said["VersionId"]


def write_duckdb(path: Path, table: pa.Table) -> None:
    import duckdb

    with duckdb.connect(str(path)) as connection:
        connection.register("given", table)
        connection.execute("CREATE TABLE flights AS SELECT * FROM given")


def write_delta(path: str, table: pa.Table, settings: dict[str, str] | None = None) -> None:
    """A Delta Lake table with three versions: two of whose rows are ``table``, one with fewer."""
    import deltalake

    half = table.num_rows // 2
    deltalake.write_deltalake(path, table.slice(0, half), partition_by=["late"], storage_options=settings)
    deltalake.write_deltalake(path, table.slice(half), mode="append", storage_options=settings)
    deltalake.DeltaTable(path, storage_options=settings).delete("delay > 45")


def write_iceberg(folder: Path, table: pa.Table, more: pa.Table) -> tuple[int, int, str]:
    """An Iceberg table: the snapshot whose rows are ``table``, the newest one, with ``more``, and its metadata file."""
    from pyiceberg.catalog.sql import SqlCatalog

    catalogue = SqlCatalog("own", uri=f"sqlite:///{folder}/catalogue.db", warehouse=f"file://{folder}/lake")
    catalogue.create_namespace("air")
    made = catalogue.create_table("air.flights", schema=table.schema)
    half = table.num_rows // 2
    made.append(table.slice(0, half))
    made.append(table.slice(half))
    kept = made.current_snapshot().snapshot_id
    made.append(more)
    return kept, made.current_snapshot().snapshot_id, made.metadata_location.removeprefix("file://")


def write_changed_iceberg(folder: Path) -> tuple[int, str]:
    """An Iceberg table whose column ``gone`` made room for ``later``: the snapshot before that, and its metadata file."""
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.types import LongType

    catalogue = SqlCatalog("own", uri=f"sqlite:///{folder}/own.db", warehouse=f"file://{folder}/lake")
    catalogue.create_namespace("air")
    first = pa.table({"wind": [1.0], "gone": [2.0]})
    made = catalogue.create_table("air.flights", schema=first.schema)
    made.append(first)
    kept = made.current_snapshot().snapshot_id
    with made.update_schema(allow_incompatible_changes=True) as change:
        change.delete_column("gone")
        change.add_column("later", LongType())
    made.append(pa.table({"wind": [3.0], "later": pa.array([4], pa.int64())}))
    return kept, made.metadata_location.removeprefix("file://")


def fill_mariadb(port: int, table: pa.Table) -> None:
    """The table ``flights`` of a MariaDB's database ``air``, and one of values that are no other system's."""
    import pymysql

    connection = pymysql.connect(
        host="127.0.0.1",
        port=port,
        user="reader",
        password=PASSWORD.encode(),
        database="air",
        charset="utf8mb4",
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00', sql_mode = ''")
        cursor.execute("CREATE TABLE odd (bits bit(1), zero date, none datetime)")
        cursor.execute("INSERT INTO odd VALUES (b'1', '0000-00-00', '0000-00-00 00:00:00')")
        cursor.execute(
            "CREATE TABLE flights (at timestamp(6), wall datetime(6), day date, wind double, rain decimal(12,3), "
            "fare decimal(10,2), code bigint, big decimal(25,0), flag bool, port text, late int, delay int, passenger text)"
        )
        values = [list(row.values()) for row in reversed(table.to_pylist())]
        cursor.executemany(f"INSERT INTO flights VALUES ({', '.join(['%s'] * table.num_columns)})", values)
        connection.commit()


def put_azure(connection: str, container: str, name: str, content: bytes) -> str:
    """ETag of a new blob; the container is made where there is none."""
    from azure.core.exceptions import ResourceExistsError
    from azure.storage.blob import BlobServiceClient

    with BlobServiceClient.from_connection_string(connection) as service:
        with contextlib.suppress(ResourceExistsError):
            service.create_container(container)
        return str(service.get_blob_client(container, name).upload_blob(content, overwrite=True)["etag"])


def put_google(address: str, bucket: str, name: str, content: bytes) -> str:
    """Generation of a new object."""
    import json
    import urllib.request

    request = urllib.request.Request(
        f"{address}/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}", content, method="POST"
    )
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return str(json.load(answer)["generation"])
