"""Commands that export versions and predictions for other systems."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pilothouse.cli.groups import group
from pilothouse.cli.output import json_option, printed_as_json, say, show_table, targets_option
from pilothouse.cli.progress import progress
from pilothouse.cli.session import Session

if TYPE_CHECKING:
    from pilothouse.operations.exchange.mlflow_publishing import Published

EXIT_DIFFERS = 1
"""Exit code where answers differ."""


@group()
def export() -> None:
    """Versions and predictions for other systems."""


@export.command()
@click.argument("version", metavar="MODEL/VERSION")
@click.option(
    "--output",
    "file",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The new file.",
)
@click.option("--anyway", is_flag=True, help="Write the file although answers differ.")
@json_option
@click.pass_obj
def onnx(session: Session, version: str, file: Path, anyway: bool) -> int:
    """Write a version in ONNX, and print how its answers differ.

    It is compared on the hold-out and on generated rows, those with missing values apart. Exit code 1 where a label differs,
    a row has no answer, or more than a hundredth of the rows have a probability off by over 0.01; the file is then written with
    --anyway alone. It needs the extra "onnx".
    """
    from pilothouse.operations.exchange import onnx_exports
    from pilothouse.operations.workspace import upgrades
    from pilothouse.system.destinations import check_new_file
    from pilothouse.system.paths import WorkspacePaths

    onnx_exports.check_installed()
    check_new_file(file)
    with upgrades.trials(WorkspacePaths(session.root)) as tries:
        made = onnx_exports.export_onnx(session.services, session.actor, tries, version)
    is_written = anyway or not made.differing
    if is_written:
        onnx_exports.write(session.services, session.actor, made, file)
    facts = {
        "model": made.model,
        "version": made.version,
        "numbers": made.numbers,
        "compared": made.compared,
        "not_generated": made.not_generated,
        "differing": made.differing,
        "file": str(file) if is_written else None,
    }
    if not printed_as_json(session, facts):
        rows = [
            (
                one.kind,
                *(f"{count:,}" for count in (one.rows, one.labels, one.unanswered, one.moved)),
                f"{one.largest:.3g}",
            )
            for one in made.compared
        ]
        heads = ("rows", "count", "other label", "no answer", "moved", "largest difference")
        show_table(heads, rows, empty="no rows")
        if made.not_generated:
            say(f"no generated rows were compared: {made.not_generated}")
        if is_written:
            say(f"{file}: {made.model}/{made.version} in ONNX, numbers as {made.numbers}")
        else:
            say(f"not written: {made.differing:,} rows are answered otherwise; --anyway writes it")
    return EXIT_DIFFERS if made.differing else 0


@export.command()
@click.argument("version", metavar="MODEL/VERSION")
@click.option(
    "--to",
    "place",
    required=True,
    metavar="FOLDER|URI",
    help="The new folder, or a tracking server (http://…, https://…).",
)
@click.option(
    "--name",
    default="",
    metavar="NAME",
    help="What the model is called on the server; its name here by itself.",
)
@click.option("--anyway", is_flag=True, help="Write the folder, or send it, although answers differ.")
@json_option
@click.pass_obj
def mlflow(session: Session, version: str, place: str, name: str, anyway: bool) -> int:
    """Write a version as a folder that plain MLflow loads, or send it to a tracking server, and print how it answers there.

    Load it with mlflow.sklearn.load_model or mlflow.pyfunc.load_model; no flag is needed. Missing values are NaN there. Exit
    code 1 where answers on the hold-out are not equal to the bit; it is then written or sent with --anyway alone.

    To a server it goes with its run, tags and aliases. Sent again, nothing is doubled: what is missing is completed. User and
    password or token come from MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD and MLFLOW_TRACKING_TOKEN, or from
    ~/.mlflow/credentials.
    """
    from pilothouse.operations.exchange import mlflow_exports, mlflow_publishing, tracking_server
    from pilothouse.operations.workspace import upgrades
    from pilothouse.system.destinations import check_new_folder
    from pilothouse.system.paths import WorkspacePaths

    services, actor, folder = session.services, session.actor, Path(place)
    server = tracking_server.TrackingServer(place) if place.startswith(("http://", "https://")) else None
    if server is not None:
        mlflow_publishing.check(services, actor, version, name)
    elif "://" in place or name:
        raise click.UsageError("--to: expected a folder, or http(s)://… with which alone --name goes")
    else:
        check_new_folder(folder)
    with upgrades.trials(WorkspacePaths(session.root)) as tries:
        made = mlflow_exports.export_mlflow(services, actor, tries, version)
    sent = None
    is_written = anyway or not made.differing
    if is_written and server is not None:
        with progress("parts sent") as tell:
            sent = mlflow_publishing.publish(services, actor, made, server, name, tell)
    elif is_written:
        mlflow_exports.write(services, actor, made, folder)
    facts = {
        "model": made.model,
        "version": made.version,
        "compared": made.compared,
        "trusted_types": made.trusted_types,
        "differing": made.differing,
        "folder": str(folder) if is_written and server is None else None,
        "sent": sent,
    }
    if not printed_as_json(session, facts):
        rows = [(one.kind, f"{one.rows:,}", f"{one.labels:,}", f"{one.largest:.3g}") for one in made.compared]
        show_table(("rows", "count", "other label", "largest difference"), rows, empty="no rows")
        if sent is not None:
            _show_sent(f"{made.model}/{made.version}", sent)
        elif is_written:
            say(
                f"{folder}: {made.model}/{made.version} for MLflow: mlflow.sklearn.load_model loads it without a flag"
            )
        else:
            word = "written" if server is None else "sent"
            say(f"not {word}: outside Pilothouse it answers otherwise; --anyway does it all the same")
    return EXIT_DIFFERS if made.differing else 0


@export.command("telemetry")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--model", default="", help="Only predictions of this model.")
@targets_option("Only predictions served there; may be repeated.")
@click.option("--from", "since", metavar="DAY", help="Events from this day on (UTC).")
@click.option("--to", "until", metavar="DAY", help="Events before this day (UTC).")
@json_option
@click.pass_obj
def telemetry(
    session: Session, folder: Path, model: str, targets: tuple[str, ...], since: str | None, until: str | None
) -> None:
    """Write stored predictions as Parquet files, a partition for each model, target and day.

    Readers are given DIR/predictions. DIR is new, or one of an export before: what is whole and unchanged there is left, a day
    with late outcomes is written anew, and rows that were erased go. Private columns are left out.
    """
    from pilothouse.operations.upkeep import telemetry_export

    selected = telemetry_export.Selected(
        model,
        targets,
        telemetry_export.parse_day(since, "--from"),
        telemetry_export.parse_day(until, "--to"),
    )
    made = telemetry_export.export(session.services, session.actor, folder, selected)
    if printed_as_json(session, made):
        return
    rows = [(model, target, f"{days:,}", f"{count:,}") for model, target, days, count in made.shares]
    show_table(("model", "target", "days", "rows"), rows, empty="no prediction is stored there")
    say(
        f"{folder}: {made.written:,} partitions written, {made.left:,} left as they were, {made.removed:,} removed; "
        f"{made.rows:,} rows, {made.bytes / 1e6:.1f} MB"
    )


def _show_sent(version: str, sent: "Published") -> None:
    there = f"models:/{sent.name}/{sent.number}"
    say(f"{sent.address}: {version} is {there}, {'new' if sent.is_new else 'there before'}; run {sent.run}")
    if sent.aliases or sent.dropped:
        words = [*(f"@{one} set" for one in sent.aliases), *(f"@{one} taken away" for one in sent.dropped)]
        say(f"aliases: {', '.join(words)}")
    if not sent.is_ours:
        say(f"its aliases stay as they are: {sent.name} was made there by somebody else")
