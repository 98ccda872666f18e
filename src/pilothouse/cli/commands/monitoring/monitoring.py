"""Commands about monitoring: monitor, performance, alerts, ingest, labels."""

import math
import os
import shutil
import sys
from typing import TYPE_CHECKING

import click

from pilothouse.cli.output import (
    json_option,
    optional_reason_option,
    parse_time,
    plain,
    printed_as_json,
    say,
    say_unwatched,
    show_hung,
    show_lines,
    show_table,
    unwatched,
)
from pilothouse.cli.session import Session
from pilothouse.domain.formats.safe_text import safe, safe_block
from pilothouse.domain.monitoring.monitoring import MonitorView, TargetState
from pilothouse.operations.alerts import alerts as alert_operations
from pilothouse.presentation import texts
from pilothouse.presentation.charts.chart import MARK_LEGEND
from pilothouse.presentation.charts.monitor_charts import monitor_charts
from pilothouse.presentation.charts.monitor_points import no_traffic_text
from pilothouse.presentation.charts.series_csv import series_csv
from pilothouse.presentation.verdicts import (
    blind_notes,
    drift_word,
    judged_again_because,
    past_notes,
    performance_word,
    power_text,
    revised_verdict,
    rows_text,
    suspicion_note,
    verdict_note,
    verdict_word,
)

if TYPE_CHECKING:
    from pilothouse.domain.models.evaluation import MetricValue
    from pilothouse.domain.monitoring.findings import (
        EstimateFinding,
        Finding,
        MultivariateFinding,
        PerformanceFinding,
        WindowFinding,
    )

_COLUMNS = 100
"""Width of the page of an alert."""


