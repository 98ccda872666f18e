"""A real serving process over real sockets: the protocol, and what it gives up."""

import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving_kit import (
    ModelFile,
    ServingProcess,
    TestHub,
    body_of,
    outputs_of,
    short_folder,
    start_serving,
    train,
    wait_until,
)

from pilothouse.confinement import probe
from pilothouse.domain.confinement import confines
from pilothouse.domain.formats.wire import PackedTimings
from support import leftovers

Launch = Callable[..., ServingProcess]
MODEL = "/v2/models/flight-delay"


@pytest.fixture(scope="module")
def running(first: ModelFile) -> Iterator[tuple[ServingProcess, TestHub]]:
    """One process for the tests that only ask."""
    with short_folder() as folder, leftovers.shared("socket:", "Thread-"):
        hub = TestHub(folder / "hub.sock")
        hub.deploy(
            first, train("bike-demand", 4, "regression"), private={"flight-delay": ["seat", "distance"]}
        )
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


def test_health_and_metadata(server: ServingProcess) -> None:
    assert server.ask("GET", "/v2/health/live") == (200, b'{"live":true}')
    assert server.ask("GET", "/v2/health/ready") == (200, b'{"ready":true}')
    status, body = server.ask("GET", "/v2")
    assert status == 200
    assert set(json.loads(body)) == {"name", "version", "extensions"}
    for path in (MODEL, f"{MODEL}/versions/1", f"{MODEL}/"):
        status, body = server.ask("GET", path)
        assert status == 200
        assert json.loads(body)["versions"] == ["1"]
    for path in (f"{MODEL}/ready", f"{MODEL}/versions/1/ready/"):
        assert server.ask("GET", path) == (200, b'{"name":"flight-delay","ready":true}')
    for method in ("GET", "POST"):
        status, body = server.ask(method, "/v2/repository/index")
        assert [(row["name"], row["version"], row["state"]) for row in json.loads(body)] == [
            ("bike-demand", "4", "READY"),
            ("flight-delay", "1", "READY"),
        ]


def test_inference_with_and_without_a_version(server: ServingProcess) -> None:
    for path in (f"{MODEL}/infer", f"{MODEL}/infer/", f"{MODEL}/versions/1/infer"):
        status, body = server.ask("POST", path, body_of(3))
        assert status == 200
        answer = json.loads(body)
        assert (answer["model_name"], answer["model_version"]) == ("flight-delay", "1")
        found = outputs_of(answer)
        assert set(found) == {"predict", "score", "label", "prediction_id"}
        assert all(len(data) == 3 for data in found.values())
        assert found["predict"] == found["label"] == ["1" if s > 0.5 else "0" for s in found["score"]]
    status, answer = server.infer("bike-demand", body_of(1))
    assert set(outputs_of(answer)) == {"predict", "score", "prediction_id"}


def test_records_are_answered_with_records(server: ServingProcess) -> None:
    rows = [
        {"distance": 0, "hour": 0.0, "seats": 0, "temp": 0, "carrier": "AA", "dest": "AA"},
        {"temp": 2.5, "carrier": "ZZ", "passenger": "Ada", "scheduled_at": "2013-06-01T05:00:00Z"},
    ]
    body = json.dumps({"rows": rows, "report": True, "id": "r"}).encode()
    for path in (f"{MODEL}/predict", f"{MODEL}/versions/1/predict/"):
        status, data = server.ask("POST", path, body)
        assert status == 200, data
        answer = json.loads(data)
        head = {key: answer[key] for key in ("model", "version", "id", "positive_class")}
        assert head == {"model": "flight-delay", "version": 1, "id": "r", "positive_class": "1"}
        for row in answer["rows"]:
            assert row["prediction"] == ("1" if row["score"] > 0.5 else "0")
            assert row["probabilities"].keys() == {"0", "1"}
            assert row["probabilities"]["1"] == row["score"]
            assert (row["model"], row["version"]) == ("flight-delay", 1)
        assert {"row": 1, "column": "carrier", "found": "unknown", "value": "ZZ"} in answer["report"]
        missing = {
            (entry["row"], entry["column"]) for entry in answer["report"] if entry["found"] == "missing"
        }
        assert missing == {(1, "distance"), (1, "hour"), (1, "seats"), (1, "dest")}

    _, data = server.ask("POST", f"{MODEL}/infer", body_of(1))
    assert outputs_of(json.loads(data))["score"] == [answer["rows"][0]["score"]]
    _, data = server.ask("POST", f"{MODEL}/predict", json.dumps({"rows": rows[:1]}).encode())
    assert "report" not in json.loads(data)
    _, data = server.ask("POST", "/v2/models/bike-demand/predict", json.dumps({"rows": rows[:1]}).encode())
    assert json.loads(data)["rows"][0].keys() == {"prediction", "score", "prediction_id", "model", "version"}


