"""What every view has: chrome, loading in a thread, actions with reasons, filter and command line."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.message import Message
from textual.screen import Screen
from textual.widget import Widget
from textual.worker import Worker, WorkerState

from pilothouse.console import navigation
from pilothouse.console.actions import Action, actions_of, bindings_of, find
from pilothouse.console.dialogs import Ask, Help
from pilothouse.console.session import Session
from pilothouse.console.widgets.chrome import Banner, Footer, Header
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.pager import Pager
from pilothouse.console.widgets.prompt import Prompt
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.roles import PERMISSIONS, Actor, Permission, Role
from pilothouse.presentation.cells import Tone

if TYPE_CHECKING:
    from pilothouse.console.app import Console
    from pilothouse.operations.services import Services

T = TypeVar("T")
Operation = Callable[["Services", Actor], Any]


class View(Screen[None], Generic[T]):
    """A screen of the console. Subclasses give ``SCOPE``, ``TOP``, ``body``, ``load`` and ``show``."""

    SCOPE: ClassVar[str] = ""
    TOP: ClassVar[str] = ""
    """The top view whose tab is lit."""
    app: "Console"

    class Loaded(Message):
        """The thread has read what the view shows."""

        def __init__(self, data: Any, question: int) -> None:
            super().__init__()
            self.data = data
            self.question = question

    class Failed(Message):
        """The thread could not; ``words`` are for the reader."""

        def __init__(self, words: str) -> None:
            super().__init__()
            self.words = words

    class Done(Message):
        """An operation has gone through."""

        def __init__(self, words: str, after: Callable[[], None] | None) -> None:
            super().__init__()
            self.words = words
            self.after = after

    def __init_subclass__(cls, **options: Any) -> None:
        cls.BINDINGS = bindings_of(cls.SCOPE)
        super().__init_subclass__(**options)

    def __init__(self) -> None:
        super().__init__()
        self.data: T | None = None
        self._loading = False
        self._again = False
        self._question = 0
        self._failed = False

    # ---- what a view is made of

    def body(self) -> ComposeResult:
        """The widgets between header and footer."""
        yield Grid()

    def load(self, services: "Services", actor: Actor) -> T:
        """Read what the view shows. Runs in a thread and touches no widget."""
        raise NotImplementedError

    def show(self, data: T) -> None:
        """Put it on the screen."""
        raise NotImplementedError

    def crumbs(self) -> Sequence[str]:
        """Where this is."""
        return (self.SCOPE,)

    def refusal(self, action: Action) -> str:
        """Why the state does not allow an action now; empty if it does."""
        return ""

    def subject_model(self) -> str:
        """The model that actions are about: roles may be held for one model alone."""
        return ""

    def set_arguments(self, *arguments: str) -> None:
        """What ``:view argument`` asks of a top view."""

    def trouble(self, words: str) -> None:
        """The workspace cannot be read just now; what was read before stays."""
        self.say(words, "bad")

    # ---- life

    @property
    def session(self) -> Session:
        """Who looks at what."""
        return self.app.session

    def compose(self) -> ComposeResult:
        """Header, banner, body, prompt, footer."""
        yield Header(markup=False, id="header")
        yield Banner(markup=False, id="banner")
        yield from self.body()
        yield Prompt(id="prompt")
        yield Footer(markup=False, id="footer")

    def on_mount(self) -> None:
        """Show the frame at once; the data comes from a thread."""
        self.query_one(Prompt).display = False
        self.refresh_chrome()
        self.reload()

    def on_screen_resume(self) -> None:
        """Others may have changed what this shows while it was covered."""
        self.refresh_chrome()
        self.reload()

    def on_resize(self, event: events.Resize) -> None:
        """The frame fits another width."""
        self.call_after_refresh(self.refresh_chrome)

    def refresh_chrome(self) -> None:
        """Header, banner and footer as they are now."""
        self.query_one(Header).put(self.crumbs(), self.TOP, self.session)
        self.query_one(Banner).put(self.session)
        keys = [(action, not self.why_not(action)) for action in actions_of(self.SCOPE)]
        self.query_one(Footer).put(keys)

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
        return not self._loading and (self.data is not None or self._failed)

    def ask_anew(self) -> None:
        """What is to be shown is another thing now: an answer that is still on its way is for the old question."""
        self._question += 1
        self.refresh_chrome()
        self.reload()

    def _load(self) -> None:
        services = self.session.seen
        assert services is not None
        question = self._question
        try:
            message: Message = self.Loaded(self.load(services, self.session.actor), question)
        except PilothouseError as error:
            message = self.Failed(str(error))
        self.post_message(message)

    def on_view_loaded(self, message: Loaded) -> None:
        """Paint, if anything is different from what is there."""
        message.stop()
        self._loaded()
        if message.question == self._question and message.data != self.data:
            self.data = message.data
            self.show(message.data)
            self.refresh_chrome()

    def on_view_failed(self, message: Failed) -> None:
        """What was there stays; the reason stands below."""
        message.stop()
        self._failed = True
        self._loaded()
        self.say(message.words, "bad")

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
            self.say(f"internal error in {self.SCOPE}: {type(error).__name__}: {error}", "bad")

    # ---- actions

    def why_not(self, action: Action) -> str:
        """Why an action would be refused: the time, then the role, then the state. Empty if it would not."""
        if action.permission and self.session.past is not None:
            return "this is the past, which nobody changes; :now returns to the present"
        if action.permission and not self.session.actor.allows(action.permission, self.subject_model()):
            return f"to {action.permission} takes {_roles(action.permission)}; you are {self.session.actor.role_names}"
        return self.refusal(action)

    async def action_act(self, name: str) -> None:
        """Do an action of this view, or say why not."""
        action = find(self.SCOPE, name)
        if action is None:
            return
        reason = self.why_not(action)
        if reason:
            self.say(f"{action.shown_keys} {action.word or action.name}: {reason}", "warn")
            return
        if name.startswith("go_"):
            await navigation.go(self.app, navigation.Destination(name.removeprefix("go_")))
            return
        method = getattr(self, f"do_{name}", None) or getattr(self.app, f"do_{name}")
        method()

    def open_view(self, view: str, *arguments: object) -> None:
        """Go in: put another view on top, or to its place where it is a top view."""
        destination = navigation.Destination(view, tuple(str(argument) for argument in arguments))
        if navigation.VIEWS[view].top == view:
            self.app.call_later(navigation.go, self.app, destination)
        else:
            self.app.push_screen(navigation.make(destination))

    def perform(self, words: str, operation: Operation, after: Callable[[], None] | None = None) -> None:
        """Call an operation in a thread; say ``words`` (or what it answers with) when it is through, or why not."""

        def work() -> None:
            services = self.session.services
            assert services is not None
            try:
                answer = operation(services, self.session.actor)
                message: Message = self.Done(answer if isinstance(answer, str) else words, after)
            except PilothouseError as error:
                message = self.Failed(str(error))
            self.post_message(message)

        self.run_worker(work, thread=True, exit_on_error=False, group="operation")

    def on_view_done(self, message: Done) -> None:
        """Say so, and read again."""
        message.stop()
        self.say(message.words, "good")
        self.reload()
        if message.after is not None:
            message.after()

    def ask(self, question: Ask, then: Callable[[str], None]) -> None:
        """Ask, and go on only with a yes."""
        self.app.push_screen(question, lambda answer: None if answer is None else then(answer))

    def say(self, text: str, tone: Tone = "") -> None:
        """One line at the bottom until the next key."""
        for footer in self.query(Footer):
            footer.say(" ".join(text.split()), tone)
            return
        self.call_after_refresh(self.say, text, tone)  # opened a moment ago: it has no footer yet

    def on_key(self, event: events.Key) -> None:
        """What was said is read by now."""
        if event.key not in ("shift", "ctrl"):
            self.query_one(Footer).clear()

    # ---- everywhere

    def do_help(self) -> None:
        """The keys of this view."""
        refusals = {a.name: self.why_not(a) for a in actions_of(self.SCOPE)}
        self.app.push_screen(Help(self.SCOPE, {name: why for name, why in refusals.items() if why}))

    def do_command(self) -> None:
        """Open the command line."""
        prompt = self.query_one(Prompt)
        prompt.models, prompt.targets = self.session.models, self.session.targets
        self._open_prompt(":")

    def ask_command(self, text: str) -> None:
        """Open the command line with its beginning typed already."""
        self._open_prompt(":", text)

    def do_filter(self) -> None:
        """Open the filter."""
        if self._filtered() is None:
            self.say("there is nothing to filter in this view", "warn")
        else:
            self._open_prompt("/", self.filter_text)

    filter_text = ""

    def _open_prompt(self, kind: str, text: str = "") -> None:
        self.query_one(Footer).display = False
        self.query_one(Prompt).open(kind, text)

    def close_prompt(self) -> None:
        """Keys go to the view again."""
        self.query_one(Prompt).close()
        self.query_one(Footer).display = True
        self.focus_body()

    def focus_body(self) -> None:
        """Where keys go when nothing else takes them."""
        target = next((w for w in self.query("Grid, Pager") if w.display), None)
        if isinstance(target, Widget):
            target.focus()
        else:
            self.set_focus(None)

    async def on_prompt_entered(self, message: Prompt.Entered) -> None:
        """Go where the command says."""
        self.close_prompt()
        await self.app.run_command(message.text)

    def on_prompt_filtered(self, message: Prompt.Filtered) -> None:
        """Filter while it is typed."""
        self.filter_text = message.text
        self._apply_filter()
        if message.done:
            self.close_prompt()

    def _filtered(self) -> Grid | Pager | None:
        found = next((w for w in self.query("Grid, Pager") if w.display), None)
        return found if isinstance(found, Grid | Pager) else None

    def _apply_filter(self) -> None:
        widget = self._filtered()
        if widget is not None:
            widget.set_filter(self.filter_text)

    def do_back(self) -> None:
        """Close the prompt, else clear the filter, else leave the view."""
        if self.query_one(Prompt).display:
            self.close_prompt()
        elif self.filter_text:
            self.filter_text = ""
            self._apply_filter()
        else:
            self.app.go_back()

    def on_grid_chosen(self) -> None:
        """A double click opens, as Enter does."""
        self.call_later(self.action_act, "open")

    def on_grid_moved(self) -> None:
        """Which keys are allowed depends on the row."""
        self.call_after_refresh(self.refresh_chrome)


def _roles(permission: Permission) -> str:
    names = sorted(
        str(role) for role, held in PERMISSIONS.items() if permission in held and role is not Role.DAEMON
    )
    return " or ".join(names)
