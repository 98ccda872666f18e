"""Fuzzing of what comes over sockets: requests to serve, messages to the hub, and HTTP itself."""

import asyncio
import gzip
import json
import socket
import threading
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest

from pilothouse.daemon.hub_checks import check_batch, check_outcomes, check_report, decoded
from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.wire import Outcome, PredictionBatch, ServingReport, code_texts, pack_timings
from pilothouse.inference.schema import InputColumn, InputSchema
from pilothouse.serving.bodies.client_codec import error_of, read_answer
from pilothouse.serving.bodies.forms import INVOCATIONS, RECORDS, TENSORS, Form
from pilothouse.serving.bodies.protocol import MAXIMUM_ROWS, read_inference
from pilothouse.serving.bodies.records import read_rows
from pilothouse.serving.web import http
from pilothouse.serving.web.direct import Taken
from pilothouse.serving.web.http_protocol import HttpLimits
from pilothouse.serving.web.http_server import quiet_server
from pilothouse.telemetry import TelemetryStore, VersionFacts
from support.flight_batches import NOW_US, batch_of, flights, specification
from support.fuzzing import bytes_like, changed, fuzz, json_of

SCHEMA = InputSchema(
    model="m",
    task="binary",
    timestamp="at",
    columns=(InputColumn("x", "number"), InputColumn("n", "number"), InputColumn("c", "category")),
    classes=("0", "1"),
    private=("secret",),
    missing=("NA",),
)
TENSORS_BODY = {
    "id": "1",
    "parameters": {"report": True},
    "inputs": [
        {"name": "x", "shape": [2], "datatype": "FP64", "data": [1.5, None]},
        {"name": "n", "shape": [2, 1], "datatype": "INT64", "data": [[1], [2]]},
        {
            "name": "c",
            "shape": [2],
            "datatype": "BYTES",
            "data": ["a", "YQ=="],
            "parameters": {"content_type": "str"},
        },
        {
            "name": "at",
            "shape": [2],
            "datatype": "BYTES",
            "data": ["2013-06-01T05:00:00Z", "2013-06-01T05:00:00Z"],
        },
    ],
    "outputs": [{"name": "score"}],
}
ROWS = {
    "rows": [{"x": 1, "n": 2.5, "c": "a", "at": "2013-06-01T05:00:00Z"}, {"x": None, "c": 7}],
    "report": True,
    "id": "a",
}


def read_tensors(body: bytes) -> None:
    read = read_inference(body, SCHEMA, ("secret",))
    assert read.columns.rows >= 1


def read_records(body: bytes) -> None:
    read = read_rows(body, SCHEMA, ("secret",))
    assert read.columns.rows >= 1


def read_response(body: bytes) -> None:
    error_of(body)
    read_answer(body)


def test_requests_with_tensors() -> None:
    read_tensors(json.dumps(TENSORS_BODY).encode())
    fuzz("infer", lambda random: json_of(random, TENSORS_BODY), read_tensors)


def test_requests_with_records() -> None:
    read_records(json.dumps(ROWS).encode())
    fuzz("predict", lambda random: json_of(random, ROWS), read_records)


def binary_body() -> tuple[bytes, int]:
    """A request with binary tensors, and the length of its JSON."""
    raw = {
        "x": np.array([1.5, np.nan]).tobytes(),
        "n": np.array([1, 2], dtype="<i2").tobytes(),
        "c": b"\1\0\0\0a\2\0\0\0bc",
    }
    kinds = {"x": "FP64", "n": "INT16", "c": "BYTES"}
    inputs = [
        {"name": n, "shape": [2], "datatype": kinds[n], "parameters": {"binary_data_size": len(data)}}
        for n, data in raw.items()
    ]
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    return head + b"".join(raw.values()), len(head)