def test_an_unknown_category_is_served_as_missing_and_reported_where_asked(server: ServingProcess) -> None:
    def ask(carrier: str | None) -> dict[str, Any]:
        document = json.loads(body_of(1, carrier={"datatype": "BYTES", "data": [carrier]}))
        document["parameters"] = {"report": True}
        answer: dict[str, Any] = json.loads(
            server.ask("POST", f"{MODEL}/infer", json.dumps(document).encode())[1]
        )
        return answer

    unknown, missing = ask("ZZ"), ask(None)
    assert outputs_of(unknown)["score"] == outputs_of(missing)["score"]
    assert unknown["parameters"]["report"] == [
        {"row": 0, "column": "carrier", "found": "unknown", "value": "ZZ"}
    ]
    assert missing["parameters"]["report"] == [{"row": 0, "column": "carrier", "found": "missing"}]
    assert ask("AA")["parameters"]["report"] == []


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("POST", "/v2/models/nobody/infer", 404, "no model nobody"),
        ("GET", "/v2/models/nobody", 404, "no model nobody"),
        ("GET", "/v2/models/nobody/ready", 404, "no model nobody"),
        (
            "POST",
            f"{MODEL}/versions/9/infer",
            404,
            "version 9 of flight-delay is not loaded; version 1 is live",
        ),
        ("GET", f"{MODEL}/versions/9/ready", 404, "version 9"),
        ("GET", f"{MODEL}/versions//ready", 404, "version "),
        ("GET", f"{MODEL}/infer", 405, "expected POST"),
        ("GET", f"{MODEL}/predict", 405, "expected POST"),
        ("POST", f"{MODEL}/versions/9/predict", 404, "version 9"),
        ("POST", f"{MODEL}/predict", 400, "not JSON"),
        ("DELETE", MODEL, 405, "expected GET"),
        ("PUT", "/v2", 405, "expected GET"),
        ("GET", "/v3", 404, "GET /v2"),
        ("GET", "/metric", 404, "GET /v2"),
        ("POST", "/invocations", 404, "serves 2 models, so the path has to name one"),
        ("POST", "/v2/repository/models/flight-delay/load", 403, "by promotions and roll-backs"),
        ("POST", "/v2/repository/models/flight-delay/unload", 403, "by promotions and roll-backs"),
        ("POST", "/v2/systemsharedmemory/region/x/register", 400, "shared memory is not taken"),
        ("GET", "/v2/cudasharedmemory/region/x%0a/status", 400, "no shared memory region x"),
        ("GET", f"{MODEL}/versions/1/unknown", 404, "GET /v2"),
        ("GET", "/v2/models/%1b%5b2J/ready", 404, "no model"),
        ("POST", f"{MODEL}/infer", 400, "not JSON"),
    ],
)
def test_errors_are_one_line_of_json(
    server: ServingProcess, method: str, path: str, status: int, words: str
) -> None:
    found, body = server.ask(method, path, b"" if method == "POST" else None)
    assert found == status
    message = json.loads(body)["error"]
    assert words in message
    assert message.isprintable()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example:80"}, 403),
        ({"Host": "localhost"}, 200),
        ({"Content-Encoding": "gzip"}, 400),
        ({"Content-Encoding": "br"}, 415),
        ({"Content-Encoding": "identity"}, 200),
        ({"Inference-Header-Content-Length": "10"}, 400),
    ],
)
def test_headers_that_change_what_is_asked(
    server: ServingProcess, headers: dict[str, str], status: int
) -> None:
    assert server.ask("POST", f"{MODEL}/infer", body_of(1), **headers)[0] == status


