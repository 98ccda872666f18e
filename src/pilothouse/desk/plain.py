"""Records of the registry as the values that a program is told."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pilothouse.api import run_values, values
from pilothouse.api.receipts import OutcomeReceipt, Receipt
from pilothouse.domain.jobs.notebook_runs import NotebookRun, compared

if TYPE_CHECKING:
    from pilothouse.domain import records
    from pilothouse.domain.formats.wire import LabelReceipt
    from pilothouse.operations.ingest.ingest import FileReceipt


def model(record: "records.Model") -> values.Model:
    return values.Model(
        record.name, record.task, record.owner, record.description, record.targets, dict(record.aliases)
    )


def version(record: "records.Version", run: "records.Run", drawn: str = "") -> values.Version:
    from pilothouse.presentation.version_texts import standing_text

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


def job(record: "records.Job") -> values.Job:
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


def request(record: "records.PromotionRequest") -> values.Request:
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


def outcome_receipt(record: "LabelReceipt") -> OutcomeReceipt:
    return OutcomeReceipt(
        taken=record.joined,
        waiting=record.waiting,
        known=record.duplicates,
        rejected=record.rejected,
        conflicts=record.conflicts,
        without=record.without,
        reasons=dict(record.reasons),
    )


def receipt(record: "FileReceipt") -> Receipt:
    return Receipt(
        rows=record.rows,
        taken=record.accepted,
        known=record.duplicates,
        rejected=record.rejected,
        reasons=dict(record.reasons),
        outcomes=outcome_receipt(record.outcomes),
    )


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
