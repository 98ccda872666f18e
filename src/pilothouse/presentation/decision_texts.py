"""Words about the second component of a decision."""

from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.promotion.decisions import Decision, DecisionOn
from pilothouse.domain.promotion.statements import MEANINGS, Component
from pilothouse.presentation.texts import time_text


def component_text(decision: Decision) -> str:
    """``signed with SHA256:… at 2026-05-03 14:05``; empty where a decision has no second component."""
    signature = decision.signature
    if signature is None:
        return ""
    at = time_text(signature.verified_at)
    if signature.fingerprint is None:
        return f"with {signature.kind.words} at {at}"
    hardware = " (a hardware key)" if signature.kind is Component.HARDWARE_KEY else ""
    return f"signed with {safe(signature.fingerprint)}{hardware} at {at}"


def decision_text(on: DecisionOn) -> str:
    """``request 3: approve by pat, signed with SHA256:… at 2026-05-03 14:05: “I have reviewed …”``."""
    one = on.decision
    by = f"request {on.request}: {one.verdict} by {safe(one.actor)}"
    return f"{by}, {component_text(one)}: “{MEANINGS[one.verdict]}”"
