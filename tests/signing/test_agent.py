"""The agent: a real one signs; one that lies, drips or keeps silent is refused in time."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pilothouse.domain.errors import UnavailableError
from pilothouse.signing import agent, sshsig
from support.soft_keys import NAMESPACE, SoftKey, keygen, of_line, short_folder
from support.soft_keys import agent as real_agent

MESSAGE = b"statement"


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_real_agent_lists_its_keys_and_signs(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "key"
    keygen("-q", "-t", kind, "-N", "", "-C", "ada's laptop", "-f", str(path))
    with real_agent(path) as sock:
        (held,) = agent.keys(sock)
        assert (held.key, held.comment) == (of_line(path.with_suffix(".pub").read_text()), "ada's laptop")
        signature = sshsig.parse(agent.sign(sock, held, MESSAGE, NAMESPACE))
        signature.check(MESSAGE, NAMESPACE)


def test_a_certificate_in_the_agent_signs_as_one(tmp_path: Path) -> None:
    authority, path = tmp_path / "ca", tmp_path / "key"
    for key in (authority, path):
        keygen("-q", "-t", "ed25519", "-N", "", "-f", str(key))
    keygen("-q", "-s", str(authority), "-I", "ada", "-n", "ada", str(path.with_suffix(".pub")))
    with real_agent(path) as sock:
        plain, certified = sorted(agent.keys(sock), key=lambda held: len(held.blob))
        assert plain.key == certified.key
        signature = sshsig.parse(agent.sign(sock, certified, MESSAGE, NAMESPACE))
        assert signature.certificate is not None


def test_an_agent_that_lost_the_key_refuses(tmp_path: Path) -> None:
    soft = SoftKey()
    with (
        real_agent() as sock,
        pytest.raises(UnavailableError, match="refused"),
    ):
        agent.sign(sock, agent.AgentKey(soft.public, soft.public.blob, ""), MESSAGE, NAMESPACE)


def test_no_agent_is_said(tmp_path: Path) -> None:
    assert agent.socket_of({}) == ""
    assert agent.socket_of({"SSH_AUTH_SOCK": "/run/agent"}) == "/run/agent"
    with pytest.raises(UnavailableError, match="connect with ssh -A"):
        agent.keys("")
    with pytest.raises(UnavailableError, match="not there"):
        agent.keys(str(tmp_path / "gone"))
    with pytest.raises(UnavailableError, match="not there"):
        agent.keys(str(tmp_path / ("x" * 300)))


@contextmanager
def _answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    with short_folder() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        path = folder / "lying.sock"
        listening.bind(str(path))
        listening.listen(1)

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(4096)
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield str(path)
        finally:
            thread.join()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"\xff\xff\xff\xff", "announced 4,294,967,295 bytes"),
        (b"\0\0\0\0", "announced 0 bytes"),
        (b"\0\0\0\1\5", "refused"),
        (b"\0\0\0\1\7", "answered with message 7"),
        (b"\0\0\0\5\x0c\0\0\0\2", "end too early"),
        (b"\0\0\0\5\x0c", "closed the connection"),
        (b"", "closed the connection"),
    ],
)
def test_an_answer_that_is_none_is_refused(tmp_path: Path, answer: bytes, words: str) -> None:
    with (
        _answering(lambda connection: connection.sendall(answer)) as sock,
        pytest.raises(UnavailableError, match=words),
    ):
        agent.keys(sock)


def test_an_agent_that_keeps_silent_or_drips_is_given_up(tmp_path: Path) -> None:
    soft, done = SoftKey(), threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"\0\0\1\0")
        done.wait(20)

    held = agent.AgentKey(soft.public, soft.public.blob, "")
    with _answering(drip) as sock:
        with pytest.raises(UnavailableError, match="has not answered"):
            agent.sign(sock, held, MESSAGE, NAMESPACE, seconds=0.2)
        done.set()
