"""Versions with the metrics and gates that judged them. A version never changes."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.identifiers import VersionReference
from pilothouse.domain.models.evaluation import GateResult, MetricValue
from pilothouse.domain.records import Version, VersionStatus
from pilothouse.sqlite import Connection, Row
from pilothouse.sqlite.conditions import where
from pilothouse.store.models import portable_models
from pilothouse.store.models.aliases import aliases_of
from pilothouse.store.models.version_stages import standings
from pilothouse.store.values import columns_of, from_row, insert

_SELECT = "SELECT v.*, m.name AS model FROM versions v JOIN models m ON m.id = v.model_id "


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """Version to record, with its metrics and gates."""

    model_id: int
    number: int
    run_id: int
    status: VersionStatus
    model_digest: str
    model_bytes: int
    schema_digest: str
    profile_spec_digest: str
    reference_digest: str
    predictions_digest: str
    metrics: tuple[MetricValue, ...] = ()
    gates: tuple[GateResult, ...] = ()


def find(connection: Connection, reference: VersionReference) -> Version | None:
    """Version with that number or alias, or the newest where the reference has neither; None without one."""
    if reference.alias is not None:
        number = aliases_of(connection, reference.model).get(reference.alias)
        if number is None:
            return None
        reference = VersionReference(reference.model, number)
    conditions, values = where({"m.name = ?": reference.model, "v.number = ?": reference.number})
    row = connection.execute(f"{_SELECT}{conditions} ORDER BY v.number DESC LIMIT 1", values).fetchone()
    return next(iter(_versions(connection, [row])), None) if row else None


def find_by_id(connection: Connection, version_id: int) -> Version | None:
    return of_numbers(connection, (version_id,)).get(version_id)


def listed(connection: Connection, model: str) -> list[Version]:
    """All versions of a model, newest first."""
    rows = connection.execute(_SELECT + "WHERE m.name = ? ORDER BY v.number DESC", (model,)).fetchall()
    return _versions(connection, rows)


def of_numbers(connection: Connection, keys: Sequence[int]) -> dict[int, Version]:
    rows = connection.execute(
        _SELECT + "WHERE v.id IN (SELECT value FROM json_each(?))",  # noqa: S608 - ours
        (json.dumps(list(keys)),),
    ).fetchall()
    return {version.id: version for version in _versions(connection, rows)}


def of_snapshot(connection: Connection, content_digest: str) -> list[Version]:
    """Versions, of whatever model, that were trained on exactly these rows."""
    rows = connection.execute(
        _SELECT + "JOIN runs r ON r.id = v.run_id JOIN snapshots s ON s.id = r.snapshot_id "
        "WHERE s.content_digest = ? ORDER BY v.id",
        (content_digest,),
    ).fetchall()
    return _versions(connection, rows)


_SHARED = {
    "rows": "s.content_digest",
    "source": "s.source_digest",
    "commit": "json_extract(r.code, '$.commit')",
    "code folder": "json_extract(r.code, '$.folder_digest')",
}


def sharing(connection: Connection, prefix: str) -> list[tuple[Version, tuple[str, ...]]]:
    """Versions of whatever model whose rows, source, commit or code folder begins with ``prefix`` (hexadecimal digits),
    and which of them do."""
    tests = ", ".join(f"{column} LIKE ? AS '{name}'" for name, column in _SHARED.items())
    rows = connection.execute(
        f"SELECT * FROM (SELECT v.id, {tests} FROM versions v JOIN runs r ON r.id = v.run_id "  # noqa: S608 - our own names
        'JOIN snapshots s ON s.id = r.snapshot_id) WHERE rows OR source OR "commit" OR "code folder" ORDER BY id',
        [f"{prefix}%"] * len(_SHARED),
    ).fetchall()
    versions = of_numbers(connection, [row["id"] for row in rows])
    return [(versions[row["id"]], tuple(name for name in _SHARED if row[name])) for row in rows]


def next_number(connection: Connection, model_id: int) -> int:
    row = connection.execute(
        "SELECT coalesce(max(number), 0) + 1 AS number FROM versions WHERE model_id = ?", (model_id,)
    ).fetchone()
    number: int = row["number"]
    return number


def add(connection: Connection, version: NewVersion, *, at: datetime) -> int:
    """Record a version with its metrics and gates; returns its key."""
    key = insert(connection, "versions", {**columns_of(version, "metrics", "gates"), "created_at": at})
    for table, judgements in (("version_metrics", version.metrics), ("version_gates", version.gates)):
        for position, judgement in enumerate(judgements):
            insert(connection, table, {"version_id": key, "position": position, **columns_of(judgement)})
    return key


def artifact_digests(connection: Connection) -> Iterator[str]:
    """Digest of every artifact that the registry refers to, but for files of other registries (``imported.file_digests``). One
    may come again: of millions not all are held in memory."""
    recent: set[str] = set()
    for query in (
        "SELECT model_digest, schema_digest, profile_spec_digest, reference_digest, predictions_digest FROM versions",
        "SELECT artifact_digest FROM snapshots",
        "SELECT digest FROM run_artifacts",
        "SELECT digest FROM portable_models WHERE digest IS NOT NULL",
        "SELECT digest FROM request_documents",
        "SELECT left_digest FROM erased_files",
    ):
        for row in connection.execute(query):
            for digest in row:
                if digest not in recent:
                    if len(recent) >= _RECENT:
                        recent.clear()
                    recent.add(digest)
                    yield digest


_RECENT = 100_000
"""Digests that are remembered, so that what many versions share is named once."""


def _versions(connection: Connection, rows: Sequence[Row]) -> list[Version]:
    """Versions of these rows, in a number of queries that does not grow with theirs."""
    keys = [row["id"] for row in rows]
    metrics = _by_version(connection, "SELECT * FROM version_metrics WHERE {} ORDER BY position", keys)
    gates = _by_version(connection, "SELECT * FROM version_gates WHERE {} ORDER BY position", keys)
    live = _by_version(
        connection,
        "SELECT d.version_id, t.name FROM deployments d JOIN targets t ON t.id = d.target_id "
        "WHERE d.{} AND d.ended_at IS NULL ORDER BY t.name",
        keys,
    )
    aliases = {model: aliases_of(connection, model) for model in {row["model"] for row in rows}}
    stages = standings(connection, keys)
    forms = portable_models.of_versions(connection, keys)
    return [
        from_row(
            Version,
            row,
            metrics=tuple(from_row(MetricValue, metric) for metric in metrics[row["id"]]),
            gates=tuple(from_row(GateResult, gate) for gate in gates[row["id"]]),
            aliases=tuple(
                alias for alias, number in aliases[row["model"]].items() if number == row["number"]
            ),
            live_on=tuple(target["name"] for target in live[row["id"]]),
            portable=forms.get(row["id"]),
            standing=stages[row["id"]],
        )
        for row in rows
    ]


def _by_version(connection: Connection, sql: str, keys: Sequence[int]) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = defaultdict(list)
    chosen = sql.format("version_id IN (SELECT value FROM json_each(?))")
    for row in connection.execute(chosen, (json.dumps(list(keys)),)):
        found[row["version_id"]].append(row)
    return found
