"""Where targets run other versions than they should: compared, and kept with the time since which it is so."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.targets import Difference
from pilothouse.sqlite import Connection
from pilothouse.store.deployed.processes import CAUSE, UNHEARD
from pilothouse.store.values import from_row

SILENT = "nothing is heard of it"

_HEARD = f"(r.silent = 1 OR NOT coalesce({UNHEARD}, 0))"
_OF_MODEL = "('$.' || json_quote(m.name))"
_NOW = (
    "SELECT t.name AS target, m.name AS model, v.number AS desired, "  # noqa: S608 - ours
    f"iif(r.silent, NULL, r.loaded ->> {_OF_MODEL}) AS actual, "
    f"coalesce(iif(r.silent, {CAUSE}, r.failed ->> {_OF_MODEL}), iif(r.silent, ?, '')) AS why "
    "FROM serving_reports r JOIN targets t ON t.id = r.target_id "
    "JOIN deployments d ON d.target_id = t.id AND d.ended_at IS NULL "
    "JOIN versions v ON v.id = d.version_id JOIN models m ON m.id = d.model_id "
    f"WHERE {_HEARD} AND (r.silent = 1 OR (r.loaded ->> {_OF_MODEL}) IS NOT v.number) "
    "UNION ALL SELECT t.name, m.name, NULL, l.value, '' FROM serving_reports r JOIN targets t ON t.id = r.target_id, "
    "json_each(r.loaded) l JOIN models m ON m.name = l.key "
    f"WHERE {_HEARD} AND r.silent = 0 AND NOT EXISTS (SELECT 1 FROM deployments d WHERE d.target_id = t.id "
    "AND d.model_id = m.id AND d.ended_at IS NULL) ORDER BY 1, 2"
)


def found(connection: Connection, at: datetime) -> list[Difference]:
    """Differences as they are now, each since ``at``; targets of which the daemon that runs has not heard yet are left out, and
    so are those that no process of Pilothouse serves."""
    rows = connection.execute(_NOW, (SILENT,))
    return [
        Difference(row["target"], row["model"], row["desired"], row["actual"], row["why"], at) for row in rows
    ]


def unheard(connection: Connection) -> frozenset[str]:
    """Targets of which the daemon that runs has not heard yet: nobody knows what they run."""
    rows = connection.execute(
        "SELECT t.name FROM serving_reports r JOIN targets t ON t.id = r.target_id "  # noqa: S608 - ours
        f"WHERE NOT {_HEARD}"
    )
    return frozenset(row[0] for row in rows)


def recorded(connection: Connection) -> list[Difference]:
    """Differences on record, by target and model."""
    rows = connection.execute(
        "SELECT t.name AS target, m.name AS model, d.desired, d.actual, d.why, d.since FROM target_differences d "
        "JOIN targets t ON t.id = d.target_id JOIN models m ON m.id = d.model_id ORDER BY t.name, m.name"
    )
    return [from_row(Difference, row) for row in rows]


def merged(
    before: Iterable[Difference], now: Iterable[Difference], unknown: frozenset[str]
) -> list[Difference]:
    """Differences of now: each since it has been the same pair of versions; those of targets that are ``unknown`` stay."""
    known = {(one.target, one.model): one for one in before}
    kept = [one for one in known.values() if one.target in unknown]
    found_now = []
    for one in now:
        same = known.get((one.target, one.model))
        is_same = same is not None and (same.desired, same.actual) == (one.desired, one.actual)
        found_now.append(replace(one, since=same.since) if same is not None and is_same else one)
    return sorted([*kept, *found_now], key=lambda one: (one.target, one.model))


def put(connection: Connection, differences: Iterable[Difference]) -> None:
    """Have these on record, and no others."""
    connection.execute("DELETE FROM target_differences")
    connection.executemany(
        "INSERT INTO target_differences (target_id, model_id, desired, actual, why, since) "
        "SELECT t.id, m.id, ?, ?, ?, ? FROM targets t, models m WHERE t.name = ? AND m.name = ?",
        [(d.desired, d.actual, d.why, to_us(d.since), d.target, d.model) for d in differences],
    )
