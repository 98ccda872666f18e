"""A served request in a real daemon: its span goes under the caller's trace to the collector; the log as JSON on stderr."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pilothouse.confinement import probe
from pilothouse.daemon import control
from pilothouse.daemon.exports.request_traces import SpanQueue, post_spans
from pilothouse.daemon.hub_checks import check_spans
from pilothouse.domain.confinement import confines
from pilothouse.domain.errors import InvalidInputError, NotFoundError
from pilothouse.domain.formats.wire import RequestSpan
from pilothouse.operations.monitoring import stored_predictions
from pilothouse.operations.workspace import apply_models
from support import wait_until
from support.event_receiver import Receiver
from support.registered_versions import promote, register
from support.small_workspace import SmallWorkspace, make_small_workspace

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
BODY = {
    "inputs": [{"name": name, "shape": [1], "datatype": "FP64", "data": [11.0]} for name in ("wind", "load")]
}
SPAN = RequestSpan(TRACE, PARENT, "", 1, 2, "delay", 1, 1, 200, "p.0.0")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[SmallWorkspace]:
    made = make_small_workspace(tmp_path / "w")
    made.write_model()
    try:
        yield made
    finally:
        control.stop(made.root)
        control.stop_serving(made.root)
        made.services.close()


def configure(place: SmallWorkspace, receiver: Receiver, share: float) -> None:
    url = receiver.url.replace("/api/v1/lineage", "/v1/traces")
    (place.root / "integrations.toml").write_text(
        f'[traces]\nurl = "{url}"\nallow = ["127.0.0.1"]\nrequests = {share}\n'
    )
    apply_models.apply(place.services, place.admin)


def spans(receiver: Receiver) -> list[dict[str, Any]]:
    return [
        span
        for body in list(receiver.bodies)
        for resource in body["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


@pytest.mark.loop
@pytest.mark.skipif(not confines(probe.offered()), reason="nothing confines here")
def test_a_served_request_goes_under_the_trace_of_its_caller(place, receiver) -> None:
    register(place, 1)
    promote(place, 1)
    configure(place, receiver, 0.000001)
    control.start_in_background(place.root)
    file = place.services.paths.serving_folder("ewr") / "process.json"
    wait_until(file.exists, 60)
    wait_until(lambda: answered(port_of(file)) is not None, 60)

    def traced() -> list[dict[str, Any]]:
        answered(port_of(file))
        return [span for span in spans(receiver) if span["name"] == "predict delay"]

    wait_until(traced, 60, interval=0.5)
    span = traced()[0]
    assert (span["traceId"], span["parentSpanId"], span["kind"]) == (TRACE, PARENT, 2)
    known = {one["key"]: next(iter(one["value"].values())) for one in span["attributes"]}
    assert known["pilothouse.target"] == "ewr"
    assert known["http.response.status_code"] == "200"
    prediction = known["pilothouse.prediction_id"]
    assert prediction.count(".") == 2
    call = next(one for one in spans(receiver) if one["name"] == "call delay")
    assert (call["traceId"], call["kind"]) == (TRACE, 1)
    outer = next(one for one in traced() if one["spanId"] == call["parentSpanId"])
    assert int(outer["startTimeUnixNano"]) <= int(call["startTimeUnixNano"])
    assert int(call["endTimeUnixNano"]) <= int(outer["endTimeUnixNano"])

    def kept() -> bool:
        try:
            return prediction in [
                one.id for one in stored_predictions.find(place.services, place.admin, TRACE)
            ]
        except NotFoundError:
            return False

    wait_until(kept, 60)
    (one,) = stored_predictions.find(place.services, place.admin, prediction)
    assert (one.trace_id, one.parent_id, one.features) == (TRACE, PARENT, {"wind": 11.0, "load": 11.0})


def port_of(file: Path) -> int:
    try:
        return int(json.loads(file.read_bytes())["port"])
    except (OSError, ValueError):
        return 9


def timed_body() -> dict[str, Any]:
    """The request with a time that has no offset: it is in the zone of the model file."""
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"
    return {"inputs": [*BODY["inputs"], {"name": "at", "shape": [1], "datatype": "BYTES", "data": [now]}]}


def answered(port: int) -> str | None:
    headers = {"content-type": "application/json", "traceparent": f"00-{TRACE}-{PARENT}-01"}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v2/models/delay/infer", json.dumps(timed_body()).encode(), headers
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(json.load(answer)["model_version"])
    except OSError:
        return None


def test_spans_of_requests_are_bounded_and_dropped_without_a_receiver(place, receiver) -> None:
    queue, woken = SpanQueue(), list[int]()
    queue.wake = lambda: woken.append(1)
    for _ in range(7):
        queue.put("ewr", [SPAN] * 1_000)
    assert post_spans(place.services, queue) == ""  # nobody wants them
    assert queue.take(1) == []
    configure(place, receiver, 0.5)
    queue.put("ewr", [SPAN])
    assert post_spans(place.services, queue, lambda: True) == ""
    assert len(spans(receiver)) == 0, "the daemon stops: a slow receiver is not waited for"
    assert post_spans(place.services, queue) == ""
    assert len(spans(receiver)) == 1
    receiver.answers = [503]
    queue.put("ewr", [SPAN])
    assert "1 spans of requests were dropped" in post_spans(place.services, queue)
    assert len(woken) == 9


@pytest.mark.parametrize(
    "span",
    [
        RequestSpan("x" * 32, PARENT, "", 1, 2, "delay", 1, 1, 200),
        RequestSpan(TRACE, "", "", 1, 2, "delay", 1, 1, 200),
        RequestSpan(TRACE, PARENT, "12", 1, 2, "delay", 1, 1, 200),
        RequestSpan(TRACE, PARENT, "", -1, 2, "delay", 1, 1, 200),
        RequestSpan(TRACE, PARENT, "", 1, 2, "d" * 2_000, 1, 1, 200),
        RequestSpan(TRACE, PARENT, "", 1, 2, "delay", 1, 1, 700),
    ],
)
def test_the_hub_refuses_spans_that_are_none(span: RequestSpan) -> None:
    check_spans([SPAN])
    with pytest.raises(InvalidInputError):
        check_spans([span])
    with pytest.raises(InvalidInputError):
        check_spans([SPAN] * 1_001)


@pytest.mark.loop
@pytest.mark.skipif(not confines(probe.offered()), reason="nothing confines here")
def test_the_log_is_json_on_stderr_when_it_is_asked_for(place) -> None:
    command = [
        sys.executable,
        "-m",
        "pilothouse.cli.main",
        "--workspace",
        str(place.root),
        "daemon",
        "--log-format",
        "json",
    ]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ})
    try:
        wait_until(lambda: control.hub_answers(place.services.paths.hub_socket), 60)
    finally:
        running.send_signal(signal.SIGTERM)
        _, told = running.communicate(timeout=60)
    lines = [json.loads(line) for line in told.decode().splitlines()]
    assert any(line["message"] == "the daemon starts" for line in lines)
    for line in lines:
        assert {"at", "level", "part", "message"} <= line.keys()
    assert place.services.paths.daemon_log.read_text().splitlines()[0] == told.decode().splitlines()[0]
