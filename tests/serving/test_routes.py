"""Routes of a serving process beside inference: every GET has a HEAD, metrics, statistics, the description, and who may ask."""

import contextlib
import http.client
import json
import re
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from serving_kit import (
    ModelFile,
    ServingProcess,
    TestHub,
    body_of,
    short_folder,
    start_serving,
    train,
    wait_until,
)

from pilothouse.domain.errors import NotFoundError, PilothouseError
from pilothouse.domain.formats import openmetrics as openmetrics_format
from pilothouse.operations.fleet.readiness import ready_fault
from pilothouse.serving.pages import metrics_page
from pilothouse.serving.pages.route import Standing
from pilothouse.serving.pages.routes import ROUTES, find
from pilothouse.serving.pages.traffic import Traffic
from pilothouse.serving.versions.live_versions import Roster
from pilothouse.serving.web import access
from pilothouse.serving.web.access import Access
from pilothouse.serving.web.http import HttpError
from support import leftovers

MODEL = "/v2/models/flight-delay"
TLS = Path(__file__).parent / "tls"
TOKEN = "a-token-of-a-client"
Launch = Callable[..., ServingProcess]


@pytest.fixture(scope="module")
def running(first: ModelFile) -> Iterator[tuple[ServingProcess, TestHub]]:
    """One process for the tests that only ask."""
    with short_folder() as folder, leftovers.shared("socket:", "Thread-"):
        hub = TestHub(folder / "hub.sock")
        hub.deploy(first, train("bike-demand", 4, "regression"))
        hub.start()
        process = start_serving(folder / "ewr", hub)
        try:
            process.wait_for_port()
            process.wait_until_ready()
            yield process, hub
        finally:
            process.kill()
            hub.stop()


@pytest.fixture
def server(running: tuple[ServingProcess, TestHub]) -> ServingProcess:
    return running[0]


def headers_of(
    server: ServingProcess, method: str, path: str, **given: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request(method, path, headers=given)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def filled(pattern: str) -> str:
    return pattern.replace("{model}", "flight-delay").replace("{version}", "1").replace("{region}", "x")


@pytest.mark.parametrize("pattern", sorted({route.pattern for route in ROUTES if "GET" in route.methods}))
def test_head_is_taken_wherever_get_is(server: ServingProcess, pattern: str) -> None:
    status, headers, body = headers_of(server, "GET", filled(pattern))
    found, fields, nothing = headers_of(server, "HEAD", filled(pattern))
    assert found == status
    assert nothing == b""
    assert fields["content-type"] == headers["content-type"]
    if pattern not in ("/metrics",):  # a page that grows
        assert int(fields["content-length"]) == len(body)


def test_patterns_leave_parts_open_and_endings_do_not() -> None:
    route, names = find("/v1/models/m:predict")
    assert (route.pattern, names) == ("/v1/models/{model}:predict", {"model": "m"})
    assert find("/v1/models/m/")[0].pattern == "/v1/models/{model}"
    assert find("/v2/models/stats")[0].pattern == "/v2/models/stats"
    assert find("/")[0].pattern == "/"
    for path in ("", "*", "v2", "/v2/models", "/v2/models/a/b/c/d/e", "/v2\n"):
        with pytest.raises(NotFoundError):
            find(path)


def samples(page: str) -> dict[str, float]:
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in page.splitlines()
        if not line.startswith("#")
    }


def test_metrics_count_requests_rows_errors_and_durations(server: ServingProcess) -> None:
    version = 'model="bike-demand",version="4"'

    def page() -> dict[str, float]:
        return samples(server.ask("GET", "/metrics")[1].decode())

    before = page()
    for _ in range(3):
        assert server.ask("POST", "/v2/models/bike-demand/infer", body_of(5))[0] == 200
    assert server.ask("POST", "/v2/models/bike-demand/infer", b"{")[0] == 400
    assert server.ask("GET", "/v2/nowhere")[0] == 404
    after = page()

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0)

    assert grown(f"pilothouse_requests_total{{{version}}}") == 4
    assert grown(f"pilothouse_rows_total{{{version}}}") == 15
    assert grown(f'pilothouse_errors_total{{{version},status="400"}}') == 1
    assert grown('pilothouse_refused_requests_total{status="404"}') == 1
    assert grown(f"pilothouse_request_duration_seconds_count{{{version}}}") == 3
    buckets = [
        value
        for name, value in after.items()
        if name.startswith(f"pilothouse_request_duration_seconds_bucket{{{version}")
    ]
    assert buckets == sorted(buckets)
    assert buckets[-1] == after[f"pilothouse_request_duration_seconds_count{{{version}}}"]
    assert after[f"pilothouse_request_duration_seconds_sum{{{version}}}"] > 0
    assert after[f"pilothouse_live_version_info{{{version}}}"] == 1
    assert after["pilothouse_ready"] == 1


