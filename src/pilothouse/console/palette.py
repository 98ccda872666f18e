"""The palette: what the view on top can do, with the reason where it cannot. Nothing in it writes files."""

from collections.abc import Iterable
from functools import partial

from textual.app import SystemCommand

from pilothouse.console.contract import ViewLike


def commands(view: ViewLike) -> Iterable[SystemCommand]:
    """One command an action, as the palette shows and runs it."""
    for action in view.actions():
        why = view.why_not(action)
        words = f"{action.shown_keys}  {action.help}" + (f" Not now: {why}" if why else "")
        run = partial(view.app.call_later, view.action_act, action.name)
        yield SystemCommand(f"{action.word or action.name} ({action.scope})", words, run)
