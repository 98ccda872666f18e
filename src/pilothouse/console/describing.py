"""What the cursor is on, to read and to take along: every field, the raw record, a copy for the clipboard."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from pilothouse.presentation.documents import Line

if TYPE_CHECKING:
    from pilothouse.console.contract import ViewLike


def read_record(view: "ViewLike", *, described: bool) -> None:
    """The record of a view over the whole screen: described field by field first, or raw as TOML and JSON."""
    from pilothouse.console.reader import Reader
    from pilothouse.presentation.pages import raw

    record = view.subject()
    if record is None:
        view.say("there is no record here", "warn")
        return
    title = " › ".join(view.crumbs())
    toml, text = raw.to_toml(record), raw.to_json(record)
    forms = [
        ("TOML", toml, lambda: raw.raw_lines(toml)),
        ("JSON", text, lambda: raw.raw_lines(text)),
    ]
    page = ("every field", toml, lambda: raw.describe(record))
    view.app.push_screen(Reader(title, [page, *forms] if described else forms))


def read_text(view: "ViewLike", title: str, text: str, lines: Callable[[str], list[Line]]) -> None:
    """Show a text over the whole screen."""
    from pilothouse.console.reader import Reader

    view.app.push_screen(Reader(title, [("", text, lambda: lines(text))]))


def copy(view: "ViewLike") -> None:
    """Hand what the view copies to the terminal."""
    from pilothouse.console.session.clipboard import copied

    text = view.copy_text()
    if text:
        view.say(copied(view.app, text, "it"), "good")
    else:
        view.say("there is nothing to copy here", "warn")
