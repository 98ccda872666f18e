"""How a person gets in at a tracking server: variables, MLflow's file of credentials, authorities, prefixes, redirects."""

import base64
import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pilothouse.domain.errors import InvalidInputError, UnavailableError
from pilothouse.foreign.http_client import HttpClient
from pilothouse.foreign.mlflow_server import MlflowServer
from pilothouse.foreign.tracking_access import access
from pilothouse.operations.exchange.tracking_server import TrackingServer
from support.certificates import made_certificate


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Any

    def do_GET(self) -> None:
        self.server.seen.append(self.path)
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("Location", "https://login.example/start?secret=1")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def answering(context: ssl.SSLContext | None = None, status: int = 200) -> Iterator[tuple[str, list[str]]]:
    """Address of a server that answers ``{}`` to everything, and the paths that it was asked for."""
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.seen, server.status = [], status
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"localhost:{server.server_address[1]}", server.seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


@pytest.mark.parametrize(
    ("variables", "header"),
    [
        ({}, basic("ada", "50%off")),
        ({"MLFLOW_TRACKING_TOKEN": "t"}, "Bearer t"),
        ({"MLFLOW_TRACKING_USERNAME": "ben", "MLFLOW_TRACKING_PASSWORD": "q"}, basic("ben", "q")),
        ({"MLFLOW_TRACKING_PASSWORD": "q"}, basic("ada", "q")),
    ],
)
def test_variables_come_before_the_file_of_credentials(
    tmp_path: Path, variables: dict[str, str], header: str
) -> None:
    write_credentials(tmp_path, "50%off")
    assert access({"HOME": str(tmp_path), **variables}).headers == {"Authorization": header}
    assert access({}).headers == {}


def write_credentials(home: Path, password: str) -> Path:
    path = home / ".mlflow" / "credentials"
    path.parent.mkdir()
    path.write_text(f"[mlflow]\nmlflow_tracking_username = ada\nmlflow_tracking_password = {password}\n")
    path.chmod(0o600)
    return path


def test_a_percent_sign_may_be_doubled_as_mlflow_wants_it(tmp_path: Path) -> None:
    write_credentials(tmp_path, "50%%off")
    assert access({"HOME": str(tmp_path)}).headers == {"Authorization": basic("ada", "50%off")}


def test_a_file_of_credentials_that_is_none_or_others_may_read_is_refused_in_one_line(tmp_path: Path) -> None:
    path = write_credentials(tmp_path, "geheim")
    path.chmod(0o644)
    with pytest.raises(InvalidInputError, match="chmod 600"):
        access({"HOME": str(tmp_path)})
    assert access({"HOME": str(tmp_path), "MLFLOW_TRACKING_TOKEN": "t"}).headers == {
        "Authorization": "Bearer t"
    }
    path.chmod(0o600)
    path.write_text("geheim")
    with pytest.raises(InvalidInputError, match="cannot be read") as refused:
        access({"HOME": str(tmp_path)})
    assert str(refused.value).isprintable()
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize("is_sender", [False, True])
def test_a_certificate_of_an_own_authority_is_believed_where_its_file_is_named(
    tmp_path: Path, is_sender: bool
) -> None:
    file = tmp_path / "authority.pem"
    file.write_bytes(b"".join(made_certificate(datetime.now(UTC), names=("localhost",))))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)

    def ask(address: str, environment: dict[str, str]) -> None:
        if is_sender:
            TrackingServer(f"https://{address}", environment).find_model("x")
            return
        client = HttpClient(f"https://{address}", environment, lambda _: None)
        try:
            assert client.json("/x") == {}
        finally:
            client.close()

    with answering(context) as (address, seen):
        with pytest.raises(
            UnavailableError, match=r"not valid: self.*MLFLOW_TRACKING_SERVER_CERT_PATH"
        ) as refused:
            ask(address, {})
        assert str(refused.value).isprintable()
        assert seen == []
        ask(address, {"MLFLOW_TRACKING_SERVER_CERT_PATH": str(file)})
        assert len(seen) == 1


@pytest.mark.parametrize("text", [None, "no certificate"])
def test_a_file_of_authorities_that_is_none_is_named(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "authority.pem"
    if text is not None:
        file.write_text(text)
    with pytest.raises(
        InvalidInputError, match=r"MLFLOW_TRACKING_SERVER_CERT_PATH names .*authority.pem"
    ) as refused:
        HttpClient("https://localhost:1", {"MLFLOW_TRACKING_SERVER_CERT_PATH": str(file)})
    assert str(refused.value).isprintable()


def test_a_redirect_is_not_followed_and_its_place_is_named_without_its_query() -> None:
    with answering(status=302) as (address, _):
        client = HttpClient(f"http://{address}", {}, lambda _: None)
        with pytest.raises(
            UnavailableError, match=r"302 and sends to https://login\.example/start: "
        ) as refused:
            client.json("/x")
        client.close()
    assert "secret" not in str(refused.value)


def test_every_request_goes_below_the_prefix_of_the_address() -> None:
    with answering() as (address, seen):
        source = MlflowServer(HttpClient(f"http://{address}/team/mlflow/", {}, lambda _: None))
        for _ in source.models(()):
            pass
        for _ in source.versions(()):
            pass
        assert list(source.run_ids()) == []
        source.close()
        TrackingServer(f"http://{address}/team/mlflow/", {}).find_model("x")
    assert len(seen) == 4
    assert all(path.startswith("/team/mlflow/api/") for path in seen)
