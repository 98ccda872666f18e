"""A screen that loads its data in a thread, and runs operations in threads: the keyboard never waits for a database."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial
from inspect import isawaitable
from threading import Event
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from textual.message import Message
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from pilothouse.console.contract import ConsoleApp
from pilothouse.console.session.session import Session
from pilothouse.domain.equality import same
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.identity.roles import Actor
from pilothouse.presentation.cell import Tone

if TYPE_CHECKING:
    from pilothouse.operations.services import Services

T = TypeVar("T")
R = TypeVar("R")
Operation = Callable[["Services", Actor], Any]
_SOON_S = 0.3
"""Time after which a running operation is announced."""


async def call(method: Callable[[], Any]) -> None:
    """Call a method of an action, and wait for one that reads before it asks: keys typed meanwhile come after it."""
    result = method()
    if isawaitable(result):
        await result


class LoadKey(NamedTuple):
    """The subject that data was loaded for: how often the view has changed it, and the time looked at."""

    revision: int
    at: datetime | None


class Started(NamedTuple):
    """The result of an operation that has queued a job: its view is opened, with the text as a message."""

    job: int
    text: str


class Answer(NamedTuple):
    """A question's title, and the text typed as its answer."""

    question: str
    text: str


class LoadingScreen(Screen[None], Generic[T]):
    """Subclasses give ``load`` and ``show``, ``show_fault``, ``say`` and ``refresh_chrome``.

    Data loaded for a subject that has changed since is dropped, and data of the old subject does not stay where there is none
    of the new one.
    """

    app: ConsoleApp
    REGISTRY_ALONE: ClassVar[bool] = False
    """Whether it shows nothing of telemetry, which changes with every prediction."""

    class Loaded(Message):
        """The thread has loaded the data."""

        def __init__(self, data: Any, key: LoadKey) -> None:
            super().__init__()
            self.data = data
            self.key = key

    class LoadFailed(Message):
        """The thread could not load the data."""

        def __init__(self, reason: str, key: LoadKey) -> None:
            super().__init__()
            self.reason = reason
            self.key = key

    class OperationFailed(Message):
        """An operation was refused or failed; ``answer`` is the text typed for it."""

        def __init__(self, reason: str, answer: Answer | None) -> None:
            super().__init__()
            self.reason = reason
            self.answer = answer

    class OperationDone(Message):
        """An operation has succeeded."""

        def __init__(self, text: str, after: Callable[[], None] | None, answer: Answer | None) -> None:
            super().__init__()
            self.text = text
            self.after = after
            self.answer = answer

    def __init__(self) -> None:
        super().__init__()
        self.data: T | None = None
        self._loading = False
        self._again = False
        self._revision = 0
        self._shown: LoadKey | None = None
        """The key of ``data``."""
        self.fault = ""
        """The reason why there is no data, where it could not be loaded."""
        self._answer: Answer | None = None
        """The answer from which an operation that begins now was started."""
        self._unsent: dict[str, str] = {}
        """Texts typed for operations that failed, by the title of their question."""

    def load(self, services: "Services", actor: Actor) -> T:
        """Load the data. Runs in a thread and touches no widget."""
        raise NotImplementedError

    def show(self, data: T) -> None:
        """Put the data on the screen."""
        raise NotImplementedError

    def show_loaded(self, data: T, *, news: bool) -> None:
        """Show loaded data; ``news`` where it is a newer state of the subject on the screen."""
        raise NotImplementedError

    def show_fault(self, reason: str) -> None:
        """Show the reason in place of the data; an empty one shows the data again."""
        raise NotImplementedError

    def say(self, text: str, tone: Tone = "") -> None:
        """Show a message."""
        raise NotImplementedError

    def open_view(self, view: str, *arguments: object, message: str = "") -> None:
        """Open a view, which shows the message."""
        raise NotImplementedError

    def refresh_chrome(self) -> None:
        """Paint the frame again: what it shows may have changed."""
        raise NotImplementedError

    @property
    def session(self) -> Session:
        """The operator's session."""
        return self.app.session

    def reload(self) -> None:
        """Load again in a thread; after the present load where one is running."""
        if self.session.services is None:
            return
        if self._loading:
            self._again = True
            return
        self._loading = True
        self.run_worker(self._load, thread=True, exit_on_error=False, group="load")

    @property
    def settled(self) -> bool:
        """True when nothing is being loaded, and data or a fault is on the screen."""
        return not self._loading and (self.data is not None or bool(self.fault))

    @property
    def _load_key(self) -> LoadKey:
        return LoadKey(self._revision, self.session.at)

    def invalidate(self) -> None:
        """Load for a changed subject; the result of a running load is dropped."""
        self._revision += 1
        if self.is_attached:  # a view that is being made loads once it is mounted
            self.refresh_chrome()
            self.reload()

    def _load(self) -> None:
        services = self.session.seen
        assert services is not None
        key = self._load_key
        try:
            message: Message = self.Loaded(self.load(services, self.session.actor), key)
        except PilothouseError as error:
            message = self.LoadFailed(str(error), key)
        self.post_message(message)

    def on_loading_screen_loaded(self, message: Loaded) -> None:
        """Show the data if it differs from the data on the screen."""
        message.stop()
        self._loaded()
        if message.key != self._load_key:
            return
        news, self._shown = message.key == self._shown, message.key
        if self.fault:
            self.fault = ""
            self.show_fault("")
        if not same(message.data, self.data):
            self.data = message.data
            self.show_loaded(message.data, news=news)
            self.refresh_chrome()

    def on_loading_screen_load_failed(self, message: LoadFailed) -> None:
        """Show the reason below data of the same subject; else in place of the data."""
        message.stop()
        self._loaded()
        if message.key != self._load_key:
            return
        if message.key == self._shown and self.data is not None:
            self.say(message.reason, "bad")
        elif message.reason != self.fault:
            self.data, self.fault = None, message.reason
            self.show_fault(message.reason)
            self.refresh_chrome()

    def on_loading_screen_operation_failed(self, message: OperationFailed) -> None:
        """Show the reason, and keep the text typed for the next time the question is asked."""
        message.stop()
        kept = ""
        if message.answer and message.answer.text:
            self._unsent[message.answer.question] = message.answer.text
            kept = "not done, your text is kept: "
        self.say(kept + message.reason, "bad")

    def _loaded(self) -> None:
        self._loading = False
        if self._again:
            self._again = False
            self.reload()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show an internal error of a thread."""
        if event.state is WorkerState.ERROR:
            self._loading = False
            error = event.worker.error
            self.say(f"internal error in {type(self).__name__}: {type(error).__name__}: {error}", "bad")

    async def read(self, operation: "Callable[[Services, Actor], R]") -> R | None:
        """Result of a short read in a thread; keys typed meanwhile wait. None where it failed, and the reason is said."""
        services = self.session.seen
        assert services is not None
        try:
            return await asyncio.to_thread(operation, services, self.session.actor)
        except PilothouseError as error:
            self.say(str(error), "warn")
            return None

    def perform(
        self,
        message: str,
        operation: Operation,
        after: Callable[[], None] | None = None,
        *,
        waiting: str = "not done yet: at work, or waiting for others who write to the database …",
    ) -> None:
        """Run an operation in a thread. Then show ``message`` (or the text that it returns), or why it failed; where it has
        ``Started`` a job, show that.

        ``waiting`` is shown meanwhile where that takes a moment.
        """
        ended = Event()
        answer = self._answer

        def work() -> None:
            services = self.session.services
            assert services is not None
            try:
                result = operation(services, self.session.actor)
                text, then = result if isinstance(result, str) else message, after
                if isinstance(result, Started):
                    text = result.text
                    then = partial(self.open_view, "job", result.job, message=text)
                report: Message = self.OperationDone(text, then, answer)
            except PilothouseError as error:
                report = self.OperationFailed(str(error), answer)
            finally:
                ended.set()
            self.post_message(report)

        self.set_timer(_SOON_S, lambda: None if ended.is_set() else self.say(waiting, "info"))
        self.run_worker(work, thread=True, exit_on_error=False, group="operation")

    def on_loading_screen_operation_done(self, message: OperationDone) -> None:
        """Show the message and load again."""
        message.stop()
        if message.answer:
            self._unsent.pop(message.answer.question, None)
        self.say(message.text, "good")
        self.reload()
        if message.after is not None:
            message.after()
