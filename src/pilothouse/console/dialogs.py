"""Two dialogs: a question that says exactly what will happen, and the help."""

from collections.abc import Sequence
from typing import Any

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static
from textual.widgets.input import Selection

from pilothouse.console.session.actions import EVERYWHERE, MOVEMENT, Action, actions_of, printed
from pilothouse.console.widgets.field import PasteField, TextField
from pilothouse.console.widgets.pager import Pager
from pilothouse.console.widgets.tones import line
from pilothouse.domain.formats.safe_text import safe
from pilothouse.presentation.cell import Cell, Tone
from pilothouse.presentation.documents import BLANK, Line, aligned, heading, section, text_line
from pilothouse.presentation.width import clip, display_width

_AROUND = 4
"""Rows of a question beside its text: the frame, the title, the keys."""
_LOW, _NARROW = 16, 48
"""Rows below which a question has no blank lines, columns below which its keys are shorter."""


class Ask(ModalScreen[str | None]):
    """A question. Answers with the text typed (empty where none was asked for), or None if the user went back."""

    BINDINGS = [
        Binding("escape", "dismiss_none", show=False),
        Binding("y", "yes", show=False),
        Binding("n", "no", show=False),
        Binding("enter", "confirm", show=False),
        Binding("up", "scroll(-1)", show=False),
        Binding("down", "scroll(1)", show=False),
        Binding("pageup", "scroll(-5)", show=False),
        Binding("pagedown", "scroll(5)", show=False),
    ]

    secret = ""
    """What was typed into the second field; whoever asked takes it, and leaves nothing."""
    _secret = ""
    """Label of a second field; empty where there is none."""
    _pasted = ""
    """End of a paste, for which Enter waits; empty where nothing is pasted."""

    def __init__(
        self,
        title: str,
        lines: Sequence[str],
        *,
        field: str | None = None,
        required: bool = False,
        value: str = "",
        confirm: str = "do it",
        tone: Tone = "strong",
    ) -> None:
        super().__init__()
        self._title = Cell(safe(title), tone)
        self._lines = [safe(text, 2_000) for text in lines]
        self._field = field
        self._typing = field is not None
        self._required = required
        self._value = value
        self._confirm = confirm

    @property
    def title_text(self) -> str:
        return self._title.text

    def propose(self, text: str) -> None:
        """Put a text in the field; an empty one leaves the field as it is."""
        self._value = text or self._value

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(line(self._title), markup=False, id="title")
            with VerticalScroll(id="read", can_focus=False):
                yield Static(Text("\n".join(self._lines)), markup=False, id="message")
            if (
                self._secret
            ):  # first: a secret that is typed at once must not land in a text that goes on record
                yield Static(Text(f"{self._secret} (required):"), markup=False, id="secret_label")
                yield TextField(id="secret", password=True)
            if self._field is not None:
                label = f"{self._field}{' (required)' if self._required else ' (optional)'}:"
                yield Static(Text(label), markup=False, id="label")
                yield (PasteField if self._pasted else TextField)(self._value, id="answer")
            yield Static(markup=False, id="keys")

    def on_mount(self) -> None:
        if self._field is not None:
            field = self.query_one("#answer", Input)
            self.set_focus(self.query_one("#secret", Input) if self._secret else field)
            field.selection = Selection(0, len(field.value))  # typing replaces the proposal

    def on_resize(self, event: events.Resize) -> None:
        """Let the text scroll where it does not fit; field and keys stay."""
        width, height = self.app.size
        low = height < _LOW
        self.query_one("#dialog").set_class(low, "low")
        fields = (self._field is not None) + bool(self._secret)
        around = _AROUND + (0 if low else 2) + (2 if low else 3) * fields
        self.query_one("#read").styles.max_height = max(1, height - around)
        key = "Enter" if self._field is not None else "Enter or y"
        gap, back = (" ", "back") if width < _NARROW else ("   ", "go back")
        confirm, room = safe(self._confirm), max(1, width - len(f"{key} {gap}Esc {back}") - 4)
        self.query_one("#keys", Static).update(
            line(
                Cell(key, "strong"),
                Cell(f" {clip(confirm, min(room, display_width(confirm)))}{gap}"),
                Cell("Esc", "strong"),
                Cell(f" {back}"),
            )
        )

    def action_scroll(self, lines: int) -> None:
        self.query_one("#read").scroll_relative(y=lines, animate=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self._secret and event.input.id == "secret" and event.value:
            self.set_focus(self.query_one("#answer", Input))
            return
        if self._pasted and self._pasted not in event.value:
            event.input.value += " "  # a terminal that sends a paste as keys: its line ends are Enter
            event.input.cursor_position = len(event.input.value)
            return
        self.action_confirm()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Where a text is asked for, letters belong to it: only Enter and Esc answer."""
        return self._typing is False or action not in ("yes", "no")

    def action_yes(self) -> None:
        self.action_confirm()

    def action_no(self) -> None:
        self.action_dismiss_none()

    def action_confirm(self) -> None:
        """Answer yes, if a required text is there."""
        text = self.query_one("#answer", Input).value.strip() if self._field is not None else ""
        if self._required and not text:
            self.query_one("#label", Static).update(
                line(Cell(f"{self._field} (required): type it first", "bad"))
            )
            return
        if self._secret:
            self.secret = self.query_one("#secret", Input).value
            if not self.secret:
                self.query_one("#secret_label", Static).update(
                    line(Cell(f"{self._secret} (required): type it first", "bad"))
                )
                return
        self.dismiss(text)

    def action_dismiss_none(self) -> None:
        self.dismiss(None)


class AskSecret(Ask):
    """Question with a second field, named ``secret``, that shows nothing of what is typed."""

    def __init__(self, title: str, lines: Sequence[str], *, secret: str, **options: Any) -> None:
        super().__init__(title, lines, **options)
        self._secret = secret


class AskPaste(Ask):
    """Question whose field takes several lines as one. Enter waits for ``until``, at the end of a paste."""

    def __init__(self, title: str, lines: Sequence[str], *, until: str, **options: Any) -> None:
        super().__init__(title, lines, **options)
        self._pasted = until


class Help(ModalScreen[None]):
    """The keys of a view, then those that work everywhere."""

    BINDINGS = [Binding("escape,q,question_mark", "close", show=False)]

    def __init__(
        self, scope: str, refusals: dict[str, str], actions: Sequence[Action] | None = None, message: str = ""
    ) -> None:
        """``message`` is the last message of the view."""
        super().__init__()
        self._message = section("last message", [text_line(message)] if message else [])
        self._scope = scope
        self._refusals = refusals
        self._actions = actions

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="tall"):
            yield Pager(id="help")
            yield Static(line(Cell("Esc", "strong"), Cell(" closes")), markup=False, id="keys")

    def on_mount(self) -> None:
        self.query_one(Pager).put([*self._message, *help_lines(self._scope, self._refusals, self._actions)])
        self.query_one(Pager).focus()

    def action_close(self) -> None:
        self.dismiss(None)


def help_lines(scope: str, refusals: dict[str, str], actions: Sequence[Action] | None = None) -> list[Line]:
    """Every key of a view with its help, and the reason where it is refused. ``actions`` has the user's own keys."""
    lines: list[Line] = []
    actions = actions_of(scope) if actions is None else actions
    for title, wanted in ((scope, scope), (EVERYWHERE, EVERYWHERE)):
        rows = [
            (
                Cell(" ".join(printed(key) for key in action.key_list), "strong"),
                Cell(
                    action.help + (f" — not now: {refusals[action.name]}" if action.name in refusals else "")
                ),
            )
            for action in actions
            if action.scope == wanted and not action.name.startswith("go_")
        ]
        if wanted == EVERYWHERE:
            views = ", ".join(
                f"{action.shown_keys} {action.label}" for action in actions if action.name.startswith("go_")
            )
            rows.insert(0, (Cell("digits", "strong"), Cell(f"Go to a view: {views}.")))
        lines += [heading(title), *aligned(rows), BLANK]
    lines += [
        heading("lists and texts"),
        *aligned((Cell(keys, "strong"), Cell(text)) for keys, text in MOVEMENT),
    ]
    return lines
