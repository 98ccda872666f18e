"""The policy by which a promotion is decided."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pilothouse.domain.formats.canonical import canonical_digest
from pilothouse.domain.models.dataclass_reader import format_duration
from pilothouse.domain.promotion.documents import names_text
from pilothouse.domain.promotion.statements import Component
from pilothouse.domain.promotion.teams import teams_text

_LATER: dict[str, Any] = {
    "solo": False,
    "signature": str(Component.NONE),
    "teams": {},
    "documents": [],
}
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
    teams: dict[str, int] = field(default_factory=dict)
    """Approvals needed of each team, by name. One person stands for one team."""
    documents: tuple[str, ...] = ()
    """Documents that must be attached before somebody approves, by name."""

    @property
    def needed(self) -> int:
        """Persons who must approve: those of teams are different persons."""
        return max(self.approvals, sum(self.teams.values()))

    def to_plain(self) -> dict[str, Any]:
        """Plain data that is stored in a request, and hashed; what later releases added only where it is set, as digests were
        before it."""
        plain = asdict(self) | {"signature": str(self.signature), "documents": list(self.documents)}
        return {key: value for key, value in plain.items() if value != _LATER.get(key)}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "EffectivePolicy":
        """Policy of the plain data of one."""
        signature = Component(plain.get("signature", Component.NONE))
        return cls(**plain | {"signature": signature, "documents": tuple(plain.get("documents", ()))})

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
            teams=team_counts(self.teams, other.teams),
            documents=all_documents(self.documents, other.documents),
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
        if (
            self.teams != team_counts(dict(other.teams))
            and team_counts(dict(self.teams), dict(other.teams)) != other.teams
        ):
            yield "teams", f"approved by {teams_text(dict(self.teams))}"
        if more := sorted({*self.documents} - {*other.documents}):
            yield "documents", f"with {names_text(more)} attached"


def all_documents(*asked: Iterable[str]) -> tuple[str, ...]:
    """Every document that is asked for, by name."""
    return tuple(sorted({name for one in asked for name in one}))


def team_counts(*asked: Mapping[str, int]) -> dict[str, int]:
    """The most that is asked of each team, by name; teams of which nothing is asked are left out."""
    most: dict[str, int] = {}
    for one in asked:
        for team, count in one.items():
            most[team] = max(count, most.get(team, 0))
    return {team: count for team, count in sorted(most.items()) if count}