def test_a_version_without_traffic_is_on_the_page_so_that_its_first_request_is_a_rate() -> None:
    page = metrics_page.metrics_page(Roster(), Standing(Traffic()), openmetrics=False).decode()
    assert "pilothouse_requests_total{" not in page
    assert page.endswith("\n")


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
            "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            True,
        ),
        ("application/openmetrics-text; version=1.0.0", True),
        ("text/plain;version=0.0.4;q=1,application/openmetrics-text;q=0.5", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=x", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_openmetrics_is_answered_where_it_is_asked_for(
    server: ServingProcess, accept: str, openmetrics: bool
) -> None:
    _, headers, body = headers_of(server, "GET", "/metrics", Accept=accept)
    page = body.decode()
    kind = headers["content-type"]
    assert kind == (openmetrics_format.OPENMETRICS if openmetrics else openmetrics_format.TEXT)
    assert page.endswith("# EOF\n") == openmetrics
    assert ("# TYPE pilothouse_requests counter" in page) == openmetrics
    assert ("# TYPE pilothouse_live_version info" in page) == openmetrics
    families = re.findall(r"^# TYPE (\S+) (\S+)$", page, re.MULTILINE)
    assert len(dict(families)) == len(families)
    escaped = {re.sub("[^a-zA-Z0-9_]", "_", name) for name, _ in families}
    assert len(escaped) == len(families)
    assert all(re.fullmatch(r"[a-z_]+", name) for name, _ in families)
    lines = [line for line in page.splitlines() if not line.startswith("#")]
    assert len({line.rpartition(" ")[0] for line in lines}) == len(lines)
    assert all(re.fullmatch(r'[a-z_]+(\{([a-z]+="[^"]*",?)*\})? [0-9.e+-]+', line) for line in lines), lines


def test_promtool_finds_nothing_where_it_is_installed(server: ServingProcess) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    page = server.ask("GET", "/metrics")[1]
    done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_rejected_event_says_why_where_it_is_logged_and_is_counted(
    hub: TestHub, launch: Launch, first: ModelFile
) -> None:
    hub.deploy(first)
    hub.reject_for = "far ahead\n of its target's clock"
    server = launch(hub)
    server.wait_until_ready()
    assert server.ask("POST", f"{MODEL}/infer", body_of(2))[0] == 200
    counted = 'pilothouse_rejected_rows_total{model="flight-delay",version="1"}'
    wait_until(lambda: samples(server.ask("GET", "/metrics")[1].decode()).get(counted) == 2)
    line = "the hub rejected 2 of 2 predictions of models:/flight-delay/1: far ahead"
    assert [line in text and "clock (2)" in text for text in server.log.read_text().splitlines()].count(
        True
    ) == 1
    hub.stop()


def test_labels_are_escaped() -> None:
    traffic = Traffic()
    traffic.answer(('a"\\\n', 1), 1, 0)
    page = metrics_page.metrics_page(Roster(), Standing(traffic), openmetrics=True).decode()
    assert r'pilothouse_rows_total{model="a\"\\\n",version="1"} 1' in page


def test_statistics_and_configuration_are_as_triton_gives_them(server: ServingProcess) -> None:
    assert server.ask("POST", f"{MODEL}/infer", body_of(2))[0] == 200
    for path in (f"{MODEL}/stats", f"{MODEL}/versions/1/stats"):
        (one,) = json.loads(server.ask("GET", path)[1])["model_stats"]
        assert (one["name"], one["version"]) == ("flight-delay", "1")
        assert one["inference_count"] >= 2
        assert one["inference_stats"]["success"]["ns"] > 0
    assert len(json.loads(server.ask("GET", "/v2/models/stats")[1])["model_stats"]) == 2
    config = json.loads(server.ask("GET", f"{MODEL}/config")[1])
    assert {"name": "temp", "data_type": "TYPE_FP64", "dims": [1]} in config["input"]
    assert {"name": "predict_proba", "data_type": "TYPE_FP64", "dims": [2]} in config["output"]


