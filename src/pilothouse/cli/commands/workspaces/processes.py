"""Commands that become a process: daemon, serve, demo."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from pilothouse.cli.groups import group
from pilothouse.cli.output import json_option, on_option, printed_as_json, say, show_pairs
from pilothouse.cli.session import Session
from pilothouse.domain.confinement import NONE, PAGE, verdict_in_force
from pilothouse.domain.doctor import end_text
from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.monitoring.monitoring import DaemonState
from pilothouse.presentation import texts
from pilothouse.system.workspace_place import find_workspace

if TYPE_CHECKING:
    from pilothouse.domain.models.target_file import TargetDescription
    from pilothouse.system.paths import WorkspacePaths

_isolation = click.option(
    "--isolation",
    type=click.Choice(["require", "warn"]),
    default="require",
    show_default=True,
    help="Where a promise of confinement cannot be held: refuse to run, or run unconfined and say so.",
)


_slots = click.option(
    "--slots",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Jobs that run at the same time.",
)
_standby = click.option(
    "--standby", is_flag=True, help="Wait until the daemon that runs has gone, then take over at once."
)
_drain = click.option(
    "--drain",
    is_flag=True,
    help="Let running jobs end first and begin none; else the next daemon runs them again.",
)
_timeout = click.option(
    "--timeout",
    type=float,
    default=None,
    metavar="SECONDS",
    help="Wait that long at most (30, with --drain 3600).",
)


@group(invoke_without_command=True)
@_isolation
@_slots
@_standby
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="The log on stderr: text on a terminal, or JSON lines anywhere.",
)
@click.pass_context
def daemon(
    context: click.Context,
    isolation: Literal["require", "warn"],
    slots: int,
    standby: bool,
    log_format: Literal["text", "json"],
) -> int:
    """Run the daemon in the foreground (or start, stop, restart, status)."""
    if context.invoked_subcommand is not None:
        return 0
    from pilothouse.daemon import main

    session: Session = context.obj
    return main.run_daemon(
        session.root, isolation=isolation, slots=slots, standby=standby, log_format=log_format
    )


@daemon.command("start")
@_isolation
@_slots
@_standby
@click.pass_obj
def daemon_start(session: Session, isolation: Literal["require", "warn"], slots: int, standby: bool) -> None:
    """Start the daemon in the background."""
    from pilothouse.daemon import control

    process = control.start_in_background(session.root, isolation=isolation, slots=slots, standby=standby)
    say(f"the daemon {'stands by' if standby else 'runs'}, pid {process.pid}")


@daemon.command("restart")
@_isolation
@_slots
@_drain
@_timeout
@click.pass_obj
def daemon_restart(
    session: Session, isolation: Literal["require", "warn"], slots: int, drain: bool, timeout: float | None
) -> None:
    """Stop the daemon and start the installed release: an upgrade. Serving goes on meanwhile."""
    from pilothouse.daemon import control

    control.stop(session.root, drain=drain, timeout_s=timeout or _default_timeout_s(drain))
    process = control.start_in_background(session.root, isolation=isolation, slots=slots)
    say(f"the daemon runs, pid {process.pid}")


def _default_timeout_s(drain: bool) -> float:
    return 3_600.0 if drain else 30.0


@daemon.command("stop")
@click.option("--serving", is_flag=True, help="End the serving processes too.")
@_drain
@_timeout
@click.pass_obj
def daemon_stop(session: Session, serving: bool, drain: bool, timeout: float | None) -> None:
    """Stop the daemon; serving processes go on unless told otherwise."""
    from pilothouse.daemon import control

    stopped = control.stop(session.root, drain=drain, timeout_s=timeout or _default_timeout_s(drain))
    say("the daemon has stopped" if stopped else "no daemon was running")
    if serving:
        for target in control.stop_serving(session.root):
            say(f"{target} no longer answers")


@daemon.command("status")
@json_option
@click.pass_obj
def daemon_status(session: Session) -> int:
    """Say whether the daemon runs, at what, and what comes next. Exit code 7 if it does not."""
    from pilothouse.operations.fleet import processes

    report = processes.daemon_report(session.services, session.actor)
    state = report.state
    exit_code = 0 if state.running else UnavailableError.exit_code
    if printed_as_json(session, report):
        return exit_code
    gone = f"does not run, {end_text(state)}; pilothouse daemon start starts it"
    state_text = f"runs, pid {state.pid}" if state.running else gone
    running = ", ".join(f"{job.id} ({job.kind} {job.model}, {job.progress:.0%})" for job in report.running)
    following = "; ".join(f"{texts.time_text(at)} {text}" for at, text in report.next)
    show_pairs(
        (
            ("daemon", state_text),
            *(_running_pairs(state) if state.running else ()),
            ("writing", report.read_only or "allowed"),
            *([("hub", report.door)] if report.door and state.running else ()),
            ("automation", report.paused or "runs"),
            *(
                [
                    (
                        "jobs",
                        f"{len(report.running)} running, {report.queued} waiting{f': {running}' if running else ''}",
                    )
                ]
                if state.running
                else [("jobs", f"{report.queued} waiting")] * bool(report.queued)
            ),
            *_cluster_pairs(session),
            ("next", following or "nothing is scheduled"),
            ("disk", f"{report.disk_free_bytes / 2**30:.1f} GiB free"),
            (
                "wal",
                f"registry {report.registry_wal_bytes >> 10} KiB, telemetry {report.telemetry_wal_bytes >> 10} KiB",
            ),
        )
    )
    return exit_code


def _cluster_pairs(session: Session) -> Iterator[tuple[str, str]]:
    """The cluster that runs steps, then a line a worker; nothing where steps run on this machine."""
    from pilothouse.operations.integrations import cluster

    state = cluster.cluster_state(session.services, session.actor)
    if state is None:
        return
    yield "cluster", f"{state.scheduler}: {state.summary}"
    for worker in state.workers:
        memory = f"{worker.used_mb:,} of {worker.memory_mb:,} MiB in its own process"
        yield "", f"{worker.host} ({worker.address}): {state.running_on(worker.address)} steps, {memory}"
    yield from (("", fault) for fault in state.faults)


def _running_pairs(state: DaemonState) -> Iterator[tuple[str, str]]:
    """Since when a daemon runs, and how it confines: the verdict, then promise by promise."""
    yield "since", texts.time_text(state.started_at)
    yield "heartbeat", texts.time_text(state.heartbeat_at)
    yield "isolation", f"{verdict_in_force(state.isolation, state.mode)}; see {PAGE}"
    if state.isolation != NONE:
        yield from (("", text) for text in state.isolation.split("; "))


@click.command()
@on_option("target", required=True, help="The target whose versions are served.")
@click.option(
    "--port", type=int, help="The target's port in targets.toml otherwise, or a free one; 0 picks a free one."
)
@click.option(
    "--grpc-port", type=int, help="Speak gRPC too; the target's grpc_port in targets.toml otherwise, or not."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--hub",
    help="The daemon's hub; this workspace's otherwise (unix:PATH). Of another machine https://HOST:PORT, without a workspace.",
)
@click.option(
    "--ca",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Certificates by which the hub's own is checked; those that the system trusts otherwise.",
)
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file with the target's token; the variable PILOTHOUSE_TARGET_TOKEN otherwise, or the file token in the folder.",
)
@click.option("--folder", type=click.Path(file_okay=False, path_type=Path), help="Spool and cache.")
@click.option(
    "--spool-mb",
    type=click.IntRange(1, 1 << 20),
    default=1_024,
    show_default=True,
    help="MiB of predictions kept at most while the hub is away; then requests are refused.",
)
@_isolation
@click.pass_obj
def serve(session: Session, /, target: str, **options: Any) -> int:
    """Answer predictions (Open Inference Protocol v2) for the versions deployed on TARGET."""
    from pilothouse.domain.identifiers import check_name
    from pilothouse.serving import main
    from pilothouse.serving.web.listening import Address

    check_name(target, "target")
    hub, folder, token_file = options["hub"], options["folder"], options["token_file"]
    port, grpc_port = options["port"], options["grpc_port"]
    if hub is not None and hub.startswith("https:"):
        folder = folder or _own_folder(target)
    elif hub is None or token_file is None or folder is None:
        described, paths = _prepared(session, target, folder)
        port = described.port if port is None else port
        grpc_port = described.grpc_port if grpc_port is None else grpc_port
        hub = hub or f"unix:{paths.hub_socket}"
        folder = folder or paths.serving_folder(target)
    return main.serve(
        target,
        hub,
        folder,
        Address(options["host"], port or 0, grpc_port),
        token=main.given_token(token_file, folder),
        isolation=options["isolation"],
        spool_mb=options["spool_mb"],
        authority=options["ca"],
    )


def _own_folder(target: str) -> Path:
    """Folder of a process on a machine without a workspace (XDG Base Directory Specification)."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "pilothouse" / "serving" / target


