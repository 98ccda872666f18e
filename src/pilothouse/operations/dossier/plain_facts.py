"""Facts of a dossier as JSON data, for programs and for its verifier."""

import json
from typing import Any

from pilothouse.domain.models.dataclass_reader import to_plain
from pilothouse.domain.promotion.break_glass import BrokenGlass
from pilothouse.domain.promotion.request_rules import policy_met_text
from pilothouse.domain.records import PromotionRequest


def request_facts(request: PromotionRequest) -> dict[str, Any]:
    """A request without its evidence, which is in a file of its own."""
    return {
        "id": request.id,
        "status": str(request.status),
        "targets": list(request.targets),
        "requested_by": request.requested_by,
        "trained_by": request.trained_by,
        "reason": request.reason,
        "recorded_at": request.recorded_at.isoformat(),
        "closed_at": request.closed_at.isoformat() if request.closed_at else None,
        "closed_by": request.closed_by,
        "authors": [str(author) for author in request.authors],
        "evidence_digest": request.evidence_digest,
        "policy_digest": request.policy_digest,
        "policy_met": policy_met_text(request) or None,
        "glass": _glass(request.glass) if request.glass else None,
        "decisions": as_json(request.decisions),
        "documents": as_json(request.documents),
        "comments": as_json(request.comments),
    }


def _glass(glass: BrokenGlass) -> dict[str, Any]:
    """Deployment by breaking the glass; its statement and signature are in files of their own."""
    signature = glass.signature
    return {
        "number": glass.id,
        "actor": glass.actor,
        "reason": glass.reason,
        "recorded_at": glass.recorded_at.isoformat(),
        "expires_at": glass.expires_at.isoformat(),
        "state": glass.state,
        "reviews": as_json(glass.reviews),
        "superseded": list(glass.superseded),
        "component": str(signature.kind) if signature else None,
        "key": (signature.fingerprint if signature else None) or "",
    }


def as_json(value: Any) -> Any:
    """A record as JSON data: times in ISO 8601, enumerations as text."""
    return json.loads(json.dumps(to_plain(value), default=_other, allow_nan=False))


def _other(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
