"""Client of an SSH agent, such as the one that a person's connection forwards: its keys, and signatures by them.

The only socket that is opened is the one that ``SSH_AUTH_SOCK`` names. The agent belongs to the person, and its answers are
checked as any stranger's are: bounded, and each signature is verified before it counts.
"""

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass

from pilothouse.domain.errors import InvalidInputError, UnavailableError
from pilothouse.domain.formats.ssh_wire import Reader, string
from pilothouse.domain.identity.ssh_keys import RSA
from pilothouse.signing.certificates import is_certificate, parse_certificate
from pilothouse.signing.keys import PublicKey, parse_blob
from pilothouse.signing.sshsig import armored, bytes_to_sign

_FAILURE, _REQUEST_IDENTITIES, _IDENTITIES, _SIGN_REQUEST, _SIGN_RESPONSE = 5, 11, 12, 13, 14
_RSA_SHA2_512 = 4
_LONGEST = 256 << 10
_MOST_KEYS = 256
_LIST_S = 5.0
SIGN_S = 60.0
"""Seconds in which the agent must sign: somebody may have to confirm, or to touch a key."""


@dataclass(frozen=True, slots=True)
class AgentKey:
    """Key that an agent holds; ``blob`` is that of its certificate where it is listed as one."""

    key: PublicKey
    blob: bytes
    comment: str


def socket_of(environment: Mapping[str, str] = os.environ) -> str:
    """Path of the agent's socket; empty where no agent is there."""
    return environment.get("SSH_AUTH_SOCK", "")


def keys(path: str) -> list[AgentKey]:
    """Keys that the agent holds; kinds that cannot be checked here are left out. Raises UnavailableError."""
    reader = Reader(_answer(path, bytes([_REQUEST_IDENTITIES]), _IDENTITIES, _LIST_S), "the agent's list")
    held = []
    try:
        for _ in range(min(reader.uint32(), _MOST_KEYS)):
            blob, comment = reader.string(), reader.string().decode("utf-8", "replace")
            try:
                key = parse_certificate(blob).key if is_certificate(blob) else parse_blob(blob)
            except InvalidInputError:
                continue
            held.append(AgentKey(key, blob, comment))
    except InvalidInputError as error:
        raise UnavailableError(f"the SSH agent gave an answer that is none: {error}") from None
    return held


def sign(path: str, held: AgentKey, message: bytes, namespace: str, *, seconds: float = SIGN_S) -> str:
    """Text of the signature of a message by a key that the agent holds. Raises UnavailableError (no agent, no answer in time,
    refused by the person)."""
    flags = _RSA_SHA2_512 if held.key.kind == RSA else 0
    body = string(held.blob) + string(bytes_to_sign(message, namespace)) + flags.to_bytes(4, "big")
    answer = _answer(path, bytes([_SIGN_REQUEST]) + body, _SIGN_RESPONSE, seconds)
    try:
        signature = Reader(answer, "the agent's signature").string()
    except InvalidInputError as error:
        raise UnavailableError(f"the SSH agent gave an answer that is none: {error}") from None
    return armored(held.blob, namespace, signature)


def _answer(path: str, request: bytes, expected: int, seconds: float) -> bytes:
    """Body of the agent's answer to one request."""
    if not path:
        raise UnavailableError("no SSH agent is there: connect with ssh -A, or sign the statement elsewhere")
    deadline = time.monotonic() + seconds
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(seconds)
            connection.connect(path)
            connection.sendall(string(request))
            length = int.from_bytes(_exactly(connection, 4, deadline), "big")
            if not 1 <= length <= _LONGEST:
                raise UnavailableError(
                    f"the SSH agent announced {length:,} bytes; expected {_LONGEST:,} at most"
                )
            answer = _exactly(connection, length, deadline)
    except TimeoutError:
        raise UnavailableError(
            f"the SSH agent has not answered in {seconds:.0f} s: was the key touched?"
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UnavailableError(f"the SSH agent is not there ({reason}): connect with ssh -A again") from None
    if answer[0] == _FAILURE:
        raise UnavailableError("the SSH agent refused: the key is locked or gone, or its owner said no")
    if answer[0] != expected:
        raise UnavailableError(f"the SSH agent answered with message {answer[0]}; expected {expected}")
    return answer[1:]


def _exactly(connection: socket.socket, count: int, deadline: float) -> bytes:
    """That many bytes. Raises TimeoutError after the deadline, however slowly they drip, or OSError where they end."""
    gathered = b""
    while len(gathered) < count:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        piece = connection.recv(count - len(gathered))
        if not piece:
            raise OSError("it closed the connection")
        gathered += piece
    return gathered