@click.command()
@click.argument("model")
@click.argument("target")
@click.option("--version", type=int, help="This version; what is live otherwise.")
@click.option("--csv", "as_csv", is_flag=True, help="Print every reading as CSV.")
@click.option("--charts", is_flag=True, help="Draw the charts as text.")
@json_option
@click.pass_obj
def monitor(
    session: Session, model: str, target: str, version: int | None, as_csv: bool, charts: bool
) -> None:
    """Drift, performance, latency and volume of MODEL on TARGET, window by window."""
    from pilothouse.operations.monitoring import monitor_views

    view = monitor_views.monitor_view(session.services, session.actor, model, target, version=version)
    if session.as_json:
        record = plain(view)
        for written, estimate in zip(record["estimated"], view.estimated, strict=True):
            written["finding"]["verdict"] = str(estimate.finding.verdict)
        printed_as_json(session, {**record, "unwatched": unwatched(session)})
        return
    if as_csv:
        click.echo(safe_block(series_csv(view)), nl=False)
        return
    if view.state is not None:
        _show_state(view.state)
        say_unwatched(session)
    if charts:
        _draw(view)
        return
    show_table(
        ("window", "version", f"{view.metric} measured", "95 % interval", "outcomes", "reference", "verdict"),
        (
            (texts.window_text(p.window.start, p.window.end), _version(p), _decimals(p.finding.value), _between(p.finding),
             rows_text(p.window), _decimals(p.finding.reference),
             performance_word(p.window, p.finding.significant, suspected=p in view.suspected))
            for p in view.performance
        ),
        empty="no performance yet: it is known once outcomes have arrived for a whole window",
    )  # fmt: skip
    for part in view.undefined:
        others = ", ".join(
            f"{m.metric} {m.value:.3f} ({m.low:.3f} to {m.high:.3f})" for m in part.finding.others
        )
        _say(
            f"{texts.window_text(part.window.start, part.window.end)} v{part.version}: {part.finding.why}"
            + (f"; {others}" if others else "")
        )
    last = view.newest(view.performance)
    if last is not None:
        compared = last.finding.reference is not None
        _say(verdict_note(last.window, view.minimum_rows, compared=compared))
        _say(suspicion_note(view))
    click.echo()
    measured = {(p.version, p.window.start, p.window.end): p.finding for p in view.performance}
    show_table(
        ("window", "version", f"{view.metric} estimated", "95 % band", "rows", "says", "measured", ""),
        (
            (texts.window_text(e.window.start, e.window.end), _version(e), _decimals(e.finding.value), _between(e.finding),
             rows_text(e.window), e.finding.verdict,
             *texts.beside_estimate(e.finding, measured.get((e.version, e.window.start, e.window.end))))
            for e in view.estimated
        ),
        empty="no estimate: none is made yet, or the metric cannot be known without outcomes",
    )  # fmt: skip
    newest = view.newest(view.estimated)
    if newest is not None:
        _say(texts.estimate_note(newest.finding))
    click.echo()
    drift = {f: latest for f, windows in view.drift.items() if (latest := view.newest(windows)) is not None}
    outside = ["contract"] if any(n.finding.contract is not None for n in drift.values()) else []
    show_table(
        ("feature", "window", "version", "statistic", "value", "threshold", "finds", "verdict", "missing", "unseen", *outside),
        (
            (feature, texts.window_text(n.window.start, n.window.end), _version(n), d.statistic, _decimals(d.value),
             _decimals(d.threshold), power_text(d.power), drift_word(n.window, d), f"{d.missing:.1%}",
             f"{d.unseen:.1%}", *(["–" if d.contract is None else f"{d.contract:.1%}"] if outside else []))
            for feature, n in drift.items()
            for d in [n.finding]
        ),
        empty="no drift figures yet: they are made once a whole window has passed",
    )  # fmt: skip
    for first in list(drift.values())[:1]:
        _say(verdict_note(first.window, view.minimum_rows))
    for note in blind_notes([newest.finding for newest in drift.values()]):
        _say(note)
    for note in past_notes([newest.finding for newest in drift.values()]):
        _say(note)
    if view.multivariate:
        click.echo()
        show_table(
            ("window", "version", "all features", "95 % interval", "usual", "threshold", "verdict", "given away by"),
            (
                (texts.window_text(r.window.start, r.window.end), _version(r), _decimals(m.auc), _between(m),
                 texts.figure(m.usual), texts.figure(m.threshold), verdict_word(r.window, m.significant, "drifts"),
                 ", ".join(f.feature for f in m.features[:3] if f.drop > 0))
                for r in view.multivariate
                for m in [r.finding]
            ),
            empty="",
        )  # fmt: skip
    click.echo()
    show_table(
        ("window", "version", "rows", "requests", "errors", "p50 ms", "p95 ms", "p99 ms"),
        (
            (texts.window_text(r.window.start, r.window.end), _version(r), r.window.rows, t.requests, t.errors,
             *(_decimals(ms, 1) for ms in (t.p50_ms, t.p95_ms, t.p99_ms)))
            for r in view.traffic
            for t in [r.finding]
        ),
        empty=no_traffic_text(view),
    )  # fmt: skip
    for r in view.traffic:
        if r.finding.machine_slow and r.finding.slowdown is not None:
            click.echo(
                f"{texts.window_text(r.window.start, r.window.end)}: the machine was slow, not the model: calls took "
                f"{r.finding.slowdown:.1f} times as long as usual for the same processor time"
            )
    if view.revised:
        click.echo()
        show_table(
            ("judged again", "window", "rows before", "found before", "rows after", "found after", "at", "because"),
            (
                (r.monitor, texts.window_text(r.after.start, r.after.end), rows_text(r.before),
                 revised_verdict(r.before, r.significant_before, r.figure_before), rows_text(r.after),
                 revised_verdict(r.after, r.significant_after, r.figure_after), texts.time_text(r.revised_at),
                 judged_again_because(r.after))
                for r in view.revised
            ),
            empty="",
        )  # fmt: skip


def _version(finding: "WindowFinding[Finding]") -> str:
    return f"v{finding.version}" if finding.version is not None else texts.ABSENT


def _decimals(value: float | None, decimals: int = 3) -> str:
    return texts.ABSENT if value is None or not math.isfinite(value) else f"{value:.{decimals}f}"


def _between(finding: "PerformanceFinding | EstimateFinding | MultivariateFinding") -> str:
    """The bounds of a figure's interval or band."""
    if finding.low is None or finding.high is None:
        return texts.ABSENT
    return f"{_decimals(finding.low)} to {_decimals(finding.high)}"


def _show_state(state: TargetState) -> None:
    """Print the state on record: its version, and every ground with its date."""
    live = state.deployment
    version = (
        f"v{live.version}, live since {texts.time_text(live.effective_at)}" if live else "nothing is live"
    )
    click.echo(f"{safe(state.model)} on {safe(state.target)}: {version}")
    show_table(
        ("health", "since", "why"),
        (
            (ground.health, texts.time_text(ground.at), texts.without_place(ground.text, state.target))
            for ground in state.grounds
        ),
        empty="",
    )
    click.echo()


