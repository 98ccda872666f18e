"""The courier: hands a message to a process that sends it, and records what the receiver said.

The process leaves the answer in a file before it ends, and holds the receiver's lock until then. A courier that comes after one
that was killed waits for the lock and finds the answer: nothing is sent again that a receiver said that it has.
"""

import contextlib
import fcntl
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.identity.roles import DAEMON, Permission
from pilothouse.domain.models.dataclass_reader import to_plain
from pilothouse.domain.outbox.backoff import next_try
from pilothouse.domain.outbox.deliveries import Outgoing, ReceiverHealth
from pilothouse.domain.outbox.happenings import MESSAGE_DEAD, RECEIVER_FAILING, RECEIVER_RECOVERED
from pilothouse.domain.outbox.settings import Receiver, ReceiverKind
from pilothouse.operations.authorisation import changing
from pilothouse.operations.outbox import alertmanager
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.outbox import deliveries, settings

_LONGEST_ANSWER = 64 << 10
_LONGEST_ERROR = 300
_MORE_S = 5.0
"""Seconds that a process has to end after it should have."""
LONGEST_S = 40.0


class Came(Enum):
    """What came of a try."""

    TAKEN = "taken"
    NOT_TAKEN = "not taken"
    DEAD = "dead"
    BUSY = "busy"
    """Another process sends to this receiver."""
    LEFT_OUT = "left out"
    """It need not be told any more: nothing was sent, and nothing is known of the receiver by that."""
    LEFT = "left"
    """The daemon stops: the process goes on, and the next daemon finds its answer."""


def _pass(point: str) -> None:
    """Do nothing at a point of the outbox."""


