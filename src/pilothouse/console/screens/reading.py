"""A screen that shows what a thread has read, and calls operations in threads: the keyboard never waits for a database."""

from collections.abc import Callable
from datetime import datetime
from threading import Event
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from textual.message import Message
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from pilothouse.console.contract import ConsoleApp
from pilothouse.console.session.session import Session
from pilothouse.domain.equality import same
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.roles import Actor
from pilothouse.presentation.cell import Tone

if TYPE_CHECKING:
    from pilothouse.operations.services import Services

T = TypeVar("T")
Operation = Callable[["Services", Actor], Any]
_SOON_S = 0.3
"""What takes longer than this is said to be waited for."""


class Place(NamedTuple):
    """What a reading is of: how often the view has asked for another thing, and the time that the reader looks at."""

    question: int
    at: datetime | None


class Answered(NamedTuple):
    """A question, and what was typed for an answer."""

    question: str
    text: str


class ReadingScreen(Screen[None], Generic[T]):
    """Subclasses give ``load`` and ``show``, ``show_fault``, ``say`` and ``refresh_chrome``. An answer to a question that is
    no longer asked is not shown, and no answer to another question stays where there is none to this one."""

    app: ConsoleApp

    class Loaded(Message):
        """The thread has read what the view shows."""

        def __init__(self, data: Any, place: Place) -> None:
            super().__init__()
            self.data = data
            self.place = place

    class Unread(Message):
        """The thread could not read it; ``words`` are for the reader."""

        def __init__(self, words: str, place: Place) -> None:
            super().__init__()
            self.words = words
            self.place = place

    class Failed(Message):
        """An operation has not gone through; ``words`` say why, ``answered`` is what was typed for it."""

        def __init__(self, words: str, answered: Answered | None = None) -> None:
            super().__init__()
            self.words = words
            self.answered = answered

    class Done(Message):
        """An operation has gone through."""

        def __init__(
            self, words: str, after: Callable[[], None] | None, answered: Answered | None = None
        ) -> None:
            super().__init__()
            self.words = words
            self.after = after
            self.answered = answered

    def __init__(self) -> None:
        super().__init__()
        self.data: T | None = None
        self._loading = False
        self._again = False
        self._question = 0
        self._shown: Place | None = None
        """What ``data`` is of."""
        self.fault = ""
        """Why there is no data, where what was asked for cannot be read."""
        self._answered: Answered | None = None
        """What an operation that begins now was asked with."""
        self._unsent: dict[str, str] = {}
        """What was typed for operations that did not go through, by their questions."""

    def load(self, services: "Services", actor: Actor) -> T:
        """Read what the view shows. Runs in a thread and touches no widget."""
        raise NotImplementedError

    def show(self, data: T) -> None:
        """Put it on the screen."""
        raise NotImplementedError

    def show_fault(self, words: str) -> None:
        """Put why there is nothing in the place of the data; no words: the data is back."""
        raise NotImplementedError

    def say(self, text: str, tone: Tone = "") -> None:
        """One line for the reader."""
        raise NotImplementedError

    def refresh_chrome(self) -> None:
        """What stands around the data may be different now."""
        raise NotImplementedError

    @property
    def session(self) -> Session:
        """Who looks at what."""
        return self.app.session

    def reload(self) -> None:
        """Read again in a thread; while one reads, remember that it is needed once more."""
        if self.session.services is None:
            return
        if self._loading:
            self._again = True
            return
        self._loading = True
        self.run_worker(self._load, thread=True, exit_on_error=False, group="load")

    @property
    def settled(self) -> bool:
        """True when nothing is being read and an answer, or a reason why there is none, is on the screen."""
        return not self._loading and (self.data is not None or bool(self.fault))

    @property
    def _place(self) -> Place:
        return Place(self._question, self.session.at)

    def ask_anew(self) -> None:
        """What is to be shown is another thing now: an answer that is still on its way is for the old question."""
        self._question += 1
        self.refresh_chrome()
        self.reload()

    def _load(self) -> None:
        services = self.session.seen
        assert services is not None
        place = self._place
        try:
            message: Message = self.Loaded(self.load(services, self.session.actor), place)
        except PilothouseError as error:
            message = self.Unread(str(error), place)
        self.post_message(message)

    def on_reading_screen_loaded(self, message: Loaded) -> None:
        """Paint, if anything is different from what is there."""
        message.stop()
        self._loaded()
        if message.place != self._place:
            return
        self._shown = message.place
        if self.fault:
            self.fault = ""
            self.show_fault("")
        if not same(message.data, self.data):
            self.data = message.data
            self.show(message.data)
            self.refresh_chrome()

    def on_reading_screen_unread(self, message: Unread) -> None:
        """What was read of the same place before stays, and the reason stands below; else the reason takes its place."""
        message.stop()
        self._loaded()
        if message.place != self._place:
            return
        if message.place == self._shown and self.data is not None:
            self.say(message.words, "bad")
        elif message.words != self.fault:
            self.data, self.fault = None, message.words
            self.show_fault(message.words)
            self.refresh_chrome()

    def on_reading_screen_failed(self, message: Failed) -> None:
        """Say why not, and keep what was typed for when it is asked again."""
        message.stop()
        kept = ""
        if message.answered and message.answered.text:
            self._unsent[message.answered.question] = message.answered.text
            kept = "not done, your text is kept: "
        self.say(kept + message.words, "bad")

    def _loaded(self) -> None:
        self._loading = False
        if self._again:
            self._again = False
            self.reload()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A fault of ours in a thread is said, not swallowed."""
        if event.state is WorkerState.ERROR:
            self._loading = False
            error = event.worker.error
            self.say(f"internal error in {type(self).__name__}: {type(error).__name__}: {error}", "bad")

    def perform(
        self,
        words: str,
        operation: Operation,
        after: Callable[[], None] | None = None,
        *,
        waiting: str = "not done yet: at work, or waiting for others who write to the database …",
    ) -> None:
        """Call an operation in a thread; say ``words`` (or what it answers with) when it is through, or why not. Where that
        takes a moment ``waiting`` is said meanwhile."""
        through = Event()
        answered = self._answered

        def work() -> None:
            services = self.session.services
            assert services is not None
            try:
                answer = operation(services, self.session.actor)
                message: Message = self.Done(answer if isinstance(answer, str) else words, after, answered)
            except PilothouseError as error:
                message = self.Failed(str(error), answered)
            finally:
                through.set()
            self.post_message(message)

        self.set_timer(_SOON_S, lambda: None if through.is_set() else self.say(waiting, "info"))
        self.run_worker(work, thread=True, exit_on_error=False, group="operation")

    def on_reading_screen_done(self, message: Done) -> None:
        """Say so, and read again."""
        message.stop()
        if message.answered:
            self._unsent.pop(message.answered.question, None)
        self.say(message.words, "good")
        self.reload()
        if message.after is not None:
            message.after()