def _prepared(
    session: Session, target: str, folder: Path | None
) -> "tuple[TargetDescription, WorkspacePaths]":
    """Target as its workspace describes it, with the files in its folder that this names."""
    from pilothouse.system.paths import WorkspacePaths
    from pilothouse.system.serving_files import ServingFiles, bring

    paths = WorkspacePaths(find_workspace(session.workspace))
    described = _described(paths.root, target)
    folder = folder or paths.serving_folder(target)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    bring(
        paths.root,
        folder,
        ServingFiles(described.tls_certificate, described.tls_key, described.client_tokens),
    )
    return described, paths


def _described(root: Path, target: str) -> "TargetDescription":
    """Target in the workspace's ``targets.toml``, with nothing but its name where that has none. The database is not opened
    here."""
    from pilothouse.domain.models.target_file import TARGETS_FILE, TargetDescription, load_targets

    path = root / TARGETS_FILE
    described = load_targets(path.read_text("utf-8")) if path.exists() else {}
    return described.get(target) or TargetDescription(target)


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
    help="Days of data a second at the most in the console; 1 otherwise. A report goes as fast as it can.",
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
    from pilothouse.demo.run import run_demo

    return run_demo(
        workspace or session.workspace,
        headless=headless,
        as_json=session.as_json,
        until=until,
        pace=pace,
        keep=keep,
        actor=session.as_name,
    )
