"""Navigation: a destination's screen is made, and put on its stack."""

import importlib
from typing import Any

from pilothouse.console.contract import ConsoleApp
from pilothouse.console.session.views import VIEWS, Destination


def make(destination: Destination) -> Any:
    """The screen of a destination. Its module is imported here, not before."""
    module, _, name = VIEWS[destination.view].implementation.partition(":")
    screen = getattr(importlib.import_module(f"pilothouse.console.screens.{module}"), name)(
        *destination.arguments
    )
    screen.destination = destination
    return screen


async def go(app: ConsoleApp, destination: Destination, *, remember: bool = True) -> None:
    """Show a destination: switch to the mode of its top view, and push the view above that where it is another."""
    top = VIEWS[destination.view].top
    if app.current_mode != top:
        await app.switch_mode(top)
    while len(app.screen_stack) > 1:
        await app.pop_screen()
    if destination.view != top:
        await app.push_screen(make(destination))
    elif destination != app.view.destination:
        # A digit shows a top view as it was left; only a command with arguments, or the history, changes it.
        if destination.arguments or not remember:
            app.view.set_arguments(*(destination.arguments or ("all",)))
            app.view.destination = destination
        else:
            destination = app.view.destination
    if remember:
        app.history.visit(destination)
