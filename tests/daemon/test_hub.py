"""The hub over its real socket, in front of a real workspace: who is let in, what is taken, what is handed out."""

import http.client
import json
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from pilothouse.daemon.hub import hub_app
from pilothouse.daemon.hub_server import HubServer
from pilothouse.domain.formats.wire import (
    BatchReceipt,
    DesiredState,
    LabelReceipt,
    Outcome,
    PredictionBatch,
    RequestTiming,
    ServingReport,
)
from pilothouse.operations.fleet import targets
from pilothouse.operations.fleet.processes import Pulse
from pilothouse.operations.ingest import ingest
from pilothouse.serving.bodies.client_codec import infer_body, read_answer
from pilothouse.store.deployed import processes
from pilothouse.system.processes import own_name
from support import leftovers, wait_until
from support.registered_versions import SCHEMA, promote, register
from support.small_workspace import SmallWorkspace, make_small_workspace


@dataclass
class Hub:
    """A workspace with its hub, and a token for each of two targets."""

    shop: SmallWorkspace
    path: Path
    ewr: str
    jfk: str
    model_digest: str
    schema_digest: str

    def ask(
        self, method: str, path: str, body: bytes = b"", token: str | None = None, **headers: str
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection("hub", timeout=20)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self.path))
        try:
            given = {"Authorization": f"Bearer {self.ewr if token is None else token}"} | headers
            connection.request(method, path, body, {name: value for name, value in given.items() if value})
            response = connection.getresponse()
            return response.status, response.read(), response.headers
        finally:
            connection.close()

    def tell(self, path: str, value: Any, token: str | None = None) -> tuple[int, bytes]:
        return self.ask("POST", path, msgspec.msgpack.encode(value), token)[:2]


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    """One hub for all tests; each uses producers of its own."""
    with tempfile.TemporaryDirectory(prefix="ph-") as folder, leftovers.shared(folder, "hub", "socket:"):
        shop = make_small_workspace(Path(folder))
        shop.write_model(more='[[targets]]\nname = "jfk"')
        model, schema = register(shop, 1)
        promote(shop, 1)
        tokens = [targets.issue_token(shop.services, shop.admin, name) for name in ("ewr", "jfk")]
        path = shop.services.paths.hub_socket
        server = HubServer(hub_app(shop.services, Pulse(shop.services, own_name())), path)
        thread = threading.Thread(target=server.run)
        thread.start()
        made = Hub(shop, path, *tokens, model, schema)
        made.ask(
            "GET", "/v1/desired"
        )  # its loop is there before a test is looked at for what it leaves behind
        yield made
        server.stop()
        thread.join()
        server.close()
        shop.services.close()


def batch(rows: int = 4, **changes: Any) -> PredictionBatch:
    times = np.arange(rows, dtype="<i8") * 3_600_000_000 + 1_740_000_000_000_000
    numbers = np.linspace(5, 15, rows).astype("<f8").tobytes()
    made = PredictionBatch(
        producer=secrets.token_hex(6),
        sequence=0,
        target="ewr",
        model="delay",
        version=1,
        rows=rows,
        event_times=times.tobytes(),
        scores=np.full(rows, 0.5, "<f8").tobytes(),
        numeric={"wind": numbers, "load": numbers},
        labels=["0"] * rows,
        requests=[RequestTiming(rows, 900, 1_740_000_000_000_000)] if rows else [],
    )
    return replace(made, **changes)


ROUTES = (
    ("GET", "/v1/desired"),
    ("GET", "/v1/artifacts/"),
    ("POST", "/v1/batches"),
    ("POST", "/v1/labels"),
    ("POST", "/v1/report"),
)


@pytest.mark.parametrize(("method", "path"), [*ROUTES, ("GET", "/"), ("GET", "/v1"), ("POST", "/v2/infer")])
@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Basic ZXdyOng=",
        "bearer ph_",
        pytest.param("Bearer " + "x" * 5_000, id="long"),
    ],
)
def test_without_a_token_no_route_answers(hub: Hub, method: str, path: str, authorization: str) -> None:
    body = msgspec.msgpack.encode(batch())
    target = path + hub.model_digest if path.endswith("/") and path != "/" else path
    status, answer, _ = hub.ask(method, target, body, Authorization=authorization)
    assert status == 401
    assert set(json.loads(answer)) == {"error"}


