"""The command about upgrades: what would change, the upgrade itself, and portable forms for versions that have none."""

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pilothouse import __version__
from pilothouse.cli.output import json_option, printed_as_json, say, show_hung
from pilothouse.cli.progress import step
from pilothouse.cli.session import Session
from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.identity.roles import Actor

if TYPE_CHECKING:
    from pilothouse.operations.services import Services

_LONGEST_LINE = 800
EXIT_CHANGES = 1
"""Exit code where a version would not stay as it is, or was not converted."""


@click.command()
@click.option(
    "--check",
    "is_check",
    is_flag=True,
    help="Load every version in use in this environment and compare its answers; nothing is written.",
)
@click.option(
    "--convert",
    "is_convert",
    is_flag=True,
    help="Write portable forms of versions in use that have none (operator, admin).",
)
@click.option(
    "--apply",
    "is_apply",
    is_flag=True,
    help="Upgrade the workspace to this release: check, backup, schema, doctor. The daemon must be stopped.",
)
@click.option(
    "--backup",
    type=click.Path(dir_okay=False, path_type=Path),
    help="With --apply: the backup's file; one in the workspace's folder backups otherwise.",
)
@click.option("--accept-changes", is_flag=True, help="With --apply: also where versions in use would change.")
@json_option
@click.pass_obj
def upgrade(
    session: Session,
    is_check: bool,
    is_convert: bool,
    is_apply: bool,
    backup: Path | None,
    accept_changes: bool,
) -> int:
    """Upgrade the workspace to this release; without --apply, what that would do and change. Nothing is written then.

    Run it with the new environment's pilothouse while the old one goes on running. Exit code 1 where a version in use would not
    answer as it does, or could not be converted; 6 where the doctor finds something wrong afterwards.
    """
    if is_check + is_convert + is_apply > 1:
        raise click.UsageError("name one of --check, --convert and --apply")
    if (backup or accept_changes) and not is_apply:
        raise click.UsageError("--backup and --accept-changes go with --apply")
    if is_convert:
        return _convert(session)
    if is_apply:
        return _apply(session, backup, accept_changes=accept_changes)
    code = _check(session)
    if not is_check and not session.as_json:
        _say_plan(session)
    return code


def _say_plan(session: Session) -> None:
    from pilothouse.operations.upkeep import upgrading
    from pilothouse.system.paths import WorkspacePaths

    paths = WorkspacePaths(session.root)
    plan = upgrading.plan(paths)
    steps = [
        *(["stop the daemon with its own release: pilothouse daemon stop"] if plan.daemon else []),
        "pilothouse upgrade --apply, which",
        f"  backs the workspace up into {upgrading.default_file(paths, plan.schema)}",
        f"  brings the registry from schema {plan.schema} to {plan.new_schema}"
        if plan.schema < plan.new_schema
        else f"  leaves the registry at schema {plan.schema}",
        "  runs the doctor",
        "pilothouse daemon start",
    ]
    say("nothing was written; to upgrade:")
    for line in steps:
        say(f"  {line}")


def _apply(session: Session, file: Path | None, *, accept_changes: bool) -> int:
    from pilothouse.operations.upkeep import upgrading
    from pilothouse.operations.workspace import doctor, workspaces
    from pilothouse.system.leader import check_not_led
    from pilothouse.system.paths import WorkspacePaths
    from pilothouse.system.workspace_place import os_user

    paths = WorkspacePaths(session.root)
    plan = upgrading.plan(paths)
    check_not_led(paths.daemon_lock)
    if _check(session) and not accept_changes:
        say("nothing was upgraded: --accept-changes upgrades all the same (docs/upgrade.md)")
        return EXIT_CHANGES

    def identify(services: "Services") -> Actor:
        return workspaces.identify(services, os_user(), session.as_name, uid=os.getuid())

    with step() as tell:
        copied = upgrading.back_up(paths, identify, file or upgrading.default_file(paths, plan.schema), tell)
    say(f"backed up: {copied.file}, {copied.bytes:,} bytes, sha256 {copied.digest}")
    say(f"the way back: with the release of before, pilothouse restore {copied.file} FOLDER")
    session.is_backed_up = True
    upgrading.record(session.services, session.actor, plan.schema, copied)
    say(f"upgraded to Pilothouse {__version__}: the registry has schema {plan.new_schema}")
    with step() as tell:
        found = doctor.diagnose(session.services, session.actor, tell=tell)
    wrong = [f for f in found if not f.ok and f.check != "daemon"]  # which was stopped for this
    for finding in wrong:
        say(f"WRONG  {finding.check}: {finding.finding}")
    say(
        "the doctor found something wrong: mend it, or go back by the backup"
        if wrong
        else "the doctor found nothing wrong; next: pilothouse daemon start"
    )
    return IntegrityError.exit_code if wrong else 0


def _check(session: Session) -> int:
    from pilothouse.inference.safe_format import scikit_learn_here
    from pilothouse.operations.workspace import upgrades
    from pilothouse.store.migrations import SCHEMA
    from pilothouse.system.paths import WorkspacePaths

    paths = WorkspacePaths(session.root)
    with upgrades.trials(paths) as tries:
        versions, schema = upgrades.versions_as_they_are(paths)
        say(
            f"tried under Pilothouse {__version__}, Python {platform.python_version()}, scikit-learn {scikit_learn_here()}"
        )
        if schema < SCHEMA.version:
            say(
                f"the registry has schema {schema} and is left so: this Pilothouse brings it to {SCHEMA.version} at its start"
            )
        checks = []
        for check in upgrades.check(tries, versions):
            checks.append(check)
            if not session.as_json:
                mark = "CHANGES" if check.changes else "stays"
                _print(f"{mark}  {check.model}/{check.version} ({check.place}): {check.finding}")
    changing = sum(check.changes for check in checks)
    if not printed_as_json(session, checks):
        say(
            f"{changing} of {len(checks)} versions in use would change: see docs/upgrade.md before the swap"
            if changing
            else f"all {len(checks)} versions in use stay as they are"
        )
    return EXIT_CHANGES if changing else 0


def _convert(session: Session) -> int:
    from pilothouse.operations.workspace import upgrades
    from pilothouse.system.paths import WorkspacePaths

    with upgrades.trials(WorkspacePaths(session.root)) as tries:
        conversions = []
        for conversion in upgrades.convert(session.services, session.actor, tries):
            conversions.append(conversion)
            if not session.as_json:
                mark = "converted" if conversion.converted else "LEFT"
                _print(
                    f"{mark}  {conversion.model}/{conversion.version} ({conversion.place}): {conversion.finding}"
                )
    left = sum(not conversion.converted for conversion in conversions)
    if not printed_as_json(session, conversions) and not conversions:
        say("every version in use has a portable form")
    return EXIT_CHANGES if left else 0


def _print(line: str) -> None:
    show_hung(safe(line, limit=_LONGEST_LINE), 4)
