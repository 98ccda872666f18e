"""A request's evidence and a version as Markdown, for a comment on a pull request. Nobody is named so that a forge would notify
them, and nothing from outside is obeyed."""

from collections.abc import Sequence
from datetime import datetime

from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.integrations.git_state import git_text
from pilothouse.domain.models.evaluation import GateResult
from pilothouse.domain.promotion.request_rules import state_of
from pilothouse.domain.records import PromotionRequest, Run, Version
from pilothouse.presentation.cells import gate_cell
from pilothouse.presentation.dossier.blocks import Facts, Grid, Section, facts, section
from pilothouse.presentation.dossier.markdown import markdown
from pilothouse.presentation.pages.evidence import COLUMNS, GATE_COLUMNS, METRIC_COLUMNS, evidence_sections
from pilothouse.presentation.texts import figure, policy_text, time_text

_MOST_ROWS = 60
"""Rows of a section at most: a forge takes 65,536 characters."""


def request_markdown(request: PromotionRequest, now: datetime) -> str:
    """The request and its evidence; packages are counted."""
    head = facts(
        [
            ("state", str(state_of(request, now))),
            ("targets", ", ".join(request.targets)),
            ("why", request.reason or "no reason given"),
            ("asked by", f"{request.requested_by} on {time_text(request.recorded_at)}"),
            ("approvals", f"{request.approvals} of {request.approvals_needed}"),
            ("policy", policy_text(request.policy)),
            ("evidence", request.evidence_digest),
        ]
    )
    sections = [section("request", "Request", head)]
    shown = ("model", "version", "targets", "incumbents")
    for number, (title, rows) in enumerate(evidence_sections(request.evidence, shown=shown, packages=False)):
        block = _grid(rows, COLUMNS[title]) if title in COLUMNS else _named(rows)
        sections.append(section(f"evidence-{number}", title, block))
    uri = version_uri(request.model, request.version)
    return _written(f"Request {request.id}: {uri}", sections)


def version_markdown(version: Version, run: Run) -> str:
    """A version with its gates and metrics."""
    head = facts(
        [
            ("stage", version.standing.stage),
            (
                "trained",
                f"{time_text(run.started_at)} by {run.started_by}: {run.reason or 'no reason given'}",
            ),
            ("rows", f"{run.snapshot.training_rows:,} to train on, {run.snapshot.holdout_rows:,} held out"),
            ("data", run.snapshot.content_digest),
            ("code", git_text(run.code)),
            ("model", version.model_digest),
        ]
    )
    metrics = [
        [m.slice or "all", m.metric, figure(m.value), f"{figure(m.low)} to {figure(m.high)}", f"{m.rows:,}"]
        for m in version.metrics
    ]
    sections = [
        section("version", "Version", head),
        section(
            "gates",
            "Gates",
            _grid([_gate(gate) for gate in version.gates], GATE_COLUMNS),
            empty="It has no gates.",
        ),
        section(
            "metrics",
            "Metrics on the hold-out",
            _grid(metrics, ("rows of", *METRIC_COLUMNS)),
        ),
    ]
    return _written(version_uri(version.model, version.number), sections)


def _gate(gate: GateResult) -> list[str]:
    return [gate_cell(gate.outcome, gate.doubt).text, gate.gate, gate.reason]


def _grid(rows: Sequence[Sequence[str]], columns: Sequence[str]) -> Grid:
    """Rows as a table; a row may have fewer cells than there are columns."""
    width = len(columns)
    kept = [(*row, *[""] * (width - len(row))) for row in rows[:_MOST_ROWS]]
    if len(rows) > _MOST_ROWS:
        kept.append((f"and {_more(rows)}", *[""] * (width - 1)))
    return Grid(tuple(columns), tuple(kept))


def _named(rows: Sequence[Sequence[str]]) -> Facts:
    kept = [(name, ", ".join(filter(None, said))) for name, *said in rows[:_MOST_ROWS]]
    return Facts((*kept, *([("and", _more(rows))] if len(rows) > _MOST_ROWS else [])))


def _more(rows: Sequence[Sequence[str]]) -> str:
    return f"{len(rows) - _MOST_ROWS:,} more"


def _written(title: str, sections: Sequence[Section]) -> str:
    return markdown(title, sections).replace("@", "&#64;")
