"""Commands that take in what another registry says, and show it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pilothouse.cli.groups import group
from pilothouse.cli.output import (
    json_option,
    optional_reason_option,
    plain,
    printed_as_json,
    say,
    show_pairs,
    show_table,
)
from pilothouse.cli.progress import progress
from pilothouse.cli.session import Session

if TYPE_CHECKING:
    from pilothouse.domain.imported.views import ImportedVersion


@group("import")
def import_() -> None:
    """What MLflow's registry says, as records of their own kind.

    An imported version was not trained here: it passed no gate and cannot be deployed, unless it is re-scored, adopted by a
    model of this workspace, and accepted by the usual request.
    """


@import_.command()
@click.argument("uri", metavar="URI")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME",
    help="Only this model, by its name there; once for each.",
)
@click.option("--dry-run", is_flag=True, help="Count what would be read; write nothing.")
@click.option(
    "--files",
    type=click.Choice(["none", "model", "all"]),
    default="model",
    show_default=True,
    help="Files that are fetched: none, of the model's folder, or of its run too.",
)
@click.option(
    "--runs",
    type=click.Choice(["versions", "all"]),
    default="versions",
    show_default=True,
    help="Runs that are read: of versions, or those of no version too.",
)
@click.option(
    "--again",
    is_flag=True,
    help="Ask again for runs that had ended when they were read: for changed tags and names.",
)
@click.option(
    "--artifacts",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="A folder in which files of a SQLite store may lie, beside its own.",
)
@click.option(
    "--origin",
    default="",
    metavar="NAME",
    help="What the registry is called here, where it is read by several addresses.",
)
@json_option
@click.pass_obj
def mlflow(
    session: Session,
    uri: str,
    models: tuple[str, ...],
    dry_run: bool,
    files: str,
    runs: str,
    again: bool,
    artifacts: tuple[Path, ...],
    origin: str,
) -> None:
    """Import from MLflow: a server (http://…, https://…) or its SQLite file.

    Run it again and again: what is on record is brought up to date, nothing is doubled. A server's user and password or token
    come from MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD and MLFLOW_TRACKING_TOKEN, or from ~/.mlflow/credentials.
    """
    from pilothouse.foreign.opening import open_mlflow
    from pilothouse.operations.exchange import importing

    options = importing.ImportOptions(models=models, files=files, runs=runs, again=again, origin=origin)
    services, actor = session.services, session.actor
    source = open_mlflow(uri, artifacts)
    try:
        with progress("versions imported" if not dry_run else "versions read") as tell:
            run = importing.look if dry_run else importing.run_import
            counts = run(services, actor, source, options, tell)
    finally:
        source.close()
    facts = {
        "origin": options.origin or source.origin,
        "import": counts.number,
        "dry_run": dry_run,
        **counts.plain,
        "faults": counts.faults,
    }
    if printed_as_json(session, facts):
        return
    if dry_run:
        say(
            f"{source.origin}: {counts.models:,} models, {counts.versions:,} versions, {counts.runs:,} runs; nothing written"
        )
        return
    show_pairs(
        [
            ("import", counts.number),
            ("from", options.origin or source.origin),
            ("models", f"{counts.models:,}"),
            ("versions", f"{counts.versions:,}" + (f", {counts.gone:,} are gone there" if counts.gone else "")),
            ("runs", f"{counts.runs:,}, {counts.runs_changed:,} new or changed"
             + (f", {counts.runs_missing:,} are gone there" if counts.runs_missing else "")
             + (f"; {counts.runs_known:,} had ended before and were not asked for (--again)" if counts.runs_known else "")),
            ("aliases", f"{counts.aliases_changed:,} set, moved or dropped"),
            ("files", f"{counts.files:,} fetched, {counts.bytes:,} bytes"),
        ]
    )  # fmt: skip
    if counts.pickled:
        say(f"of them are pickles: {counts.pickled:,}; listed as what they are, not fetched, never loaded")
    if counts.without_files:
        say(f"without their files: {counts.without_files:,}, e.g. {'; '.join(counts.faults)}")
    if counts.ours:
        say(f"exported from here once, by their model files: {counts.ours:,}")
    say(
        "imported versions passed no gate here and cannot be deployed as they are: pilothouse import list shows them"
    )


@import_.command("list")
@click.argument("model", required=False, metavar="[MODEL]")
@json_option
@click.pass_obj
def list_(session: Session, model: str | None) -> None:
    """List imported models, or the versions of one."""
    from pilothouse.domain.imported.views import FORMS, STANDING
    from pilothouse.operations.exchange import imported

    if model is None:
        models = imported.list_models(session.services, session.actor)
        if printed_as_json(session, [{**plain(one), "standing": STANDING} for one in models]):
            return
        rows = [
            (
                one.name,
                one.original,
                one.versions,
                ", ".join(f"{a} → {n}" for a, n in sorted(one.aliases.items())),
                one.origin,
            )
            for one in models
        ]
        show_table(
            ("model", "its name there", "versions", "aliases", "from"),
            rows,
            empty="nothing is imported: pilothouse import mlflow URI",
        )
        return
    versions = imported.list_versions(session.services, session.actor, model)
    if printed_as_json(session, versions):
        return
    table = [
        (
            one.number,
            _time(one.created_ms),
            _stage(one.stage),
            FORMS[one.form],
            _scored(one),
            ", ".join(
                part
                for part in (f"ours: {one.ours}" if one.ours else "", "gone there" if one.gone else "")
                if part
            ),
        )
        for one in versions
    ]
    show_table(("version", "made", "stage", "file", "re-scored", ""), table, empty=f"{model} has no versions")
    say(STANDING)


@import_.command("runs")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="At most so many."
)
@json_option
@click.pass_obj
def runs_(session: Session, limit: int) -> None:
    """List imported runs that belong to no version (import mlflow --runs all), the newest first."""
    from pilothouse.operations.exchange import imported

    runs, total = imported.list_runs(session.services, session.actor, limit)
    if printed_as_json(session, {"total": total, "runs": runs}):
        return
    rows = [
        (
            one.id,
            one.facts.get("name", ""),
            one.facts.get("experiment", ""),
            one.facts.get("status", ""),
            _time(one.facts.get("started_ms")),
            ", ".join(
                f"{key} {_figure(point[2])}"
                for key, point in sorted(one.facts.get("metrics", {}).items())[:3]
            ),
        )
        for one in runs
    ]
    show_table(
        ("run", "name", "experiment", "status", "started", "metrics, as MLflow said them"),
        rows,
        empty="no run without a version is imported: pilothouse import mlflow URI --runs all",
    )
    if total > len(runs):
        say(f"{len(runs):,} of {total:,} runs: --limit shows more")


@import_.command()
@click.argument("version", metavar="MODEL/VERSION")
@json_option
@click.pass_obj
def show(session: Session, version: str) -> None:
    """Show an imported version: what its registry says, its run, its files."""
    from pilothouse.domain.imported.views import FORMS
    from pilothouse.operations.exchange import imported

    found, run = imported.get_version(session.services, session.actor, version)
    if printed_as_json(session, {"version": plain(found), "run": plain(run) if run else None}):
        return
    facts: dict[str, Any] = dict(run.facts) if run else {}
    show_pairs(
        [
            ("version", f"{found.model}/{found.number}"),
            ("standing", found.standing),
            *(("ours", found.ours) for _ in [0] if found.ours),
            ("from", found.origin),
            ("its name there", f"{found.original} {found.number}"),
            ("made", _time(found.created_ms)),
            ("by", found.user or facts.get("user", "") or "nobody said"),
            ("stage there", _stage(found.stage)),
            ("source", found.source),
            (
                "run",
                f"{found.run} {facts.get('name', '')} {facts.get('status', '')}"
                if run
                else found.run or "none",
            ),
            ("description", found.description or "none"),
            ("file", FORMS[found.form]),
            ("re-scored", _scored(found) or "not yet: pilothouse import rescore"),
            *(("files", found.files_fault) for _ in [0] if found.files_fault),
            *((f"tag {key}", value) for key, value in sorted(found.tags.items())),
            *((f"parameter {key}", value) for key, value in sorted(facts.get("params", {}).items())),
        ]
    )
    rows = (
        [(key, value, len(run.curves.get(key, [])) or 1) for key, value in sorted(found.metrics.items())]
        if run
        else []
    )
    click.echo()
    show_table(("metric, as MLflow said it", "value", "points"), rows, empty="its run says no metrics")
    if found.files:
        click.echo()
        show_table(
            ("file", "bytes", "sha256"),
            [(one.path, f"{one.size:,}", one.digest[:12] or one.left_out) for one in found.files],
            empty="no files",
        )


@import_.command()
@click.argument("model", metavar="MODEL")
@json_option
@click.pass_obj
def aliases(session: Session, model: str) -> None:
    """Every meaning of every alias of an imported model, from the first import on."""
    from pilothouse.operations.exchange import imported

    spans = imported.alias_history(session.services, session.actor, model)
    if printed_as_json(session, spans):
        return
    rows = [
        (
            one.alias,
            one.number,
            f"{one.seen_at:%Y-%m-%d %H:%M}",
            f"{one.ended_at:%Y-%m-%d %H:%M}" if one.ended_at else "now",
        )
        for one in spans
    ]
    show_table(
        ("alias", "version", "first seen", "until"),
        rows,
        empty=f"{model} has had no alias since its first import",
    )


def _figure(value: float | str) -> str:
    return f"{value:.4g}" if isinstance(value, float | int) else value


def _time(milliseconds: int | None) -> str:
    from pilothouse.domain.imported.views import time_of

    time = time_of(milliseconds)
    return f"{time:%Y-%m-%d %H:%M}" if time else "–"


def _scored(version: "ImportedVersion") -> str:
    return version.score.finding if version.score else ""


def _stage(stage: str) -> str:
    return stage if stage not in ("", "None") else "–"


@import_.command()
@click.argument("version", metavar="MODEL[/VERSION]")
@json_option
@click.pass_obj
def rescore(session: Session, version: str) -> int:
    """Load a skops file in a confined process, by our own list of types, and let it answer its example.

    Without a number: every version of the model that has a skops file and no score. Exit code 1 where one does not answer as
    its signature says. It needs the extra "mlflow".
    """
    from pilothouse.operations.exchange import rescoring
    from pilothouse.operations.workspace import upgrades
    from pilothouse.system.paths import WorkspacePaths

    rescoring.check_installed()
    with upgrades.trials(WorkspacePaths(session.root)) as tries:
        found = list(rescoring.rescore(session.services, session.actor, tries, version))
    facts = [{"model": one.model, "version": one.number, **plain(score)} for one, score in found]
    if not printed_as_json(session, facts):
        rows = [
            (f"{one.model}/{one.number}", "yes" if score.answers else "no", score.finding)
            for one, score in found
        ]
        show_table(
            ("version", "answers", "finding"), rows, empty=f"{version} has no skops file without a score"
        )
    return 0 if all(score.answers for _, score in found) else 1


@import_.command()
@click.argument("version", metavar="MODEL/VERSION")
@click.option(
    "--model", required=True, metavar="NAME", help="The model of this workspace whose version it becomes."
)
@optional_reason_option
@json_option
@click.pass_obj
def adopt(session: Session, version: str, model: str, reason: str) -> None:
    """Let a re-scored model take the place of a training of a model here: its rows, gates, evidence and approval.

    It becomes a version like any other where it passes the gates; one of them is that the hold-out has no row from before
    it was made.
    """
    from pilothouse.operations.exchange import adoption

    job = adoption.adopt(session.services, session.actor, version, model, reason=reason)
    if not printed_as_json(session, job):
        say(
            f"job {job.id} queued: {version} in place of a training of {model}; pilothouse job {job.id} shows it"
        )
