"""Bounds of the servers' connections, over real sockets of the loopback interface."""

import asyncio
import json
import logging
import shutil
import socket
import ssl
import threading
import time
from asyncio import constants
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pilothouse.serving.app import ServingApp
from pilothouse.serving.web import access, http, http_server
from pilothouse.serving.web.access import Access
from pilothouse.serving.web.direct import MAXIMUM_BYTES, Reply, Taken
from pilothouse.serving.web.http import Receive, Scope, Send
from pilothouse.serving.web.http_protocol import BoundedProtocol, HttpLimits
from pilothouse.serving.web.http_server import quiet_server
from pilothouse.serving.web.pipelining import PIECE_BYTES, WAITING

LOG = logging.getLogger(__name__)
SHORT = HttpLimits(head_s=0.3, body_s=0.3, idle_s=0.3, answer_s=0.3, connections=20)
ROOM = http.BodyRoom()
ANSWER = 8 * 2**20
"""Bytes of a long answer: more than the buffers between server and client take."""


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """App that answers with the length of the body, and for ``/long`` with many bytes."""

    async def answer() -> http.Answer:
        if scope["path"] == "/long":
            return 200, bytes(ANSWER), {}
        if scope["path"] == "/unread":
            return 200, b"{}", {}
        return 200, json.dumps(len(await http.read_body(scope, receive, 1_000_000, ROOM))).encode(), {}

    await http.respond(send, answer(), LOG)


class Echo:
    """The same app, that takes small requests without a task too: ``/later`` is answered by another thread."""

    def __init__(self) -> None:
        self.taken = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await echo(scope, receive, send)

    def take(self, scope: Scope) -> Taken | None:
        if scope["path"] not in ("/", "/later", "/close"):
            return None
        headers = {"connection": "close"} if scope["path"] == "/close" else {}
        loop = asyncio.get_running_loop()

        def answer(body: bytes, reply: Reply) -> None:
            self.taken += 1
            told = 200, json.dumps(len(body)).encode(), headers
            if scope["path"] == "/later":
                threading.Thread(target=lambda: loop.call_soon_threadsafe(reply, told)).start()
            else:
                loop.call_soon(reply, told)

        return answer


