"""Sections of a dossier about what people did and what came of it: lineage, approvals, deployments, monitoring, incidents."""

import json

from pilothouse.domain.audit.dossier import Dossier
from pilothouse.domain.promotion.documents import current
from pilothouse.domain.promotion.request_rules import policy_met_text
from pilothouse.domain.records import PromotionRequest
from pilothouse.presentation.break_glass import glass_text, signed_text
from pilothouse.presentation.dossier.blocks import Block, Grid, Section, Text, facts, section
from pilothouse.presentation.texts import code_text, count_text, policy_text, time_text, tree_lines

_LONGEST_DETAIL = 2_000


def record_sections(dossier: Dossier) -> list[Section]:
    """These sections, in the order of the version's life."""
    return [
        _lineage(dossier),
        _approvals(dossier),
        _deployments(dossier),
        _monitoring(dossier),
        _incidents(dossier),
        _entries(dossier),
    ]


def _lineage(dossier: Dossier) -> Section:
    run = dossier.run
    return section(
        "lineage",
        "Lineage",
        facts(
            [
                ("run", f"{run.id} (job {run.job_id})"),
                ("trained", f"{time_text(run.started_at)} UTC by {run.started_by}"),
                ("why", run.reason or "no reason given"),
                ("after alert", run.triggered_by_alert),
                ("code", code_text(run.code)),
                ("code folder sha256", run.code.get("folder_digest")),
            ]
        ),
        Text("\n".join(tree_lines(dossier.lineage)), drawn=True),
    )


def _approvals(dossier: Dossier) -> Section:
    blocks = [block for request in dossier.requests for block in _request(dossier, request)]
    return section(
        "approvals", "Requests and decisions", *blocks, empty="Nobody has asked for its promotion."
    )


def _request(dossier: Dossier, request: PromotionRequest) -> list[Block]:
    decisions = Grid(
        ("decision", "by", "at", "evidence", "policy", "reason"),
        tuple(
            (
                one.verdict,
                one.actor,
                f"{time_text(one.recorded_at)} UTC",
                one.evidence_digest[:12],
                one.policy_digest[:12],
                one.reason,
            )
            for one in request.decisions
        ),
    )
    comments = Grid(
        ("remark of", "at", "text"),
        tuple((one.actor, f"{time_text(one.recorded_at)} UTC", one.text) for one in request.comments),
    )
    documents = Grid(
        ("document", "file", "bytes", "by", "at", "sha256"),
        tuple(
            (
                one.name if one in current(request.documents) else f"{one.name} (replaced)",
                one.file,
                count_text(one.size),
                one.attached_by,
                f"{time_text(one.recorded_at)} UTC",
                one.digest,
            )
            for one in request.documents
        ),
    )
    conditions = Grid(
        ("condition of", "text", "confirmed by", "by when", "stands", "remark"),
        tuple(
            (
                one.approver,
                one.text,
                one.confirmed_by or one.by,
                f"{one.due:%Y-%m-%d}",
                one.standing(dossier.made_at),
                one.remark or "",
            )
            for one in (decision.condition for decision in request.decisions)
            if one is not None
        ),
    )
    reviews = Grid(
        ("looked at by", "at", "verdict", "reason", "counts"),
        tuple(
            (
                one.actor,
                f"{time_text(one.recorded_at)} UTC",
                str(one.verdict),
                one.reason,
                f"no: {one.void}" if one.void else "yes",
            )
            for one in (request.glass.reviews if request.glass else ())
        ),
    )
    signed = dossier.signatures.get(request.id, ())
    return [
        facts(
            [
                ("request", f"{request.id}, {request.status}"),
                ("asked by", f"{request.requested_by} at {time_text(request.recorded_at)} UTC"),
                ("why", request.reason or "no reason given"),
                ("targets", ", ".join(request.targets)),
                ("policy", policy_text(request.rules)),
                ("policy met", policy_met_text(request)),
                ("broken glass", glass_text(request.glass) if request.glass else ""),
                ("reason of that", request.glass.reason if request.glass else ""),
                ("signed", signed_text(request.glass) if request.glass else ""),
                ("with a part in it", "; ".join(dict.fromkeys(map(str, request.authors)))),
                ("evidence sha256", request.evidence_digest),
                ("policy sha256", request.policy_digest),
                ("signed statements", ", ".join(signed) or "none"),
            ]
        ),
        *(one for one in (documents, decisions, reviews, conditions, comments) if one.rows),
    ]


def _deployments(dossier: Dossier) -> Section:
    return section(
        "deployments",
        "Deployments",
        Grid(
            ("target", "how", "by", "live from", "until", "recorded", "request", "reason"),
            tuple(
                (
                    one.target,
                    one.kind,
                    one.actor,
                    time_text(one.effective_at),
                    time_text(one.ended_effective_at) if one.ended_at else "live now",
                    time_text(one.recorded_at),
                    str(one.request_id or "–"),
                    one.reason,
                )
                for one in dossier.deployments
            ),
        ),
        empty="It was never live.",
    )


def _monitoring(dossier: Dossier) -> Section:
    numbers = ("windows", "judged", "significant", "rows in windows")
    return section(
        "monitoring",
        "Monitoring, by month",
        Grid(
            ("month", "target", "monitor", *numbers, "figures"),
            tuple(
                (
                    one.month,
                    one.target,
                    one.monitor,
                    str(one.windows),
                    str(one.judged),
                    str(one.significant),
                    count_text(one.rows),
                    one.figures,
                )
                for one in sorted(dossier.months, key=lambda one: (one.month, one.target))
            ),
            numbers,
        ),
        empty="No window of it was closed.",
    )


def _incidents(dossier: Dossier) -> Section:
    incidents = Grid(
        ("incident", "state", "severity", "since", "resolved", "cause", "cost", "looked after by"),
        tuple(
            (
                str(one.id),
                one.state,
                one.severity,
                time_text(one.since),
                time_text(one.resolved_at),
                one.cause,
                one.cost,
                one.assignee or "–",
            )
            for one in dossier.incidents
        ),
    )
    alerts = Grid(
        ("alert", "target", "kind", "severity", "status", "at", "what", "handled by", "note"),
        tuple(
            (
                str(one.id),
                one.target,
                one.kind,
                one.severity,
                str(one.status),
                time_text(one.effective_at),
                one.summary,
                one.handled_by or "–",
                one.note,
            )
            for one in dossier.alerts
        ),
    )
    return section("incidents", "Incidents and alerts", incidents, alerts, empty="None.")


def _entries(dossier: Dossier) -> Section:
    return section(
        "entries",
        "Entries of the audit log about it",
        Grid(
            ("entry", "recorded", "by", "action", "subject", "detail"),
            tuple(
                (
                    str(one.seq),
                    time_text(one.recorded_at),
                    one.actor,
                    one.action,
                    one.subject,
                    json.dumps(one.detail, sort_keys=True)[:_LONGEST_DETAIL],
                )
                for one in dossier.entries
            ),
            ("entry",),
        ),
        empty="None.",
    )
