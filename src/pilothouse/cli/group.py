"""The commands as a click group: a command's module is imported only when it is called."""

import importlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import click

from pilothouse import __version__
from pilothouse.cli import remote_commands
from pilothouse.cli.session import Session
from pilothouse.domain.errors import InvalidInputError, NotAllowedError
from pilothouse.domain.formats.safe_text import LINE_LIMIT, one_line
from pilothouse.system.supported import check_system

_COMMANDS = {
    "init": ("workspaces.workspace:init", "Make a workspace in a folder."),
    "apply": (
        "workspaces.workspace:apply",
        "Read the files of the workspace and of its models and bring the registry up to them.",
    ),
    "diff": ("workspaces.files:diff", "Show how the files differ from what is in force (exit code 2)."),
    "check": ("workspaces.files:check", "Check files of a workspace without one, as before a commit."),
    "new": ("models.first_models:new", "Look at a file and write a first, commented model.toml for it."),
    "contract": (
        "models.contracts:contract",
        "What a model's rows are promised to be: infer, check a file, to and from pandera.",
    ),
    "status": ("workspaces.workspace:status", "The fleet's health in text, with an exit code."),
    "backup": ("workspaces.workspace:backup", "Copy a live workspace soundly into one file."),
    "restore": ("workspaces.workspace:restore", "Unpack and verify a backup into a new folder."),
    "read-only": ("workspaces.workspace:read_only", "Let nothing be written, with a reason."),
    "writable": ("workspaces.workspace:writable", "Let the workspace be written again."),
    "doctor": ("workspaces.workspace:doctor", "Check database, chain, artifacts, isolation and daemon."),
    "gc": ("workspaces.unused:gc", "List or remove files that interrupted work left."),
    "upgrade": (
        "workspaces.upgrades:upgrade",
        "Upgrade the workspace to this release, or say what that would change.",
    ),
    "models": ("models.models:models", "List the models."),
    "versions": ("models.models:versions", "List the versions of a model."),
    "show": ("models.models:show", "Show one version: metrics, gates, parameters, data, code."),
    "compare": ("models.models:compare", "Show what differs between two versions."),
    "runs": ("models.runs:runs", "List notebook runs, which programs have recorded."),
    "export": (
        "models.exports:export",
        "Write a version (ONNX, MLflow) or stored predictions (Parquet) for other systems.",
    ),
    "report": ("models.reports:report", "Write a model's report: one HTML page with its pictures."),
    "import": (
        "models.imports:import_",
        "Take in what MLflow's registry says: models, versions, aliases, runs.",
    ),
    "lineage": ("models.models:lineage", "Walk a version back to its data and on to its deployments."),
    "dossier": (
        "auditing.dossier:dossier",
        "All that is on record about a version, verified without Pilothouse.",
    ),
    "inventory": (
        "auditing.inventory:inventory",
        "Every model's risk tier, use, owner, validator and next review.",
    ),
    "review": ("auditing.inventory:review", "Record the review of a model."),
    "train": ("models.jobs:train", "Start a training."),
    "reproduce": ("models.jobs:reproduce", "Train a version again from its record and compare."),
    "replay": ("models.replays:replay", "Have a version answer recorded production traffic again."),
    "jobs": ("models.jobs:jobs", "List jobs."),
    "job": ("models.jobs:job", "Show one job."),
    "logs": ("models.jobs:logs", "Print a job's log."),
    "cancel": ("models.jobs:cancel", "Cancel a job."),
    "retry": ("models.jobs:retry", "Run an ended job again."),
    "trials": ("models.jobs:trials", "Compare the candidates of a training's search."),
    "backfill": ("models.jobs:backfill", "Queue jobs for a range of past dates."),
    "request": ("promotion.promotions:request", "Ask for a version's promotion."),
    "requests": ("promotion.promotions:requests", "List promotion requests."),
    "evidence": (
        "promotion.evidence:evidence",
        "Show a request with its evidence, or export it for strangers.",
    ),
    "statement": (
        "promotion.decisions:statement",
        "Print what to sign with an SSH key, to decide on a request.",
    ),
    "approve": ("promotion.decisions:approve", "Approve a request on the evidence shown."),
    "attach": ("promotion.documents:attach", "Attach a document to a request."),
    "document": ("promotion.documents:document", "Write a document of a request to a file."),
    "conditions": (
        "promotion.conditions:conditions",
        "Conditions on which somebody approved, until they are confirmed.",
    ),
    "reject": ("promotion.decisions:reject", "Reject a request, with a reason."),
    "withdraw": ("promotion.promotions:withdraw", "Withdraw a request."),
    "break-glass": (
        "promotion.break_glass:break_glass",
        "Deploy alone in an emergency; two others look at it.",
    ),
    "propose": ("promotion.proposals:propose", "Propose a change of access or rules to another admin."),
    "proposals": ("promotion.proposals:proposals", "Changes that wait for a second person."),
    "teams": ("promotion.teams:teams", "Teams whose approval a policy asks for."),
    "freeze": ("promotion.freezes:freeze", "Times in which nothing is promoted."),
    "plans": ("promotion.rollouts:plans", "Plans by which versions go out: waves, and the steps of each."),
    "rollout": ("promotion.rollouts:rollout", "Watch and steer roll-outs: pause, resume, go on, abort."),
    "comment": ("promotion.promotions:comment", "Remark on a request."),
    "rollback": ("monitoring.deployments:rollback", "Go back to the version before, on one target or all."),
    "lift-hold": (
        "monitoring.deployments:lift_hold",
        "Let automatic deployment run again after a roll-back.",
    ),
    "deployments": ("monitoring.deployments:deployments", "What runs where, or has run."),
    "deployed": ("monitoring.deployments:deployed", "What was live where at a time."),
    "targets": ("monitoring.targets:targets", "List targets with what answers there; tokens of remote ones."),
    "curl": (
        "monitoring.deployments:curl",
        "How to ask a model on a target: its URL, and a command with a real row.",
    ),
    "token": ("monitoring.deployments:token", "Issue a target's token for the hub."),
    "monitor": (
        "monitoring.monitoring:monitor",
        "Drift, performance, latency and volume of a model on a target.",
    ),
    "multivariate": (
        "monitoring.monitoring:multivariate",
        "Compare a window's rows with the training rows, all features together.",
    ),
    "incidents": (
        "monitoring.incidents:incidents",
        "List incidents: alerts with one cause, the dearest first.",
    ),
    "incident": (
        "monitoring.incidents:incident",
        "Show an incident, or acknowledge, resolve, assign it whole.",
    ),
    "performance": (
        "monitoring.monitoring:performance",
        "Every metric once outcomes are known, by class and by slice.",
    ),
    "alerts": (
        "monitoring.messages:alerts",
        "List alerts; the messages about them: outbox, test, silences.",
    ),
    "alert": ("monitoring.monitoring:alert", "Why an alert fired."),
    "explain": ("auditing.explain:explain", "What an id or a code that a screen prints is, and what to do."),
    "ack": ("monitoring.monitoring:ack", "Acknowledge an alert."),
    "resolve": ("monitoring.monitoring:resolve", "Resolve an alert."),
    "metrics": ("monitoring.metrics:metrics", "Print the page of metrics, as Prometheus reads it."),
    "prediction": (
        "monitoring.predictions:prediction",
        "Show a stored prediction, by its id or by the trace of its request.",
    ),
    "rejected": ("monitoring.ingest:rejected", "Events that were not taken, by reason."),
    "profile": (
        "monitoring.logs:profile",
        "Judge a prediction log of any size against a version's reference.",
    ),
    "ingest": ("monitoring.ingest:ingest", "Take a prediction log of a model served elsewhere."),
    "labels": ("monitoring.ingest:labels", "Take outcomes: prediction id and what really happened."),
    "retention": (
        "monitoring.retention:retention",
        "What retention would delete of old predictions; --apply deletes it.",
    ),
    "legal-hold": (
        "monitoring.retention:legal_hold",
        "Stop the deletion of predictions, or lift such a stop.",
    ),
    "erase": ("auditing.erase:erase", "Erase a person's rows for good, with a signed tombstone."),
    "drift": ("models.comparing:drift", "Compare two files column by column, outside of any workspace."),
    "schedules": ("models.automation:schedules", "List schedules with their next times."),
    "schedule": ("models.automation:schedule", "Show, pause or resume a schedule."),
    "triggers": ("models.automation:triggers", "List triggers: what each started and refused last."),
    "pause": ("models.automation:pause", "Pause all automation."),
    "resume": ("models.automation:resume", "Resume automation."),
    "audit": ("auditing.audit:audit", "Show, verify or export the audit log."),
    "log": ("auditing.log:log", "Signed heads of the audit log, their proofs, and who keeps them."),
    "witness": (
        "auditing.witness:witness",
        "Sign the heads of other logs, each only where it extends the one before.",
    ),
    "roles": ("people.access:roles", "Who holds which role."),
    "grant": ("people.access:grant", "Grant a role."),
    "can": ("people.access:can", "Whether somebody may do something, and which grant says so."),
    "revoke": ("people.access:revoke", "Revoke a role."),
    "users": ("people.users:users", "Users and the keys that are bound to their names."),
    "persons": ("people.access:persons", "Who is one person under which names, and joining two of them."),
    "policy": ("people.policies:policy", "Show or set the workspace's policy."),
    "ssh": ("people.ssh:ssh", "How people come in by SSH, each with a key of their own."),
    "shell": ("people.shell:shell", "What sshd starts for somebody whom it let in with a key."),
    "wrapper": ("people.access:wrapper", "Trust a login service to hand over people's names."),
    "passphrase": (
        "people.passphrases:passphrase",
        "The passphrase with which you decide, where the policy asks for it.",
    ),
    "whoami": ("people.access:whoami", "Who you are here, and how that is known."),
    "console": ("workspaces.console:console", "Open the console (also: pilothouse without a command)."),
    "site": (
        "workspaces.sites:site",
        "Several workspaces: what each says of itself, and sites that watch each other.",
    ),
    "completion": (
        "workspaces.shells:completion",
        "Print the script that completes commands and names in bash, zsh or fish.",
    ),
    "man": ("workspaces.shells:man", "Print the manual page pilothouse(1)."),
    "sessions": ("people.sessions:sessions", "Who has or had a console open."),
    "daemon": ("workspaces.processes:daemon", "Run, start, stop or ask after the daemon."),
    "serve": ("workspaces.processes:serve", "Answer predictions on a target."),
    "demo": ("workspaces.processes:demo", "The whole story on real flights."),
}
"""Command to ``module:function`` under ``pilothouse.cli.commands`` and its line in the help."""

_UPGRADING = "upgrade"
"""The command that brings a registry of an older release to this one, as daemon and console do. All others leave it as it is:
a backup can lead back, and nobody upgrades it who is refused, or of whom sshd only asks."""
_ANYWHERE = frozenset({"drift", "completion"})
"""Commands that run on any operating system."""


class LazyGroup(click.Group):
    """A group with the names and help lines of its commands. It imports a module to run one of them."""

    lines: ClassVar = {name: line for name, (_, line) in _COMMANDS.items()}
    """Help line of each command."""

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
            formatter.write_dl(list(self.lines.items()))


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
    session.upgrades = ctx.invoked_subcommand == _UPGRADING
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