def test_a_body_beyond_the_bound_is_refused_before_it_is_read(server: ServingProcess) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        head = f"POST {MODEL}/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n"
        connection.sendall(head.encode())
        assert b"413" in connection.recv(4_096).split(b"\r\n")[0]


def test_a_body_that_grows_beyond_the_bound_is_refused(server: ServingProcess) -> None:
    piece = b"400000\r\n" + b" " * 0x400000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        head = f"POST {MODEL}/infer HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode())
        try:
            for _ in range(5):
                connection.sendall(piece)
        except OSError:
            pass  # it has answered and closed already
        assert b"413" in connection.recv(4_096).split(b"\r\n")[0]


@pytest.mark.parametrize("rubbish", [b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"\0" * 512, b"POST /v2"])
def test_bytes_that_are_not_http_leave_the_server_well(server: ServingProcess, rubbish: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(rubbish)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(10)
        while connection.recv(4_096):
            pass
    assert server.ask("GET", "/v2/health/live")[0] == 200
    assert "Traceback" not in server.log.read_text()


def test_batches_carry_every_row_without_private_columns(running: tuple[ServingProcess, TestHub]) -> None:
    server, hub = running
    secret = "Ada Lovelace 1815"
    body = body_of(
        2,
        passenger={"datatype": "BYTES", "data": [secret] * 2},
        seat={"datatype": "BYTES", "data": [secret] * 2},
        distance={"datatype": "FP64", "data": [123_456.75, 1.0]},
        scheduled_at={"datatype": "BYTES", "data": ["2013-06-01T05:00:00Z"] * 2},
    )
    status, answer = server.infer("flight-delay", body)
    assert status == 200
    producer, sequence, _ = outputs_of(answer)["prediction_id"][0].split(".")
    files = b"".join(path.read_bytes() for path in (server.folder / "spool").glob("*.segment"))
    assert secret.encode() not in files

    def batch() -> object:
        return next((b for b in hub.batches if (b.producer, str(b.sequence)) == (producer, sequence)), None)

    wait_until(batch)
    found = next(b for b in hub.batches if (b.producer, str(b.sequence)) == (producer, sequence))
    assert set(found.numeric) == {"hour", "seats", "temp"}
    assert set(found.categorical) == {"carrier", "dest"}
    assert len(found.event_times) == 8 * found.rows == len(found.scores)
    assert isinstance(found.requests, PackedTimings)
    assert np.frombuffer(found.requests.rows, "<i8").sum() == found.rows
    latencies, called, usual = (
        np.frombuffer(column, "<i8")
        for column in (found.requests.latency_us, found.requests.called_us, found.requests.usual_us)
    )
    assert (latencies > 0).all()
    assert called.sum() > 0  # a call that is shared counts with one of its requests
    assert ((usual >= 0) & (usual <= called + 1) & (called <= latencies)).all()


def test_errors_reach_the_hub_with_the_next_batch(running: tuple[ServingProcess, TestHub]) -> None:
    server, hub = running
    before = sum(batch.errors for batch in hub.batches if batch.model == "bike-demand")
    for _ in range(3):
        assert server.infer("bike-demand", b"{")[0] == 400
    wait_until(lambda: sum(b.errors for b in hub.batches if b.model == "bike-demand") == before + 3)


def test_the_hub_is_asked_with_the_revision_and_told_how_it_is(
    running: tuple[ServingProcess, TestHub],
) -> None:
    server, hub = running
    known = hub.conditional_hits
    wait_until(lambda: hub.conditional_hits > known + 1)
    wait_until(lambda: hub.report and len(hub.report.loaded) == 2)
    report = hub.reports[-1]
    assert (report.target, report.port, report.pid) == ("ewr", server.port, server.process.pid)
    assert report.loaded == {"flight-delay": 1, "bike-demand": 4}
    assert report.failed == {}
    assert all(0 < report.baseline_latency_us[model] < 1_000_000 for model in report.loaded)


def test_the_process_names_itself_for_its_supervisor(server: ServingProcess) -> None:
    from pilothouse.domain.jobs.jobs import ProcessName
    from pilothouse.system.processes import is_alive

    document = json.loads((server.folder / "process.json").read_bytes())
    assert is_alive(ProcessName(**document["process"]))
    assert document["port"] == server.port
    assert document["target"] == "ewr"
    assert (server.folder / "process.json").stat().st_mode & 0o777 == 0o600


def test_the_process_has_given_up_its_privileges(server: ServingProcess) -> None:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status


_CONFINED = """
import json, os, socket, sys
from pathlib import Path
from pilothouse.domain.confinement import Offered
from pilothouse.serving.delivery.credential import Credential
from pilothouse.serving.delivery.hub_address import HubAddress, HubConnection
from pilothouse.serving.assignment import Assignment
from pilothouse.serving.main import _give_up_all_but
folder, outside, token, hub, port, offered = sys.argv[1:7]
pid = os.getpid()
assignment = Assignment("ewr", HubAddress(Path(hub)), Path(folder), Credential(Path(token)))
_give_up_all_but(assignment, [int(port)], Offered(**json.loads(offered)))
assert os.getpid() == pid
def attempt(name, act):
    try:
        act()
    except (PermissionError, FileNotFoundError):
        print(name, "denied")
    except OSError as error:
        print(name, "failed", error.errno)
    else:
        print(name, "done")
attempt("read outside", lambda: open(outside).read())
attempt("write outside", lambda: open(outside, "a"))
attempt("create outside", lambda: open(outside + ".new", "w"))
attempt("list outside", lambda: list(Path(outside).parent.iterdir()))
attempt("own folder", lambda: (Path(folder) / "x").write_text("x"))
attempt("token", lambda: open(token).read())
attempt("tcp connect", lambda: socket.create_connection(("127.0.0.1", int(port))))
attempt("tcp bind", lambda: socket.socket().bind(("127.0.0.1", 0)))
attempt("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
attempt("netlink", lambda: socket.socket(16, socket.SOCK_RAW, 0))
attempt("signal", lambda: os.kill(os.getppid(), 0))
attempt("mode", lambda: os.chmod(outside, 0o600))
attempt("shared memory", lambda: (Path("/dev/shm") / "left-by-a-serving-process").write_text("x"))
attempt("hub", lambda: HubConnection(Path(hub), 5).connect())
attempt("hub again", lambda: HubConnection(Path(hub), 5).connect())
import sklearn.ensemble, pandas, skops.io
print("libraries done")
"""


@pytest.mark.parametrize("layers", ["all", "namespaces", "landlock"])
def test_a_confined_process_reaches_its_folder_and_the_hub_and_nothing_else(
    tmp_path: Path, hub: TestHub, layers: str
) -> None:
    here = probe.offered()
    offered = {
        "all": here,
        "namespaces": replace(here, landlock=0),
        "landlock": replace(here, namespaces=False),
    }[layers]
    if not confines(offered):
        pytest.skip("this kernel gives too little")
    folder, outside = tmp_path / "own", tmp_path / "state" / "registry.db"
    folder.mkdir()
    outside.parent.mkdir()
    outside.write_text("rows")
    (folder / "token").write_text("t")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        arguments = [str(folder), str(outside), str(folder / "token"), str(hub.path), port]
        arguments.append(json.dumps(asdict(offered)))
        run = subprocess.run(
            [sys.executable, "-I", "-c", _CONFINED, *arguments], capture_output=True, text=True, timeout=60
        )
    assert run.returncode == 0, run.stderr
    found = dict(line.rsplit(" ", 1) for line in run.stdout.splitlines())
    assert found.pop("shared memory") in ("denied", "done")  # in one of its own
    assert not Path("/dev/shm/left-by-a-serving-process").exists()
    assert found == {
        "read outside": "denied",
        "write outside": "denied",
        "create outside": "denied",
        "list outside": "denied",
        "own folder": "done",
        "token": "done",
        "tcp connect": "denied",
        "tcp bind": "denied",
        "udp": "denied",
        "netlink": "denied",
        "mode": "denied",
        "signal": "denied",
        "hub": "done",
        "hub again": "done",
        "libraries": "done",
    }


@pytest.mark.parametrize("absent", ["", "landlock", "namespaces", "namespaces landlock:1"])
def test_a_process_serves_and_finds_a_new_hub_under_each_set_of_layers(
    hub: TestHub, launch: Launch, first: ModelFile, monkeypatch: pytest.MonkeyPatch, absent: str
) -> None:
    monkeypatch.setenv(probe.ABSENT, absent)
    hub.deploy(first)
    server = launch(hub)
    server.wait_until_ready()
    ids = outputs_of(server.infer("flight-delay", body_of(2))[1])["prediction_id"]
    wait_until(lambda: sorted(hub.prediction_ids()) == sorted(ids))
    hub.stop()
    hub.start()  # at the same path, another socket
    ids += outputs_of(server.infer("flight-delay", body_of(2))[1])["prediction_id"]
    wait_until(lambda: sorted(hub.prediction_ids()) == sorted(ids), timeout=60)
    assert "without isolation" not in server.log.read_text()
    assert ("namespaces" in server.log.read_text()) == ("namespaces" not in absent)


def test_a_second_process_on_the_same_folder_is_refused(
    running: tuple[ServingProcess, TestHub], tmp_path: Path
) -> None:
    server, hub = running
    command = [sys.executable, "-I", "-m", "pilothouse.serving.main", "--target", "ewr"]
    command += ["--hub", f"unix:{hub.path}", "--folder", str(server.folder)]
    command += ["--token-file", str(server.folder / "token")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert run.returncode == 5
    assert "served by another process already" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--hub", "http://somewhere"], 2, "expected unix:PATH"),
        (["--hub", "unix:/tmp/" + "x" * 120], 2, "too long"),
        (["--target", "Not A Name"], 2, "not a name"),
        (["--port", "99999"], 2, "not a port"),
        (["--host", "no.such.host.invalid"], 2, "not an address"),
    ],
)
def test_wrong_arguments_get_one_line(tmp_path: Path, arguments: list[str], code: int, words: str) -> None:
    given = {"--target": "ewr", "--hub": "unix:/nowhere", "--folder": str(tmp_path / "f")}
    given |= {"--token-file": str(tmp_path / "t")} | dict(zip(arguments[::2], arguments[1::2], strict=True))
    command = [sys.executable, "-I", "-m", "pilothouse.serving.main"]
    command += [part for pair in given.items() for part in pair]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert run.returncode == code
    assert words in run.stderr
    assert run.stderr.count("\n") == 1


