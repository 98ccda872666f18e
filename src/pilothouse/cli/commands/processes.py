"""Commands that become a process: console, daemon, serve, demo."""

from pathlib import Path
from typing import Literal

import click

from pilothouse.cli.output import json_option, say, show_json, show_pairs
from pilothouse.cli.session import Session, find_workspace, os_user
from pilothouse.presentation import texts


@click.command()
@click.option("--as", "as_name", metavar="NAME", help="Act as NAME, where the workspace lets that through.")
@click.pass_obj
def console(session: Session, as_name: str | None = None) -> int:
    """Open the console."""
    from pilothouse.console import app

    return app.run(session.root, os_user(), as_name or session.as_name)


_isolation = click.option(
    "--isolation",
    type=click.Choice(["require", "warn"]),
    default="require",
    show_default=True,
    help="Without Landlock: refuse to run, or run unconfined and say so.",
)


_slots = click.option(
    "--slots", type=click.IntRange(1, 64), default=1, show_default=True, help="Jobs that run at once."
)


@click.group(invoke_without_command=True)
@_isolation
@_slots
@click.pass_context
def daemon(context: click.Context, isolation: Literal["require", "warn"], slots: int) -> int:
    """Run the daemon in the foreground (or start, stop, status)."""
    if context.invoked_subcommand is not None:
        return 0
    from pilothouse.daemon import main

    session: Session = context.obj
    return main.run_daemon(session.root, isolation=isolation, slots=slots)


@daemon.command("start")
@_isolation
@_slots
@click.pass_obj
def daemon_start(session: Session, isolation: Literal["require", "warn"], slots: int) -> None:
    """Start the daemon in the background."""
    from pilothouse.daemon import control

    process = control.start_in_background(session.root, isolation=isolation, slots=slots)
    say(f"the daemon runs, pid {process.pid}")


@daemon.command("stop")
@click.option("--serving", is_flag=True, help="End the serving processes too.")
@click.pass_obj
def daemon_stop(session: Session, serving: bool) -> None:
    """Stop the daemon; serving processes go on unless told otherwise."""
    from pilothouse.daemon import control

    say("the daemon has stopped" if control.stop(session.root) else "no daemon was running")
    if serving:
        for target in control.stop_serving(session.root):
            say(f"{target} no longer answers")


@daemon.command("status")
@json_option
@click.pass_obj
def daemon_status(session: Session) -> int:
    """Say whether the daemon runs. Exit code 7 if it does not."""
    from pilothouse.operations import processes

    state = processes.daemon_state(session.services)
    if session.as_json:
        show_json(state)
    else:
        show_pairs(
            (
                (
                    "daemon",
                    f"runs, pid {state.pid}" if state.running else "does not run: pilothouse daemon start",
                ),
                ("since", texts.time_text(state.started_at) if state.started_at else "–"),
                ("isolation", state.isolation),
            )
        )
    return 0 if state.running else 7


@click.command()
@click.option("--target", required=True, help="The target whose versions are served.")
@click.option("--port", default=0, help="0 picks a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--hub", help="The daemon's hub; this workspace's otherwise (unix:PATH).")
@click.option(
    "--token-file", type=click.Path(dir_okay=False, path_type=Path), help="A file with the target's token."
)
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Spool and cache.")
@_isolation
@click.pass_obj
def serve(
    session: Session,
    target: str,
    port: int,
    host: str,
    hub: str | None,
    token_file: Path | None,
    folder: Path | None,
    isolation: Literal["require", "warn"],
) -> int:
    """Answer predictions (Open Inference Protocol v2) for the versions deployed on TARGET."""
    from pilothouse.domain.identifiers import check_name
    from pilothouse.serving import main
    from pilothouse.system.paths import WorkspacePaths

    check_name(target, "target")
    if hub is None or token_file is None or folder is None:
        paths = WorkspacePaths(find_workspace(session.workspace))
        hub = hub or f"unix:{paths.hub_socket}"
        folder = folder or paths.serving_folder(target)
        token_file = token_file or folder / "token"
    return main.serve(target, hub, folder, port=port, host=host, token_file=token_file, isolation=isolation)


@click.command()
@click.option(
    "--workspace",
    type=click.Path(file_okay=False, path_type=Path),
    help="A new folder for it; a temporary one otherwise.",
)
@click.option("--headless", is_flag=True, help="Tell the story as a report, without the console.")
@click.option("--until", metavar="DATE", help="Replay up to this day of 2013 (the story's end otherwise).")
@click.option(
    "--pace",
    type=float,
    default=None,
    help="Days of data a second at the most; as fast as it goes otherwise.",
)
@click.option("--keep", is_flag=True, help="Leave daemon and serving processes running at the end.")
@json_option
@click.pass_obj
def demo(
    session: Session,
    workspace: Path | None,
    headless: bool,
    until: str | None,
    pace: float | None,
    keep: bool,
) -> int:
    """Train, gate, approve, deploy, serve, watch and retrain on real flights."""
    from pilothouse.demo import story

    return story.tell(
        workspace or session.workspace,
        headless=headless,
        as_json=session.as_json,
        until=until,
        pace=pace,
        keep=keep,
        actor=session.as_name,
    )
