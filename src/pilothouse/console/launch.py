"""From the command line to a running console: the terminal is checked first, signals end it in good order."""

import asyncio
import gc
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pilothouse.console.app import Console
from pilothouse.console.session import command_history
from pilothouse.console.session import config as configuration
from pilothouse.console.session.change_watcher import Upgrading
from pilothouse.domain.errors import InvalidInputError, PilothouseError
from pilothouse.domain.formats.safe_text import safe

if TYPE_CHECKING:
    from textual.app import App

    from pilothouse.console.session.options import ConsoleOptions
    from pilothouse.operations.services import Services

_TERMINAL_S = 0.5
_PATIENCE_S = 1.5
"""Time for the screens to end once the terminal is gone."""
_SWITCH_S = 0.0005
"""A tenth of Python's default: how long a thread that loads or draws delays a key."""
_YOUNG = 20_000
"""Objects before a garbage collection; the objects of a screen live long, and each collection costs milliseconds."""
_STILL_WORKS = (
    "pilothouse status, pilothouse monitor and all other commands (pilothouse --help) work without one"
)
_ENDINGS = {128 + signal.SIGHUP: "hung up", 128 + signal.SIGTERM: "terminated"}


def launch(root: Path, options: "ConsoleOptions") -> int:
    """Run the console until the user leaves. 2 where stdin or stdout is no terminal or it cannot be drawn on."""
    problem = terminal_problem()
    if problem:
        print(f"pilothouse: {problem}", file=sys.stderr)  # noqa: T201 - words go to stderr
        return 2
    settings, fault = configuration.ConsoleConfig(), ""
    try:
        settings = configuration.load(options.config_path)
    except InvalidInputError as error:
        fault = str(error)

    def opener() -> "Services":
        from pilothouse.composition import check_schema, open_workspace

        if options.trusted:  # whoever comes by SSH upgrades nothing
            check_schema(root)

        def tell(done: int, total: int) -> None:
            app.post_message(Upgrading(done, total))

        services = open_workspace(root, progress=tell)
        services.read_only = options.read_only
        return services

    lean = settings.lean if options.lean is None else options.lean
    app = Console(
        opener,
        replace(
            options,
            lean=over_ssh(os.environ) if lean is None else lean,
            terminal=terminal_name(os.environ),
        ),
        config=settings,
        fault=fault,
        # over SSH the home is the service account's, which is everybody's
        commands=command_history.CommandHistory(None if options.trusted else command_history.default_path()),
        opened=gc.freeze,  # imported modules stay: the collector need not visit them again
    )
    for exported in ("COLUMNS", "LINES"):  # a shell's, from before the last resize: the terminal knows better
        os.environ.pop(exported, None)
    sys.setswitchinterval(_SWITCH_S)
    gc.set_threshold(_YOUNG)
    return asyncio.run(_run(app))


def terminal_problem() -> str:
    """The reason why no console can be shown here; empty if one can."""
    # stderr too: that is the stream on which Textual draws
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        return f"the console needs a terminal on stdin, stdout and stderr: {_STILL_WORKS}"
    if os.environ.get("TERM", "dumb") in ("", "dumb", "unknown"):
        term = os.environ.get("TERM", "")
        return f"the console cannot draw on TERM={term!r}: set TERM, e.g. TERM=xterm-256color; {_STILL_WORKS}"
    return ""


def over_ssh(environment: Mapping[str, str]) -> bool:
    """Whether the terminal is at the other end of a network."""
    return bool(environment.get("SSH_CONNECTION") or environment.get("SSH_TTY"))


def terminal_name(environment: Mapping[str, str]) -> str:
    """``xterm-256color over ssh from 10.0.0.7``: the terminal's name in the record of sessions."""
    name = environment.get("TERM", "")[:60]
    client = environment.get("SSH_CONNECTION", "").split(" ")[0][:60]
    return f"{name} over ssh from {client}" if client else name


async def _run(app: Console) -> int:
    """Run the app. A hang-up or a termination unmounts the screens and closes session and databases, as leaving does."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGHUP, signal.SIGTERM):
        loop.add_signal_handler(number, partial(app.exit, 128 + number))
    # ctrl+c is a key to the console, and a signal only while a program of the user has the terminal: that one's, however late
    # it comes. A handler, and not SIG_IGN, which the program would inherit.
    signal.signal(signal.SIGINT, lambda *_: None)
    answer: int | None = None
    hung_up = asyncio.create_task(leave_with_the_terminal(app))
    threading.Thread(
        target=go_without_the_terminal,
        args=(lambda: _close(app, "hung up"),),
        daemon=True,
        name="hang-up",
    ).start()
    try:
        answer = await app.run_async()
    finally:
        hung_up.cancel()
        ended = app.session.ended
        _close(app, ended or _ENDINGS.get(answer or 0, "left" if answer == 0 else "broke off"))
        if ended:
            print(f"pilothouse: this console has ended: {safe(ended)}", file=sys.stderr)  # noqa: T201
    if app.crash is not None:
        raise app.crash  # the command line writes the traceback to a file
    return answer if answer is not None else (app.return_code or 0)


async def leave_with_the_terminal(app: "App[int]") -> None:
    """End when the other end of the terminal is gone and no signal says so (it is not the controlling one)."""
    while not _terminal_gone():
        await asyncio.sleep(_TERMINAL_S)
    app.exit(128 + signal.SIGHUP)


def go_without_the_terminal(close: Callable[[], object]) -> None:
    """In a thread: ``close``, and end the process, when the terminal is gone and the screens do not end.

    Textual's writer thread dies of the first write to a terminal that is gone. Once its queue is full, drawing waits for
    ever, and neither a signal nor the loop gets through.
    """
    while not _terminal_gone():
        time.sleep(_TERMINAL_S)
    time.sleep(_PATIENCE_S)
    close()
    os._exit(128 + signal.SIGHUP)


def _terminal_gone() -> bool:
    poll = select.poll()
    try:
        poll.register(sys.stdin.fileno(), 0)
        return any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(0))
    except (OSError, ValueError):  # stdin is closed
        return True


def _close(app: Console, ending: str) -> None:
    """Record the end of this session and close the workspace, also where a database refuses the record."""
    session = app.session
    if session.services is not None and session.number is not None:
        from pilothouse.operations.workspace import sessions

        try:
            sessions.close_session(session.services, session.actor, session.number, ending)
        except PilothouseError as error:
            print(f"pilothouse: this session's end is not on record: {error}", file=sys.stderr)  # noqa: T201
    session.close()
