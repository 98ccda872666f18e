"""The line at the bottom that takes a ``:`` command or a ``/`` filter."""

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.suggester import Suggester
from textual.widgets import Input, Static

from pilothouse.console.navigation import complete
from pilothouse.console.widgets.field import TextField


class _Completion(Suggester):
    def __init__(self, names: "Prompt") -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._names = names

    async def get_suggestion(self, value: str) -> str | None:
        """The rest of a command; a filter has none."""
        return complete(value, self._names.models, self._names.targets) if self._names.kind == ":" else None


class _Line(TextField):
    """An input in which Tab takes the suggestion."""

    def on_key(self, event: events.Key) -> None:
        """Tab completes instead of leaving."""
        if event.key == "tab":
            event.prevent_default()
            event.stop()
            self.action_cursor_right() if self.cursor_position < len(self.value) else self._take()

    def _take(self) -> None:
        if self._suggestion:
            self.value = self._suggestion
            self.cursor_position = len(self.value)


class Prompt(Horizontal):
    """Hidden until asked for. Posts what was typed, and each change of a filter."""

    class Entered(Message):
        """A command was entered."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Filtered(Message):
        """The filter is another one; ``done`` when Enter was pressed."""

        def __init__(self, text: str, done: bool) -> None:
            super().__init__()
            self.text = text
            self.done = done

    kind = ":"
    models: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        """The sign and the field."""
        yield Static(":", id="sign", markup=False)
        yield _Line(id="line", suggester=_Completion(self))

    def open(self, kind: str, text: str = "") -> None:
        """Take keys for a command or a filter."""
        self.kind = kind
        self.query_one("#sign", Static).update(kind)
        line = self.query_one(_Line)
        with line.prevent(Input.Changed):
            line.value = text
        line.cursor_position = len(text)
        self.display = True
        line.focus()

    def close(self) -> None:
        """Give the keys back."""
        self.display = False

    def on_input_changed(self, event: Input.Changed) -> None:
        """A filter works while it is typed."""
        event.stop()
        if self.kind == "/" and self.display:
            self.post_message(self.Filtered(event.value, done=False))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter."""
        event.stop()
        self.post_message(
            self.Entered(event.value) if self.kind == ":" else self.Filtered(event.value, done=True)
        )
