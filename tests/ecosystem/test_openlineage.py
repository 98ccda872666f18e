"""Events of a real daemon, killed while a training ran, read by the library of OpenLineage; spans, by that of OpenTelemetry."""

import http.server
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from installed import python_with

from pilothouse.daemon import control
from pilothouse.operations.workspace import apply_models
from pilothouse.system.leader import leader
from support import wait_until
from support.small_workspace import SmallWorkspace, make_small_workspace
from support.source_servers import PATIENCE_S

_READ = """
import json, sys
from openlineage.client import event_v2, facet_v2
from openlineage.client.generated import base
from openlineage.client.serde import Serde
import openlineage.client.generated as generated, importlib, pkgutil, attr
classes = {}
for module in pkgutil.iter_modules(generated.__path__):
    loaded = importlib.import_module(f"openlineage.client.generated.{module.name}")
    for name, kind in vars(loaded).items():
        if isinstance(kind, type) and hasattr(kind, "_get_schema"):
            classes[name] = kind

def made(kind, plain):
    known = {field.name for field in attr.fields(kind) if field.init}
    left = set(plain) - known - {"_producer", "_schemaURL"}
    assert not left, (kind.__name__, left)
    return kind(**{key: value for key, value in plain.items() if key in known and not key.startswith("_")})

def facet(plain):
    url = plain["_schemaURL"]
    kind = classes[url.rpartition("/")[2]]
    assert kind._get_schema() == url, (kind._get_schema(), url)
    return made(kind, plain)

events = 0
for line in sys.stdin:
    plain = json.loads(line, parse_constant=lambda word: sys.exit(f"{word} is no JSON"))
    facets = [*plain["run"]["facets"].values(), *plain["job"]["facets"].values()]
    for data in (*plain["inputs"], *plain["outputs"]):
        facets += [*data["facets"].values(), *data.get("inputFacets", {}).values()]
        (event_v2.InputDataset if data in plain["inputs"] else event_v2.OutputDataset)(data["namespace"], data["name"])
    for one in facets:
        facet(one)
    event = event_v2.RunEvent(
        eventTime=plain["eventTime"], eventType=event_v2.RunState(plain["eventType"]), producer=plain["producer"],
        run=event_v2.Run(runId=plain["run"]["runId"]), job=event_v2.Job(plain["job"]["namespace"], plain["job"]["name"]),
    )
    assert Serde.to_dict(event)["schemaURL"] == plain["schemaURL"]
    events += 1
print(events)
"""
_SPANS = """
import json, sys
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
spans = 0
for line in sys.stdin:
    plain = json.loads(line)
    for resource in plain["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:  # OTLP has ids in hexadecimal where the mapping of protobuf has base64
                import base64
                for key in ("traceId", "spanId", "parentSpanId"):
                    if key in span:
                        span[key] = base64.b64encode(bytes.fromhex(span[key])).decode()
    read = ParseDict(plain, ExportTraceServiceRequest())
    for resource in read.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                assert len(span.trace_id) == 16 and len(span.span_id) == 8
                assert span.end_time_unix_nano >= span.start_time_unix_nano > 1_600_000_000_000_000_000
                spans += 1
print(spans)
"""


class Receiver:
    """Takes what is posted, once it is open; answers 503 before."""

    def __init__(self) -> None:
        self.open = False
        self.lines: dict[str, list[bytes]] = {"/lineage": [], "/v1/traces": []}
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                is_taken = receiver.open  # read once: it is opened while a request is on its way
                if is_taken:
                    receiver.lines[self.path].append(body)
                self.send_response(200 if is_taken else 503)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SmallWorkspace, Receiver]]:
    """Everything that a daemon sent of two trainings, one of which it was killed in; its receiver was down meanwhile."""
    made, receiver = make_small_workspace(tmp_path_factory.mktemp("lineage") / "w"), Receiver()
    made.write_model()
    url = f"http://127.0.0.1:{receiver.server.server_port}"
    (made.root / "integrations.toml").write_text(
        f'[lineage]\nurl = "{url}/lineage"\nallow = ["127.0.0.1"]\n[traces]\nurl = "{url}/v1/traces"\nallow = ["127.0.0.1"]\n'
    )
    apply_models.apply(made.services, made.admin)
    try:
        control.start_in_background(made.root, serve_targets=False)
        first = made.train()
        wait_until(lambda: entries(made, first.id, "job.ended"), PATIENCE_S)
        made.renew()
        second = made.train()
        wait_until(lambda: entries(made, second.id, "job.started"), PATIENCE_S)
        wait_until(lambda: f'"job": {second.id},' in made.services.paths.daemon_log.read_text(), PATIENCE_S)
        name = leader(made.services.paths.daemon_lock)
        assert name is not None
        os.kill(name.pid, signal.SIGKILL)
        wait_until(lambda: leader(made.services.paths.daemon_lock) is None, PATIENCE_S)
        control.start_in_background(made.root, serve_targets=False)
        wait_until(lambda: entries(made, second.id, "job.ended"), PATIENCE_S)
        receiver.open = True
        wait_until(lambda: ended(receiver) >= 3, PATIENCE_S)
        wait_until(lambda: len(receiver.lines["/v1/traces"]) >= 3, PATIENCE_S)
        yield made, receiver
    finally:
        control.stop(made.root)
        receiver.close()
        made.services.close()


def entries(made: SmallWorkspace, job: int, action: str) -> int:
    with made.services.registry.read() as connection:
        (count,) = connection.execute(
            "SELECT count(*) FROM audit WHERE action = ? AND subject = ?", (action, f"job {job}")
        ).fetchone()
    return int(count)


def events(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(line) for line in receiver.lines["/lineage"]]


def ended(receiver: Receiver) -> int:
    return sum(
        event["eventType"] != "START" for event in events(receiver) if event["job"]["name"] == "delay.train"
    )


def test_each_attempt_begins_and_ends_once(sent: tuple[SmallWorkspace, Receiver]) -> None:
    _, receiver = sent
    trainings = [event for event in events(receiver) if event["job"]["name"] == "delay.train"]
    by_run: dict[str, list[str]] = {}
    for event in trainings:
        by_run.setdefault(event["run"]["runId"], []).append(event["eventType"])
    assert sorted(by_run.values()) == [["START", "ABORT"], ["START", "COMPLETE"], ["START", "COMPLETE"]]


def test_the_library_reads_every_event_and_facet(sent: tuple[SmallWorkspace, Receiver]) -> None:
    python = python_with("openlineage", "openlineage-python==1.54.0")
    _, receiver = sent
    assert read(python, _READ, receiver.lines["/lineage"]) == len(receiver.lines["/lineage"])


def test_the_library_reads_every_span(sent: tuple[SmallWorkspace, Receiver]) -> None:
    python = python_with("opentelemetry", "opentelemetry-proto>=1.27")
    _, receiver = sent
    assert read(python, _SPANS, receiver.lines["/v1/traces"]) >= 10
    (log,) = [made.services.paths.daemon_log.read_text() for made in sent[:1]]
    traces = {
        span["traceId"]
        for line in receiver.lines["/v1/traces"]
        for span in json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"]
        if span["name"] == "train delay"
    }
    assert traces <= {json.loads(line).get("trace_id") for line in log.splitlines()}


def read(python: Path, script: str, lines: list[bytes]) -> int:
    done = subprocess.run(
        [str(python), "-c", script], input=b"\n".join(lines), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-3_000:]
    return int(done.stdout)