def read_form(form: Form, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    """Read a body in a form; a refusal by HTTP's own rules is one too."""
    try:
        read = form.read(body, headers, SCHEMA, ("secret",))
    except http.HttpError as error:
        raise InvalidInputError(str(error)) from None
    assert 1 <= read.columns.rows <= MAXIMUM_ROWS


def test_requests_with_binary_tensors() -> None:
    body, length = binary_body()
    name = b"inference-header-content-length"
    read_form(TENSORS, [(name, b"%d" % length)], body)

    def drawn(random: Random) -> tuple[int, bytes]:
        if random.random() < 0.7:  # the JSON stays whole: its tensors are what is wrong
            return length, body[:length] + bytes_like(random, (body[length:],))
        return random.choice((length, random.randrange(len(body) + 9))), bytes_like(random, (body,))

    fuzz("binary", drawn, lambda made: read_form(TENSORS, [(name, b"%d" % made[0])], made[1]))


def test_requests_of_invocations() -> None:
    bodies: list[Any] = [
        {"dataframe_records": ROWS["rows"]},
        {"dataframe_split": {"columns": ["x", "c"], "data": [[1, "a"], [None, 7]]}},
        {"instances": [[1, 2, "a"], [None, 2.5, ""]]},
        {"inputs": {"x": [1, 2], "c": [["a"], ["b"]]}},
    ]
    for body in bodies:
        read_form(INVOCATIONS, [], json.dumps(body).encode())
    fuzz(
        "invocation",
        lambda random: json_of(random, random.choice(bodies)),
        lambda body: read_form(INVOCATIONS, [], body),
    )


def test_requests_in_csv() -> None:
    table = b'x,n,c,at,secret\n1,2.5,"a",2013-06-01T05:00:00Z,s\n,nan,NA,1370062800000000,\n'
    headers = [(b"content-type", b"text/csv")]
    read_form(RECORDS, headers, table)
    fuzz("csv", lambda random: bytes_like(random, (table,)), lambda body: read_form(RECORDS, headers, body))


def test_requests_that_are_packed() -> None:
    plain = json.dumps(TENSORS_BODY).encode()
    packed = [(b"gzip", gzip.compress(plain, mtime=0)), (b"deflate", zlib.compress(plain))]
    for encoding, body in packed:
        read_form(TENSORS, [(b"content-encoding", encoding)], body)

    def drawn(random: Random) -> tuple[bytes, bytes]:
        encoding, body = random.choice(packed)
        return encoding, bytes_like(random, (body,))

    fuzz("packed", drawn, lambda made: read_form(TENSORS, [(b"content-encoding", made[0])], made[1]))


def test_answers_of_a_server() -> None:
    answer = {"outputs": [{"name": "p", "shape": [2, 2], "data": [1, 2, 3, 4]}], "error": "x"}
    read_response(json.dumps(answer).encode())
    fuzz("answer", lambda random: json_of(random, answer), read_response)


def test_schemas() -> None:
    plain = json.loads(SCHEMA.to_bytes())
    fuzz("schema", lambda random: json_of(random, plain), InputSchema.from_bytes)


def packed(random: Random, plain: Any) -> bytes:
    body = msgspec.msgpack.encode(changed(random, plain))
    return bytes_like(random, (body,)) if random.random() < 0.4 else body


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TelemetryStore]:
    made = TelemetryStore(tmp_path_factory.mktemp("fuzz") / "telemetry.db")
    yield made
    made.close()


def test_batches_for_the_hub(store: TelemetryStore) -> None:
    rows = flights().iloc[:5]
    batch = asdict(batch_of(rows, 1))
    coded = asdict(
        batch_of(rows, 1).__class__(
            **{
                **{name: getattr(batch_of(rows, 1), name) for name in batch},
                "labels": code_texts(batch["labels"]),
                "requests": pack_timings(batch_of(rows, 1).requests),
            }
        )
    )
    facts = VersionFacts(specification())

    def read(body: bytes) -> None:
        read = decoded(body, PredictionBatch, "a PredictionBatch")
        check_batch(read)
        receipt = store.append(read, lambda model, version: facts, NOW_US)
        assert receipt.accepted + receipt.rejected == read.rows or receipt.duplicate

    read(msgspec.msgpack.encode(batch))
    fuzz("batch", lambda random: packed(random, random.choice((batch, coded))), read)


def test_outcomes_for_the_hub(store: TelemetryStore) -> None:
    listed = [{"prediction_id": f"ewr-1.1.{i}", "value": v} for i, v in enumerate((1.0, "1", "0", 0.5))]

    def read(body: bytes) -> None:
        outcomes = decoded(body, list[Outcome], "a list of Outcome")
        check_outcomes(outcomes)
        receipt = store.add_outcomes(outcomes, NOW_US, "ewr")
        told = receipt.joined + receipt.waiting + receipt.conflicts + receipt.duplicates + receipt.rejected
        assert told + receipt.without == len(outcomes)

    read(msgspec.msgpack.encode(listed))
    fuzz("outcomes", lambda random: packed(random, listed), read)


def test_reports_for_the_hub() -> None:
    report = asdict(ServingReport("ewr", 8080, 12, {"a": 1}, {"b": "why"}, 3, {"a": 900}))
    fuzz(
        "report",
        lambda random: packed(random, report),
        lambda body: check_report(decoded(body, ServingReport, "a report")),
    )


HEADS = (
    b"GET /v2 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /a?b=c HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Type: application/json\r\n\r\n12345",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n1",
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
)


@pytest.mark.parametrize("takes", [False, True])
def test_http(takes: bool) -> None:
    faults: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def answer() -> http.Answer:
            return 200, await http.read_body(scope, receive, 1_000, room), {}

        await http.respond(send, answer(), log)

    class Direct:
        """The same, without a task where the body is small."""

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await app(scope, receive, send)

        def take(self, scope: Any) -> Taken:
            loop = asyncio.get_running_loop()
            return lambda body, reply: loop.call_soon(reply, (200, body, {})) and None

    class Log:
        def exception(self, *told: object) -> None:
            faults.append(told)

    log: Any = Log()
    room = http.BodyRoom()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = quiet_server(
            Direct() if takes else app, grace_s=1, limits=HttpLimits(head_s=5, body_s=5, idle_s=5, answer_s=5)
        )
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()

        def read(sent: bytes) -> None:
            received = b""
            with socket.create_connection(listener.getsockname(), timeout=20) as client:
                try:
                    client.sendall(sent)
                    client.shutdown(socket.SHUT_WR)
                    while piece := client.recv(1 << 16):
                        received += piece
                except (ConnectionError, OSError):
                    pass
            assert not faults
            assert not received or received.startswith(b"HTTP/1.1 ")
            assert b"Internal Server Error" not in received
            assert b" 500 " not in received

        try:
            for head in HEADS:
                read(head)
            fuzz("http", lambda random: bytes_like(random, HEADS), read)
            assert room.free == room.total
        finally:
            server.should_exit = True
            thread.join()
