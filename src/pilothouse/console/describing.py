"""The record under the cursor: described field by field, shown raw, copied."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from pilothouse.presentation.documents import Line

if TYPE_CHECKING:
    from pilothouse.console.contract import ViewLike


def read_record(view: "ViewLike", *, described: bool) -> None:
    """Show a view's record on the whole screen: field by field first (``described``), or as TOML and JSON."""
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
    """Show a text on the whole screen."""
    from pilothouse.console.reader import Reader

    view.app.push_screen(Reader(title, [("", text, lambda: lines(text))]))


def copy(view: "ViewLike") -> None:
    """Copy what the view offers to the terminal's clipboard."""
    from pilothouse.console.session import clipboard

    text = view.copy_text()
    if text:
        view.say(clipboard.copy(view.app, text, "it"), "good")
    else:
        view.say("there is nothing to copy here", "warn")
