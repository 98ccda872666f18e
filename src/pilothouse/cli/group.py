"""The commands as a click group: a command's module is imported only when it is called."""

import importlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from pilothouse import __version__
from pilothouse.cli import remote_commands
from pilothouse.cli.session import Session
from pilothouse.domain.errors import InvalidInputError, NotAllowedError
from pilothouse.domain.formats.safe_text import LINE_LIMIT, one_line
from pilothouse.system.supported import check_system

_COMMANDS = {
    "init": ("workspace:init", "Make a workspace in a folder."),
    "apply": (
        "workspace:apply",
        "Read targets.toml, plans.toml and the model files and bring the registry up to them.",
    ),
    "new": ("first_models:new", "Look at a file and write a first, commented model.toml for it."),
    "status": ("workspace:status", "The fleet's health in text, with an exit code."),
    "backup": ("workspace:backup", "Copy a live workspace soundly into one file."),
    "restore": ("workspace:restore", "Unpack and verify a backup into a new folder."),
    "read-only": ("workspace:read_only", "Let nothing be written, with a reason."),
    "writable": ("workspace:writable", "Let the workspace be written again."),
    "doctor": ("workspace:doctor", "Check database, chain, artifacts, isolation and daemon."),
    "upgrade": ("upgrades:upgrade", "What an upgrade would change of versions in use, before it is made."),
    "models": ("models:models", "List the models."),
    "versions": ("models:versions", "List the versions of a model."),
    "show": ("models:show", "Show one version: metrics, gates, parameters, data, code."),
    "compare": ("models:compare", "Show what differs between two versions."),
    "export": ("exports:export", "Write a version for other systems (ONNX), compared with it."),
    "lineage": ("models:lineage", "Walk a version back to its data and on to its deployments."),
    "dossier": ("dossier:dossier", "All that is on record about a version, verified without Pilothouse."),
    "inventory": ("inventory:inventory", "Every model's risk tier, use, owner, validator and next review."),
    "review": ("inventory:review", "Record the review of a model."),
    "train": ("jobs:train", "Start a training."),
    "reproduce": ("jobs:reproduce", "Train a version again from its record and compare."),
    "replay": ("replays:replay", "Have a version answer recorded production traffic again."),
    "jobs": ("jobs:jobs", "List jobs."),
    "job": ("jobs:job", "Show one job."),
    "logs": ("jobs:logs", "Print a job's log."),
    "cancel": ("jobs:cancel", "Cancel a job."),
    "retry": ("jobs:retry", "Run an ended job again."),
    "trials": ("jobs:trials", "Compare the candidates of a training's search."),
    "backfill": ("jobs:backfill", "Queue jobs for a range of past dates."),
    "request": ("promotions:request", "Ask for a version's promotion."),
    "requests": ("promotions:requests", "List promotion requests."),
    "evidence": ("evidence:evidence", "Show a request with its evidence, or export it for strangers."),
    "statement": ("decisions:statement", "Print what to sign with an SSH key, to decide on a request."),
    "approve": ("decisions:approve", "Approve a request on the evidence shown."),
    "attach": ("documents:attach", "Attach a document to a request."),
    "document": ("documents:document", "Write a document of a request to a file."),
    "conditions": (
        "conditions:conditions",
        "Conditions on which somebody approved, until they are confirmed.",
    ),
    "reject": ("decisions:reject", "Reject a request, with a reason."),
    "withdraw": ("promotions:withdraw", "Withdraw a request."),
    "break-glass": ("break_glass:break_glass", "Deploy alone in an emergency; two others look at it."),
    "propose": ("proposals:propose", "Propose a change of access or rules to another admin."),
    "proposals": ("proposals:proposals", "Changes that wait for a second person."),
    "teams": ("teams:teams", "Teams whose approval a policy asks for."),
    "freeze": ("freezes:freeze", "Times in which nothing is promoted."),
    "plans": ("rollouts:plans", "Plans by which versions go out: waves, and the steps of each."),
    "rollout": ("rollouts:rollout", "Watch and steer roll-outs: pause, resume, go on, abort."),
    "comment": ("promotions:comment", "Remark on a request."),
    "rollback": ("deployments:rollback", "Go back to the version before, on one target or all."),
    "lift-hold": ("deployments:lift_hold", "Let automatic deployment run again after a roll-back."),
    "deployments": ("deployments:deployments", "What runs where, or has run."),
    "deployed": ("deployments:deployed", "What was live where at a time."),
    "targets": ("deployments:targets", "List targets with what answers there."),
    "curl": ("deployments:curl", "How to ask a model on a target: its URL, and a command with a real row."),
    "token": ("deployments:token", "Issue a target's token for the hub."),
    "monitor": ("monitoring:monitor", "Drift, performance, latency and volume of a model on a target."),
    "multivariate": (
        "monitoring:multivariate",
        "Compare a window's rows with the training rows, all features together.",
    ),
    "incidents": ("incidents:incidents", "List incidents: alerts with one cause, the dearest first."),
    "incident": ("incidents:incident", "Show an incident, or acknowledge, resolve, assign it whole."),
    "performance": ("monitoring:performance", "Every metric once outcomes are known, by class and by slice."),
    "alerts": ("monitoring:alerts", "List alerts."),
    "alert": ("monitoring:alert", "Why an alert fired."),
    "ack": ("monitoring:ack", "Acknowledge an alert."),
    "resolve": ("monitoring:resolve", "Resolve an alert."),
    "rejected": ("ingest:rejected", "Events that were not taken, by reason."),
    "ingest": ("ingest:ingest", "Take a prediction log of a model served elsewhere."),
    "labels": ("ingest:labels", "Take outcomes: prediction id and what really happened."),
    "retention": (
        "retention:retention",
        "What retention would delete of old predictions; --apply deletes it.",
    ),
    "legal-hold": ("retention:legal_hold", "Stop the deletion of predictions, or lift such a stop."),
    "erase": ("erase:erase", "Erase a person's rows for good, with a signed tombstone."),
    "drift": ("comparing:drift", "Compare two files column by column, outside of any workspace."),
    "schedules": ("automation:schedules", "List schedules with their next times."),
    "schedule": ("automation:schedule", "Show, pause or resume a schedule."),
    "triggers": ("automation:triggers", "List triggers: what each started and refused last."),
    "pause": ("automation:pause", "Pause all automation."),
    "resume": ("automation:resume", "Resume automation."),
    "audit": ("audit:audit", "Show, verify or export the audit log."),
    "log": ("log:log", "Signed heads of the audit log, their proofs, and who keeps them."),
    "witness": (
        "witness:witness",
        "Sign the heads of other logs, each only where it extends the one before.",
    ),
    "roles": ("access:roles", "Who holds which role."),
    "grant": ("access:grant", "Grant a role."),
    "can": ("access:can", "Whether somebody may do something, and which grant says so."),
    "revoke": ("access:revoke", "Revoke a role."),
    "users": ("users:users", "Users and the keys that are bound to their names."),
    "persons": ("access:persons", "Who is one person under which names, and joining two of them."),
    "policy": ("access:policy", "Show or set the workspace's policy."),
    "ssh": ("ssh:ssh", "How people come in by SSH, each with a key of their own."),
    "shell": ("shell:shell", "What sshd starts for somebody whom it let in with a key."),
    "wrapper": ("access:wrapper", "Trust a login service to hand over people's names."),
    "passphrase": (
        "passphrases:passphrase",
        "The passphrase with which you decide, where the policy asks for it.",
    ),
    "whoami": ("access:whoami", "Who you are here, and how that is known."),
    "console": ("console:console", "Open the console (also: pilothouse without a command)."),
    "sessions": ("sessions:sessions", "Who has or had a console open."),
    "daemon": ("processes:daemon", "Run, start, stop or ask after the daemon."),
    "serve": ("processes:serve", "Answer predictions on a target."),
    "demo": ("processes:demo", "The whole story on real flights."),
}
"""Command to ``module:function`` under ``pilothouse.cli.commands`` and its line in the help."""