def test_two_authorization_headers_are_none(hub: Hub) -> None:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(hub.path))
        line = f"Authorization: Bearer {hub.ewr}\r\n"
        raw.sendall(f"GET /v1/desired HTTP/1.1\r\nHost: hub\r\n{line}{line}\r\n".encode())
        assert b" 401 " in raw.recv(4_096)


def test_a_void_token_is_refused(hub: Hub) -> None:
    old = targets.issue_token(hub.shop.services, hub.shop.admin, "jfk")
    hub.jfk = targets.issue_token(hub.shop.services, hub.shop.admin, "jfk")
    assert hub.ask("GET", "/v1/desired", token=old)[0] == 401
    assert hub.ask("GET", "/v1/desired", token=hub.jfk)[0] == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/v1/batches"),
        ("POST", "/v1/desired"),
        ("PUT", "/v1/report"),
        ("GET", "/v1/desired/"),
        ("GET", "/v1/../v1/desired"),
    ],
)
def test_what_is_not_a_route_is_not_found(hub: Hub, method: str, path: str) -> None:
    assert hub.ask(method, path)[0] == 404


def test_the_desired_state_is_handed_out_once_for_each_revision(hub: Hub) -> None:
    status, body, headers = hub.ask("GET", "/v1/desired")
    state = msgspec.msgpack.decode(body, type=DesiredState)
    assert status == 200
    assert [(v.model, v.version, v.model_digest) for v in state.versions] == [("delay", 1, hub.model_digest)]
    assert headers["ETag"] == f'"{state.revision}"'
    for held in (f'"{state.revision}"', state.revision):
        assert hub.ask("GET", "/v1/desired", **{"If-None-Match": held})[:2] == (304, b"")
    assert hub.ask("GET", "/v1/desired", **{"If-None-Match": '"older"'})[0] == 200
    other = msgspec.msgpack.decode(hub.ask("GET", "/v1/desired", token=hub.jfk)[1], type=DesiredState)
    assert (other.target, other.versions) == ("jfk", [])


def test_only_the_artifacts_of_the_targets_own_versions_are_handed_out(hub: Hub) -> None:
    store = hub.shop.services.artifacts
    for digest in (hub.model_digest, hub.schema_digest):
        status, body, _ = hub.ask("GET", f"/v1/artifacts/{digest}")
        assert (status, body) == (200, store.read(digest))
        assert hub.ask("GET", f"/v1/artifacts/{digest}", token=hub.jfk)[0] == 404
    snapshot = store.put_bytes(b"rows of a snapshot")
    assert hub.ask("GET", f"/v1/artifacts/{snapshot}")[0] == 404
    for wrong in ("", "../../registry.db", "A" * 64, "%2e%2e", hub.model_digest + "/"):
        assert hub.ask("GET", f"/v1/artifacts/{wrong}")[0] in (400, 404)


def test_an_artifact_that_is_damaged_is_gone_and_no_fault_that_passes(hub: Hub) -> None:
    path = hub.shop.services.artifacts.path(hub.model_digest)
    whole = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(b"something else")
    try:
        status, body, _ = hub.ask("GET", f"/v1/artifacts/{hub.model_digest}")
    finally:
        path.write_bytes(whole)
        path.chmod(0o444)
    assert status == 410
    assert hub.model_digest in body.decode()


