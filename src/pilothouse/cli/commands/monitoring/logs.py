"""The command that judges a log of predictions without taking it in: profile."""

from contextlib import closing
from typing import TYPE_CHECKING

import click

from pilothouse.cli.output import json_option, on_option, plain, printed_as_json, say, show_hung, show_table
from pilothouse.cli.session import Session
from pilothouse.presentation import texts
from pilothouse.presentation.verdicts import (
    blind_notes,
    drift_word,
    power_text,
    rows_text,
    verdict_note,
    verdict_word,
)

if TYPE_CHECKING:
    from pilothouse.domain.integrations.execution_settings import ExecutionSettings
    from pilothouse.domain.monitoring.log_profiles import LogReport

_DRIFTS = 1
"""Exit code where a feature drifts in the newest window."""


@click.command()
@click.argument("log", metavar="FILE")
@click.option("--model", required=True, help="The model that predicted.")
@on_option("target", required=True, help="Where it ran.")
@click.option("--version", type=int, help="Its version; what is live there otherwise.")
@click.option(
    "--processes",
    type=int,
    help="Processes that read side by side; one a processor or thread of the cluster otherwise.",
)
@click.option(
    "--memory-mb",
    type=int,
    default=500,
    show_default=True,
    help="MiB that each may take beyond its libraries.",
)
@click.option("--credentials", metavar="env:NAME|file:PATH", help="Where the secret of a log by URL is.")
@json_option
@click.pass_obj
def profile(
    session: Session,
    log: str,
    model: str,
    target: str,
    version: int | None,
    processes: int | None,
    memory_mb: int,
    credentials: str | None,
) -> int:
    """Judge a prediction log of any size against a version's reference. Nothing is taken in.

    FILE is a file (parquet, csv, csv.gz, jsonl or ndjson), a folder of them, a pattern in quotes ('logs/*.parquet'), or a URL
    (s3, gs, az, http). The columns are those of pilothouse ingest. Exit code 1 where a feature drifts in the newest window.
    """
    from pilothouse.domain.monitoring.log_profiles import log_place
    from pilothouse.operations.monitoring import log_verdicts
    from pilothouse.system.paths import WorkspacePaths
    from pilothouse.system.processes import usable_processors

    paths, settings = WorkspacePaths(session.root), _execution(session)
    here = settings.engine == "local" or bool(log_place(log).url)
    if here and settings.engine != "local":
        say("read on this machine: the secret of a store does not leave it")
    with (
        log_verdicts.local_reader(paths, processes or usable_processors(), credentials or "", memory_mb, say)
        if here
        else log_verdicts.cluster_reader(paths, settings, log, processes, memory_mb, say)
    ) as reader:
        report = log_verdicts.judge_log(
            session.services, session.actor, reader, log, model=model, target=target, version=version
        )
    newest = report.windows[-1] if report.windows else None
    if not printed_as_json(session, plain(report)):
        _show(report)
    return _DRIFTS if newest is not None and newest.drifting else 0


def _execution(session: Session) -> "ExecutionSettings":
    """Where steps run. The workspace is closed again: processes that read are started before a database is open."""
    from pilothouse.composition import check_schema, open_workspace
    from pilothouse.operations.integrations import cluster

    check_schema(session.root)
    with closing(open_workspace(session.root)) as services:
        return cluster.settings_in_force(services)


def _show(report: "LogReport") -> None:
    left_out = sum(report.left_out.values())
    span = (
        ""
        if report.first is None or report.last is None
        else f", {texts.day_text(report.first)} to {texts.day_text(report.last)}"
    )
    say(
        f"{report.rows:,} rows of {report.files:,} files{span}: {report.model}/{report.version} on {report.target}"
    )
    if report.dialects:
        say(f"read as {'; '.join(report.dialects)}")
    if left_out:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in report.left_out.items())
        say(f"{left_out:,} rows were left out: {reasons}")
    show_table(
        ("window", "rows", "verdict", "drifts", "more missing or new"),
        (
            (texts.window_text(w.window.start, w.window.end), rows_text(w.window),
             verdict_word(w.window, bool(w.drifting), "drifts"), ", ".join(w.drifting), ", ".join(w.worse))
            for w in report.windows
        ),
        empty="no windows: the log has no rows that count",
    )  # fmt: skip
    if not report.windows:
        return
    newest = report.windows[-1]
    click.echo()
    show_table(
        ("feature", "statistic", "value", "threshold", "finds", "verdict", "missing", "unseen"),
        (
            (d.feature, d.statistic, texts.figure(d.value), texts.figure(d.threshold), power_text(d.power),
             drift_word(newest.window, d), f"{d.missing:.1%}", f"{d.unseen:.1%}")
            for d in newest.drift
        ),
        empty="",
    )  # fmt: skip
    if note := verdict_note(newest.window, report.minimum_rows):
        show_hung(note)
    for note in blind_notes(newest.drift):
        show_hung(note)
