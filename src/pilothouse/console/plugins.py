"""Plugins: the user's own commands. They are confirmed, filled in and run without a shell; their output is cleaned."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import SuspendNotSupported

from pilothouse.console.dialogs import Ask
from pilothouse.console.session.actions import EVERYWHERE, Action
from pilothouse.console.session.config import Plugin
from pilothouse.domain.errors import InvalidInputError, UnavailableError
from pilothouse.presentation.pages.raw import raw_lines

if TYPE_CHECKING:
    from pilothouse.console.contract import ViewLike
    from pilothouse.presentation.cell import Tone

_PREFIX = "plugin_"
TIMEOUT_S = 60.0
OUTPUT_LIMIT = 1_000_000


def actions_in(plugins: tuple[Plugin, ...], scope: str) -> tuple[Action, ...]:
    """The plugins of a view as actions."""
    return tuple(
        Action(scope if p.scopes else EVERYWHERE, _PREFIX + p.name, p.key, p.name, p.description)
        for p in plugins
        if p.works_in(scope)
    )


def named(plugins: tuple[Plugin, ...], action: str) -> Plugin | None:
    """The plugin of an action, or None."""
    return next((p for p in plugins if _PREFIX + p.name == action), None)


def refusal(plugin: Plugin, view: "ViewLike") -> str:
    """The reason why the plugin cannot be run now; empty if it can."""
    session = view.session
    if session.options.read_only:
        return "this console is read-only"
    if not session.options.plugins:
        return "this console was started without plugins"
    if session.status is None or not session.status.plugins:
        return "the workspace does not allow plugins (pilothouse plugins)"
    try:
        plugin.argv(placeholder_values(view))
    except InvalidInputError as error:
        return str(error)
    return ""


def start_named(name: str, view: "ViewLike") -> None:
    """Run the plugin of an action, if there is one."""
    plugin = named(view.session.config.plugins, name)
    if plugin is not None:
        start(plugin, view)


def start(plugin: Plugin, view: "ViewLike") -> None:
    """Run the plugin, after a question where it asks for one."""
    argv = plugin.argv(placeholder_values(view))
    if not plugin.confirm:
        _run(plugin, argv, view)
        return
    question = Ask(
        f"Run {plugin.name}?",
        [plugin.description, "", *(f"  {argument}" if i else argument for i, argument in enumerate(argv))],
        confirm="run it",
        tone="warn",
    )
    view.ask(question, lambda _: _run(plugin, argv, view))


def _run(plugin: Plugin, argv: list[str], view: "ViewLike") -> None:
    services = view.session.services
    workspace = services.paths.root if services is not None else None
    if plugin.run == "terminal":
        try:
            with view.app.suspend():
                message = _run_in_the_terminal(plugin, argv, workspace)
        except SuspendNotSupported:
            message = ('this terminal cannot be handed over: set run = "pager" for the plugin', "bad")
        view.say(*message)
        view.reload()
        return

    def operation(_: Any, __: Any) -> str:
        text, code = captured(argv, os.environ, workspace)
        view.app.call_from_thread(view.read_text, f"{plugin.name}: exit code {code}", text, raw_lines)
        return f"{plugin.name} ended with {code}"

    view.say(f"{plugin.name} runs …")
    view.perform("", operation, waiting=f"{plugin.name} runs …")


def _run_in_the_terminal(plugin: Plugin, argv: list[str], workspace: Path | None) -> "tuple[str, Tone]":
    """Run and return the message for the footer. Raises nothing: ``suspend`` would not take the terminal back."""
    try:
        code = subprocess.call(argv, cwd=workspace)
    except OSError as error:
        return f"{argv[0]} cannot be run: {error.strerror}", "bad"
    return f"{plugin.name} ended with {code}", "good" if code == 0 else "warn"


def placeholder_values(view: "ViewLike") -> dict[str, str]:
    """The values of placeholders (names without the ``$``), taken from the record that the view is about."""
    record = view.subject()
    session = view.session
    values = {"ACTOR": session.actor.name, "MODEL": view.subject_model()}
    if session.services is not None:
        values["WORKSPACE"] = str(session.services.paths.root)
    if record is not None:
        kind = type(record).__name__.upper().removeprefix("PROMOTION")
        for name, field in (
            ("MODEL", "model"),
            ("VERSION", "version"),
            ("TARGET", "target"),
            ("NAME", "name"),
            (kind, "id"),
        ):
            value = getattr(record, field, None)
            if isinstance(value, str | int) and not isinstance(value, bool) and not values.get(name):
                values[name] = str(value)
        if kind == "VERSION":
            values["VERSION"] = str(record.number)
    return {name: value for name, value in values.items() if value}


def captured(argv: list[str], environment: Mapping[str, str], folder: Path | None = None) -> tuple[str, int]:
    """Run a command to its end in ``folder`` (None: the current one); the beginning of its output, and its exit code.

    A command that prints too much or takes too long is ended. Raises UnavailableError (no such program, too long).
    """
    try:
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            env={**environment, "TERM": "dumb"}, cwd=folder,
        )  # fmt: skip
    except OSError as error:
        raise UnavailableError(f"{argv[0]} cannot be run: {error.strerror}") from None
    late = threading.Event()

    def end() -> None:
        late.set()
        _kill(child)

    timer = threading.Timer(TIMEOUT_S, end)
    timer.start()
    try:
        with child:
            assert child.stdout is not None
            data = child.stdout.read(OUTPUT_LIMIT)
            if len(data) == OUTPUT_LIMIT:
                _kill(child)
            code = child.wait()
    finally:
        timer.cancel()
    if late.is_set():
        raise UnavailableError(f"{argv[0]} took more than {TIMEOUT_S:.0f} s and was ended")
    return data.decode("utf-8", "replace"), code


def _kill(child: "subprocess.Popen[bytes]") -> None:
    """Kill the program and whatever it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