_ANYWHERE = frozenset({"drift"})
"""Commands that run on any operating system."""


class LazyGroup(click.Group):
    """A group with the names and help lines of its commands. It imports a module to run one of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of a model's life."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command; for somebody whom sshd let in, one that they may run, and without paths.

        Raises UnavailableError where the operating system lacks what it needs, NotAllowedError over SSH.
        """
        is_remote = isinstance(getattr(ctx, "obj", None), Session) and ctx.obj.start is not None
        if is_remote:
            remote_commands.check_name(cmd_name)
        if cmd_name not in _COMMANDS:
            return None
        if cmd_name not in _ANYWHERE:
            check_system()
        module, _, function = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(
            importlib.import_module(f"pilothouse.cli.commands.{module}"), function
        )
        return remote_commands.without_paths(command, ctx) if is_remote else command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help lines of the table, so that ``--help`` imports no command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])


@click.group(
    cls=LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option(
    "-w",
    "--workspace",
    type=click.Path(file_okay=False, path_type=Path),
    help="The workspace folder; else $PILOTHOUSE_WORKSPACE, else this folder or the nearest above it.",
)
@click.option("--as", "as_name", metavar="NAME", help="Act as NAME, where the workspace lets that through.")
@click.option(
    "--at",
    metavar="TIME",
    help='Everything as it was at TIME by the data\'s clock, e.g. "2013-07-04 14:00" or -7d; nothing can be changed.',
)
@click.option("--json", "as_json", is_flag=True, help="Print data as JSON.")
@click.version_option(__version__, prog_name="pilothouse")
@click.pass_context
def cli(
    ctx: click.Context, workspace: Path | None, as_name: str | None, at: str | None, as_json: bool
) -> object:
    """The terminal operations console for machine-learning models.

    Without a command it opens the console.
    """
    if isinstance(ctx.obj, Session) and ctx.obj.start is not None:
        # the trusted start made it, and says the workspace and the user
        if (workspace, as_name, at) != (None, None, None):
            raise NotAllowedError("only --json is taken before the command over SSH")
        session = ctx.obj = replace(ctx.obj, as_json=as_json)
    else:
        session = ctx.obj = Session(workspace, as_name, as_json, at)
    ctx.call_on_close(session.close)
    if ctx.invoked_subcommand is None:
        command = cli.get_command(ctx, "console")
        assert command is not None
        return ctx.invoke(command)
    return None


def run(arguments: Sequence[str] | None) -> object:
    """Parse the command line and run its command. Raises InvalidInputError where it cannot be parsed."""
    try:
        return cli.main(arguments, prog_name="pilothouse", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort as abort:
        raise KeyboardInterrupt from abort
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        raise InvalidInputError(f"{one_line(error.format_message(), LINE_LIMIT)} (try --help)") from error