def test_sigterm_answers_what_runs_flushes_and_leaves(hub: TestHub, launch: Launch, first: ModelFile) -> None:
    hub.deploy(first)
    server = launch(hub)
    server.wait_until_ready()
    idle = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    idle.request("GET", "/v2/health/live")
    idle.getresponse().read()
    ids = outputs_of(server.infer("flight-delay", body_of(2))[1])["prediction_id"]
    half = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    body = body_of(2)
    half.sendall(
        f"POST {MODEL}/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body[:-5]
    )
    server.process.terminate()

    def refuses() -> bool:
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
        except OSError:
            return True
        return False

    wait_until(refuses)
    half.sendall(body[-5:])
    answer = b""
    while piece := half.recv(65_536):
        answer += piece
    assert answer.startswith(b"HTTP/1.1 200")
    ids += outputs_of(json.loads(answer.partition(b"\r\n\r\n")[2]))["prediction_id"]
    assert server.process.wait(30) == 0
    assert not (server.folder / "process.json").exists()
    assert sorted(hub.prediction_ids()) == sorted(ids)
    assert list((server.folder / "spool").glob("*.segment")) == []
    assert "Traceback" not in server.log.read_text()


def test_a_process_that_nothing_confines_refuses_unless_told_otherwise(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pilothouse.domain.confinement import Offered\n"
        "from pilothouse.serving.assignment import Assignment\n"
        "from pilothouse.serving.main import _give_up_all_but\n"
        "from pilothouse.serving.delivery.credential import Credential\n"
        "from pilothouse.serving.delivery.hub_address import HubAddress\n"
        "here = Path(sys.argv[1])\n"
        "given = Assignment('ewr', HubAddress(here / 'hub'), here, Credential(here / 'token'), sys.argv[2])\n"
        "_give_up_all_but(given, [1], Offered())"
    )
    runs = {
        mode: subprocess.run(
            [sys.executable, "-c", code, str(tmp_path), mode],
            capture_output=True,
            text=True,
            timeout=30,
            env={**os.environ},
        )
        for mode in ("require", "warn")
    }
    assert "nothing holds files" in runs["require"].stderr
    assert runs["require"].returncode != 0
    assert runs["warn"].returncode == 0
    assert "without isolation" in runs["warn"].stderr
