"""Facts of a dossier as JSON data, for programs and for its verifier."""

import json
from typing import Any

from pilothouse.domain.models.dataclass_reader import to_plain
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
        "decisions": as_json(request.decisions),
        "comments": as_json(request.comments),
    }


def as_json(value: Any) -> Any:
    """A record as JSON data: times in ISO 8601, enumerations as text."""
    return json.loads(json.dumps(to_plain(value), default=_other, allow_nan=False))


def _other(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
