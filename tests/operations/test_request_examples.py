"""The request that an operator is given to paste: the address, a row that was held out, and a command for any shell."""

import io
import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pilothouse.cli import main
from pilothouse.domain.errors import NotFoundError, UnavailableError
from pilothouse.domain.identity.roles import Actor
from pilothouse.operations import catalogue
from pilothouse.operations.fleet.request_examples import addresses, example_of, request_example
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import apply_models, workspaces
from pilothouse.presentation.pages.version_pages import version_page
from pilothouse.presentation.request_texts import curl_command, curl_remark
from pilothouse.presentation.version_texts import classes_text
from pilothouse.store.values import insert
from support import example
from support.templates import copy_of

HOSTILE = "O'Hare $(id) `id` \\ \" ! %s\n\té \x1b[2J 'a' ; & | > x"


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    copy_of("the example's workspace", example.build, tmp_path / "workspace")
    with example.opened(tmp_path / "workspace") as services:
        yield services


@pytest.fixture
def ada(services: Services) -> Actor:
    return workspaces.identify(services, "ada")


def hold_out(services: Services, ada: Actor, rows: dict[str, list[Any]]) -> None:
    """Put rows on record as those that version 1 held out."""
    stream = io.BytesIO()
    pq.write_table(pa.table(rows), stream)
    artifact = services.artifacts.put_bytes(stream.getvalue())
    run = catalogue.get_run(services, ada, "flight-delay/1")
    with services.registry.transaction() as connection:
        insert(
            connection,
            "run_artifacts",
            {"run_id": run.id, "name": "holdout", "digest": artifact, "bytes": len(stream.getvalue())},
        )


def test_the_newest_whole_row_is_shown_without_time_and_outcome(services: Services, ada: Actor) -> None:
    rows = {
        "at": [1, 2, 3],
        "wind": [1.5, 2.5, None],
        "hour": [1, 2, 3],
        "carrier": ["AA", "UA", "DL"],
        "late": [0, 1, 0],
    }
    hold_out(services, ada, rows)
    found = request_example(services, ada, "flight-delay", "jfk")
    assert (found.model, found.version, found.target) == ("flight-delay", 1, "jfk")
    assert found.url == "http://127.0.0.1:41002/v2/models/flight-delay/predict"
    assert found.body == {"rows": [{"wind": 2.5, "hour": 2, "carrier": "UA"}]}


def test_a_version_that_is_live_has_a_request_and_another_none(services: Services, ada: Actor) -> None:
    assert example_of(services, ada, "flight-delay", 1) is None, "no row is on record"
    hold_out(services, ada, {"wind": [1.5], "hour": [1], "carrier": ["AA"]})
    found = example_of(services, ada, "flight-delay", 1)
    assert found is not None
    assert (found.target, found.version) == ("ewr", 1)
    assert example_of(services, ada, "flight-delay", 2) is None


def test_a_column_that_has_become_private_is_not_shown(services: Services, ada: Actor) -> None:
    hold_out(services, ada, {"wind": [1.5], "hour": [1], "carrier": ["AA"]})
    file = services.paths.models / "flight-delay" / "model.toml"
    text = file.read_text().replace('"hour", "carrier"]', '"hour"]').replace('["carrier"]', "[]")
    file.write_text(text.replace("[training]", 'private = ["carrier"]\n\n[training]', 1))

    apply_models.apply(services, ada)
    found = request_example(services, ada, "flight-delay", "ewr")
    assert found.body == {"rows": [{"wind": 1.5, "hour": 1}]}


def test_a_host_that_a_process_listens_on_is_named(services: Services, ada: Actor) -> None:
    folder = services.paths.serving_folder("ewr")
    folder.mkdir(parents=True)
    (folder / "process.json").write_text('{"host": "::1"}')
    assert [one.url for one in addresses(services, ada, "flight-delay", 1)] == [
        "http://[::1]:41001/v2/models/flight-delay/predict",
        "http://127.0.0.1:41002/v2/models/flight-delay/predict",
    ]
    assert addresses(services, ada, "flight-delay", 2) == ()


