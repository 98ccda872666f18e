"""Bounds of a witness's server: the bytes and the time of a request, and the connections."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from pilothouse.operations.transparency import witness_server
from pilothouse.operations.transparency.witness_folder import Witness
from pilothouse.operations.transparency.witness_server import WitnessServer
from support import wait_until


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return Witness.create(tmp_path / "witness", "w.example/1")


@contextmanager
def running(witness: Witness) -> Iterator[int]:
    server = WitnessServer(witness, "127.0.0.1:0")
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield int(server.url.rpartition(":")[2])
    finally:
        server.stop()
        thread.join()
        server.close()


def connected(port: int) -> "closing[socket.socket]":
    return closing(socket.create_connection(("127.0.0.1", port), timeout=30))


def answer_to(port: int, head: str, body: bytes = b"") -> bytes:
    """All that comes until the connection is closed."""
    pieces = []
    with connected(port) as client, suppress(ConnectionError):  # what was refused is not read to its end
        client.sendall(f"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\n{head}\r\n".encode() + body)
        while piece := client.recv(65_536):
            pieces.append(piece)
    return b"".join(pieces)


@pytest.mark.parametrize(
    ("length", "status", "words"),
    [
        ("64001", 413, "longer than 64,000 bytes"),
        ("0000000002000000000", 413, "longer than 64,000 bytes"),
        ("9" * 18, 413, "longer than 64,000 bytes"),
        ("9" * 5_000, 413, "longer than 64,000 bytes"),
        ("0" * 21, 413, "longer than 64,000 bytes"),
        ("-1", 400, "not a number"),
        ("+3", 400, "not a number"),
        ("1_0", 400, "not a number"),
        ("3\r\nContent-Length: 4", 400, "not a number"),
        ("3\r\nTransfer-Encoding: chunked", 411, "missing"),
        ("0003", 400, "expected 'old SIZE'"),
    ],
)
def test_a_length_is_digits_within_the_bound(witness: Witness, length: str, status: int, words: str) -> None:
    with running(witness) as port:
        answer = answer_to(port, f"Content-Length: {length}\r\n", b"abc").decode()
    assert answer.startswith(f"HTTP/1.1 {status} "), answer
    assert words in answer
    assert "Connection: close" in answer


def test_no_more_is_read_than_one_request_may_have(witness: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness_server, "_LONGEST_HEAD", 2_000)
    monkeypatch.setattr("pilothouse.transparency.witness_requests.LONGEST", 100)
    fields = "".join(f"Field-{number}: {'x' * 60}\r\n" for number in range(50))
    with running(witness) as port:
        assert b"411" in answer_to(port, f"{fields}Content-Length: 3\r\n")[:20]
        assert b"400" in answer_to(port, "Content-Length: 3\r\n", b"abc")[:20]


def test_connections_are_counted_and_one_that_ends_makes_room(
    witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness_server, "_CONNECTIONS", 1)
    with running(witness) as port:
        with connected(port) as idle:
            idle.sendall(b"POST")
            with connected(port) as refused:
                assert refused.recv(100).startswith(b"HTTP/1.1 503 ")
        wait_until(lambda: answer_to(port, "Content-Length: 3\r\n", b"abc").startswith(b"HTTP/1.1 400 "))


def test_a_request_that_does_not_end_is_cut(witness: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness_server, "_LONGEST_S", 0.0)
    with running(witness) as port, connected(port) as slow:
        slow.sendall(b"POST /add-checkpoint HTTP/1.1\r\n")
        assert slow.recv(100) == b""
