"""The command about upgrades: what would change, and portable forms for versions that have none."""

import platform

import click

from pilothouse import __version__
from pilothouse.cli.output import json_option, printed_as_json, say
from pilothouse.cli.session import Session
from pilothouse.domain.formats.safe_text import safe

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
@json_option
@click.pass_obj
def upgrade(session: Session, is_check: bool, is_convert: bool) -> int:
    """What an upgrade to this environment would change of the versions in use, or portable forms for them.

    Run --check with the new environment's pilothouse on the workspace while the old one goes on running. Exit code 1 where a
    version would not answer as it does, or could not be converted.
    """
    if is_check == is_convert:
        raise click.UsageError("name --check or --convert")
    return _check(session) if is_check else _convert(session)


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
    click.echo(safe(line, limit=_LONGEST_LINE))
