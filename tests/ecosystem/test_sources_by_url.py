"""Rows from where teams keep them: real PostgreSQL, DuckDB, S3 by moto, Delta Lake and Iceberg tables by their libraries.

Each test runs where the library is installed; ``make test-ecosystem`` installs all of them and runs the long forms too.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest

from pilothouse.domain.errors import InvalidInputError, NotFoundError, PilothouseError
from pilothouse.domain.tables.source_url import source_url
from pilothouse.tables.urls.fetching import Fetched, Wanted, fetch
from support import source_servers as servers
from support.source_rows import FORM, digest, digest_of_files, rows
from support.source_servers import PASSWORD, SECRET_KEY, postgres, s3


def read(source: str, **settings: Any) -> Fetched:
    folder = settings.pop("folder")
    wanted = Wanted(url=source_url(source), form=FORM, **settings)
    found: Fetched = RUN[0](servers.fetched, wanted, folder / "objects")
    return found


RUN: list[Callable[..., Any]] = []
"""Runs a function in the process in which the drivers are."""


@pytest.fixture(scope="module", autouse=True)
def other_process() -> Iterator[None]:
    with servers.elsewhere() as run:
        RUN.append(run)
        yield
        RUN.clear()


@pytest.fixture(scope="module")
def expected() -> str:
    return digest_of_files()


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, str]]:
    """URL of a PostgreSQL server with the rows, for a model file, and its credentials."""
    pytest.importorskip("sqlalchemy")
    psycopg = pytest.importorskip("psycopg")
    with postgres() as port:
        url = f"postgresql+psycopg://127.0.0.1:{port}/postgres"
        secret = f"postgresql://reader:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/postgres"
        with psycopg.connect(
            host="127.0.0.1", port=port, user="reader", password=PASSWORD, dbname="postgres"
        ) as connection:
            connection.execute(
                "CREATE TABLE flights (at timestamptz, wall timestamp, day date, wind float8, rain numeric(12,3), "
                "fare numeric(10,2), code bigint, big numeric, flag bool, port text, late int, delay int, passenger text)"
            )
            with connection.cursor().copy("COPY flights FROM STDIN") as copy:
                for row in reversed(rows().to_pylist()):
                    copy.write_row(list(row.values()))
        yield url, secret


@pytest.fixture(scope="module")
def store() -> Iterator[tuple[str, dict[str, str]]]:
    """Credentials for a bucket on an S3 server."""
    pytest.importorskip("s3fs")
    with s3() as address:
        settings = {
            "access_key_id": "someone",
            "secret_access_key": SECRET_KEY,
            "endpoint_url": address,
            "region": "us-east-1",
        }
        RUN[0](servers.make_bucket, address, "flights")
        yield address, {"for": "s3://flights", **settings}


QUERY = "SELECT * FROM flights"


def test_a_database_gives_the_rows_of_a_file(server: tuple[str, str], expected: str, tmp_path: Path) -> None:
    url, secret = server
    found = read(url, query=QUERY, secret=secret, folder=tmp_path)
    assert digest(found.table) == expected
    assert "passenger" not in found.table.column_names
    assert "delay" not in found.table.column_names
    assert found.facts["rows"] == 500
    assert found.facts["server_told_to_read_only"]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1; DELETE FROM flights",
        "SELECT 1 AS x; COMMIT; DROP TABLE flights; SELECT 1",
        "WITH gone AS (DELETE FROM flights RETURNING 1) SELECT * FROM gone",
        "SELECT set_config('transaction_read_only', 'off', true) FROM flights",
        "SELECT ';' AS x",
        "DELETE FROM flights RETURNING *",
        "SELECT 1 INTO other",
        "SELECT * FROM flights FOR UPDATE",
        "TABLE flights",
    ],
)
def test_a_query_writes_nothing(server: tuple[str, str], query: str, expected: str, tmp_path: Path) -> None:
    from pilothouse.domain.tables.source_url import select_fault

    url, secret = server
    if query == "TABLE flights":
        read(url, query=query, secret=secret, folder=tmp_path)
    else:
        with pytest.raises(PilothouseError) as failed:
            read(url, query=query, secret=secret, folder=tmp_path)
        assert PASSWORD not in str(failed.value)
        assert quote(PASSWORD, safe="") not in str(failed.value)
    assert bool(select_fault(query)) == (";" in query or query.startswith("DELETE") or " INTO " in query)
    assert digest(read(url, query=QUERY, secret=secret, folder=tmp_path).table) == expected


def test_a_server_on_a_private_network_is_reached_where_it_is_allowed(
    server: tuple[str, str], store: tuple[str, dict[str, str]], tmp_path: Path
) -> None:
    url, secret = server
    address, credentials = store
    RUN[0](servers.put, address, "flights", "here/rows.csv", b"wind\n1\n2\n")
    kept = Wanted(source_url("s3://flights/here"), FORM, secret=json.dumps(credentials))
    asked = Wanted(source_url(url), FORM, query="SELECT wind FROM flights", secret=secret)
    for wanted, count in ((asked, 500), (kept, 2)):
        with pytest.raises(InvalidInputError, match=r'"allow" of \[sources\]'):
            RUN[0](servers.fetched, replace(wanted, allow=()), tmp_path / "a")
        for allow in (("127.0.0.1",), ("127.0.0.0/8",)):
            found = RUN[0](servers.fetched, replace(wanted, allow=allow), tmp_path / "b")
            assert found.table.num_rows == count


def test_objects_beyond_the_bound_are_left(store: tuple[str, dict[str, str]], tmp_path: Path) -> None:
    address, credentials = store
    secret = json.dumps(credentials)
    RUN[0](servers.put, address, "flights", "large/rows.csv", b"wind\n" + b"1\n" * 5_000)
    with pytest.raises(InvalidInputError, match="more bytes than 4 times"):
        RUN[0](servers.copied, "s3://flights/large", secret, tmp_path, 10_004)
    assert RUN[0](servers.copied, "s3://flights/large", secret, tmp_path, 10_005) == 10_005


def test_percent_signs_and_colons_are_the_querys_own(server: tuple[str, str], tmp_path: Path) -> None:
    url, secret = server
    query = "SELECT count(*) AS n, ' :late %s %(x)s' AS word, '5'::int % 3 AS m FROM flights WHERE port LIKE '%N%' OR true"
    found = read(url, query=query, secret=secret, folder=tmp_path).table.to_pylist()
    assert found == [{"n": 500, "word": " :late %s %(x)s", "m": 2}]


def test_a_statement_ends_with_its_time(server: tuple[str, str], tmp_path: Path) -> None:
    url, secret = server
    with pytest.raises(PilothouseError, match="statement timeout"):
        read(url, query="SELECT pg_sleep(60)", secret=secret, timeout_s=1, folder=tmp_path)


def test_what_no_column_of_ours_is_says_so(server: tuple[str, str], tmp_path: Path) -> None:
    url, secret = server
    cases = {
        "SELECT 1 AS a, 2 AS a": "two columns are called 'a'",
        "SELECT '{1,2}'::int[] AS a": "column 'a' holds list",
        "SELECT 'x' AS wind, now() AS at, 1 AS late": "column 'wind': found 'x'; expected a number",
        "SELECT 'NaN'::numeric AS wind, 'Infinity'::numeric AS rain": "",
        "SELECT g AS wind, CASE WHEN g > 40000 THEN g / 2.5 END AS rain FROM generate_series(1, 50000) g": "",
    }
    for query, said in cases.items():
        if said:
            with pytest.raises(InvalidInputError, match=said):
                read(url, query=query, secret=secret, folder=tmp_path)
        else:
            table = read(url, query=query, secret=secret, folder=tmp_path).table
            assert {str(kind) for kind in table.schema.types} == {"double"}
    late = table.column("rain").to_pylist()  # fractions that come late are not cut
    assert late.count(None) == 40_000
    assert 40_001 / 2.5 in late


def test_credentials_go_where_they_say_alone(server: tuple[str, str], tmp_path: Path) -> None:
    url, secret = server
    others = {
        "another host": url.replace("127.0.0.1", "localhost"),
        "another port": re.sub(r":\d+/", ":5/", url),
        "another database": url.replace("/postgres", "/other"),
        "another user": url.replace("//", "//somebody@"),
        "another kind": url.replace("postgresql+psycopg", "mysql+pymysql"),
    }
    for other in others.values():
        with pytest.raises(InvalidInputError, match="for another server, port, database or user"):
            read(other, query=QUERY, secret=secret, folder=tmp_path)
    with pytest.raises(InvalidInputError, match="names another host"):
        read(url, query=QUERY, secret=secret + "?host=10.0.0.1", folder=tmp_path)
    with pytest.raises(InvalidInputError, match="is no URL"):
        read(url, query=QUERY, secret=PASSWORD, folder=tmp_path)


def test_no_message_holds_a_secret(server: tuple[str, str], tmp_path: Path) -> None:
    url, secret = server
    wrong = PASSWORD + "-wrong"
    said = []
    for spoiled in (
        secret.replace("@127", "-wrong@127"),
        secret + "?sslmode=verify-full&sslpassword=hidden-word",
    ):
        with pytest.raises(PilothouseError) as failed:
            read(url, query=QUERY, secret=spoiled, folder=tmp_path)
        said.append(str(failed.value))
    with pytest.raises(PilothouseError) as failed:
        read(url, query="SELECT nothing FROM nowhere", secret=secret, folder=tmp_path)
    said.append(str(failed.value))
    for text in said:
        for word in (PASSWORD, wrong, quote(PASSWORD, safe=""), quote(PASSWORD), "hidden-word"):
            assert word not in text, text
    assert "password authentication failed" in said[0]


def test_duckdb_gives_the_rows_of_a_file_and_opens_nothing_else(expected: str, tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    path, folder, outside = tmp_path / "flights.duckdb", tmp_path / "files", tmp_path / "outside.parquet"
    folder.mkdir()
    pq.write_table(rows(), folder / "one.parquet")
    pq.write_table(rows(), outside)
    RUN[0](servers.write_duckdb, path, rows())
    found = read(f"duckdb:{path}", query=QUERY, folder=tmp_path)
    assert digest(found.table) == expected
    assert len(found.facts["sha256"]) == 64
    assert (
        digest(read(f"duckdb:{folder}", query="SELECT * FROM 'one.parquet'", folder=tmp_path).table)
        == expected
    )
    for source in (path, folder):
        for query in (
            f"SELECT * FROM '{outside}'",
            "SELECT * FROM read_text('/etc/passwd')",
            "SELECT * FROM read_parquet('http://127.0.0.1:9/x.parquet')",
            "SELECT * FROM flights; ATTACH '/elsewhere/other.duckdb'",
            "COPY (SELECT 1) TO '/elsewhere/out.csv'",
        ):
            with pytest.raises(PilothouseError):
                read(f"duckdb:{source}", query=query, folder=tmp_path)


def test_changes_in_a_duckdb_log_are_not_overlooked(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "flights.duckdb"
    connection = duckdb.connect(str(path))
    connection.execute("PRAGMA disable_checkpoint_on_shutdown")
    connection.execute("CREATE TABLE flights AS SELECT 1 AS wind")
    connection.close()
    with pytest.raises(InvalidInputError, match=r"flights\.duckdb\.wal holds changes"):
        read(f"duckdb:{path}", query=QUERY, folder=tmp_path)


def test_objects_of_a_store_are_pinned(
    store: tuple[str, dict[str, str]], expected: str, tmp_path: Path
) -> None:
    address, settings = store
    table, local = rows(), tmp_path / "rows.parquet"
    pq.write_table(table, local)
    secret = json.dumps(settings)
    etag, version = RUN[0](servers.put, address, "flights", "one.parquet", local.read_bytes())
    for half, part in enumerate((table.slice(0, 200), table.slice(200))):
        pq.write_table(part, local)
        RUN[0](servers.put, address, "flights", f"many/half={half}/part.parquet", local.read_bytes())
    RUN[0](servers.put, address, "flights", "many/_SUCCESS", b"")
    found = read("s3://flights/one.parquet", secret=secret, folder=tmp_path)
    assert digest(found.table) == expected
    [object_] = found.facts["objects"]
    assert object_["etag"] == etag
    many = read("s3://flights/many", secret=secret, folder=tmp_path)
    assert [o["object"] for o in many.facts["objects"]] == ["half=0/part.parquet", "half=1/part.parquet"]
    assert digest(many.table.drop_columns("half")) == expected
    # replaced since, the version on record still gives the same rows
    RUN[0](servers.put, address, "flights", "one.parquet", local.read_bytes())
    assert read("s3://flights/one.parquet", secret=secret, folder=tmp_path).table.num_rows == 300
    again = read("s3://flights/one.parquet", secret=secret, version=version, folder=tmp_path)
    assert digest(again.table) == expected
    assert again.facts["objects"][0]["version_id"] == version
    with pytest.raises(InvalidInputError, match="for other URLs"):
        read("s3://flights-of-others/one.parquet", secret=secret, folder=tmp_path)
    for source in ("s3://flights/nothing.parquet", "s3://flights/none"):
        with pytest.raises(NotFoundError):
            read(source, secret=secret, folder=tmp_path)
    assert not (tmp_path / "objects").exists()


def test_a_delta_table_is_read_at_its_version(expected: str, tmp_path: Path) -> None:
    pytest.importorskip("deltalake")
    path = str(tmp_path / "table")
    RUN[0](servers.write_delta, path, rows())
    before = read(f"delta:{path}", version=1, folder=tmp_path)
    assert digest(before.table) == expected
    assert before.facts["version"] == 1
    newest = read(f"delta:{path}", folder=tmp_path)
    assert newest.facts["version"] == 2
    assert 0 < newest.table.num_rows < 500
    with pytest.raises(PilothouseError, match="could not be read"):
        read(f"delta:{path}", version=9, folder=tmp_path)
    with pytest.raises(PilothouseError, match="could not be read"):
        read(f"delta:{tmp_path / 'nothing'}", folder=tmp_path)


def test_an_iceberg_table_is_read_at_its_snapshot(expected: str, tmp_path: Path) -> None:
    pytest.importorskip("pyiceberg")
    pytest.importorskip("sqlalchemy")
    kept, last, metadata = RUN[0](servers.write_iceberg, tmp_path, rows(), rows(100, seed=1))
    folder = Path(metadata).parents[1]
    before = read(f"iceberg:{folder}", version=kept, folder=tmp_path)
    assert digest(before.table) == expected
    assert before.facts["snapshot"] == kept
    newest = read(f"iceberg:{folder}", folder=tmp_path)
    assert newest.table.num_rows == 600
    assert newest.facts["snapshot"] == last
    assert read(f"iceberg:{metadata}", folder=tmp_path).facts == newest.facts
    with pytest.raises(NotFoundError, match="has no snapshot 5"):
        read(f"iceberg:{folder}", version=5, folder=tmp_path)


def test_an_earlier_snapshot_has_the_columns_that_it_had(tmp_path: Path) -> None:
    pytest.importorskip("pyiceberg")
    pytest.importorskip("sqlalchemy")
    kept, metadata = RUN[0](servers.write_changed_iceberg, tmp_path)
    folder = Path(metadata).parents[1]
    assert read(f"iceberg:{folder}", version=kept, folder=tmp_path).table.column_names == ["wind", "gone"]
    assert read(f"iceberg:{folder}", folder=tmp_path).table.column_names == ["wind", "later"]


def test_a_missing_library_names_its_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in ("sqlalchemy", "duckdb", "deltalake", "pyiceberg", "pyiceberg.table", "fsspec"):
        monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / "x.duckdb").write_bytes(b"x")
    cases = {
        "postgresql+psycopg://db.example/x": "sql",
        f"duckdb:{tmp_path}/x.duckdb": "duckdb",
        "delta:/elsewhere/x": "delta",
        "iceberg:/elsewhere/x/metadata/v1.metadata.json": "iceberg",
        "s3://bucket/x.parquet": "s3",
        "https://host.example/x.csv": "http",
        "az://box/x.csv": "azure",
        "gs://box/x.csv": "gcs",
    }
    for source, extra in cases.items():
        with pytest.raises(InvalidInputError, match=rf"pip install 'pilothouse\[{extra}\]'"):
            fetch(Wanted(url=source_url(source), form=FORM, query="SELECT 1"), tmp_path / "objects")


def test_wanted_shows_no_secret() -> None:
    wanted = Wanted(url=source_url("s3://x/y.csv"), form=FORM, secret=SECRET_KEY)
    assert SECRET_KEY not in repr(wanted)
    assert SECRET_KEY not in repr(replace(wanted, query="x"))
