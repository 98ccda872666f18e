"""The frame of a view: path and user above, warnings, the keys below. Only changed parts are painted."""

from datetime import datetime
from typing import TYPE_CHECKING

from rich.text import Text
from textual.containers import Vertical
from textual.widgets import Static

from pilothouse.console.widgets.frame_parts import Banner, Footer, Header
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.prompt import Prompt
from pilothouse.console.widgets.tones import STYLES
from pilothouse.domain.formats.safe_text import safe, safe_block
from pilothouse.presentation.texts import time_text

if TYPE_CHECKING:
    from pilothouse.console.contract import ViewLike


class Frame:
    """The widgets around the body of one view."""

    def __init__(self, *, prompt_later: bool = False) -> None:
        self.header = Header(markup=False, id="header")
        self.banner = Banner(markup=False, id="banner")
        self.body = Vertical(id="body")
        self.fault = Static(markup=False, id="fault", classes="text")
        self.prompt = Prompt(later=prompt_later)
        self.footer = Footer(markup=False, id="footer")

    def put_fault(self, message: str, ways_out: str) -> None:
        """Show a message in place of the body; an empty one shows the body again."""
        self.body.display, self.fault.display = not message, bool(message)
        if message:
            self.fault.update(
                Text.assemble(
                    ("\n" + safe_block(f"✖ {message}", 2_000), STYLES["bad"]),
                    ("\n\n" + safe(ways_out, 400), STYLES["dim"]),
                )
            )

    def paint(self, view: "ViewLike") -> None:
        """Paint the present state of a view."""
        actions = view.actions()
        self.header.put([*view.crumbs(), *view.notes()], view.TOP, view.session)
        self.banner.put(view.session)
        shown = [action for action in actions if view.offers(action) and action.label]
        self.footer.put([(action, not view.why_not(action)) for action in shown])
        taken = frozenset(key for action in actions for key in action.key_list if len(key) == 1)
        for widget in view.lists:
            if isinstance(widget, Grid):
                widget.taken = taken
                widget.put_past(past_text(view.session.at))


def past_text(at: datetime | None) -> str:
    """The text in place of rows in the past; empty in the present."""
    return f"nothing of this was there at {time_text(at)}; :now returns to the present" if at else ""


def notes_of(view: "ViewLike") -> list[str]:
    """How the rows are filtered and ordered: ``/failed``, ``↓ TOOK``, ``12 of 100,006``."""
    widget = view.list_or_text()
    notes = [f"/{view.filter_text}"] if view.filter_text else []
    if isinstance(widget, Grid):
        notes += [f"{widget.newer:,} newer above"] if widget.newer and not view.fault else []
        notes += ["only unhealthy"] if widget.unhealthy else []
        notes += [f"{'↓' if widget.descending else '↑'} {widget.sort}"] if widget.sort else []
        notes += [f"{len(widget.marked)} marked"] if widget.marked else []
        if not view.fault and (notes or (widget.paged and widget.shown > 500)):
            notes.append(f"{widget.shown:,} row{'' if widget.shown == 1 else 's'}")
    return notes
