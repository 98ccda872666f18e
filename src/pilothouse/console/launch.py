"""From the command line to a running console: the terminal is checked first, signals end it in good order."""

import asyncio
import os
import signal
import sys
from functools import partial
from pathlib import Path

from pilothouse.console.app import Console


def launch(root: Path, user: str, as_name: str | None) -> int:
    """Run the console until its reader leaves. 2 where stdin or stdout is no terminal or it cannot be drawn on."""
    problem = terminal_problem()
    if problem:
        print(f"pilothouse: {problem}", file=sys.stderr)  # noqa: T201 - words go to stderr
        return 2

    def opener() -> "object":
        from pilothouse.composition import open_workspace

        return open_workspace(root)

    app = Console(opener, user, as_name)  # type: ignore[arg-type]
    return asyncio.run(_run(app))


def terminal_problem() -> str:
    """Why no console can be shown here; empty if one can."""
    # stderr too: that is the stream on which Textual draws
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        return (
            "the console needs a terminal on stdin, stdout and stderr: "
            "use the commands (pilothouse --help) in pipes and scripts"
        )
    if os.environ.get("TERM", "dumb") in ("", "dumb", "unknown"):
        return f"the console cannot draw on TERM={os.environ.get('TERM', '')!r}: set TERM, e.g. TERM=xterm-256color"
    return ""


async def _run(app: Console) -> int:
    """A hang-up or a termination unmounts the screens and closes the databases, like leaving does."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGHUP, signal.SIGTERM):
        loop.add_signal_handler(number, partial(app.exit, 128 + number))
    try:
        answer = await app.run_async()
    finally:
        if app.session.services is not None:
            app.session.services.close()
    return answer if answer is not None else (app.return_code or 0)
