"""Commands about the contract of a model's rows: infer, check, export, import."""

from pathlib import Path

import click

from pilothouse.cli.output import json_option, printed_as_json, say, show_table, shown_group
from pilothouse.cli.session import Session
from pilothouse.domain.models.contract import ColumnRule

_FILE = click.Path(exists=True, path_type=Path)
_plan = click.option("--plan", is_flag=True, help="Print the tables, write nothing.")


@shown_group
def contract(session: Session) -> None:
    """What the rows of models are promised to be: models with a contract."""
    from pilothouse.operations.models import contracts

    found = []
    for path in sorted((session.root / "models").glob("*/model.toml")):
        file = contracts.model_text(session.services, session.actor, path.parent.name)
        found.append({"model": file.spec.name, "columns": list(file.spec.contract or {})})
    if not printed_as_json(session, found):
        show_table(
            ("model", "columns", "of the contract"),
            ((row["model"], len(row["columns"]), ", ".join(row["columns"])) for row in found),
            empty="there are no models",
        )


@contract.command("infer")
@click.argument("model")
@click.option("--from", "source", type=_FILE, help="From the rows of FILE.", metavar="FILE")
@_plan
@json_option
@click.pass_obj
def infer(session: Session, model: str, source: Path | None, plan: bool) -> None:
    """Write the contract that the training rows of MODEL keep to its model.toml, to be edited.

    Types, missing values, ranges and categories, of the newest version's rows. It counts once it is applied.
    """
    from pilothouse.operations.models import contracts

    file = contracts.model_text(session.services, session.actor, model)
    found = contracts.inferred_contract(session.services, session.actor, file, source)
    _write(session, file.path.parent.name, found, plan)


@contract.command("check")
@click.argument("model")
@click.argument("file", type=_FILE)
@click.option("--features", is_flag=True, help="The features alone: rows that a model was asked with.")
@json_option
@click.pass_obj
def check(session: Session, model: str, file: Path, features: bool) -> int:
    """Hold the rows of FILE against the contract in MODEL's model.toml. Exit code 1 where a row breaks it."""
    from pilothouse.operations.models import contracts

    of = contracts.model_text(session.services, session.actor, model)
    checked = contracts.check_file(of, file, features=features)
    if not printed_as_json(session, checked.plain()):
        for breach in checked.breaches:
            say(breach.text)
        kept = "break the contract" if checked.breaches else "keep the contract"
        say(f"{checked.rows:,} rows {kept} of {checked.columns} columns")
    return 1 if checked.breaches else 0


@contract.command("export")
@click.argument("model")
@click.pass_obj
def export(session: Session, model: str) -> None:
    """Print the contract of MODEL as YAML of a schema of pandera (pandera.io.from_yaml)."""
    from pilothouse.operations.models import contracts

    file = contracts.model_text(session.services, session.actor, model)
    click.echo(contracts.exported_contract(file), nl=False)


@contract.command("import")
@click.argument("model")
@click.argument("file", type=_FILE)
@_plan
@json_option
@click.pass_obj
def import_(session: Session, model: str, file: Path, plan: bool) -> None:
    """Write the contract in FILE, YAML of a schema of pandera, to MODEL's model.toml; says what a contract cannot say."""
    from pilothouse.operations.models import contracts

    found, notes = contracts.imported_contract(file)
    for note in notes:
        say(note)
    _write(session, model, found, plan)


def _write(session: Session, model: str, found: dict[str, ColumnRule], plan: bool) -> None:
    from pilothouse.operations.models import contracts

    file = contracts.model_text(session.services, session.actor, model)
    text = contracts.contract_text(found)
    if not plan:
        contracts.write_contract(session.services, session.actor, file, found)
    if not printed_as_json(session, {"model": model, "text": text, "written": not plan}):
        click.echo(text, nl=False)
    say(
        "nothing was written"
        if plan
        else f"written: {file.path}; next: pilothouse apply --plan, pilothouse apply"
    )
