"""Navigation: a destination's screen is made and shown, and Esc finds the way back.

A top view has a mode of its own, which keeps what it shows. ``ConsoleApp.trail`` names the modes on the way back from the
present one, each once, none of them changed meanwhile; above its top view, each mode has the views that keys have opened.
"""

import importlib
from typing import Any

from pilothouse.console.contract import ConsoleApp
from pilothouse.console.session.views import VIEWS, Destination

_DEEPEST = 40
"""Views above each other in one mode; of more, the oldest above the top view is forgotten."""


def make(destination: Destination) -> Any:
    """The screen of a destination. Its module is imported here, not before."""
    view = VIEWS[destination.view]
    module, _, name = view.implementation.partition(":")
    screen_class = getattr(importlib.import_module(f"pilothouse.console.screens.{module}"), name)
    if view.name != view.top:
        screen = screen_class(*destination.arguments)
    else:
        screen = screen_class()
        if destination.arguments:
            screen.set_arguments(*destination.arguments)
    screen.destination = destination
    return screen


async def start(app: ConsoleApp, destination: Destination) -> None:
    """Show the first view: above the top view that it belongs to."""
    await _unwind(app, VIEWS[destination.view].top)
    await follow(app, destination)


async def to_top(app: ConsoleApp, destination: Destination, *, remember: bool = True) -> None:
    """Show a top view as it was left, without the views above it; the history restores what it showed then."""
    await _unwind(app, destination.view)
    app.view.opened_by_key = False
    if remember:
        app.history.visit(app.view.destination)
    elif destination != app.view.destination:
        _narrow(app, destination)


async def follow(
    app: ConsoleApp,
    destination: Destination,
    *,
    by_key: bool = False,
    remember: bool = True,
    message: str = "",
) -> None:
    """Show a view in such a way that Esc comes back to the present one as it is: a top view in its own mode where that is not
    on the way back, everything else above the present view."""
    top = VIEWS[destination.view].top
    present = destination.view == app.view.SCOPE
    if destination.view == top and (present or top not in (*app.trail, app.current_mode)):
        if not present:
            await _unwind(app, top)
        if destination.arguments and destination != app.view.destination:
            _narrow(app, destination)
    else:
        await app.push_screen(make(destination))
        await _forget_oldest(app)
    app.view.opened_by_key = by_key
    if message:
        app.view.say(message, "good")
    if remember:
        app.history.visit(app.view.destination)


async def back(app: ConsoleApp) -> bool:
    """Show the view that the present one was reached from; False where there is none."""
    if len(app.screen_stack) > 1:
        await app.pop_screen()
    elif app.trail:
        left = app.view
        await app.switch_mode(app.trail.pop())
        left.forget_narrowing()
    else:
        return False
    app.history.visit(app.view.destination)
    return True


async def _unwind(app: ConsoleApp, mode: str) -> None:
    """Switch to a mode, without the views above its top view. The mode before is the next on the way back."""
    if app.current_mode != mode:
        app.trail[:] = [name for name in (*app.trail, app.current_mode) if name in VIEWS and name != mode]
        await app.switch_mode(mode)
    while len(app.screen_stack) > 1:
        await app.pop_screen()


def _narrow(app: ConsoleApp, destination: Destination) -> None:
    app.view.set_arguments(*(destination.arguments or ("all",)))
    app.view.destination = destination


async def _forget_oldest(app: ConsoleApp) -> None:
    """Remove a view from the middle of a stack that has grown too deep: whoever never goes back needs no way back."""
    stack = app._screen_stack
    if len(stack) > _DEEPEST:
        await stack.pop(1).remove()