class Courier:
    """Sends to receivers. ``reached`` is told the points at which a proof kills the process; ``stopping`` says that the daemon
    stops."""

    def __init__(
        self,
        services: Services,
        *,
        stopping: Callable[[float], bool],
        reached: Callable[[str], None] = _pass,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._services = services
        self._stopping = stopping
        self._reached = reached
        self._jitter = jitter
        try:
            services.paths.outbox.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise UnavailableError(f"{services.paths.outbox} cannot be made: {error.strerror}") from error

    def clean(self) -> None:
        """Delete answers about messages that nobody waits for any more."""
        with self._services.registry.read() as connection:
            for file in self._services.paths.outbox.glob("msg_*.json"):
                if not deliveries.is_waiting(connection, file.stem):
                    file.unlink(missing_ok=True)

    def deliver(self, one: Outgoing) -> Came:
        """Send a message, unless the answer to an earlier try is there; record what came of it."""
        with self._services.registry.read() as connection:
            recorded = settings.in_force(connection)
        receiver = recorded.settings.receiver_of(one.receiver) if recorded else None
        if receiver is None:
            return self._bury(one, f"the receiver {one.receiver} is gone")
        answer = self._services.paths.outbox / f"{one.delivery}.json"
        with self._lock(receiver) as lock:
            if lock is None:
                return Came.BUSY
            if not answer.exists():
                if self._services.now() >= one.gives_up_at:
                    return self._bury(one, one.error or "it could not be tried in time")
                request = self._request(one, receiver)
                if request is None:
                    with self._services.registry.transaction() as connection:
                        deliveries.set_sent(connection, one.id, at=self._services.now())
                    return Came.LEFT_OUT
                with self._services.registry.transaction() as connection:
                    deliveries.begin_try(connection, one.id, at=self._services.now())
                self._reached("claimed")
                if not self._send(request, answer, lock):
                    return Came.LEFT
                one = replace(one, tries=one.tries + 1)
            came = self._record(one, receiver, _read(answer))
        answer.unlink(missing_ok=True)
        self._reached("removed")
        return came

    def refresh(self, receiver: Receiver) -> Came:
        """Tell an Alertmanager again of the alerts that are open and of which it was told."""
        with self._services.registry.read() as connection:
            alerts = alertmanager.burning(self._services, connection, receiver)
        if not alerts:
            return Came.TAKEN
        answer = self._services.paths.outbox / f"refresh-{receiver.name}.json"
        with self._lock(receiver) as lock:
            if lock is None:
                return Came.BUSY
            answer.unlink(missing_ok=True)
            request = {"receiver": to_plain(receiver), "alerts": alerts}
            if not self._send(request, answer, lock):
                return Came.LEFT
            outcome = _read(answer)
        with self._services.registry.transaction() as connection:
            self._put_health(connection, receiver.name, outcome["error"])
        answer.unlink(missing_ok=True)
        return Came.NOT_TAKEN if outcome["error"] else Came.TAKEN

    # --- one try

    @contextlib.contextmanager
    def _lock(self, receiver: Receiver) -> Iterator[int | None]:
        """The receiver's lock, which the process that sends inherits; None where another one holds it."""
        path = self._services.paths.outbox / f"{receiver.name}.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
                return
            yield descriptor
        finally:
            os.close(descriptor)

    def _request(self, one: Outgoing, receiver: Receiver) -> dict[str, Any] | None:
        """What the process is told; None where an Alertmanager need not hear of it any more."""
        request: dict[str, Any] = {
            "receiver": to_plain(receiver),
            "delivery": one.delivery,
            "sequence": to_us(one.made_at),
            "message": one.message,
        }
        if receiver.kind is ReceiverKind.ALERTMANAGER:
            with self._services.registry.read() as connection:
                request["alerts"] = alertmanager.alerts_of(self._services, connection, receiver, one.message)
            if not request["alerts"]:
                return None
        return request

    def _send(self, request: dict[str, Any], answer: Path, lock: int) -> bool:
        """Let a process send; False where the daemon stops before it has ended."""
        request["answer"] = str(answer)
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-m", "pilothouse.sending.main"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(lock,),
                start_new_session=True,
                cwd="/",
            )
        except OSError as error:
            raise UnavailableError(
                f"no process can be started that sends messages: {error.strerror}"
            ) from error
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(request).encode())
            process.stdin.close()
        self._reached("handed over")
        waited = 0.0
        while process.poll() is None:
            if self._stopping(0.02 if waited < 1 else 0.1):
                return False
            waited += 0.02 if waited < 1 else 0.1
            if waited > LONGEST_S + _MORE_S:
                process.kill()
        self._reached("answered")
        return True

    # --- what came of it

    def _record(self, one: Outgoing, receiver: Receiver, outcome: dict[str, Any]) -> Came:
        error = one_line(str(outcome["error"]), _LONGEST_ERROR)
        now = self._services.now()
        if outcome.get("is_gone"):
            return self._bury(one, error, receiver)
        with self._services.registry.transaction() as connection:
            if error:
                asked = outcome.get("asked_s")
                due = min(next_try(now, max(one.tries, 1), self._jitter(), asked), max(one.gives_up_at, now))
                deliveries.set_failed(connection, one.id, error, due)
            else:
                deliveries.set_sent(connection, one.id, at=now)
            self._put_health(connection, receiver.name, error)
            self._reached("recording")
        self._reached("recorded")
        return Came.NOT_TAKEN if error else Came.TAKEN

    def _bury(self, one: Outgoing, error: str, refused_by: Receiver | None = None) -> Came:
        """Record that a message is tried no more, in the log too; and that a receiver said so, where one did."""
        with changing(self._services, DAEMON, Permission.RUN_DAEMON) as change:
            if refused_by is not None:
                self._put_health(change.connection, refused_by.name, error)
            deliveries.set_dead(change.connection, one.id, error, at=change.at)
            detail = {"delivery": one.delivery, "number": one.id, "tries": one.tries, "error": error}
            change.record(MESSAGE_DEAD, f"receiver {one.receiver}", detail)
        return Came.DEAD

    def _put_health(self, connection: Connection, name: str, error: str) -> None:
        before = deliveries.health(connection).get(name) or ReceiverHealth(name)
        now = self._services.now()
        if not error:
            after = ReceiverHealth(name, now)
            if before.told:
                self._note(RECEIVER_RECOVERED, name, {})
        else:
            since = before.failing_since or now
            after = replace(before, failing_since=since, failures=before.failures + 1, error=error)
            if after.fails_for_long(now) and not before.told:
                self._note(RECEIVER_FAILING, name, {"since": since.isoformat(), "error": error})
                after = replace(after, told=True)
        deliveries.put_health(connection, after)

    def _note(self, action: str, name: str, detail: dict[str, Any]) -> None:
        """Record in the log, in the transaction that goes on, how it is with a receiver."""
        with changing(self._services, DAEMON, Permission.RUN_DAEMON) as change:
            change.record(action, f"receiver {name}", detail)


def due_now(services: Services) -> Sequence[Outgoing]:
    """The oldest message that is due for each receiver."""
    with services.registry.read() as connection:
        return deliveries.due(connection, services.now())


def next_due(services: Services) -> datetime | None:
    """When the next message is due."""
    with services.registry.read() as connection:
        return deliveries.next_try(connection)


def alertmanagers(services: Services) -> list[Receiver]:
    """Receivers that are told again of what is open."""
    with services.registry.read() as connection:
        recorded = settings.in_force(connection)
    known = recorded.settings.receiver if recorded else ()
    return [one for one in known if one.kind is ReceiverKind.ALERTMANAGER]


def _read(answer: Path) -> dict[str, Any]:
    """What a process left; a file that is none says nothing."""
    try:
        with answer.open("rb") as stream:
            read = json.loads(stream.read(_LONGEST_ANSWER))
        if isinstance(read, dict) and isinstance(read.get("error"), str):
            return read
    except (OSError, ValueError):
        pass
    return {"error": "the process that sends it ended without an answer"}
