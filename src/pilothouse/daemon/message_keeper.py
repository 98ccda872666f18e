"""Keeper of the outbox in the daemon: routes what happened, and sends to each receiver in a thread of its own."""

import functools
import logging
import threading
import time
from collections.abc import Callable

from pilothouse.daemon.logs import say
from pilothouse.daemon.thread_loop import Wakeup, repeat
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.outbox.deliveries import Outgoing
from pilothouse.domain.outbox.settings import Receiver
from pilothouse.operations.outbox import courier, restored, rounds
from pilothouse.operations.outbox.courier import Came, Courier
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import write_state

log = logging.getLogger(__name__)

_LOOK_AT_LEAST_EVERY_S = 5.0
_LOOK_AGAIN_S = 0.5
"""Seconds after which a receiver is looked at again to which another process still sends."""
_FORGET_EVERY_S = 3_600.0
_FAULT_RESTS_S = 60.0
"""Seconds for which a receiver is left alone at which the program itself failed."""
_AT_ONCE = 8
"""Most receivers that are sent to at the same time."""
_PATIENCE_S = 5.0


def keep_messages(services: Services, wakeup: Wakeup) -> None:
    """Look until the daemon stops; a message on its way then goes on, and the next daemon finds the answer."""
    kept: list[MessageKeeper] = []

    def turn() -> float | None:
        if write_state.state(services) is not None:
            return None
        if not kept:
            kept.append(MessageKeeper(services, wakeup))
        return kept[0].turn()

    try:
        repeat(wakeup, turn, at_least_every_s=_LOOK_AT_LEAST_EVERY_S)
    finally:
        for one in kept:
            one.join(_PATIENCE_S)


class MessageKeeper:
    """Threads that send, one for each receiver that is sent to."""

    def __init__(self, services: Services, wakeup: Wakeup) -> None:
        self._services = services
        self._wakeup = wakeup
        self._courier = Courier(services, stopping=wakeup.stop.wait)
        self._busy: dict[str, threading.Thread] = {}
        self._not_before: dict[str, float] = {}
        self._refreshed: dict[str, float] = {}
        self._said: dict[str, str] = {}
        self._forgot = 0.0
        restored.give_up(services)
        self._courier.clean()

    def turn(self) -> float | None:
        """Route, then send what is due; returns the seconds until something is."""
        sooner = rounds.turn(self._services)
        now = time.monotonic()
        if now - self._forgot > _FORGET_EVERY_S:
            self._forgot = now
            rounds.forget_old(self._services)
        self._busy = {name: thread for name, thread in self._busy.items() if thread.is_alive()}
        # before messages: where many wait, what is open would end in an Alertmanager that is not told again in time
        for receiver in courier.alertmanagers(self._services):
            due = self._refreshed.get(receiver.name, now) + receiver.resend
            self._refreshed.setdefault(receiver.name, now)
            if due <= now and self._start(receiver.name, functools.partial(self._refresh, receiver)):
                self._refreshed[receiver.name] = now
        for one in courier.due_now(self._services):
            if self._not_before.get(one.receiver, 0.0) <= now:
                self._start(one.receiver, functools.partial(self._deliver, one))
        due_at = courier.next_due(self._services)
        if due_at is not None:
            wait = (due_at - self._services.now()).total_seconds()
            wait = max(wait, _LOOK_AGAIN_S) if self._busy or wait <= 0 else wait
            sooner = wait if sooner is None else min(sooner, wait)
        return sooner

    def join(self, patience_s: float) -> None:
        """Wait for the threads, which end once the daemon stops."""
        for thread in self._busy.values():
            thread.join(patience_s)

    def _start(self, name: str, work: Callable[[], None]) -> bool:
        if name in self._busy or len(self._busy) >= _AT_ONCE:
            return False
        thread = threading.Thread(target=self._guarded, args=(name, work), name=f"to {name}", daemon=True)
        self._busy[name] = thread
        thread.start()
        return True

    def _guarded(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except (PilothouseError, OSError) as error:  # a full disk, a lock: the next turn tries again
            log.error("%s: %s", name, error)
            self._not_before[name] = time.monotonic() + _LOOK_AT_LEAST_EVERY_S
        except Exception:
            # an error of the program: said in the log, and not met again at once by what is due still
            log.exception("what is due for %s cannot be sent", name)
            self._not_before[name] = time.monotonic() + _FAULT_RESTS_S
        finally:
            self._wakeup.wake()

    def _deliver(self, one: Outgoing) -> None:
        self._say(one.receiver, self._courier.deliver(one), one.id)

    def _refresh(self, receiver: Receiver) -> None:
        self._say(receiver.name, self._courier.refresh(receiver), None)

    def _say(self, name: str, came: Came, number: int | None) -> None:
        """Say once that a receiver takes nothing, and once that it does again."""
        if came is Came.BUSY:
            self._not_before[name] = time.monotonic() + _LOOK_AGAIN_S
        elif came is Came.DEAD:
            say(log, logging.ERROR, f"message {number} to {name} is tried no more: pilothouse alerts outbox")
        elif came is Came.NOT_TAKEN and self._said.get(name) != "fails":
            self._said[name] = "fails"
            say(log, logging.ERROR, f"{name} does not take messages: pilothouse alerts outbox", receiver=name)
        elif came is Came.TAKEN and self._said.pop(name, ""):
            say(log, logging.INFO, f"{name} takes messages again", receiver=name)
