"""gRPC of the Open Inference Protocol: a client of HTTP/2 in this process, and bytes that are none."""

import asyncio
import contextlib
import json
import socket
import ssl
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("h2", reason="the extra grpc is not installed")

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, ResponseReceived, StreamEnded, TrailersReceived
from h2.exceptions import H2Error
from serving_kit import CATEGORIES, NUMBERS, ModelFile, ServingProcess, TestHub, short_folder, start_serving

from pilothouse.domain.errors import InvalidInputError
from pilothouse.serving.grpc.calls import SERVICE, Outcome, answer, refusal
from pilothouse.serving.grpc.messages import MESSAGES, Bounds, decode, encode
from pilothouse.serving.prediction.trial_arms import takes
from pilothouse.serving.web import http
from pilothouse.statistics.profiles.coded import CodedColumn
from support import leftovers, wait_until

Launch = Callable[..., ServingProcess]
TLS = Path(__file__).parent / "tls"
TOKEN = "a-token-of-the-tests"


class Client:
    """One connection, one call after another."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket = context.wrap_socket(plain, server_hostname="localhost") if context else plain
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        self.socket.sendall(self.h2.data_to_send())

    def close(self) -> None:
        self.socket.close()

    def call(
        self, name: str, message: bytes, framed: bytes | None = None, **headers: str
    ) -> tuple[int, str, bytes]:
        """Code, text and message of the answer."""
        number = self.h2.get_next_available_stream_id()
        head = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", f"/inference.GRPCInferenceService/{name}"),
            (":authority", "localhost"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
            *((key.replace("_", "-"), value) for key, value in headers.items()),
        ]
        self.h2.send_headers(number, head)
        left = framed if framed is not None else b"\0" + len(message).to_bytes(4) + message
        body, fields, is_open = b"", dict[str, str](), True
        while is_open or left:
            with contextlib.suppress(H2Error):  # it was refused before all of it was sent
                window = min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size)
                if left and window:
                    piece, left = left[:window], left[window:]
                    self.h2.send_data(number, piece)
                    if not left:
                        self.h2.end_stream(number)
                    self.flush()
                    continue
                if not left and framed == b"":
                    self.h2.end_stream(number)
                    framed = None
            self.flush()
            data = self.socket.recv(65_536)
            assert data, "the connection was closed"
            for event in self.h2.receive_data(data):
                if isinstance(event, ConnectionTerminated):
                    raise AssertionError(event)
                if isinstance(event, ResponseReceived | TrailersReceived):
                    fields |= dict(event.headers)  # type: ignore[arg-type]
                elif isinstance(event, DataReceived):
                    body += event.data
                    self.h2.acknowledge_received_data(event.flow_controlled_length, number)
                elif isinstance(event, StreamEnded):
                    is_open, left = False, b""
            self.flush()
        return int(fields["grpc-status"]), unquote(fields.get("grpc-message", "")), body[5:]


def infer(rows: int = 3, **changes: Any) -> bytes:
    """Message of a request with typed contents."""
    inputs = [
        {"name": n, "datatype": "FP64", "shape": [rows], "contents": {"fp64_contents": [0.5 * i for i in range(rows)]}}
        for n in NUMBERS
    ] + [
        {"name": n, "datatype": "BYTES", "shape": [rows], "contents": {"bytes_contents": ["AA"] * rows}}
        for n in CATEGORIES
    ]  # fmt: skip
    return encode("ModelInferRequest", {"model_name": "flight-delay", "inputs": inputs} | changes)


def grpc_port(server: ServingProcess) -> int:
    port = json.loads((server.folder / "process.json").read_text())["grpc_port"]
    assert type(port) is int
    return port


@pytest.fixture(scope="module")
def running(first: ModelFile) -> Iterator[tuple[ServingProcess, TestHub]]:
    with short_folder() as folder, leftovers.shared("socket:", "Thread-"):
        hub = TestHub(folder / "hub.sock")
        hub.deploy(first)
        hub.start()
        server = start_serving(folder / "ewr", hub, "--grpc-port", "0")
        try:
            server.wait_for_port()
            server.wait_until_ready()
            yield server, hub
        finally:
            server.kill()
            hub.stop()


@pytest.fixture
def client(running: tuple[ServingProcess, TestHub]) -> Iterator[Client]:
    client = Client(grpc_port(running[0]))
    yield client
    client.close()


def test_health_and_metadata_are_those_of_http(client: Client) -> None:
    assert decode("ServerLiveResponse", client.call("ServerLive", b"")[2]) == {"live": True}
    assert decode("ServerReadyResponse", client.call("ServerReady", b"")[2]) == {"ready": True}
    server = decode("ServerMetadataResponse", client.call("ServerMetadata", b"")[2])
    assert (server["name"], "statistics" in server["extensions"]) == ("pilothouse", True)
    named = encode("ModelMetadataRequest", {"name": "flight-delay", "version": "1"})
    assert decode("ModelReadyResponse", client.call("ModelReady", named)[2]) == {"ready": True}
    model = decode("ModelMetadataResponse", client.call("ModelMetadata", named)[2])
    assert (model["versions"], next(one["name"] for one in model["outputs"])) == (["1"], "predict")
    assert {one["name"] for one in model["inputs"]} >= {*NUMBERS, *CATEGORIES}


def test_typed_contents_are_answered_typed_and_stored(
    client: Client, running: tuple[ServingProcess, TestHub]
) -> None:
    code, text, message = client.call("ModelInfer", infer(id="r7"))
    assert (code, text) == (0, "")
    answer = decode("ModelInferResponse", message)
    assert (answer["model_version"], answer["id"]) == ("1", "r7")
    outputs = {one["name"]: one for one in answer["outputs"]}
    assert len(outputs["score"]["contents"]["fp64_contents"]) == 3
    assert "string_param" in outputs["score"]["parameters"]["positive_class"]
    ids = {str(one, "utf-8") for one in outputs["prediction_id"]["contents"]["bytes_contents"]}
    hub = running[1]
    wait_until(lambda: ids <= set(hub.prediction_ids()))
    # the same rows by HTTP have the same scores
    status, plain = running[0].infer("flight-delay", _as_json())
    assert status == 200
    assert (
        next(one["data"] for one in plain["outputs"] if one["name"] == "score")
        == (outputs["score"]["contents"]["fp64_contents"])
    )


def test_the_trace_context_in_metadata_is_kept_with_the_rows(
    client: Client, running: tuple[ServingProcess, TestHub]
) -> None:
    context = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
    assert client.call("ModelInfer", infer(), traceparent=f"00-{context}-00")[0] == 0
    assert client.call("ModelInfer", infer(), traceparent=f"00-{context}-0")[0] == 0, "it is ignored"
    server, hub = running
    assert (
        server.ask("POST", "/v2/models/flight-delay/infer", _as_json(), traceparent=f"01-{context}-01-x")[0]
        == 200
    )

    def traced() -> list[str | None]:
        return [text for batch in hub.batches if batch.traces for text in CodedColumn.of(batch.traces)]

    wait_until(lambda: traced().count(context) == 6)
    assert set(traced()) <= {context, ""}


def _as_json() -> bytes:
    tensors = [
        {"name": n, "shape": [3], "datatype": "FP64", "data": [0.5 * i for i in range(3)]} for n in NUMBERS
    ]
    tensors += [{"name": n, "shape": [3], "datatype": "BYTES", "data": ["AA"] * 3} for n in CATEGORIES]
    return json.dumps({"inputs": tensors}).encode()


def test_a_packed_message_is_unpacked_and_a_large_answer_fits_the_clients_window(client: Client) -> None:
    packed = zlib.compress(infer(10_000))
    framed = b"\1" + len(packed).to_bytes(4) + packed
    code, text, message = client.call("ModelInfer", b"", framed, grpc_encoding="deflate")
    assert (code, text) == (0, "")
    score = decode("ModelInferResponse", message)["outputs"][1]
    assert len(score["contents"]["fp64_contents"]) == 10_000


@pytest.mark.parametrize(
    ("name", "message", "code", "words"),
    [
        ("ModelInfer", infer(model_name="nobody"), 5, "no model nobody"),
        ("ModelInfer", infer(model_name="../v2"), 5, "../v2"),
        ("ModelInfer", infer(model_version="9"), 5, "version 9"),
        ("ModelInfer", infer(inputs=[]), 3, "missing input"),
        ("ModelInfer", infer(raw_input_contents=[b"x"]), 3, "raw_input_contents"),
        ("ModelInfer", b"\xff\xff", 3, "not one of the protocol"),
        ("ModelInfer", b"", 3, "names no model"),
        ("ModelConfig", b"", 12, "there is no call"),
        ("ModelInfer", infer(10_001), 3, "10001 rows"),
        ("ModelInfer", b"x" * (17 << 20), 8, "longer than 16,777,216 bytes"),
        ("ModelReady", b"\x78\0" * 2_100, 8, "longer than 4,096 bytes"),
        ("ModelInfer", b"\x78\0" * 50_001, 3, "too many fields"),
    ],
)
def test_what_is_refused_says_why_and_the_connection_goes_on(
    client: Client, name: str, message: bytes, code: int, words: str
) -> None:
    found, text, _ = client.call(name, message)
    assert (found, words in text) == (code, True), (found, text)
    assert client.call("ModelInfer", infer())[0] == 0


@pytest.mark.parametrize("framed", [b"", b"\0\0\0\0\5abc", b"\1\0\0\0\3abc", b"\0\0\0\0\0\0\0\0\0\0"])
def test_a_message_that_is_not_whole_is_refused(client: Client, framed: bytes) -> None:
    assert client.call("ModelInfer", b"", framed)[0] == 3


def test_what_is_not_http2_is_closed_and_others_are_answered(
    running: tuple[ServingProcess, TestHub], client: Client
) -> None:
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    for sent in (b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", bytes(range(256)) * 40, preface + b"\0" * 64):
        with socket.create_connection(("127.0.0.1", grpc_port(running[0])), timeout=30) as raw:
            raw.sendall(sent)
            with contextlib.suppress(ConnectionResetError):
                while raw.recv(65_536):
                    pass
    assert client.call("ModelInfer", infer())[0] == 0


def test_who_takes_every_call_back_is_sent_away(running: tuple[ServingProcess, TestHub]) -> None:
    client = Client(grpc_port(running[0]))
    head = [(":method", "POST"), (":scheme", "http"), (":authority", "localhost"), (":path", "/x")]
    with pytest.raises((AssertionError, ConnectionError, BrokenPipeError)):  # noqa: PT012
        for _ in range(600):
            number = client.h2.get_next_available_stream_id()
            client.h2.send_headers(number, [*head, ("content-type", "application/grpc")])
            client.h2.reset_stream(number)
            client.flush()
        client.call("ServerLive", b"")
    client.close()
    other = Client(grpc_port(running[0]))
    assert other.call("ServerLive", b"")[0] == 0
    other.close()


def test_tokens_and_tls_are_those_of_http(
    hub: TestHub, launch: Launch, first: ModelFile, tmp_path: Path
) -> None:
    hub.deploy(first)
    folder = tmp_path / "ewr"
    folder.mkdir(mode=0o700)
    (folder / "client-tokens").write_text(f"{TOKEN}\n")
    for name in ("tls-certificate.pem", "tls-key.pem"):
        (folder / name).write_bytes((TLS / f"first-{name.removeprefix('tls-')}").read_bytes())
    server = launch(hub, "--grpc-port", "0")
    context = ssl.create_default_context(cafile=str(TLS / "first-certificate.pem"))
    context.check_hostname = False
    context.set_alpn_protocols(["h2"])
    client = Client(grpc_port(server), context)
    assert client.socket.selected_alpn_protocol() == "h2"  # type: ignore[attr-defined]
    wait_until(lambda: decode("ServerReadyResponse", client.call("ServerReady", b"")[2]) == {"ready": True})
    assert client.call("ModelInfer", infer())[0] == 16
    assert client.call("ModelMetadata", b"\xff\xff")[0] == 16  # before what is sent is looked at
    assert client.call("ModelInfer", b"x" * (17 << 20))[0] == 16
    assert client.call("ServerMetadata", b"", authorization="Bearer no-such-token-here")[0] == 16
    assert client.call("ModelInfer", infer(), authorization=f"Bearer {TOKEN}")[0] == 0
    client.close()


def test_a_call_that_has_begun_is_answered_while_the_process_ends(
    hub: TestHub, launch: Launch, first: ModelFile
) -> None:
    hub.deploy(first)
    server = launch(hub, "--grpc-port", "0")
    server.wait_until_ready()
    client = Client(grpc_port(server))
    assert client.call("ModelInfer", infer(10_000))[0] == 0
    assert server.terminate() == 0
    client.close()


def test_a_process_without_the_switch_has_no_port_for_it(
    hub: TestHub, launch: Launch, first: ModelFile
) -> None:
    server = launch(hub)
    assert json.loads((server.folder / "process.json").read_text())["grpc_port"] is None


VALUES = st.fixed_dictionaries(
    {},
    optional={
        "model_name": st.text(min_size=1, max_size=20),
        "id": st.text(min_size=1, max_size=20),
        "parameters": st.dictionaries(
            st.text(max_size=5), st.just({"int64_param": -5}) | st.just({"bool_param": True}), min_size=1
        ),
        "raw_input_contents": st.lists(st.binary(max_size=20), min_size=1, max_size=3),
        "inputs": st.lists(
            st.fixed_dictionaries(
                {"shape": st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=3)},
                optional={
                    "name": st.text(min_size=1, max_size=9),
                    "contents": st.fixed_dictionaries(
                        {},
                        optional={
                            "fp64_contents": st.lists(st.floats(allow_nan=False), min_size=1),
                            "uint64_contents": st.lists(st.integers(0, 2**64 - 1), min_size=1),
                            "bool_contents": st.lists(st.booleans(), min_size=1),
                        },
                    ),
                },
            ),
            min_size=1,
            max_size=3,
        ),
    },
)


@given(VALUES)
@settings(max_examples=100, deadline=None)
def test_what_is_encoded_is_decoded(values: dict[str, Any]) -> None:
    assert decode("ModelInferRequest", encode("ModelInferRequest", values)) == values


@given(st.sampled_from(sorted(MESSAGES)), st.binary(max_size=300))
@settings(max_examples=500, deadline=None)
def test_any_bytes_are_a_message_or_are_refused(message: str, data: bytes) -> None:
    with contextlib.suppress(InvalidInputError):
        encode(message, decode(message, data))


def _lengthy(number: int, content: bytes) -> bytes:
    return encode("ModelInferRequest", {"raw_input_contents": [content]}).replace(
        b"\x3a", bytes([number << 3 | 2]), 1
    )


def test_fields_and_values_are_bounded_for_the_whole_message() -> None:
    unknown = b"\x78\0"
    two_inputs = _lengthy(5, unknown * 5) * 2
    decode("ModelInferRequest", two_inputs, Bounds(fields=12))
    with pytest.raises(InvalidInputError, match="too many fields"):
        decode("ModelInferRequest", two_inputs, Bounds(fields=11))
    with pytest.raises(InvalidInputError, match="too many fields"):
        decode("NamedModel", unknown * 5, Bounds(fields=4))
    packed = {"contents": {"int64_contents": [1, 2, 3], "fp64_contents": [0.5]}}
    message = encode("ModelInferRequest", {"inputs": [packed, packed]})
    decode("ModelInferRequest", message, Bounds(packed_values=8))
    with pytest.raises(InvalidInputError, match="too many values"):
        decode("ModelInferRequest", message, Bounds(packed_values=7))
    texts = encode("ModelInferRequest", {"inputs": [{"contents": {"bytes_contents": ["a", "b"]}}] * 2})
    decode("ModelInferRequest", texts, Bounds(single_values=4, fields=4))
    with pytest.raises(InvalidInputError, match="too many values"):
        decode("ModelInferRequest", texts, Bounds(single_values=3))


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-200, 200)))
@settings(max_examples=100, deadline=None)
def test_packed_numbers_are_those_that_come_one_by_one(values: list[int]) -> None:
    together = encode("InferTensor", {"shape": values})
    apart = b"".join(
        encode("InferTensor", {"shape": [value]}).replace(b"\x1a" + bytes([length]), b"\x18", 1)
        for value in values
        for length in (len(encode("InferTensor", {"shape": [value]})) - 2,)
    )
    assert decode("InferTensor", together).get("shape", []) == values
    assert decode("InferTensor", apart).get("shape", []) == values


@pytest.mark.parametrize("packed", [b"\x01\x80", b"\x80", b"\x01" + b"\x80" * 10 + b"\0"])
def test_a_packed_number_without_an_end_is_refused(packed: bytes) -> None:
    with pytest.raises(InvalidInputError, match="no end"):
        decode("InferTensor", _lengthy(3, packed))


class _Keeping:
    """App that keeps what it is asked, and does nothing else."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.scopes: list[http.Scope] = []
        self._refuses = refuses

    def admit(self, scope: http.Scope) -> None:
        if self._refuses:
            raise http.HttpError(401, "expected a token")

    async def answer(self, scope: http.Scope, receive: http.Receive, form: object = None) -> http.Answer:
        self.scopes.append({**scope, "body": (await receive())["body"]})
        return 200, b"answered", {}


