"""How a reader gets to a view: its screen is made, and put where it belongs."""

import importlib
from typing import Any

from pilothouse.console.contract import ConsoleApp
from pilothouse.console.session.views import VIEWS, Destination


def make(destination: Destination) -> Any:
    """The screen of a destination. Its module is imported here, not before."""
    module, _, name = VIEWS[destination.view].place.partition(":")
    screen = getattr(importlib.import_module(f"pilothouse.console.screens.{module}"), name)(
        *destination.arguments
    )
    screen.destination = destination
    return screen


async def go(app: ConsoleApp, to: Destination, *, remember: bool = True) -> None:
    """Show a destination: its top view's mode, and the view above it where it is not the top view itself."""
    top = VIEWS[to.view].top
    if app.current_mode != top:
        await app.switch_mode(top)
    while len(app.screen_stack) > 1:
        await app.pop_screen()
    if to.view != top:
        await app.push_screen(make(to))
    elif to != app.view.destination:
        # A digit goes to a top view as it was left; only a command with arguments, or the history, changes it.
        if to.arguments or not remember:
            app.view.set_arguments(*(to.arguments or ("all",)))
            app.view.destination = to
        else:
            to = app.view.destination
    if remember:
        app.history.visit(to)
