"""Commands about the files of a workspace: what they would change, and whether they can be read at all."""

from pathlib import Path

import click

from pilothouse.cli.output import json_option, printed_as_json, say, show_hung
from pilothouse.cli.session import Session
from pilothouse.domain.errors import ModelFileError, PilothouseError
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.integrations.git_state import git_text
from pilothouse.operations.workspace import apply_models
from pilothouse.operations.workspace.apply_models import PlannedChange

SAME, FAILED, DIFFERENT = 0, 1, 2
"""Exit codes of ``diff``."""


def show_change(change: PlannedChange) -> None:
    """Print what applying changes, or changed, by one file."""
    show_hung(safe(f"{change.model}: {change.action}", limit=400))
    if change.git:
        show_hung(safe(f"  from {git_text(change.git)}", limit=400))
    for line in (*change.differences, *change.notes):
        show_hung(safe(f"  {line}", limit=400), 4)
    for line in change.loosens:
        show_hung(safe(f"  loosens {line}", limit=400), 4)


@click.command()
@json_option
@click.pass_obj
def diff(session: Session) -> int:
    """Show how the files differ from what is in force: what apply would change. Exit code 0 nothing, 2 something, 1 a fault."""
    try:
        planned = apply_models.plan(session.services, session.actor)
    except PilothouseError as error:
        for line in str(error).splitlines():
            say(safe(line, limit=2_000))
        return FAILED
    changed = [change for change in planned if change.action in ("create", "update")]
    if not printed_as_json(session, changed):
        for change in changed:
            show_change(change)
        if not changed:
            say("the files are what is in force")
    return DIFFERENT if changed else SAME


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
@click.pass_obj
def check(session: Session, files: tuple[Path, ...]) -> None:
    """Check FILES (model.toml and targets, plans, integrations, alerts.toml) without a workspace: nothing is run or written."""
    from pilothouse.operations.workspace.file_reading import check_files

    problems = check_files(files)
    if printed_as_json(session, {"files": [str(file) for file in files], "problems": problems}):
        if problems:
            raise ModelFileError(problems)
        return
    if problems:
        raise ModelFileError(problems)
    say(f"{len(files):,} file{'' if len(files) == 1 else 's'} checked: no fault")
