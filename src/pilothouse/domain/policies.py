"""The policy by which a promotion is decided."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from pilothouse.domain.canonical import canonical_digest
from pilothouse.domain.dataclass_reader import format_duration


@dataclass(frozen=True, slots=True)
class EffectivePolicy:
    """A model's policy tightened by the workspace's floor. It is frozen into each request."""

    approvals: int
    automatic: bool
    expires: int
    """Seconds from the request on."""
    four_eyes: bool
    solo: bool = False
    """True where the model asks for four eyes and one person runs the workspace, so that there is nobody else."""

    def to_plain(self) -> dict[str, Any]:
        """Plain data that is stored in a request, and hashed; ``solo`` only where it is true, as digests were before it."""
        return {key: value for key, value in asdict(self).items() if key != "solo" or value}

    @property
    def digest(self) -> str:
        """Digest to which a decision binds."""
        return canonical_digest(self.to_plain())

    def tightened_by(self, other: "EffectivePolicy") -> "EffectivePolicy":
        """The tighter of both in every respect."""
        four_eyes = self.four_eyes or other.four_eyes
        return replace(
            self,
            approvals=max(self.approvals, other.approvals),
            automatic=self.automatic and other.automatic,
            expires=min(self.expires, other.expires),
            four_eyes=four_eyes,
            solo=self.solo and not four_eyes,
        )

    def tighter_than(self, other: "EffectivePolicy") -> Iterator[tuple[str, str]]:
        """(field, words) of each respect in which it is tighter."""
        if self.approvals > other.approvals:
            yield "approvals", f"{self.approvals} approval{'s' if self.approvals != 1 else ''}"
        if self.four_eyes and not other.four_eyes:
            yield "four_eyes", "four eyes"
        if other.automatic and not self.automatic:
            yield "automatic", "no automatic deployment"
        if self.expires < other.expires:
            yield "expires", f"expires after {format_duration(self.expires)}"
