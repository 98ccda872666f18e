"""The demo on a terminal: the console over a replay that goes on in a process of its own."""

import subprocess
import sys
from pathlib import Path

from pilothouse.demo import workspace
from pilothouse.demo.progress import Progress

_DAYS_A_SECOND = 1.0


def show(
    root: Path, progress: Progress, *, days: int, pace: float | None, keep: bool, actor: str | None
) -> int:
    """Start the demo, then the replay in the background and open the console on it, as the approver."""
    from pilothouse.console.launch import launch
    from pilothouse.console.session.options import ConsoleOptions
    from pilothouse.demo import scenario

    try:
        demo = scenario.start_demo(root, progress)
        with (root / "state" / "demo.log").open("wb") as log:
            replay = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "pilothouse.demo.background",
                    str(root),
                    str(days),
                    str(pace or _DAYS_A_SECOND),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            progress.say(f"opening the console as {actor or workspace.APPROVER}; the months replay behind it")
            demo.services.close()
            return launch(root, ConsoleOptions(user=workspace.os_user(), as_name=actor or workspace.APPROVER))
        finally:
            if replay.poll():  # nobody else would say it: to the console it is a day without traffic
                progress.say(
                    f"the replay broke off with exit code {replay.returncode}: see {root}/state/demo.log"
                )
            replay.terminate()
            replay.wait(timeout=10)
    finally:
        if not keep:
            workspace.remove(root)
        progress.say(workspace.closing_text(root, keep=keep))
