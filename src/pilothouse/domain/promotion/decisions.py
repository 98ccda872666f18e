"""Decisions on requests, what they are signed with, and comments."""

from dataclasses import dataclass, field
from datetime import datetime

from pilothouse.domain.identity.identity import Identity
from pilothouse.domain.promotion.conditions import Condition
from pilothouse.domain.promotion.statements import Component


@dataclass(frozen=True, slots=True)
class DecisionSignature:
    """Second component of a decision: the statement to the byte, and what vouches for it."""

    kind: Component
    statement: str
    verified_at: datetime
    signature: str | None = None
    """As ``ssh-keygen -Y sign`` writes it; None under a passphrase."""
    fingerprint: str | None = None
    key_id: int | None = None
    """Key on record that signed, or the authority of the certificate that did."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One approval or rejection, bound to what was shown."""

    actor: str
    verdict: str
    """``approve`` or ``reject``."""
    reason: str
    evidence_digest: str
    policy_digest: str
    recorded_at: datetime
    signature: DecisionSignature | None = None
    identity: Identity | None = None
    """How the name was established; None for decisions of earlier releases."""
    person: str = ""
    """Name that stands for the person, by all that is known now."""
    void: str = ""
    """Reason why an approval of an open request does not count now."""
    documents: dict[str, str] = field(default_factory=dict, hash=False)
    """sha256 of each document that was attached then, by its name."""
    condition: Condition | None = None
    """Condition on which it was approved."""


@dataclass(frozen=True, slots=True)
class DecisionOn:
    """Decision with the number of the request that it is on."""

    request: int
    decision: Decision


@dataclass(frozen=True, slots=True)
class Comment:
    actor: str
    text: str
    recorded_at: datetime
