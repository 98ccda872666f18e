"""The command palette: the actions of the view on top, with the reason where one is refused. None writes files."""

from collections.abc import Iterable
from functools import partial

from textual.app import SystemCommand

from pilothouse.console.contract import ViewLike


def commands(view: ViewLike) -> Iterable[SystemCommand]:
    for action in view.actions():
        reason = view.why_not(action)
        text = f"{action.shown_keys}  {action.help}" + (f" Not now: {reason}" if reason else "")
        run = partial(view.app.call_later, view.action_act, action.name)
        yield SystemCommand(f"{action.label or action.name} ({action.scope})", text, run)
