"""The same rows from a real MariaDB, Azurite, an emulator of Google's store, nginx and Python's own web server."""

import gzip
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import servers as programs

from pilothouse.domain.errors import InvalidInputError, NotFoundError, PilothouseError
from pilothouse.domain.tables.source_url import source_url
from pilothouse.tables.urls.fetching import Fetched, Wanted
from support import source_servers
from support.source_rows import FORM, digest, digest_of_files, rows
from support.source_servers import PASSWORD

pytestmark = pytest.mark.skipif(
    os.environ.get("PILOTHOUSE_ECOSYSTEM") != "1", reason="a long form: make test-ecosystem"
)
Read = Callable[..., Fetched]
QUERY = "SELECT * FROM flights"


@pytest.fixture(scope="module")
def run() -> Iterator[Callable[..., Any]]:
    with source_servers.elsewhere() as run:
        yield run


@pytest.fixture(scope="module")
def read(run: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Read:
    folder = tmp_path_factory.mktemp("on-the-way") / "objects"

    def read_one(source: str, **settings: Any) -> Fetched:
        found: Fetched = run(
            source_servers.fetched, Wanted(url=source_url(source), form=FORM, **settings), folder
        )
        return found

    return read_one


@pytest.fixture(scope="module")
def expected() -> str:
    return digest_of_files()


@pytest.fixture(scope="module")
def maria(run: Callable[..., Any]) -> Iterator[tuple[str, str]]:
    """URL of a MariaDB with the rows, for a model file, and its credentials."""
    pytest.importorskip("pymysql")
    with programs.mariadb() as port:
        run(source_servers.fill_mariadb, port, rows())
        secret = f"mysql://reader:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/air?charset=utf8mb4"
        yield f"mysql+pymysql://127.0.0.1:{port}/air", secret


def test_mariadb_gives_the_rows_of_a_file(maria: tuple[str, str], read: Read, expected: str) -> None:
    url, secret = maria
    found = read(url, query=QUERY, secret=secret)
    assert found.facts["server_told_to_read_only"]
    assert found.facts["rows"] == 500
    assert digest(found.table) == expected
    named = [text.replace("mysql", "mariadb", 1) for text in (url, secret)]
    assert digest(read(named[0], query=QUERY, secret=named[1]).table) == expected


OUTFILE = Path(tempfile.gettempdir()) / "flights-of-a-test"
"""A file that no query may leave."""


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1; DELETE FROM flights",
        "DELETE FROM flights RETURNING *",
        "SELECT * FROM flights FOR UPDATE",
        f"SELECT * FROM flights INTO OUTFILE '{OUTFILE}'",
        "SELECT 1 INTO @x",
        "WITH x AS (SELECT 1) SELECT nextval(s) FROM x",
        "/*! DELETE FROM flights */",
    ],
)
def test_a_query_on_mariadb_writes_nothing(
    maria: tuple[str, str], read: Read, query: str, expected: str
) -> None:
    url, secret = maria
    with pytest.raises(PilothouseError) as failed:
        read(url, query=query, secret=secret)
    assert PASSWORD not in str(failed.value)
    assert not OUTFILE.exists()
    assert digest(read(url, query=QUERY, secret=secret).table) == expected


def test_mariadb_ends_a_statement_with_its_time_and_says_who_was_refused(
    maria: tuple[str, str], read: Read
) -> None:
    url, secret = maria
    slow = "SELECT count(*) FROM flights a, flights b, flights c, flights d WHERE a.wind + b.wind + c.wind + d.wind = 1"
    with pytest.raises(PilothouseError, match=r"max_statement_time exceeded|timed out"):
        read(url, query=slow, secret=secret, timeout_s=1)
    with pytest.raises(PilothouseError, match="Access denied") as failed:
        read(url, query=QUERY, secret=secret.replace("@127", "-wrong@127"))
    assert quote(PASSWORD, safe="") not in str(failed.value)
    assert PASSWORD not in str(failed.value)


