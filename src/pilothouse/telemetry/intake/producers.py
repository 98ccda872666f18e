"""Producers of batches: each belongs to the target from which it was first heard, and to no other after that.

Ids of predictions begin with the name of their producer. Whoever could send under the name of another target's would take its
sequence numbers, and its outcomes.
"""

import json
from collections.abc import Collection, MutableMapping

from pilothouse.sqlite import Connection

PRODUCERS = """
CREATE TABLE producer_targets (   -- target to which a producer belongs
  producer_id INTEGER PRIMARY KEY REFERENCES producers(id),
  target TEXT NOT NULL
) STRICT;
INSERT INTO producer_targets
  SELECT o.id, o.target FROM (SELECT p.id AS id, coalesce(
    (SELECT s.target FROM batches b JOIN streams s ON s.id = b.stream_id WHERE b.producer_id = p.id LIMIT 1),
    (SELECT t.target FROM trial_pairs c JOIN trials t ON t.id = c.trial_id WHERE c.producer_id = p.id LIMIT 1)) AS target
    FROM producers p) o WHERE o.target IS NOT NULL;
"""
"""Table of the step in which producers were bound, filled from what had come before."""


def owner(
    connection: Connection, producer: int, target: str, known: MutableMapping[int, str] | None = None
) -> str:
    """Target to which a producer belongs: from now on ``target`` where it has belonged to none. ``known`` are looked at first,
    and added to."""
    if known is not None and producer in known:
        return known[producer]
    connection.execute("INSERT OR IGNORE INTO producer_targets VALUES (?,?)", (producer, target))
    (name,) = connection.execute(
        "SELECT target FROM producer_targets WHERE producer_id=?", (producer,)
    ).fetchone()
    if known is not None:
        known[producer] = str(name)
    return str(name)


def of_others(connection: Connection, names: Collection[str], target: str) -> list[str]:
    """Those of these producers that belong to another target than this one."""
    rows = connection.execute(
        "SELECT p.name FROM producers p JOIN producer_targets o ON o.producer_id = p.id "
        "WHERE p.name IN (SELECT value FROM json_each(?)) AND o.target <> ? ORDER BY p.name",
        (json.dumps(sorted(names)), target),
    )
    return [row[0] for row in rows]
