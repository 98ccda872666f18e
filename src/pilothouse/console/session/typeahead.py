"""Keys in their order: a key typed before the screen has followed the last one waits for it.

Textual hands every key that has arrived to the widget that has the focus at that moment. Of ``:jobs`` typed in one burst the
letters would go to the table, as keys. Here a key is delivered when the one before has been processed: a fence is sent behind
each key, through the same queues, and releases the next one.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from textual import events
from textual.message import Message
from textual.message_pump import MessagePump

if TYPE_CHECKING:
    from textual.app import App

_PATIENCE_S = 10.0
"""Longer than any screen takes. Keys that still wait then are dropped: on another screen they would mean something else."""
_LOOK_S = 0.05
"""Interval of the check for fences that never come back, since their widget is gone."""
_ROUNDS = 3
"""Rounds of a fence: messages that widgets post because of a key (a field's Enter, passed on by the prompt) follow it."""
_LONGEST = 4_096
_TRY_S = 0.002


class Fence(Message):
    """A message that follows a key through the same queues."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class TypeAhead:
    """The queue of keys of one app. ``deliver`` hands a key to the widget with the focus; ``ready`` says whether keys may
    go."""

    def __init__(
        self, app: "App[Any]", deliver: Callable[[events.Key], Awaitable[None]], ready: Callable[[], bool]
    ) -> None:
        self._app = app
        self._deliver = deliver
        self._ready = ready
        self._waiting: deque[events.Key] = deque(maxlen=_LONGEST)
        self._under_way = False
        self._number = 0
        self._since = 0.0
        self._rounds = 0
        self._target: MessagePump | None = None

    @property
    def settled(self) -> bool:
        """True when every key has been processed."""
        return not self._under_way

    async def put(self, key: events.Key) -> None:
        """Queue a key; it is delivered at once where none is under way."""
        self._waiting.append(key)
        if not self._under_way:
            self._under_way = True
            self._since = monotonic()
            await self._next(quiet=True)

    def resumed(self) -> None:
        """Another program had the terminal: that time was not spent waiting for a screen."""
        self._since = monotonic()

    async def _send(self, key: events.Key) -> None:
        self._number += 1
        self._since = monotonic()
        self._rounds = _ROUNDS
        self._target = self._app.focused or self._app.screen
        await self._deliver(key)
        self._target.post_message(Fence(self._number))
        self._app.set_timer(_LOOK_S, partial(self._look_for, self._number))

    async def _look_for(self, number: int) -> None:
        """Wait for a fence; one that cannot come back counts as arrived."""
        if number != self._number or not self._under_way:
            return
        gone = self._target is None or not (self._target.is_attached and self._target.is_running)
        if gone or self._too_long():
            self._rounds = 0
            await self.arrived(number)
        else:
            self._app.set_timer(_LOOK_S, partial(self._look_for, number))

    async def arrived(self, number: int) -> None:
        """The key of that number has been processed; the screen that it opened may still be coming up."""
        if number != self._number or not self._under_way:
            return
        self._rounds -= 1
        if self._rounds > 0 and self._target is not None and self._target.is_attached:
            self._target.post_message(Fence(number))
            return
        self._number += 1
        self._app.call_later(self._next)

    async def _next(self, *, quiet: bool = False) -> None:
        """Deliver the next key once the screen on top is there and, unless ``quiet``, its queue is empty."""
        if self._waiting and self._too_long():
            self._waiting.clear()
            self._app.bell()
        if not self._waiting:
            self._under_way = False
            return
        screen = self._app.screen
        there = self._ready() and screen.is_running and screen.is_mounted
        if there and (quiet or screen._message_queue.empty()):
            await self._send(self._waiting.popleft())
        else:
            self._app.set_timer(_TRY_S, self._next)

    def _too_long(self) -> bool:
        return monotonic() - self._since >= _PATIENCE_S
