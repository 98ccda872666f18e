"""From the command line to a running console of several sites."""

import asyncio
import signal
import sys
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from pilothouse.console.launch import go_without_the_terminal, leave_with_the_terminal, terminal_problem
from pilothouse.console.session import config as configuration
from pilothouse.console.sites.app import SitesConsole
from pilothouse.domain.errors import InvalidInputError
from pilothouse.sites.asking import sites_of
from pilothouse.sites.last_states import LastStates, default_folder


def launch(places: Sequence[str], *, read_only: bool = False, config_path: Path | None = None) -> int:
    """Run the console until the user leaves. 2 where stdin or stdout is no terminal. Raises InvalidInputError."""
    sites = sites_of(places)
    problem = terminal_problem()
    if problem:
        print(f"pilothouse: {problem}", file=sys.stderr)  # noqa: T201 - words go to stderr
        return 2
    settings, fault = configuration.ConsoleConfig(), ""
    try:
        settings = configuration.load(config_path)
    except InvalidInputError as error:
        fault = str(error)
    app = SitesConsole(
        sites,
        LastStates(default_folder()),
        read_only=read_only,
        config=settings,
        config_path=config_path,
        fault=fault,
    )
    return asyncio.run(_run(app))


async def _run(app: SitesConsole) -> int:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGHUP, signal.SIGTERM):
        loop.add_signal_handler(number, partial(app.exit, 128 + number))
    signal.signal(
        signal.SIGINT, lambda *_: None
    )  # ctrl+c is a key here, and a signal to a site's own console
    hung_up = asyncio.create_task(leave_with_the_terminal(app))
    threading.Thread(
        target=go_without_the_terminal, args=(app.watch_sites.stop,), daemon=True, name="hang-up"
    ).start()
    try:
        answer = await app.run_async()
    finally:
        hung_up.cancel()
    if app.crash is not None:
        raise app.crash  # the command line writes the traceback to a file
    return answer if answer is not None else (app.return_code or 0)
