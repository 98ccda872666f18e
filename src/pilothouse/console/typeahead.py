"""Keys in their order: one that is typed before the screen has followed the last one waits for it.

Textual hands every key that has arrived to whatever has the focus at that moment. Of ``:jobs`` typed in one burst the letters
would go to the table, as keys. Here a key goes on its way when the one before has been through: a fence is sent behind it,
up the same path, and lets the next one go.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

from textual import events
from textual.message import Message
from textual.message_pump import MessagePump

if TYPE_CHECKING:
    from textual.app import App

_PATIENCE_S = 0.25
"""A fence whose widget went away never arrives; nobody waits longer than this."""
_ROUNDS = 3
"""How often the fence goes its way: what widgets make of a key (a field's Enter, told by the prompt) goes behind it."""
_LONGEST = 4_096
_TRY_S = 0.002
_LONGEST_TRIES = 50


class Fence(Message):
    """Follows a key through the same queues."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class TypeAhead:
    """The keys that wait, of one app. ``deliver`` hands a key to whatever has the focus."""

    def __init__(self, app: "App[Any]", deliver: Callable[[events.Key], Awaitable[None]]) -> None:
        self._app = app
        self._deliver = deliver
        self._waiting: deque[events.Key] = deque(maxlen=_LONGEST)
        self._under_way = False
        self._number = 0
        self._sent_at = 0.0
        self._rounds = 0
        self._tries = 0
        self._target: MessagePump | None = None

    async def put(self, key: events.Key) -> None:
        """A key was pressed: it goes at once where none is under way."""
        if self._under_way:
            self._waiting.append(key)
        else:
            await self._send(key)

    async def _send(self, key: events.Key) -> None:
        self._under_way = True
        self._number += 1
        self._sent_at = monotonic()
        self._rounds = _ROUNDS
        self._target = self._app.focused or self._app.screen
        await self._deliver(key)
        self._target.post_message(Fence(self._number))
        self._app.set_timer(_PATIENCE_S, self._late)

    async def _late(self) -> None:
        """The fence of a key that was sent so long ago counts as arrived."""
        if monotonic() - self._sent_at >= _PATIENCE_S:
            await self.arrived(self._number)

    async def arrived(self, number: int) -> None:
        """The key of that number has been through; the screen that it opened may still be coming up."""
        if number != self._number or not self._under_way:
            return
        self._rounds -= 1
        if self._rounds > 0 and self._target is not None and self._target.is_attached:
            self._target.post_message(Fence(number))
            return
        self._number += 1
        self._tries = 0
        self._app.call_later(self._next)

    async def _next(self) -> None:
        """The next key, once the screen on top is there and what it was told has been done."""
        screen = self._app.screen
        ready = screen.is_running and screen.is_mounted and screen._message_queue.empty()
        if self._waiting and not ready and self._tries < _LONGEST_TRIES:
            self._tries += 1
            self._app.set_timer(_TRY_S, self._next)
            return
        self._under_way = False
        if self._waiting:
            await self._send(self._waiting.popleft())
