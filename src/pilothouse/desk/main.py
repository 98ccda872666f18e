"""The desk's process: ``python -m pilothouse.desk.main DESCRIPTOR ROOT BOOT/PID/STARTED [NAME]``, started by the package.

It opens the workspace, acts as the user of its account, and answers one call after another until its program has closed the
connection. Where the program has ended, the runs that it left open are ended as failed.
"""

import contextlib
import os
import select
import socket
import sys
from pathlib import Path

from pilothouse.api.messages import LEAVE, Answer, answer_of, receive_call, send
from pilothouse.domain.errors import InvalidInputError, PilothouseError, UnavailableError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.jobs.jobs import ProcessName
from pilothouse.system.workspace_place import os_user

_PATIENCE_S = 5.0
"""Seconds for a program to end after its connection has."""


def main(arguments: list[str]) -> int:
    """Serve one program until it has gone; the exit code."""
    os.umask(0o077)
    channel = socket.socket(fileno=int(arguments[0]))
    boot_id, pid, started = arguments[2].split("/")
    program = ProcessName(boot_id, int(pid), int(started))
    ended = _end_of(program)
    try:
        from pilothouse.desk.calls import Desk

        desk = Desk(Path(arguments[1]), os_user(), arguments[3] if len(arguments) > 3 else None, program)
    except PilothouseError as error:
        with contextlib.suppress(OSError):
            send(channel, answer_of(error))
        return error.exit_code
    with contextlib.closing(desk):
        with contextlib.suppress(OSError):
            send(channel, Answer())
            while (call := receive_call(channel)) is not None:
                if call.function == LEAVE:
                    return 0
                send(channel, _answer(desk, call.function, call.arguments))
        if ended is not None:
            select.select([ended], [], [], _PATIENCE_S)
        with contextlib.suppress(PilothouseError):
            desk.end_lost()
    return 0


def _answer(desk: object, function: str, arguments: dict[str, object]) -> Answer:
    from pilothouse.desk.calls import CALLS

    called = CALLS.get(function)
    try:
        if called is None:
            raise InvalidInputError(f"the desk has no function {function!r}: is it of another release?")
        return Answer(called(desk, **arguments))
    except PilothouseError as error:
        return answer_of(error)
    except OSError as error:
        return answer_of(
            UnavailableError(f"{error.filename or 'the workspace'}: {error.strerror}; check the disk")
        )
    except Exception as error:  # noqa: BLE001 - the program is told, and the desk goes on
        what = one_line(f"{type(error).__name__}: {error}", 500)
        return answer_of(PilothouseError(f"internal error in {function}: {what}"))


def _end_of(program: ProcessName) -> int | None:
    """Descriptor that can be read once the program has ended; None where the kernel has none."""
    try:
        return os.pidfd_open(program.pid)
    except OSError:
        return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
