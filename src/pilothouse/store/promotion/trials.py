"""Trials that a target runs: versions of unfinished roll-outs beside the live one."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.sqlite import Connection


@dataclass(frozen=True, slots=True)
class TrialFile:
    """Version that runs on a target beside the live one, with the files that serve it."""

    rollout: int
    model: str
    version: int
    mode: Literal["shadow", "canary"]
    share: float
    """Of the requests; 1 in the shadow, where every request is answered by both as far as there is time."""
    salt: str
    """By which the requests of a canary are chosen."""
    place: int
    """Of several versions that share the requests of a canary; 0: the roll-out's own."""
    arms: int
    """Versions beside the live one when the roll-out was made, those that are tried no more among them."""
    model_digest: str
    schema_digest: str
    run_id: int
    portable_digest: str
    """Empty where the version has no portable form."""


def trials_on(connection: Connection, target: str) -> list[TrialFile]:
    """Trials of unfinished roll-outs on a target, by model: at most one of each model, in a canary with a version for each arm
    that is tried, the roll-out's own first. A paused roll-out keeps its trials."""
    rows = connection.execute(
        "SELECT r.id, m.name, v.number, one.state, coalesce(one.share, 1.0), r.salt, one.place, "
        "1 + (SELECT count(*) FROM rollout_arms a WHERE a.rollout_id = r.id), v.model_digest, v.schema_digest, "
        "v.run_id, coalesce((SELECT p.digest FROM portable_models p WHERE p.version_id = v.id ORDER BY p.id DESC LIMIT 1), "
        "'') FROM (SELECT rt.rollout_id, rt.state, rt.share, o.version_id, 0 AS place FROM rollout_targets rt "
        "JOIN rollouts o ON o.id = rt.rollout_id WHERE rt.open = 1 AND rt.state IN ('shadow', 'canary') AND "
        "rt.target_id = (SELECT id FROM targets WHERE name = ?1) "
        "UNION ALL SELECT rt.rollout_id, rt.state, rt.share, a.version_id, a.place FROM rollout_targets rt "
        "JOIN rollout_arms a ON a.rollout_id = rt.rollout_id AND a.ended_at IS NULL "
        "WHERE rt.open = 1 AND rt.state IN ('shadow', 'canary') AND rt.state = 'canary' AND "
        "rt.target_id = (SELECT id FROM targets WHERE name = ?1)) one "
        "CROSS JOIN rollouts r ON r.id = one.rollout_id JOIN models m ON m.id = r.model_id "
        "JOIN versions v ON v.id = one.version_id ORDER BY m.name, one.place",
        (target,),
    )
    return [TrialFile(*row) for row in rows]


def canaries(connection: Connection, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], set[int]]:
    """Versions that unfinished roll-outs try as a canary on each of these (model, target); those without one are left out."""
    rows = connection.execute(
        "SELECT m.name, t.name, v.number FROM json_each(?) k CROSS JOIN models m ON m.name = k.value ->> 0 "
        "CROSS JOIN targets t ON t.name = k.value ->> 1 CROSS JOIN rollout_targets rt ON rt.model_id = m.id "
        "AND rt.target_id = t.id AND rt.open = 1 AND rt.state = 'canary' JOIN rollouts r ON r.id = rt.rollout_id "
        "JOIN versions v ON v.id IN (SELECT r.version_id UNION ALL "
        "SELECT a.version_id FROM rollout_arms a WHERE a.rollout_id = r.id AND a.ended_at IS NULL)",
        (canonical_json([list(key) for key in keys]),),
    )
    found: dict[tuple[str, str], set[int]] = {}
    for model, target, version in map(tuple, rows):
        found.setdefault((model, target), set()).add(version)
    return found
