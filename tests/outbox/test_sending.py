"""What a process that sends does with places, certificates and answers; no database is there."""

import ipaddress
import json
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

import pilothouse
from pilothouse.domain.errors import UnavailableError
from pilothouse.operations.integrations import receivers
from pilothouse.sending.addresses import is_public
from pilothouse.sending.http_post import Bounds, Link, NotSentError, ask, post
from pilothouse.sending.webhook import signed_headers
from support.certificates import made_certificate
from support.receivers import SECRET, receiving

LOOPBACK = ("127.0.0.1",)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1", False),
        ("fc00::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:7f00:1::1", False),
        ("::127.0.0.1", False),
        ("::ffff:0:10.0.0.1", False),
        ("64:ff9b:1::a00:1", False),
        ("fec0::1", False),
    ],
)
def test_an_address_is_public_or_not(address: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is public


@pytest.mark.parametrize(
    "url",
    ["", "http://", "https:///x", "ftp://a", "http://a b", "http://[::1", "http://a:99999/", "http://é/"],
)
def test_what_is_no_url_is_said(url: str) -> None:
    assert post(url, b"{}", {}).error == "its URL is none" or post(url, b"{}", {}).error.startswith(
        "its URL is none:"
    )


@pytest.mark.parametrize(
    ("said", "error", "asked"),
    [
        (200, "", None),
        (301, "it answered 301: redirects are not followed, name the place itself", None),
        ((429, {"Retry-After": "17"}), "it answered 429", 17.0),
        ((503, {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}), "it answered 503", 0.0),
        ((503, {"Retry-After": "soon"}), "it answered 503", None),
    ],
)
def test_an_answer_is_taken_as_it_is(said: object, error: str, asked: float | None) -> None:
    with receiving(lambda _: said) as receiver:  # type: ignore[arg-type,return-value]
        outcome = post(receiver.url, b"{}", {}, allow=LOOPBACK)
    assert (outcome.error, outcome.asked_s) == (error, asked)


def test_a_receiver_that_hangs_is_left_after_its_time(tmp_path: Path) -> None:
    with receiving(hangs := Hanging()) as receiver:
        try:
            assert (
                post(receiver.url, b"{}", {}, allow=LOOPBACK, timeout_s=0.2).error == "no answer within 0.2 s"
            )
        finally:
            hangs.goes_on.set()


def test_an_answer_that_drips_is_left_when_its_time_is_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1")
                while not ended.wait(0.02):
                    try:
                        connection.sendall(b" ")
                    except OSError:
                        return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        try:
            with pytest.raises(NotSentError, match=r"no whole answer within 0.3 s"):
                ask(url, b"{}", {}, Bounds(LOOPBACK, within_s=0.3))
        finally:
            ended.set()
            thread.join()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/x", "http://localhost/x", "http://169.254.169.254/latest", "http://[::1]/"]
)
def test_lineage_goes_to_public_addresses_and_to_those_that_are_allowed(url: str) -> None:
    with pytest.raises(UnavailableError, match='name host or address in "allow"'):
        receivers.post(url, b"{}", "a-token-of-some-length")


def test_a_secret_that_is_no_base64_signs_nothing() -> None:
    for secret in ("whsec_", "whsec_no base64", "whsec_abc"):
        with pytest.raises(ValueError, match="what follows is no base64") as error:
            signed_headers(secret, "msg_1", 0, b"{}")
        assert "abc" not in str(error.value)


class Hanging:
    """An answer that does not come until it may."""

    def __init__(self) -> None:
        import threading

        self.goes_on = threading.Event()

    def __call__(self, before: int) -> int:
        self.goes_on.wait(30)
        return 200


def test_a_port_where_nobody_listens_and_a_name_that_nobody_has() -> None:
    with receiving() as receiver:
        url = receiver.url
    assert post(url, b"{}", {}, allow=LOOPBACK).error == "connection refused"
    assert post("http://nobody.invalid/", b"{}", {}).error == "the name of its host has no address"


def test_an_address_of_version_6_needs_no_port() -> None:
    for host in ("::1", "fe80::abcd", "::ffff:127.0.0.1"):
        error = post(f"http://[{host}]/", b"{}", {}, timeout_s=0.2).error
        assert "has a " in error, (host, error)
        error = post(f"http://[{host}]/", b"{}", {}, allow=(host,), timeout_s=0.2).error
        assert "no HTTP" not in error, (host, error)


