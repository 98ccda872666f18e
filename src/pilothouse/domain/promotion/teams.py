"""Approvals by team, pure: who stands for which team. One person stands for one team at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.identity.persons import folded


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamMember:
    """Member of a team, from ``recorded_at`` until they were removed."""

    id: int
    team: str
    name: str
    added_by: str
    recorded_at: datetime
    removed_at: datetime | None = None
    removed_by: str | None = None
    reason: str = ""


def missing_of(
    needed: Mapping[str, int], approvers: Sequence[str], teams_of: Mapping[str, frozenset[str]]
) -> dict[str, int]:
    """Approvals still missing by team, where each person stands for one team, and for that for which most are filled.

    ``teams_of``: teams by folded name. A person of two teams fills one place. Places are filled by augmenting paths (the
    maximum matching of a bipartite graph).
    """
    places = [team for team, count in sorted(needed.items()) for _ in range(count)]
    filled: dict[int, str] = {}

    def place(person: str, tried: set[int]) -> bool:
        for number, team in enumerate(places):
            if number in tried or team not in teams_of.get(folded(person), frozenset()):
                continue
            tried.add(number)
            if number not in filled or place(filled[number], tried):
                filled[number] = person
                return True
        return False

    for person in approvers:
        place(person, set())
    missing: dict[str, int] = {}
    for number, team in enumerate(places):
        if number not in filled:
            missing[team] = missing.get(team, 0) + 1
    return missing


def teams_text(needed: Mapping[str, int]) -> str:
    """``1 of product and 2 of risk``; empty where no team is asked."""
    return " and ".join(f"{count} of {team}" for team, count in sorted(needed.items()) if count)
