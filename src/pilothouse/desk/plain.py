"""Records of the registry as the values that a program is told."""

from collections.abc import Sequence
from typing import Any

from pilothouse.api import run_values, values
from pilothouse.api.receipts import OutcomeReceipt, Receipt
from pilothouse.domain import records
from pilothouse.domain.errors import NotFoundError
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.formats.wire import LabelReceipt
from pilothouse.domain.jobs.notebook_runs import NotebookRun, compared
from pilothouse.domain.monitoring.monitoring import MonitorView
from pilothouse.operations.ingest.ingest import FileReceipt
from pilothouse.presentation.charts.chart import Chart
from pilothouse.presentation.charts.feature_charts import drift_chart
from pilothouse.presentation.charts.monitor_charts import monitor_charts
from pilothouse.presentation.charts.vector import ON_ANY_PAGE, svg
from pilothouse.presentation.verdicts import drift_word
from pilothouse.presentation.version_texts import standing_text


def model(record: records.Model) -> values.Model:
    return values.Model(
        record.name, record.task, record.owner, record.description, record.targets, dict(record.aliases)
    )


def version(record: records.Version, run: records.Run, drawn: str = "") -> values.Version:
    return values.Version(
        model=record.model,
        number=record.number,
        status=str(record.status),
        stage=standing_text(record.standing),
        created_at=record.created_at,
        trained_by=run.started_by,
        reason=run.reason,
        parameters=dict(run.parameters),
        metrics=tuple(
            values.Metric(m.metric, m.value, m.low, m.high, m.rows, m.slice) for m in record.metrics
        ),
        gates=tuple(values.Gate(g.gate, str(g.outcome), g.reason) for g in record.gates),
        aliases=record.aliases,
        live_on=record.live_on,
        portable=record.portable is not None and bool(record.portable.digest),
        picture=drawn,
    )


def job(record: records.Job) -> values.Job:
    return values.Job(
        number=record.id,
        kind=record.kind,
        model=record.model,
        status=str(record.status),
        step=record.step,
        progress=record.progress,
        message=record.message,
        created_by=record.created_by,
        reason=record.reason,
        created_at=record.created_at,
        started_at=record.started_at,
        ended_at=record.ended_at,
        error=record.error,
        version=record.version,
    )


def request(record: records.PromotionRequest) -> values.Request:
    return values.Request(
        number=record.id,
        model=record.model,
        version=record.version,
        targets=record.targets,
        status=str(record.status),
        requested_by=record.requested_by,
        reason=record.reason,
        created_at=record.recorded_at,
        expires_at=record.expires_by,
        closed_at=record.closed_at,
    )


def outcome_receipt(record: LabelReceipt) -> OutcomeReceipt:
    return OutcomeReceipt(
        taken=record.joined,
        waiting=record.waiting,
        known=record.duplicates,
        rejected=record.rejected,
        conflicts=record.conflicts,
        without=record.without,
        reasons=dict(record.reasons),
    )


def receipt(record: FileReceipt) -> Receipt:
    return Receipt(
        rows=record.rows,
        taken=record.accepted,
        known=record.duplicates,
        rejected=record.rejected,
        reasons=dict(record.reasons),
        outcomes=outcome_receipt(record.outcomes),
    )


def findings(view: MonitorView, feature: str | None) -> list[values.Finding]:
    """Newest finding of each feature, the most drifted first; of one feature alone with its picture. Raises NotFoundError."""
    newest = {
        name: found for name, windows in view.drift.items() if (found := view.newest(windows)) is not None
    }
    if feature is not None and feature not in newest:
        known = ", ".join(newest) or "none yet: a window has to pass first"
        raise NotFoundError(
            f"there is no finding of {feature!r} for {view.model} on {view.target}: there are {known}"
        )
    told = []
    for name, one in newest.items():
        if feature not in (None, name):
            continue
        window, drift = one.window, one.finding
        drawn = (
            picture(_feature_charts(view, name), f"{name} of {view.model} on {view.target}")
            if feature
            else ""
        )
        told.append(
            values.Finding(
                model=view.model,
                target=view.target,
                version=one.version,
                feature=name,
                window_start=window.start,
                window_end=window.end,
                rows=window.rows,
                statistic=drift.statistic,
                value=drift.value,
                threshold=drift.threshold,
                p_value=drift.p_value,
                drifts=window.judged and drift.significant,
                verdict=str(drift_word(window, drift)),
                missing=drift.missing,
                unseen=drift.unseen,
                picture=drawn,
            )
        )
    return told


def _feature_charts(view: MonitorView, feature: str) -> list[Chart]:
    """Charts of the monitor that are about one feature."""
    own = drift_chart(view, feature, None).title
    charts = monitor_charts(view, feature)
    return [chart for chart in (charts[1], *charts[4:]) if chart.has_points or chart.title == own]


def picture(charts: Sequence[Chart], title: str) -> str:
    """Charts as one SVG that stands in a page; nothing where there is none."""
    return svg(charts, safe(title), ON_ANY_PAGE) if charts else ""


def brief_run(record: NotebookRun) -> run_values.RecordedRun:
    return run_values.RecordedRun(
        number=record.id,
        model=record.model,
        name=record.name,
        state=str(record.state),
        started_by=record.started_by,
        started_at=record.started_at,
        ended_at=record.ended_at,
        error=record.error,
        parameters=record.content.parameters,
        metrics=record.content.last,
        environment=record.environment,
        digest=record.digest,
    )


def run(record: NotebookRun, drawn: str = "") -> dict[str, Any]:
    """A run with all of its entries, as the fields of a RecordedRun."""
    content, brief = record.content, brief_run(record)
    named = {name: getattr(brief, name) for name in brief.__slots__}
    curves = {
        name: tuple(run_values.Point(p.value, p.step, p.at) for p in points)
        for name, points in content.metrics.items()
    }
    return named | {
        "curves": curves,
        "tags": content.tags,
        "artifacts": tuple(run_values.Artifact(a.name, a.digest, a.bytes) for a in content.artifacts),
        "data": tuple(run_values.Data(d.name, d.digest, d.rows, d.columns) for d in content.data),
        "code": content.code,
        "picture": drawn,
    }


def comparison(found: Sequence[NotebookRun]) -> run_values.Comparison:
    return run_values.Comparison(tuple(one.uri for one in found), tuple(compared(found)))
