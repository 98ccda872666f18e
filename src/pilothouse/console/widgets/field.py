"""A one-line text field that is still while nobody types (a blinking cursor sends bytes for ever)."""

from textual import events
from textual.widgets import Input

from pilothouse.domain.formats.safe_text import safe

LONGEST = 4_000


class TextField(Input):
    """An input with safe text in it and a cursor that does not blink."""

    def __init__(
        self, value: str = "", *, hint: str = "", name: str | None = None, **options: object
    ) -> None:
        super().__init__(
            value=safe(value, LONGEST),
            placeholder=hint,
            compact=True,
            select_on_focus=False,
            max_length=LONGEST,
            name=name,
            **options,  # type: ignore[arg-type]
        )
        self.cursor_blink = False


class PasteField(TextField):
    """Field that takes a paste of several lines as one, with blanks in the place of line ends."""

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        event.prevent_default()
        self.insert_text_at_cursor(safe(" ".join(event.text.split()), LONGEST))