def test_the_protocols_of_mlflow_and_kserve_have_their_own_routes(server: ServingProcess) -> None:
    assert server.ask("GET", "/ping") == (200, b"\n")
    assert server.ask("GET", "/version")[0] == 200
    assert json.loads(server.ask("GET", "/v1/models")[1]) == {"models": ["bike-demand", "flight-delay"]}
    assert json.loads(server.ask("GET", "/v1/models/flight-delay")[1])["ready"] is True
    rows = json.dumps({"instances": [{"temp": 1, "carrier": "AA"}]}).encode()
    for path in (
        f"{MODEL}/invocations",
        f"{MODEL}/versions/1/invocations",
        "/v1/models/flight-delay:predict",
    ):
        status, body = server.ask("POST", path, rows)
        assert status == 200
        assert json.loads(body)["predictions"] in (["0"], ["1"])
    status, body = server.ask("POST", f"{MODEL}/predict", b"temp,carrier\n1,AA\n", **{
        "Content-Type": "text/csv", "Accept": "text/csv"
    })  # fmt: skip
    assert status == 200
    assert body.startswith(b"prediction,score,prediction_id")


def test_a_target_of_one_model_needs_no_model_in_the_path(
    hub: TestHub, launch: Launch, first: ModelFile
) -> None:
    hub.deploy(first)
    server = launch(hub)
    server.wait_until_ready()
    rows = json.dumps({"dataframe_records": [{"temp": 1}]}).encode()
    assert server.ask("POST", "/invocations", rows)[0] == 200
    assert "/invocations" in json.loads(server.ask("GET", "/openapi.json")[1])["paths"]
    hub.stop()


def test_the_description_has_every_route_of_every_live_model(server: ServingProcess) -> None:
    found = json.loads(server.ask("GET", "/openapi.json")[1])
    for route in ROUTES:
        described = filled(route.pattern) in found["paths"]
        assert described == bool(route.summary and not (route.form and "{" not in route.pattern)), (
            route.pattern
        )
    paths = found["paths"]
    assert f"{MODEL}/infer" in paths
    assert "/v2/models/bike-demand/versions/4/infer" in paths
    names = [operation["operationId"] for path in paths.values() for operation in path.values()]
    assert len(set(names)) == len(names)
    row = paths[f"{MODEL}/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    properties = row["properties"]["rows"]["items"]["properties"]
    assert set(properties) == {
        "distance",
        "hour",
        "seats",
        "temp",
        "carrier",
        "dest",
        "scheduled_at",
        "passenger",
    }
    assert "security" not in paths["/v2"]["get"]


def described(schema: Any, value: Any) -> bool:
    """Whether a value is of a schema, by the keywords that the description uses."""
    if "anyOf" in schema and not any(described(one, value) for one in schema["anyOf"]):
        return False
    if "const" in schema and value != schema["const"]:
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    kinds = {
        "string": str, "number": (int, float), "integer": int, "boolean": bool, "object": dict, "array": list,
        "null": type(None),
    }  # fmt: skip
    wanted = schema.get("type", [])
    wanted = wanted if isinstance(wanted, list) else [wanted]
    if wanted and not any(isinstance(value, kinds[kind]) for kind in wanted):
        return False
    if isinstance(value, dict):
        if not set(schema.get("required", ())) <= value.keys():
            return False
        return all(
            described(schema.get("properties", {}).get(key, {}), inner) for key, inner in value.items()
        )
    if isinstance(value, list):
        return all(described(schema.get("items", {}), inner) for inner in value)
    return True


def test_answers_are_of_the_schemas_that_describe_them(server: ServingProcess) -> None:
    paths = json.loads(server.ask("GET", "/openapi.json")[1])["paths"]
    checked = 0
    for path, operations in paths.items():
        content = operations.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema")
        if schema:
            assert described(schema, json.loads(server.ask("GET", path)[1])), path
            checked += 1
    assert checked > 20
    body = body_of(2)
    schemas = paths[f"{MODEL}/infer"]["post"]
    assert described(schemas["requestBody"]["content"]["application/json"]["schema"], json.loads(body))
    answer = json.loads(server.ask("POST", f"{MODEL}/infer", body)[1])
    assert described(schemas["responses"]["200"]["content"]["application/json"]["schema"], answer)


def test_a_client_that_has_shut_its_sending_side_gets_its_answer(server: ServingProcess) -> None:
    body = body_of(3)
    head = f"POST {MODEL}/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(head.encode() + body)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := client.recv(1 << 16):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"prediction_id"' in answer


def test_a_client_that_leaves_before_its_body_is_whole_leaves_nothing_behind(server: ServingProcess) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(
            f"POST {MODEL}/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{{".encode()
        )
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1 << 16) == b""
    wait_until(lambda: samples(server.ask("GET", "/metrics")[1].decode())["pilothouse_open_requests"] == 0)