def _say(note: str) -> None:
    if note:
        show_hung(note)


def _draw(view: MonitorView) -> None:
    """Print the charts below each other, as wide as the terminal, in colour where it has colours."""
    from pilothouse.presentation.charts.plotting import draw

    width = max(60, min(160, shutil.get_terminal_size((100, 24)).columns))
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    for chart in monitor_charts(view, None):
        click.echo(f"{chart.title}  {chart.headline.text}")
        click.echo(draw(chart, width, 14, colour=colour) + "\n")
    click.echo(MARK_LEGEND)


@click.command()
@click.argument("model")
@click.argument("target")
@click.option(
    "--window", nargs=2, metavar="START END", help="Event times; the newest closed window of drift otherwise."
)
@optional_reason_option
@click.option(
    "--wait", is_flag=True, help="Wait for the answer; the exit code is 1 where the features drift."
)
@json_option
@click.pass_obj
def multivariate(
    session: Session, model: str, target: str, window: tuple[str, str] | None, reason: str, wait: bool
) -> int:
    """Can a classifier tell a window of MODEL on TARGET from its training rows, all features together?"""
    from pilothouse.cli.commands.models.jobs import started
    from pilothouse.operations.monitoring import multivariate as operation

    times = (parse_time(window[0]), parse_time(window[1])) if window else None
    job = operation.start(session.services, session.actor, model, target, window=times, reason=reason)
    return started(session, job, wait)


@click.command()
@click.argument("model")
@click.argument("target")
@click.option("--version", type=int, help="This version; what is live otherwise.")
@click.option(
    "--days",
    type=int,
    help="Days with outcomes, counted back from the newest; the newest judged window otherwise.",
)
@click.option("--slices", is_flag=True, help="Also for each value of the columns in data.slices.")
@json_option
@click.pass_obj
def performance(
    session: Session, model: str, target: str, version: int | None, days: int | None, slices: bool
) -> None:
    """Every metric of MODEL on TARGET with its interval, once outcomes are known."""
    from pilothouse.operations.monitoring import performance_views

    view = performance_views.performance_view(
        session.services, session.actor, model, target, version=version, days=days, by_slice=slices
    )
    if printed_as_json(session, view):
        return
    show_table(
        ("rows of", "metric", "value", "95 % interval", "rows"),
        (
            (part.what or "all", m.metric, *_figure(m), part.rows)
            for part in (view.whole, *view.classes, *view.slices)
            for m in part.metrics
        ),
        empty="no metric is defined on these rows",
    )
    say(
        f"version {view.version} on {view.target}, {view.days} days with outcomes from {view.start:%Y-%m-%d} "
        f"to before {view.end:%Y-%m-%d}{': the newest window of the monitor' if view.is_window else ''}"
    )
    if slices and not view.slices:
        say("no slices: data.slices names no feature with few values, or outcomes came before it did")


def _figure(value: "MetricValue") -> tuple[str, str]:
    if not math.isfinite(value.value):
        return "–", "not defined on these rows"
    bounds = f"{value.low:.3f} to {value.high:.3f}" if math.isfinite(value.low) else "–"
    return f"{value.value:.3f}", bounds


@click.command()
@click.argument("number", type=int)
@json_option
@click.pass_obj
def alert(session: Session, number: int) -> None:
    """Why alert NUMBER fired: its windows against their threshold, what moved, what was around it."""
    from pilothouse.operations.alerts import alert_explanation as operation
    from pilothouse.presentation.pages.alert_page import explanation_page

    explanation = operation.explain_alert(session.services, session.actor, number)
    if printed_as_json(
        session, {"alert": explanation.alert, "retraining": explanation.retraining, "why": explanation}
    ):
        return
    show_lines(explanation_page(explanation), _COLUMNS)


@click.command()
@click.argument("number", type=int)
@click.option("--note", default="", help="Remark for the record.")
@click.pass_obj
def ack(session: Session, number: int, note: str) -> None:
    """Acknowledge alert NUMBER: somebody looks after it."""
    alert_operations.acknowledge(session.services, session.actor, number, note=note)
    say(f"alert {number} is acknowledged")


@click.command()
@click.argument("number", type=int)
@click.option("--reason", required=True, help="What was found or done.")
@click.pass_obj
def resolve(session: Session, number: int, reason: str) -> None:
    """Resolve alert NUMBER."""
    alert_operations.resolve(session.services, session.actor, number, reason=reason)
    say(f"alert {number} is resolved")