def test_a_batch_is_counted_once_and_its_outcomes_join(hub: Hub) -> None:
    sent = batch()
    answers = [hub.tell("/v1/batches", sent) for _ in range(2)]
    receipts = [msgspec.msgpack.decode(body, type=BatchReceipt) for _, body in answers]
    assert receipts == [BatchReceipt(4, 0), BatchReceipt(4, 0, duplicate=True)]
    outcomes = [Outcome(f"{sent.producer}.0.{row}", "1") for row in range(4)]
    outcomes.append(Outcome("unknown.0.0", "0"))
    status, body = hub.tell("/v1/labels", outcomes)
    assert status == 200
    receipt = msgspec.msgpack.decode(body, type=LabelReceipt)
    assert (receipt.joined, receipt.waiting) == (4, 1)


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_an_outcome_that_is_not_finite_is_refused(hub: Hub, value: float) -> None:
    sent = batch()
    hub.tell("/v1/batches", sent)
    status, body = hub.tell("/v1/labels", [Outcome(f"{sent.producer}.0.0", value)])
    assert status == 400
    assert b"finite number" in body


def test_a_batch_of_errors_alone_is_taken(hub: Hub) -> None:
    status, body = hub.tell("/v1/batches", batch(0, errors=3))
    assert (status, msgspec.msgpack.decode(body, type=BatchReceipt).rejected) == (200, 0)


def test_a_token_speaks_for_its_target_alone(hub: Hub) -> None:
    assert hub.tell("/v1/batches", batch(), token=hub.jfk)[0] == 403
    report = ServingReport("ewr", 1, 1, {}, {}, 0)
    assert hub.tell("/v1/report", report, token=hub.jfk)[0] == 403


@pytest.mark.parametrize(
    "changes",
    [
        {"producer": ""},
        {"producer": "a.b"},
        {"producer": "x" * 65},
        {"sequence": -1},
        {"sequence": 2**63},
        {"rows": 5},
        {"rows": -4},
        {"rows": 2**40},
        {"errors": -1},
        {"model": "../delay"},
        {"event_times": b"123"},
        {"scores": b""},
        {"numeric": {"wind": b"12345678"}},
        {"categorical": {"carrier": ["UA"]}},
        {"categorical": {"carrier": ["x" * 2_000] * 4}},
        {"labels": ["0"]},
        {"foreign_ids": ["a"]},
        {"requests": [RequestTiming(-1, 5, 5)]},
        {"requests": [RequestTiming(4, -5, 5)]},
    ],
)
def test_a_batch_that_does_not_fit_together_is_refused(hub: Hub, changes: dict[str, Any]) -> None:
    status, body = hub.tell(
        "/v1/batches", batch(**changes) if "rows" not in changes else replace(batch(), **changes)
    )
    assert status == 400
    assert json.loads(body)["error"].isprintable()


@pytest.mark.parametrize("path", ["/v1/batches", "/v1/labels", "/v1/report"])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xc1", id="a byte that is never used"),
        pytest.param(b"\x90" * 9, id="more than one message"),
        pytest.param(b"\xff" * 64, id="numbers"),
        pytest.param(b'{"json": 1}', id="json"),
        pytest.param(b"\x91" * 100_000, id="depth"),
        pytest.param(b"\xa4\xff\xfe\xfd\xfc", id="no UTF-8"),
        pytest.param(b"\x81\xa6target\xa2\xff\xfe", id="no UTF-8 in a field"),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="a list that claims four billion items"),
    ],
)
def test_a_body_that_is_no_message_is_refused(hub: Hub, path: str, body: bytes) -> None:
    status, answer, _ = hub.ask("POST", path, body)
    assert status == 400
    assert "\n" not in json.loads(answer)["error"]


def test_what_is_no_batch_is_counted_and_shown(hub: Hub) -> None:
    def shown() -> tuple[int, str]:
        found = ingest.rejected(hub.shop.services, hub.shop.admin)
        return next(((one.count, one.example) for one in found if one.reason == "not a batch"), (0, ""))

    before, _ = shown()
    hub.ask("POST", "/v1/batches", b"\xff" * 64)
    hub.ask("POST", "/v1/labels", b"\xff" * 64)
    hub.tell("/v1/batches", replace(batch(), rows=1 << 40))  # a claim that nobody believes: one
    hub.tell("/v1/batches", replace(batch(), errors=-1))
    after, example = shown()
    assert after - before == 3 + batch().rows
    assert example.startswith("ewr: errors: found -1")


