"""The policy by which a promotion is decided."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from pilothouse.domain.canonical import canonical_digest
from pilothouse.domain.dataclass_reader import format_duration
from pilothouse.domain.statements import Component

_LATER = {"solo": False, "signature": str(Component.NONE)}
"""Fields of later releases, with the value that is not stored."""


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
    signature: Component = Component.NONE
    """Second component of each decision."""

    def to_plain(self) -> dict[str, Any]:
        """Plain data that is stored in a request, and hashed; what later releases added only where it is set, as digests were
        before it."""
        plain = asdict(self) | {"signature": str(self.signature)}
        return {key: value for key, value in plain.items() if value != _LATER.get(key)}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "EffectivePolicy":
        """Policy of the plain data of one."""
        return cls(**plain | {"signature": Component(plain.get("signature", Component.NONE))})

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
            signature=max(self.signature, other.signature, key=lambda component: component.rank),
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
        if self.signature.rank > other.signature.rank:
            yield "signature", f"decided with {self.signature.words}"