def test_what_mariadb_has_beside_our_types(maria: tuple[str, str], read: Read) -> None:
    url, secret = maria
    query = (
        "SELECT 0.1 AS wind, 100 %  7 AS code, ' :late %s' AS port, TIME '-01:30:00' AS took, YEAR('2024-01-01') AS y, "
        "18446744073709551615 AS big, odd.* FROM odd"
    )
    [row] = read(url, query=query, secret=secret).table.to_pylist()
    assert (row["wind"], row["port"], row["y"]) == (0.1, " :late %s", 2024)
    assert str(row["code"]) == "2"
    assert (row["zero"], row["none"], row["bits"]) == (None, None, 1)
    first = read(url, query="SELECT at FROM flights ORDER BY at LIMIT 1", secret=secret).table
    assert first.column("at").to_pylist() == [datetime(2024, 3, 1, tzinfo=UTC)]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a web server: the rows in several forms."""
    folder = tmp_path_factory.mktemp("files")
    folder.chmod(0o755)
    pq.write_table(rows(), folder / "rows.parquet")
    pq.write_table(rows(), folder / "rows (2024) ä.parquet")
    as_text = rows().select(["at", "wind", "port", "late"])
    pyarrow.csv.write_csv(as_text, folder / "rows.csv")
    (folder / "rows.csv.gz").write_bytes(gzip.compress((folder / "rows.csv").read_bytes()))
    return folder


def test_a_web_server_gives_the_rows_of_a_file(read: Read, files: Path, expected: str) -> None:
    pytest.importorskip("aiohttp")
    with programs.nginx(files) as address:
        found = read(f"{address}/rows.parquet")
        assert digest(found.table) == expected
        [one] = found.facts["objects"]
        assert one["bytes"] == (files / "rows.parquet").stat().st_size
        assert one["etag"]
        for below in ("moved/rows.parquet", "rows%20(2024)%20%C3%A4.parquet"):
            assert digest(read(f"{address}/{below}").table) == expected
        plain = read(f"{address}/rows.csv").table
        for below in ("rows.csv.gz", "live/rows.csv"):
            assert read(f"{address}/{below}").table == plain, below
        with pytest.raises(NotFoundError):
            read(f"{address}/nothing.parquet")
        with pytest.raises(PilothouseError, match="401"):
            read(f"{address}/closed/rows.parquet")
        word = PASSWORD.encode().hex()
        secret = json.dumps({"for": address, "authorization": f"Bearer {word}"})
        assert digest(read(f"{address}/closed/rows.parquet", secret=secret).table) == expected
        with pytest.raises(PilothouseError, match="401") as failed:
            read(f"{address}/closed/rows.parquet", secret=secret.replace(word, word + "0"))
        assert word not in str(failed.value)


def test_a_web_server_without_etags_and_ranges_gives_them_too(read: Read, files: Path, expected: str) -> None:
    pytest.importorskip("aiohttp")
    with programs.python_web(files) as address:
        found = read(f"{address}/rows.parquet")
        assert digest(found.table) == expected
        assert read(f"{address}/rows.csv.gz").table == read(f"{address}/rows.csv").table
        with pytest.raises(NotFoundError):
            read(f"{address}/nothing.csv")


def test_objects_on_azure_are_pinned(read: Read, run: Callable[..., Any], files: Path, expected: str) -> None:
    pytest.importorskip("adlfs")
    content = (files / "rows.parquet").read_bytes()
    table = rows()
    with programs.azurite() as address:
        connection = (
            f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={programs.AZURITE_KEY};"
            f"BlobEndpoint={address};"
        )
        etag = run(source_servers.put_azure, connection, "flights", "one.parquet", content)
        for half, part in enumerate((table.slice(0, 200), table.slice(200))):
            run(
                source_servers.put_azure,
                connection,
                "flights",
                f"many/half={half}/part.parquet",
                _bytes(part),
            )
        secret = json.dumps({"for": "az://flights", "connection_string": connection})
        found = read("az://flights/one.parquet", secret=secret)
        assert digest(found.table) == expected
        [one] = found.facts["objects"]
        assert one["etag"] == etag.strip('"')
        many = read("az://flights/many", secret=secret)
        assert [one["object"] for one in many.facts["objects"]] == [
            "half=0/part.parquet",
            "half=1/part.parquet",
        ]
        assert digest(many.table.drop_columns("half")) == expected
        with pytest.raises(NotFoundError):
            read("az://flights/nothing.parquet", secret=secret)
        with pytest.raises(PilothouseError) as failed:
            read("az://flights/one.parquet", secret=secret.replace(programs.AZURITE_KEY, "c2VjcmV0LXdvcmQ="))
        assert "c2VjcmV0LXdvcmQ" not in str(failed.value)
        with pytest.raises(InvalidInputError, match="for other URLs"):
            read("az://flights-of-others/one.parquet", secret=secret)


def test_objects_on_googles_store_are_pinned(
    read: Read, run: Callable[..., Any], files: Path, expected: str
) -> None:
    pytest.importorskip("gcsfs")
    with programs.google_store() as address:
        generation = run(
            source_servers.put_google,
            address,
            "flights",
            "one.parquet",
            (files / "rows.parquet").read_bytes(),
        )
        secret = json.dumps({"for": "gs://flights", "endpoint_url": address})
        found = read("gs://flights/one.parquet", secret=secret)
        assert digest(found.table) == expected
        [one] = found.facts["objects"]
        assert one["version_id"] == generation
        with pytest.raises(NotFoundError):
            read("gs://flights/nothing.parquet", secret=secret)


def _bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()
