"""What an Iceberg table or its catalogue says of itself chooses neither code nor addresses: the library would take either."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.tables.source_url import source_url
from pilothouse.tables.urls.fetching import Fetched, Wanted
from support import source_servers as servers
from support.source_rows import FORM, rows

CALLED = {"py-io-impl": "elsewhere.Reader"}
"""Property by which the library looks for a class of that name: here one that is nowhere."""
_Run = Callable[..., Any]


@pytest.fixture(scope="module")
def run() -> Iterator[_Run]:
    """Runs a function in the process in which the drivers are."""
    pytest.importorskip("pyiceberg")
    pytest.importorskip("sqlalchemy")
    with servers.elsewhere() as run:
        yield run


@pytest.fixture
def table(run: _Run, tmp_path: Path) -> Path:
    """Metadata file of a table of 600 rows."""
    _, _, metadata = run(servers.write_iceberg, tmp_path, rows(), rows(100, seed=1))
    return Path(metadata.removeprefix("file://"))


def with_properties(table: Path, properties: dict[str, str]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(table.read_text())
    plain["properties"] = properties
    table.write_text(json.dumps(plain))
    return plain


@pytest.fixture
def catalogue() -> Iterator[tuple[str, dict[str, Any]]]:
    """URL of a REST catalogue, and what it answers by path."""
    answers: dict[str, Any] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = answers.get(self.path.partition("?")[0])
            body = json.dumps(found or {}).encode()
            self.send_response(200 if found is not None else 404)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", answers
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def fetched(run: _Run, source: str, folder: Path) -> Fetched:
    wanted = Wanted(source_url(source), FORM, allow=("127.0.0.1",))
    found: Fetched = run(servers.fetched, wanted, folder / "objects")
    return found


def test_a_table_chooses_no_class_that_reads_it(run: _Run, table: Path, tmp_path: Path) -> None:
    with_properties(table, CALLED)
    assert fetched(run, f"iceberg:{table}", tmp_path).table.num_rows == 600


def test_a_table_names_no_file_in_another_kind_of_store(run: _Run, table: Path, tmp_path: Path) -> None:
    plain = with_properties(table, {})
    for snapshot in plain["snapshots"]:
        snapshot["manifest-list"] = "gs://elsewhere/list.avro"
    table.write_text(json.dumps(plain))
    with pytest.raises(InvalidInputError, match="in another kind of store than its metadata"):
        fetched(run, f"iceberg:{table}", tmp_path)


@pytest.mark.parametrize("said_by", ["defaults", "overrides", "table", "metadata"])
def test_a_catalogue_chooses_no_class_that_reads_its_tables(
    said_by: str, run: _Run, table: Path, tmp_path: Path, catalogue: tuple[str, dict[str, Any]]
) -> None:
    url, answers = catalogue
    signed = {"auth": {"type": "custom", "impl": "elsewhere.Signer", "custom": {}}}
    config: dict[str, Any] = {"defaults": {}, "overrides": {}}
    if said_by in config:
        config[said_by] = CALLED | signed
    answers["/v1/config"] = config
    answers["/v1/namespaces/air/tables/flights"] = {
        "metadata-location": f"file://{table}",
        "metadata": with_properties(table, CALLED if said_by == "metadata" else {}),
        "config": CALLED if said_by == "table" else {},
    }
    assert fetched(run, f"iceberg+{url}#air.flights", tmp_path).table.num_rows == 600


@pytest.mark.parametrize("place", ["10.0.0.1:9000", "http://10.0.0.1:9000", "169.254.169.254"])
def test_a_catalogue_leads_to_no_place_that_is_not_allowed(
    place: str, run: _Run, table: Path, tmp_path: Path, catalogue: tuple[str, dict[str, Any]]
) -> None:
    url, answers = catalogue
    answers["/v1/config"] = {"defaults": {}, "overrides": {}}
    answers["/v1/namespaces/air/tables/flights"] = {
        "metadata-location": f"file://{table}",
        "metadata": with_properties(table, {}),
        "config": {"s3.endpoint": place},
    }
    with pytest.raises(InvalidInputError, match="its host has a"):
        fetched(run, f"iceberg+{url}#air.flights", tmp_path)