def test_a_refusal_for_now_says_when_to_come_back(hub: TestHub, launch: Launch) -> None:
    hub.desire()
    hub.stop()
    server = launch(hub)
    status, headers, _ = headers_of(server, "GET", MODEL)
    assert status == 503
    assert headers["retry-after"] == "1"


def allowed(found: Access, *values: bytes) -> bool:
    try:
        found.check([(b"host", b"a"), *((b"authorization", value) for value in values)])
    except HttpError as error:
        return (error.status, error.headers) != (401, {"www-authenticate": "Bearer"})
    return True


def test_a_token_of_the_file_is_let_in_and_nothing_else(tmp_path: Path) -> None:
    assert allowed(Access(tmp_path))
    (tmp_path / access.TOKENS).write_text(f"# the desk\n{TOKEN}\n\nanother-client-token\n")
    found = Access(tmp_path)
    for value in (f"Bearer {TOKEN}", f"bearer  {TOKEN}", "Bearer another-client-token"):
        assert allowed(found, value.encode())
    for values in (
        (),
        (b"",),
        (TOKEN.encode(),),
        (f"Basic {TOKEN}".encode(),),
        (b"Bearer",),
        (b"Bearer # the desk",),
        (b"Bearer " + b"x" * 300,),
        (b"Bearer \xff",),
        (f"Bearer {TOKEN}".encode(), f"Bearer {TOKEN}".encode()),
    ):
        assert not allowed(found, *values), values


def test_tokens_are_read_again_and_a_file_that_goes_leaves_them_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "_LOOK_EVERY_S", 0.0)
    path = tmp_path / access.TOKENS
    path.write_text(TOKEN)
    found = Access(tmp_path)
    path.write_text("the-token-after-it\n")
    assert not allowed(found, f"Bearer {TOKEN}".encode())
    assert allowed(found, b"Bearer the-token-after-it")
    path.write_text("short")
    assert allowed(found, b"Bearer the-token-after-it")
    path.unlink()
    assert allowed(found, b"Bearer the-token-after-it")
    assert not allowed(found)


