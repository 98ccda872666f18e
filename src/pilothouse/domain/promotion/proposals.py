"""Proposals: commands that change access or rules, which another person runs where dual control is on. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pilothouse.domain.errors import InvalidInputError

LASTS = timedelta(days=7)
"""Time after which nobody can accept a proposal."""
COMMANDS = ("grant", "revoke", "policy", "wrapper", "persons", "teams", "freeze", "log", "apply", "erase")
"""Commands that can be proposed: those that need two people under dual control."""
_LONGEST = 2_000


class ProposalStatus(StrEnum):
    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Second:
    """The other person of a change under dual control, and the proposal that it was."""

    name: str
    proposal: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Command that somebody proposed."""

    id: int
    words: tuple[str, ...]
    files: str | None
    """Digest of the files that the command reads, as they were; None where it reads none."""
    proposed_by: str
    reason: str
    recorded_at: datetime
    expires_at: datetime
    status: ProposalStatus
    decided_by: str | None
    decided_at: datetime | None
    decision_reason: str | None

    @property
    def command(self) -> str:
        """As it would be typed; for reading, not for a shell."""
        return " ".join(
            ["pilothouse", *(word if word and " " not in word else f'"{word}"' for word in self.words)]
        )

    def standing(self, now: datetime) -> str:
        """Its status; ``expired`` where nobody decided in time."""
        return (
            "expired" if self.status is ProposalStatus.OPEN and self.expires_at <= now else str(self.status)
        )


def check_words(words: tuple[str, ...]) -> None:
    """Raise InvalidInputError where the command is none that can be proposed."""
    if not words or words[0] not in COMMANDS:
        raise InvalidInputError(
            f"{words[0] if words else 'nothing'!r} cannot be proposed: expected one of {', '.join(COMMANDS)}"
        )
    if sum(map(len, words)) > _LONGEST:
        raise InvalidInputError(f"the command is longer than {_LONGEST:,} characters")