def test_a_certificate_is_checked_and_one_of_its_own_is_named(tmp_path: Path) -> None:
    certificate, key = made_certificate(datetime.now(UTC))
    file = tmp_path / "certificate.pem"
    file.write_bytes(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with receiving(context=context) as receiver:
        url = receiver.url.replace("http:", "https:")
        error = post(url, b"{}", {}, allow=LOOPBACK).error
        assert error.startswith("its certificate is not valid: self")
        another = post(url, b"{}", {}, allow=LOOPBACK, ca_file=str(file)).error
        assert "IP address mismatch" in another, "of jfk.example, not of this address"
    assert receiver.got == []


def test_the_signature_is_that_of_the_standard() -> None:
    headers = signed_headers(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_process_knows_its_secret_from_a_variable_and_leaves_the_answer_alone(tmp_path: Path) -> None:
    answer = tmp_path / "msg_1.json"
    with receiving() as receiver:
        request = {
            "receiver": {
                "kind": "webhook", "url": receiver.url, "secret_env": "PH_HOOK", "allow": ["127.0.0.1"], "timeout": 5,
            },
            "delivery": "msg_1", "sequence": 7, "message": {"title": "t"}, "answer": str(answer),
        }  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-I", "-m", "pilothouse.sending.main"], input=json.dumps(request).encode(),
            env={**os.environ, "PH_HOOK": SECRET}, capture_output=True, check=True,
        )  # fmt: skip
        assert receiver.got[0].is_signed
    assert (done.stdout, done.stderr) == (b"", b"")
    assert json.loads(answer.read_text()) == {"error": "", "asked_s": None, "is_gone": False}
    assert [file.name for file in tmp_path.iterdir()] == ["msg_1.json"]


def test_a_receiver_that_says_yes_has_it_though_its_body_never_comes() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"

        def serve() -> None:
            for _ in range(2):
                connection, _ = server.accept()
                with connection:
                    request = b""
                    while not request.endswith(b"{}"):
                        request += connection.recv(65_536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        assert post(url, b"{}", {}, allow=LOOPBACK).error == ""
        receivers.post(url, b"{}", "", LOOPBACK)
        thread.join()


@pytest.mark.parametrize(("status", "is_taken"), [(b"200 OK", False), (b"500 No", True)])
@pytest.mark.parametrize("is_reset", [False, True])
def test_an_answer_that_was_asked_for_is_whole_or_none(status: bytes, is_taken: bool, is_reset: bool) -> None:
    """What a refusal says may be cut, by a server that leaves half of the request unread too: its status says enough."""
    body = b"x" * 1_000
    is_answered = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def cut() -> None:
            connection, _ = server.accept()
            with connection:
                request = b""
                while not request.endswith(body):
                    request += connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 100\r\n\r\nhalf")
                if is_reset:
                    assert is_answered.wait(30)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        thread = threading.Thread(target=cut, daemon=True)
        thread.start()
        link = Link(f"http://127.0.0.1:{server.getsockname()[1]}/", Bounds(LOOPBACK))
        answer = link.send("POST", link.path, body, {})
        is_answered.set()
        if is_taken:
            assert link.read(answer, 1_000, is_whole=False) == b"half"
        else:
            with pytest.raises(NotSentError, match=r"96 bytes too early|connection reset by peer"):
                link.read(answer, 1_000)
        link.close()
        thread.join(30)


@pytest.mark.parametrize("said", [b"HTTP/1.1 413 Too Long\r\nContent-Length: 4\r\n\r\nlong", b""])
def test_a_refusal_before_the_body_has_come_is_heard(said: bytes) -> None:
    """Its sender is still writing when the connection ends; one that ends without an answer is a fault."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def refuse() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1_000)
                connection.sendall(said)
                connection.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=refuse, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        bounds = Bounds(LOOPBACK, longest=1_000)
        body = b"x" * 20_000_000
        if said:
            assert ask(url, body, {}, bounds).status == 413
            thread.join(30)
        else:
            with pytest.raises(NotSentError):
                ask(url, body, {}, bounds)


def test_one_module_speaks_http_to_others() -> None:
    """Beside it are those that speak to this machine's own processes, by a socket's path too, and a template's script."""
    source = Path(pilothouse.__file__).parent
    found = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if re.search(r"\bHTTPS?Connection\b|\burlopen\(", path.read_text(encoding="utf-8"))
    }
    own = {path for path in found if path.startswith(("serving/", "daemon/", "demo/"))}
    assert found - own == {
        "sending/http_post.py",
        "operations/fleet/readiness.py",
        "operations/templates/files/send.py",
        "operations/transparency/senders.py",
    }