def test_a_call_without_a_token_is_refused_before_its_message_comes() -> None:
    outcome = refusal(_Keeping(refuses=True), f"{SERVICE}ModelInfer", [])
    assert outcome == Outcome(16, text="expected a token")
    assert refusal(_Keeping(), f"{SERVICE}ModelInfer", []) is None


def test_a_packed_message_is_read_off_the_event_loop_and_handed_on_packed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[threading.Thread] = []

    def watched(*given: Any) -> dict[str, Any]:
        threads.append(threading.current_thread())
        return decode(*given)

    monkeypatch.setattr("pilothouse.serving.grpc.calls.decode", watched)
    app, packed = _Keeping(), zlib.compress(infer())
    framed = b"\1" + len(packed).to_bytes(4) + packed
    outcome = asyncio.run(answer(app, f"{SERVICE}ModelInfer", [(b"grpc-encoding", b"deflate")], framed))
    assert (outcome.message, len(threads)) == (b"answered", 1)
    assert threads[0] is not threading.current_thread()
    assert app.scopes[0]["body"] == packed
    assert (b"content-encoding", b"deflate") in app.scopes[0]["headers"]


def test_a_canary_is_asked_by_key_over_grpc_too(
    launch: Launch, hub: TestHub, first: ModelFile, second: ModelFile
) -> None:
    hub.try_beside(first, second, "canary", 0.5)
    server = launch(hub, "--grpc-port", "0")
    server.wait_until_ready()
    wait_until(lambda: hub.report is not None and [t.state for t in hub.report.trials] == ["answers"])
    client = Client(grpc_port(server))
    for number in range(24):
        key = f"customer-{number}"
        expected = "2" if takes(b"salt", 0.5, key.encode()) else "1"
        for message, headers in ((infer(id="r7"), {"x_request_key": key}), (infer(id=key), {})):
            code, _, answered = client.call("ModelInfer", message, **headers)
            assert (code, decode("ModelInferResponse", answered)["model_version"]) == (0, expected)
    hub.try_beside(first, second, "shadow")
    wait_until(lambda: hub.report is not None and [t.mode for t in hub.report.trials] == ["shadow"])
    for _ in range(3):
        assert client.call("ModelInfer", infer())[0] == 0
    wait_until(lambda: sum(batch.rows for batch in hub.pairs) == 9)
    client.close()