def test_what_is_not_live_or_has_no_port_is_said(services: Services, ada: Actor) -> None:
    with pytest.raises(NotFoundError, match="not live on 'moon'; it is live on: ewr, jfk"):
        request_example(services, ada, "flight-delay", "moon")
    with pytest.raises(NotFoundError, match="held out are not on record"):
        request_example(services, ada, "flight-delay", "ewr")
    with services.registry.transaction() as connection:
        connection.execute("DELETE FROM serving_reports")
    with pytest.raises(UnavailableError, match="pilothouse daemon start"):
        request_example(services, ada, "flight-delay", "ewr")


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("token", ["", "a-token-of-a-client"])
def test_the_command_works_in_a_shell_whatever_the_row_holds(shell: str, token: str, tmp_path: Path) -> None:
    asked: list[tuple[str, str | None, Any]] = []
    file = tmp_path / "it's $(id)" / "client-tokens"
    file.parent.mkdir()
    file.write_text(f"# the desk\n{token}\nanother-of-a-client\n")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, self.headers["Authorization"], json.loads(body)))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"answered")

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/v2/models/m/predict"
        body = {"rows": [{HOSTILE: HOSTILE, "n": 0.1, "none": None}]}
        command = curl_command(url, body, str(file) if token else "")
        assert command.isascii()
        assert command.isprintable()
        done = subprocess.run([shell, "-c", command], capture_output=True, timeout=60, check=False)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert (done.returncode, done.stdout, done.stderr) == (0, b"answered", b"")
    assert asked == [("/v2/models/m/predict", f"Bearer {token}" if token else None, body)]


def test_a_process_that_speaks_tls_and_asks_for_tokens_is_asked_so(
    services: Services, ada: Actor, capsys: pytest.CaptureFixture[str]
) -> None:
    hold_out(services, ada, {"wind": [1.5], "hour": [1], "carrier": ["AA"]})
    services.paths.serving_folder("ewr").mkdir(parents=True)
    services.paths.client_tokens("ewr").write_text("a-token-of-a-client")
    process = services.paths.serving_folder("ewr") / "process.json"
    process.write_text('{"host": "127.0.0.1", "port": 9, "tls": true}')
    found = request_example(services, ada, "flight-delay", "ewr")
    assert found.url == "https://127.0.0.1:9/v2/models/flight-delay/predict"
    assert found.token_file == str(services.paths.client_tokens("ewr"))
    assert " --insecure " in curl_command(found.url, found.body, found.token_file)
    assert " --insecure " not in curl_command("https://jfk.example:9/v2", found.body)
    assert request_example(services, ada, "flight-delay", "jfk").token_file == ""
    said = ["--workspace", str(services.paths.root), "--as", "ada", "curl", "flight-delay", "ewr"]
    assert not main.run(said)
    assert curl_remark(found.url) in " ".join(capsys.readouterr().err.split())
    assert curl_remark("https://jfk.example:9/v2") == curl_remark("http://127.0.0.1:9/v2") == ""
    process.unlink()  # it has ended, and the next one speaks TLS too
    (services.paths.serving_folder("ewr") / "tls-certificate.pem").touch()
    assert addresses(services, ada, "flight-delay", 1)[0].url.startswith("https://")


def test_the_classes_of_a_version_are_those_of_its_schema(services: Services, ada: Actor) -> None:
    version = catalogue.get_version(services, ada, "flight-delay/1")
    assert catalogue.list_classes(services, version) == (), "the example has no schema"
    found = []
    for classes in (["no", "yes"], [], None):
        digest = services.artifacts.put_bytes(json.dumps({"classes": classes}).encode())
        found.append(catalogue.list_classes(services, replace(version, schema_digest=digest)))
    assert found == [("no", "yes"), (), ()]
    assert classes_text(found[0]) == "no, yes: a score is the probability of yes"
    assert classes_text(("a", "b", "c")) == "a, b, c"
    run = catalogue.get_run(services, ada, "flight-delay/1")
    asked_at = addresses(services, ada, "flight-delay", 1)
    page = "\n".join(
        "".join(cell.text for cell in line.cells)
        for line in version_page("summary", version, run, asked_at, found[0], "curl it")
    )
    assert "a score is the probability of yes" in page
    assert "http://127.0.0.1:41001/v2/models/flight-delay/predict" in page
    assert "curl it" in page
