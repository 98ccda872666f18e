"""Lines at the top of the console of several sites: where it is and what all sites are together, then its views."""

from collections.abc import Sequence

from pilothouse.console.session.actions import Action
from pilothouse.console.sites.keys import SITES, TABS
from pilothouse.domain.formats.safe_text import safe
from pilothouse.presentation.cell import Cell
from pilothouse.presentation.width import clip, display_width


def place_cells(view: str, filter_text: str, said: Sequence[str], width: int) -> list[Cell]:
    """``sites › alerts /region=eu``, and at the right what is said of all sites: the first text that has room, else as much of
    the last as has."""
    left = (" sites" if view == SITES else f" sites › {view}") + (
        f" /{safe(filter_text, 40)}" if filter_text else ""
    )
    room = max(1, width - display_width(left) - 3)
    text = next((one for one in said if display_width(one) <= room), said[-1])
    right = clip(text, min(display_width(text), room))
    gap = " " * max(1, width - display_width(left) - display_width(right) - 1)
    return [Cell(left, "strong"), Cell(gap), Cell(right, "dim")]


def tab_cells(view: str, actions: Sequence[Action]) -> list[Cell]:
    """The views with their keys, the present one in brackets."""
    keys = {one.name: one.shown_keys for one in actions}
    cells = []
    for name, title in TABS:
        is_here = name == f"go_{view}"
        text = f"{keys.get(name, '')} {title}"
        cells.append(Cell(f"[{text}]" if is_here else f" {text} ", "strong" if is_here else "dim"))
    return cells
