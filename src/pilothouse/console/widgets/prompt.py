"""The line at the bottom for a ``:`` command or a ``/`` filter."""

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Static

from pilothouse.console.session.views import completions
from pilothouse.console.widgets.field import TextField


class _Completion(Suggester):
    def __init__(self, prompt: "Prompt") -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._prompt = prompt

    async def get_suggestion(self, value: str) -> str | None:
        """The first completion of a command; a filter has none."""
        return next(iter(self._prompt.completions(value)), None)


class _Line(TextField):
    """An input in which Tab takes the suggestion, Tab again the next one, and the arrows go through earlier commands."""

    def __init__(self, prompt: "Prompt") -> None:
        super().__init__(id="line", suggester=_Completion(prompt))
        self._prompt = prompt
        self._typed: str | None = None
        self._choices: list[str] = []
        self._back = 0

    def on_key(self, event: events.Key) -> None:
        if event.key in ("tab", "shift+tab"):
            event.prevent_default()
            event.stop()
            self._cycle(-1 if event.key == "shift+tab" else 1)
        elif event.key in ("up", "down") and self._prompt.kind == ":":
            event.prevent_default()
            event.stop()
            self._recall(1 if event.key == "up" else -1)
        else:
            self._choices = []

    def reset(self) -> None:
        """Start a new line."""
        self._choices, self._back, self._typed = [], 0, None

    def _cycle(self, steps: int) -> None:
        if self.value in self._choices:
            choice = self._choices[(self._choices.index(self.value) + steps) % len(self._choices)]
        else:
            self._choices = self._prompt.completions(self.value)
            if not self._choices:
                return
            choice = self._choices[0]
        self._put(choice)

    def _recall(self, steps: int) -> None:
        lines = self._prompt.lines
        if self._back == 0:
            self._typed = self.value
        back = max(0, min(len(lines), self._back + steps))
        if back != self._back:
            self._back = back
            self._put(lines[-back] if back else self._typed or "")

    def _put(self, text: str) -> None:
        self.value = text
        self.cursor_position = len(text)


class Prompt(Horizontal):
    """Hidden until opened. Posts commands, and each change of a filter."""

    class Entered(Message):
        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Filtered(Message):
        """The filter has changed; ``done`` when Enter was pressed."""

        def __init__(self, text: str, done: bool) -> None:
            super().__init__()
            self.text = text
            self.done = done

    kind = ":"
    models: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    """Earlier commands, oldest first."""

    def __init__(self, *, later: bool = False) -> None:
        """With ``later`` the field is made when it is first opened."""
        super().__init__(id="prompt")
        self._later = later

    def completions(self, text: str) -> list[str]:
        """The completions of a command; none for a filter."""
        return completions(text, self.models, self.targets, self.aliases) if self.kind == ":" else []

    def compose(self) -> ComposeResult:
        yield Static(":", id="sign", markup=False)
        if not self._later:
            yield _Line(self)

    def open(self, kind: str, text: str = "") -> None:
        """Show the prompt and take the focus."""
        self.kind = kind
        self.query_one("#sign", Static).update(kind)
        line = next(iter(self.query(_Line)), None)
        if line is None:
            line = _Line(self)
            self.mount(line)
        line.reset()
        with line.prevent(Input.Changed):
            line.value = text
        line.cursor_position = len(text)
        self.display = True
        self.screen.set_focus(line)

    @property
    def typed(self) -> str:
        """The text of the line."""
        return next((line.value for line in self.query(_Line)), "")

    def close(self) -> None:
        self.display = False

    def on_input_changed(self, event: Input.Changed) -> None:
        """Apply a filter while it is typed."""
        event.stop()
        if self.kind == "/" and self.display:
            self.post_message(self.Filtered(event.value, done=False))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(
            self.Entered(event.value) if self.kind == ":" else self.Filtered(event.value, done=True)
        )