def test_batches_that_wait_are_committed_together_and_each_is_answered(hub: Hub) -> None:
    sent = [batch(producer="one", sequence=i) for i in [*range(40), 0]]
    before = ingest.totals(hub.shop.services, hub.shop.admin).events
    receipts: list[tuple[int, bytes]] = []
    senders = [
        threading.Thread(target=lambda one=one: receipts.append(hub.tell("/v1/batches", one))) for one in sent
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    found = [msgspec.msgpack.decode(body, type=BatchReceipt) for _, body in receipts]
    assert sum(receipt.duplicate for receipt in found) == 1
    assert all(receipt.accepted == batch().rows for receipt in found)
    assert ingest.totals(hub.shop.services, hub.shop.admin).events - before == 40 * batch().rows


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome("", 1.0),
        Outcome("x" * 2_000, 1.0),
        Outcome("a.0.0", float("nan")),
        Outcome("a.0.0", float("inf")),
        Outcome("a.0.0", "x" * 2_000),
    ],
)
def test_an_outcome_that_is_none_is_refused(hub: Hub, outcome: Outcome) -> None:
    assert hub.tell("/v1/labels", [outcome])[0] == 400


def test_too_long_a_body_is_refused_by_its_length(hub: Hub) -> None:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(hub.path))
        head = f"POST /v1/report HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {hub.ewr}\r\n"
        raw.sendall(f"{head}Content-Length: 999999999999\r\n\r\n".encode())
        assert b" 413 " in raw.recv(4_096)


def test_a_report_is_kept_with_the_baseline(hub: Hub) -> None:
    report = ServingReport("ewr", 8_080, 77, {"delay": 1}, {"other": "why"}, 3, {"delay": 1_234})
    assert hub.tell("/v1/report", report)[0] == 200
    with hub.shop.services.registry.read() as connection:
        kept = processes.reports(connection)["ewr"].report
        assert (kept.port, kept.pid, kept.loaded, kept.failed) == (8_080, 77, {"delay": 1}, {"other": "why"})
        assert processes.baseline_p95_us(connection, "delay", 1, "ewr") == 1_234
    assert hub.tell("/v1/report", replace(report, port=70_000))[0] == 400


def test_a_serving_process_and_the_hub_lose_nothing_between_them(hub: Hub, tmp_path: Path) -> None:
    """The whole way: promoted version, real process, kill -9, telemetry."""
    folder = tmp_path / "ewr"
    folder.mkdir()
    (folder / "token").write_text(hub.ewr)
    command = [sys.executable, "-I", "-m", "pilothouse.serving.main", "--target", "ewr"]
    command += ["--hub", f"unix:{hub.path}", "--folder", str(folder)]
    command += ["--token-file", str(folder / "token")]
    start = datetime(2025, 3, 5, tzinfo=UTC)
    rows = [{"wind": 9.0 + i, "load": 0.5, "at": start + timedelta(minutes=i)} for i in range(7)]
    body = infer_body(SCHEMA.columns, rows, "at")
    ids: list[str] = []

    def port() -> int:
        return int(json.loads((folder / "process.json").read_bytes())["port"])

    def request(method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port(), timeout=20)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def ready() -> int:
        return request("GET", "/v2/health/ready")[0]

    def ask() -> tuple[int, bytes]:
        return request("POST", "/v2/models/delay/infer", body)

    def run(end: signal.Signals) -> int:
        (folder / "process.json").unlink(missing_ok=True)
        with (tmp_path / "log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/")
        try:
            wait_until((folder / "process.json").exists, timeout=30)
            wait_until(lambda: ready() == 200, timeout=40)
            for _ in range(20):
                status, answer = ask()
                assert status == 200
                ids.extend(read_answer(answer)["prediction_id"])
        finally:
            process.send_signal(end)
        return process.wait(30)

    assert run(signal.SIGKILL) == -signal.SIGKILL
    assert run(signal.SIGTERM) == 0, (tmp_path / "log").read_text()
    outcomes = [Outcome(prediction, "1") for prediction in ids]
    receipt = msgspec.msgpack.decode(hub.tell("/v1/labels", outcomes)[1], type=LabelReceipt)
    assert (receipt.joined, receipt.waiting, len(set(ids))) == (280, 0, 280)