@pytest.mark.parametrize("content", [b"short", b"two words in a line", b"\xff" * 20, None])
def test_a_token_file_that_cannot_be_used_ends_the_start(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / access.TOKENS
    if content is None:
        path.symlink_to(tmp_path / "away")
    else:
        path.write_bytes(content)
    with pytest.raises(PilothouseError):
        Access(tmp_path)


def test_the_description_follows_what_is_live(
    hub: TestHub, launch: Launch, first: ModelFile, second: ModelFile
) -> None:
    hub.deploy(first)
    server = launch(hub)
    server.wait_until_ready()

    def paths() -> Any:
        return json.loads(server.ask("GET", "/openapi.json")[1])["paths"]

    assert f"{MODEL}/versions/1/infer" in paths()
    hub.deploy(second)
    wait_until(lambda: f"{MODEL}/versions/2/infer" in paths())
    assert f"{MODEL}/versions/1/infer" not in paths()
    hub.stop()


def test_a_process_with_tokens_and_tls_speaks_to_those_who_have_one(
    hub: TestHub, launch: Launch, first: ModelFile, tmp_path: Path
) -> None:
    folder = tmp_path / "ewr"
    folder.mkdir(mode=0o700)
    (folder / access.TOKENS).write_text(TOKEN)
    for name in (access.CERTIFICATE, access.KEY):
        shutil.copy(TLS / f"first-{name.removeprefix('tls-')}", folder / name)
    hub.deploy(first)
    server = launch(hub)
    assert json.loads((folder / "process.json").read_bytes())["tls"] is True

    def ask(path: str, certificate: str = "first", **headers: str) -> tuple[int, bytes]:
        context = ssl.create_default_context(cafile=str(TLS / f"{certificate}-certificate.pem"))
        connection = http.client.HTTPSConnection("localhost", server.port, timeout=30, context=context)
        try:
            connection.request(
                "POST" if "infer" in path else "GET", path, body_of(1) if "infer" in path else None, headers
            )
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    wait_until(lambda: ask("/v2/health/ready")[0] == 200)  # without a token
    assert ready_fault(f"https://127.0.0.1:{server.port}{MODEL}/ready", 20) == ""
    assert ready_fault(f"http://127.0.0.1:{server.port}{MODEL}/ready", 20) != ""
    for path in (MODEL, f"{MODEL}/infer", "/metrics", "/openapi.json"):
        assert ask(path)[0] == 401
        assert ask(path, Authorization=f"Bearer {TOKEN}")[0] == 200
    document = json.loads(ask("/openapi.json", Authorization=f"Bearer {TOKEN}")[1])
    assert document["paths"][MODEL]["get"]["security"] == [{"token": []}]
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(b"GET /v2 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert not client.recv(100).startswith(b"HTTP")

    for name in (access.CERTIFICATE, access.KEY):  # renewed, by a rename as certbot's successors do it
        shutil.copy(TLS / f"second-{name.removeprefix('tls-')}", folder / f"{name}.new")
        (folder / f"{name}.new").replace(folder / name)

    def renewed() -> bool:
        try:
            return ask("/v2", "second", Authorization=f"Bearer {TOKEN}")[0] == 200
        except ssl.SSLError:
            ask("/v2", "first", Authorization=f"Bearer {TOKEN}")
            return False

    wait_until(renewed)
    assert server.terminate() == 0
    assert "Traceback" not in server.log.read_text()


def test_a_key_without_its_certificate_ends_the_start(hub: TestHub, tmp_path: Path) -> None:
    folder = tmp_path / "ewr"
    folder.mkdir(mode=0o700)
    shutil.copy(TLS / "first-key.pem", folder / access.KEY)
    server = start_serving(folder, hub)
    assert server.process.wait(60) == 2
    text = server.log.read_text()
    assert "tls-certificate.pem and tls-key.pem cannot be used" in text
    assert "Traceback" not in text


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_request_that_has_begun_is_answered_while_the_process_ends(
    hub: TestHub, launch: Launch, first: ModelFile, framing: str
) -> None:
    hub.deploy(first)
    server = launch(hub)
    server.wait_until_ready()
    body = body_of(3)
    head = f"POST {MODEL}/infer HTTP/1.1\r\nHost: localhost\r\n"
    if framing == "length":
        pieces = [f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:50], body[50:]]
    else:
        pieces = [
            f"{head}Transfer-Encoding: chunked\r\n\r\n32\r\n".encode() + body[:50] + b"\r\n",
            b"%x\r\n%b\r\n0\r\n\r\n" % (len(body) - 50, body[50:]),
        ]

    def closed() -> bool:
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
        except OSError:
            return True
        return False

    def taken() -> bool:
        return samples(server.ask("GET", "/metrics")[1].decode())["pilothouse_ready"] == 1

    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(pieces[0])
        wait_until(taken)  # a later request is answered, so this one's first piece has been read
        server.process.send_signal(signal.SIGTERM)
        wait_until(closed)
        client.sendall(pieces[1])
        answer = b""
        while piece := client.recv(1 << 16):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"\r\nconnection: close\r\n" in answer.lower()
    assert server.process.wait(30) == 0
    assert sum(batch.rows for batch in hub.batches) == 3
    hub.stop()
