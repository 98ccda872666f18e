"""Messages between a program and its desk: a call and its answer, each eight bytes of length and then MessagePack.

Nothing but plain data passes: numbers, texts, bytes, times, lists and tables.
"""

import socket
import struct
from collections.abc import Mapping
from typing import Any

import msgspec

from pilothouse.domain import errors
from pilothouse.domain.formats.safe_text import safe

_HEAD = struct.Struct("<Q")
_LONGEST_MESSAGE = 2_000
LARGEST = 4 << 30
"""Bytes of one message."""
_CHUNK = 1 << 20


class Call(msgspec.Struct, array_like=True):
    """Call of a function of the desk."""

    function: str
    arguments: dict[str, Any]


class Answer(msgspec.Struct, array_like=True):
    """Answer to a call: a value, or an error's class and message."""

    value: Any = None
    error: str = ""
    message: str = ""


LEAVE = "leave"
"""The function by which a program that goes on says that it needs its desk no more."""
_CALLS: msgspec.msgpack.Decoder[Call] = msgspec.msgpack.Decoder(Call)
_ANSWERS: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)
_ENCODER = msgspec.msgpack.Encoder()


def send(channel: socket.socket, message: Call | Answer) -> None:
    """Send a message. Raises OSError where the other side is gone, InvalidInputError where it is too large."""
    data = _ENCODER.encode(message)
    if len(data) > LARGEST:
        raise errors.InvalidInputError(
            f"{len(data):,} bytes in one call; expected {LARGEST:,} at most: hand the rows over in parts"
        )
    head = _HEAD.pack(len(data))
    if len(data) <= _CHUNK:
        channel.sendall(head + data)  # as one: else the other side wakes for the head, and waits again
        return
    channel.sendall(head)
    channel.sendall(data)


def receive_call(channel: socket.socket) -> Call | None:
    """The next call; None once the other side is gone."""
    data = _receive(channel)
    return None if data is None else _CALLS.decode(data)


def receive_answer(channel: socket.socket) -> Answer | None:
    """The answer to a call; None once the other side is gone."""
    data = _receive(channel)
    return None if data is None else _ANSWERS.decode(data)


def _receive(channel: socket.socket) -> bytearray | None:
    head = _exactly(channel, _HEAD.size)
    if head is None:
        return None
    (length,) = _HEAD.unpack(head)
    return _exactly(channel, length)


def _exactly(channel: socket.socket, length: int) -> bytearray | None:
    data = bytearray(length)
    view, at = memoryview(data), 0
    while at < length:
        try:
            count = channel.recv_into(view[at : at + _CHUNK])
        except ConnectionResetError:
            return None
        if not count:
            return None
        at += count
    return data


def answer_of(error: errors.PilothouseError) -> Answer:
    """Answer that says an error."""
    return Answer(error=type(error).__name__, message=str(error))


def error_of(answer: Answer) -> errors.PilothouseError:
    """Error that an answer says, of its own class; its text is safe to print."""
    kind = _ERRORS.get(answer.error, errors.PilothouseError)
    return kind(*_arguments(kind, answer.message))


def _arguments(kind: type[errors.PilothouseError], message: str) -> tuple[Any, ...]:
    lines = [safe(line, _LONGEST_MESSAGE) for line in message.splitlines()]
    return (lines,) if kind is errors.ModelFileError else ("\n".join(lines),)


_ERRORS: Mapping[str, type[errors.PilothouseError]] = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.PilothouseError)
}