@contextmanager
def listening(app: Any, limits: HttpLimits, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Server in a thread; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = quiet_server(app, grace_s=1, limits=limits, tls=tls)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module", params=[echo, Echo()], ids=["tasks", "direct"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """Port of a server with short time-outs."""
    with listening(request.param, SHORT) as number:
        exchanged(number, b"\0")  # its loop is there before a test is looked at for what it leaves behind
        yield number


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        yield client


def rest(client: socket.socket) -> bytes:
    """All that comes until the server closes the connection."""
    pieces = b""
    while True:
        try:
            piece = client.recv(1 << 16)
        except ConnectionResetError:
            return pieces
        if not piece:
            return pieces
        pieces += piece


def exchanged(port: int, sent: bytes) -> tuple[int, str]:
    """Status and error of the answer to bytes after which the server closes."""
    with connected(port) as client:
        client.sendall(sent)
        head, _, body = rest(client).partition(b"\r\n\r\n")
    if not head:
        return 0, ""
    error = json.loads(body)["error"]
    assert error.isprintable()
    assert len(error) < 300
    assert b"\r\nconnection: close" in head
    return int(head.split()[1]), error


@pytest.mark.parametrize(
    ("fields", "status", "found"),
    [
        ("Host: a\r\nHost: a", 400, "host comes 2 times"),
        ("Host: localhost\r\nhost: evil.example", 400, "host comes 2 times"),
        ("X: 1", 400, "host is missing"),
        ("Host: a\r\nContent-Length: 1\r\nContent-Length: 2", 400, ""),
        ("Host: a\r\nContent-Length: 1\r\nContent-Length: 1", 400, ""),
        ("Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked", 400, ""),
        ("Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1", 400, ""),
        ("Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400, ""),
        ("Host: a\r\nTransfer-Encoding: gzip, chunked", 400, ""),
        ("Host: a\r\nTransfer-Encoding: identity", 400, ""),
        ("Host: a\r\nContent-Length: +1", 400, ""),
        ("Host: a\r\nContent-Length: 1, 1", 400, ""),
        ("Host: a\r\nContent-Length: " + "9" * 400, 400, ""),
        ("Host: a\r\n folded: 1", 400, ""),
        ("Host : a", 400, ""),
        ("Host: a\r\nX: " + "a" * 20_000, 431, "16,384 bytes"),
        ("Host: a\r\n" + "\r\n".join(f"X{i}: 1" for i in range(100)), 431, "more than 100 headers"),
        ("Host: a\r\n" + "\r\n".join(f"X{i}: {'a' * 9_000}" for i in range(9)), 431, "65,536 bytes together"),
    ],
)
def test_heads_that_are_ambiguous_or_too_long_are_refused(
    port: int, fields: str, status: int, found: str
) -> None:
    answer, error = exchanged(port, f"POST / HTTP/1.1\r\n{fields}\r\n\r\n".encode())
    assert answer == status
    assert found in error


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET /" + "a" * 20_000 + " HTTP/1.1", 414),
        ("GET / HTTP/9.9", 400),
        ("GET  HTTP/1.1", 400),
        ("GET /\xe9 HTTP/1.1", 400),
        ("CONNECT a:1 HTTP/1.1", 400),
        ("\x16\x03\x01\x02", 400),
        ("x" * 100_000, 400),
    ],
)
def test_request_lines_that_are_none_are_refused(port: int, line: str, status: int) -> None:
    assert exchanged(port, f"{line}\r\nHost: a\r\n\r\n".encode("latin-1"))[0] == status


def test_headers_without_end_are_not_read_to_their_end(port: int) -> None:
    piece = b"a" * 65_536
    with connected(port) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
        sent = 0
        try:
            for _ in range(3_200):  # 200 MB
                client.sendall(piece)
                sent += len(piece)
        except OSError:
            pass
    assert sent < 20 * 2**20  # what the buffers between the two take


def test_trailers_do_not_become_headers(port: int) -> None:
    sent = (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nHost: evil\r\n\r\n"
    )
    assert exchanged(port, sent) == (400, "headers after a body (trailers) are not taken")


@pytest.mark.parametrize(
    ("sent", "status", "error"),
    [
        (b"", 408, "headers did not arrive"),
        (b"\r\n", 408, "headers did not arrive"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", 408, "headers did not arrive"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345", 408, "body did not arrive"),
        (
            b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12",
            408,
            "body did not arrive",
        ),
    ],
)
def test_silent_and_half_sent_requests_are_timed_out(port: int, sent: bytes, status: int, error: str) -> None:
    answer, message = exchanged(port, sent)
    assert answer == status
    assert error in message


def test_bodies_that_are_not_complete_take_a_bounded_room_together() -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
    room = http.BodyRoom(12)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def answer() -> http.Answer:
            return 200, await http.read_body(scope, receive, 10, room), {}

        await http.respond(send, answer(), LOG)

    with listening(app, HttpLimits()) as port, connected(port) as waiting:
        waiting.sendall(head + b"123456789")
        while room.free > 3:
            pass
        assert exchanged(port, head + b"1234567890")[0] == 503
        waiting.sendall(b"0")
        assert waiting.recv(1 << 16).startswith(b"HTTP/1.1 200")
        with connected(port) as client:
            client.sendall(head + b"1234567890")
            assert client.recv(1 << 16).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("drip", [b"a", b"\r\n"])
def test_a_byte_now_and_then_puts_no_deadline_off(port: int, drip: bytes) -> None:
    with connected(port) as client:
        client.settimeout(0.05)
        if drip == b"a":
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
        received = b""
        for _ in range(200):  # ten seconds, where the deadline is 0.3
            try:
                client.sendall(drip)
                piece = client.recv(1 << 16)
            except TimeoutError:
                continue
            except OSError:
                break
            received += piece
            if not piece:
                break
        else:
            pytest.fail("the connection is still open")
    assert received == b"" or b" 408 " in received


def test_an_idle_connection_is_closed_and_a_busy_one_is_kept(port: int) -> None:
    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"
    with connected(port) as client:
        client.sendall(request)
        first = b""
        while not first.endswith(b"\r\n\r\n2"):
            first += client.recv(1)
        client.sendall(request)
        second = rest(client)
    assert first.startswith(b"HTTP/1.1 200")
    assert second.startswith(b"HTTP/1.1 200")
    assert second.count(b"HTTP/1.1") == 1


def test_the_rest_of_a_body_that_nobody_reads_is_not_waited_for(port: int) -> None:
    with connected(port) as client:
        client.sendall(b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345")
        assert rest(client).count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("requests", [1, 3])
def test_a_client_that_does_not_read_its_answer_is_cut(requests: int) -> None:
    request = b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n"
    with listening(echo, HttpLimits(answer_s=0.3, connections=1)) as port, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.connect(("127.0.0.1", port))
        client.sendall(request * requests)
        assert client.recv(9) == b"HTTP/1.1 "
        end = time.monotonic() + 20
        # the client's own kernel does not hear of the end before all is read: the next connection tells
        while exchanged(port, b"POST / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n")[0] == 503:
            assert time.monotonic() < end, "the connection is still open"


def test_a_pipelined_fault_does_not_answer_for_the_request_before(port: int) -> None:
    good = b"GET /unread HTTP/1.1\r\nHost: a\r\n\r\n"
    with connected(port) as client:
        client.sendall(good + b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
        answers = rest(client)
    assert [answer[:3] for answer in answers.split(b"HTTP/1.1 ")[1:]] == [b"200", b"400"]


_FAULTS = (
    b"POST / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"nothing like HTTP\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
)


@pytest.mark.parametrize("fault", _FAULTS)
@pytest.mark.parametrize("requests", [1, 2, 7])
@pytest.mark.parametrize("path", ["/", "/later"])
@pytest.mark.parametrize("is_direct", [False, True])
def test_requests_before_a_malformed_one_are_answered_first(
    fault: bytes, requests: int, path: str, is_direct: bool
) -> None:
    sent = b"".join(asked(path, b"a" * i) for i in range(1, requests + 1))
    with listening(Echo() if is_direct else echo, HttpLimits()) as port, connected(port) as client:
        client.sendall(sent + fault + asked(path, b"not read"))
        answers = rest(client).split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200"] * requests + [b"400"]
    assert [int(answer.rpartition(b"\r\n\r\n")[2]) for answer in answers[:-1]] == list(range(1, requests + 1))
    assert b'{"error":' in answers[-1]


def test_more_connections_than_the_bound_are_refused() -> None:
    limits = HttpLimits(connections=3)
    with listening(echo, limits) as port:
        clients = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(3)]
        try:
            for client in clients:  # answered: so they are counted
                client.sendall(b"GET /unread HTTP/1.1\r\nHost: a\r\n\r\n")
                assert client.recv(1 << 16).startswith(b"HTTP/1.1 200")
            assert exchanged(port, b"") == (503, "3 connections are open already; try again")
        finally:
            for client in clients:
                client.close()


def asked(path: str, body: bytes, *fields: str, version: str = "1.1") -> bytes:
    head = [f"POST {path} HTTP/{version}", "Host: a", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join([*head, "", ""]).encode() + body


@contextmanager
def direct() -> Iterator[tuple[Echo, int]]:
    app = Echo()
    with listening(app, HttpLimits()) as port:
        yield app, port


def test_a_small_request_is_answered_without_a_task_and_the_connection_is_kept() -> None:
    with direct() as (app, port), connected(port) as client:
        for path in ("/", "/later", "/?a=b"):
            client.sendall(asked(path, b"abc"))
            answer = client.recv(1 << 16)  # in one piece
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"content-type: application/json\r\ncontent-length: 1\r\n" in answer
            assert b"connection" not in answer
            assert answer.endswith(b"\r\n\r\n3")
        client.sendall(asked("/", b"abc", "Connection: close"))
        assert b"\r\nconnection: close\r\n" in rest(client)
        assert app.taken == 4


def test_a_body_that_comes_in_pieces_is_put_together() -> None:
    with direct() as (app, port), connected(port) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(sent := asked("/", b"0123456789"))):
            client.sendall(sent[i : i + 1])
        assert client.recv(1 << 16).endswith(b"\r\n\r\n10")
        assert app.taken == 1


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        (asked("/", bytes(MAXIMUM_BYTES)), 1),
        (asked("/", bytes(MAXIMUM_BYTES + 1)), 0),
        (asked("/%2e", b""), 0),
        (asked("/elsewhere", b""), 0),
        (asked("/", b"", version="1.0"), 1),
        (asked("/close", b""), 1),
        (asked("/", b"", "Connection: upgrade", "Upgrade: websocket"), 1),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 00000\r\n\r\n", 1),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 000000\r\n\r\n", 0),
    ],
)
def test_what_is_not_small_and_plain_goes_the_way_of_asgi(sent: bytes, taken: int) -> None:
    with direct() as (app, port), connected(port) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        answer = rest(client)
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.count(b"HTTP/1.1") == 1
        assert app.taken == taken


def test_a_client_that_waits_for_100_continue_gets_it() -> None:
    with direct() as (app, port), connected(port) as client:
        client.sendall(asked("/", b"abc", "Expect: 100-continue")[:-3])
        assert client.recv(1 << 16) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"abc")
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 200")
        assert app.taken == 0


def test_pipelined_requests_are_answered_in_their_order_whichever_way_they_go() -> None:
    bodies = [b"a" * i for i in range(1, 9)]
    with direct() as (app, port), connected(port) as client:
        sent = [asked("/later" if i % 3 == 0 else "/", body) for i, body in enumerate(bodies)]
        client.sendall(b"".join(sent[:-1]) + asked("/", bodies[-1], "Connection: close"))
        answers = rest(client).split(b"HTTP/1.1 200 OK\r\n")[1:]
        assert [int(answer.rpartition(b"\r\n\r\n")[2]) for answer in answers] == list(range(1, 9))
        assert app.taken >= 1


@pytest.mark.parametrize("is_direct", [False, True])
@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("packets", [1, 2, 3, 0])
@pytest.mark.parametrize("name", ["h2c", "websocket", "foo", "h2c, foo"])
def test_a_wish_for_another_protocol_is_ignored_and_the_body_stays_one(
    name: str, packets: int, is_chunked: bool, is_direct: bool
) -> None:
    inner = b"GET /unread HTTP/1.1\r\nHost: a\r\n\r\n"
    fields = "Connection: Upgrade, HTTP2-Settings", f"Upgrade: {name}", "HTTP2-Settings: AAMAAABkAAQAAP__"
    sent = asked("/", inner, *fields)
    if is_chunked:
        framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(inner), inner)
        length = b"Content-Length: %d" % len(inner)
        sent = sent[: -len(inner)].replace(length, b"Transfer-Encoding: chunked") + framed
    head = sent.index(b"\r\n\r\n") + 4
    cuts = {1: [], 2: [head], 3: [head - 2, head + 5], 0: list(range(1, len(sent)))}[packets]
    behind = asked("/", b"abc", *fields) + asked("/", b"abcd", "Connection: close")
    app = Echo()
    with listening(app if is_direct else echo, HttpLimits()) as port, connected(port) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start, end in zip([0, *cuts], [*cuts, None], strict=True):
            client.sendall(sent[start:end] + (behind if end is None else b""))
        answers = rest(client).split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"200"] * 3
    assert [int(answer.rpartition(b"\r\n\r\n")[2]) for answer in answers] == [len(inner), 3, 4]
    assert (app.taken > 0) == (is_direct and not is_chunked)


def test_a_body_that_waits_for_another_protocol_is_not_parsed(port: int) -> None:
    """The head comes alone, and the body when the server has read it: it is awaited as that of any request."""
    inner = b"GET /unread HTTP/1.1\r\nHost: a\r\n\r\n"
    with connected(port) as client:
        client.sendall(
            asked("/", inner, "Connection: Upgrade", "Upgrade: h2c", "Expect: 100-continue")[: -len(inner)]
        )
        received = b""
        while not received.endswith(b"\r\n\r\n"):
            received += client.recv(1)
        client.sendall(inner)
        answers = rest(client)
    assert answers.count(b"HTTP/1.1") == 1
    assert answers.endswith(b"\r\n\r\n%d" % len(inner))


def test_tunnels_are_refused(port: int) -> None:
    for target in ("a:1", "localhost:80"):
        sent = f"CONNECT {target} HTTP/1.1\r\nHost: a\r\n\r\nGET /unread HTTP/1.1\r\nHost: a\r\n\r\n"
        assert exchanged(port, sent.encode())[0] == 400


@contextmanager
def counted(
    app: Any, limits: HttpLimits, tls: ssl.SSLContext | None = None
) -> Iterator[tuple[int, list[int]]]:
    """Server, and how many requests of a connection waited when one more was put behind them."""
    waiting: list[int] = []

    class Counted(BoundedProtocol):
        def on_headers_complete(self) -> None:
            super().on_headers_complete()
            waiting.append(len(self.pipeline))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(http_server, "BoundedProtocol", Counted)
        with listening(app, limits, tls) as port:
            yield port, waiting


@pytest.mark.parametrize("is_direct", [False, True])
@pytest.mark.parametrize("path", ["/unread", "/"])
def test_requests_that_wait_on_one_connection_are_few_however_many_are_sent(
    path: str, is_direct: bool
) -> None:
    request = (
        b"GET /unread HTTP/1.1\r\nHost:a\r\n\r\n" if path == "/unread" else asked("/", b"GET / HTTP/1.1\r\n")
    )
    count = 20_000
    last = asked("/", b"ab", "Connection: close")
    app = Echo() if is_direct else echo
    with counted(app, HttpLimits()) as (port, waiting), connected(port) as client:
        sender = threading.Thread(target=client.sendall, args=(request * count + last,))
        sender.start()
        answers = rest(client)
        sender.join()
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == count + 1
    assert answers.endswith(b"\r\n\r\n2")
    assert len(waiting) == count + 1
    assert 0 < max(waiting) < WAITING + PIECE_BYTES // len(b"GET / HTTP/1.1\r\nHost:a\r\n\r\n") + 2


def test_requests_that_wait_are_few_under_tls_too(tmp_path: Path) -> None:
    count = 3_000
    for name in (access.CERTIFICATE, access.KEY):
        shutil.copy(Path(__file__).parent / "tls" / f"first-{name.removeprefix('tls-')}", tmp_path / name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    sent = b"GET /unread HTTP/1.1\r\nHost:a\r\n\r\n" * count + asked("/", b"ab", "Connection: close")
    with (
        counted(echo, HttpLimits(), Access(tmp_path).tls) as (port, waiting),
        connected(port) as plain,
        context.wrap_socket(plain) as client,
    ):
        sender = threading.Thread(target=client.sendall, args=(sent,))
        sender.start()
        answers = rest(client)
        sender.join()
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == count + 1
    assert max(waiting) < 2 * WAITING


def test_a_client_that_takes_no_answers_is_not_read() -> None:
    """What waits is bounded though the server waits for the client, and all is answered when the client reads."""
    request = b"GET /unread HTTP/1.1\r\nHost:a\r\n\r\n"
    limits = HttpLimits(answer_s=60)
    with counted(echo, limits) as (port, waiting), socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.connect(("127.0.0.1", port))
        client.settimeout(0.5)
        sent = 0
        try:
            while sent < 100_000_000:
                sent += client.send((request * 1_000)[sent % len(request) :])
        except TimeoutError:
            pass
        else:
            pytest.fail("the server reads on")
        client.settimeout(20)
        assert 0 < max(waiting) < 2 * WAITING
        assert len(waiting) < sent // len(request)
        cut = sent % len(request)
        ending = (request[cut:] if cut else b"") + asked("/", b"", "Connection: close")
        sender = threading.Thread(target=client.sendall, args=(ending,))
        sender.start()
        answers = rest(client)
        sender.join()
        whole = -(-sent // len(request))
        assert answers.count(b"HTTP/1.1 200 OK\r\n") == whole + 1
        assert max(waiting) < 2 * WAITING


def test_pipelined_requests_of_a_client_that_has_shut_down_its_side_are_all_answered() -> None:
    for app in (echo, Echo()):
        with listening(app, HttpLimits()) as port, connected(port) as client:
            client.sendall(asked("/", b"abc") * 500)
            client.shutdown(socket.SHUT_WR)
            assert rest(client).count(b"\r\n\r\n3") == 500


def test_a_client_that_leaves_before_its_answer_harms_nobody() -> None:
    with direct() as (_, port):
        for path in ("/", "/later") * 20:
            with connected(port) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.sendall(asked(path, b"abc"))
        with connected(port) as client:
            client.sendall(asked("/later", b"abc"))
            assert client.recv(1 << 16).endswith(b"\r\n\r\n3")


def test_a_server_that_ends_answers_what_it_has_taken() -> None:
    release = threading.Event()

    class Slow(Echo):
        def take(self, scope: Scope) -> Taken | None:
            loop = asyncio.get_running_loop()

            def answer(body: bytes, reply: Reply) -> None:
                self.taken += 1

                def later() -> None:
                    release.wait(20)
                    loop.call_soon_threadsafe(reply, (200, body, {}))

                threading.Thread(target=later).start()

            return answer

    app = Slow()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = quiet_server(app, grace_s=20)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        with connected(listener.getsockname()[1]) as client:
            client.sendall(asked("/", b"abc"))
            while not app.taken:
                pass
            server.should_exit = True
            while server.servers[0].is_serving():
                pass
            release.set()
            answer = rest(client)
        thread.join()
    assert answer.endswith(b"\r\n\r\nabc")


@pytest.mark.parametrize(
    ("host", "is_served"),
    [
        ("LOCALHOST", True),
        ("LocalHost:8080", True),
        ("127.0.0.1:1", True),
        ("[::1]:80", True),
        ("[::1]", True),
        ("localhost:", True),
        ("localhost:80:80", False),
        ("localhost:x", False),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("evil.example:80@localhost", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
    ],
)
def test_the_host_of_a_loopback_server_is_compared_whatever_its_case(host: str, is_served: bool) -> None:
    scope = {"method": "GET", "path": "/v2", "headers": [(b"host", host.encode())]}
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    app = ServingApp(None, None, None, only_loopback=True)  # type: ignore[arg-type]
    app._roster = lambda: None  # type: ignore[assignment,return-value]
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == (200 if is_served else 403)


def test_a_handshake_of_tls_that_does_not_come_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        constants, "SSL_HANDSHAKE_TIMEOUT", constants.SSL_HANDSHAKE_TIMEOUT
    )  # put back at the end
    for name in (access.CERTIFICATE, access.KEY):
        shutil.copy(Path(__file__).parent / "tls" / f"first-{name.removeprefix('tls-')}", tmp_path / name)
    with listening(echo, SHORT, Access(tmp_path).tls) as port, connected(port) as client:
        start = time.monotonic()
        assert rest(client) == b""
        assert time.monotonic() - start < 15
