"""Targets, which models name, and the digests of their tokens."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.registered import Target
from pilothouse.sqlite import Connection
from pilothouse.store.values import from_json, from_row, insert


def all_targets(connection: Connection) -> list[Target]:
    """Every target by name, without its event clock (that is telemetry's)."""
    rows = connection.execute(
        "SELECT t.*, s.grpc_port, coalesce(s.tls_certificate, '') AS tls_certificate, coalesce(s.tls_key, '') AS tls_key, "
        "coalesce(s.client_tokens, '') AS client_tokens, coalesce(nullif(p.place, 'command'), 'local') AS place, "
        "nullif(p.deployer, '') AS deployer, nullif(p.limits, '{}') AS limits "
        "FROM targets t LEFT JOIN target_serving s ON s.target_id = t.id "
        "LEFT JOIN target_places p ON p.target_id = t.id ORDER BY t.name"
    )
    return [
        from_row(
            Target,
            row,
            event_clock=None,
            deployer=from_json(row["deployer"]) if row["deployer"] else None,
            limits=from_json(row["limits"]) if row["limits"] else None,
        )
        for row in rows
    ]


def targets_by_model(connection: Connection) -> dict[str, tuple[str, ...]]:
    """Targets that each model file in force names, in its order."""
    rows = connection.execute(
        "SELECT m.name, t.name FROM model_targets mt JOIN targets t ON t.id = mt.target_id "
        "JOIN models m ON m.id = mt.model_id ORDER BY mt.model_id, mt.position"
    )
    named: dict[str, list[str]] = {}
    for model, target in map(tuple, rows):
        named.setdefault(model, []).append(target)
    return {model: tuple(targets) for model, targets in named.items()}


@dataclass(frozen=True, slots=True)
class Described:
    """How a target says that it is served. ``port`` None: on a free one; ``grpc_port`` None: without gRPC."""

    port: int | None = None
    grpc_port: int | None = None
    tls_certificate: str = ""
    tls_key: str = ""
    client_tokens: str = ""


def described(connection: Connection) -> dict[str, Described]:
    """How targets are served that say something of it."""
    rows = connection.execute(
        "SELECT t.name, t.port, s.* FROM targets t LEFT JOIN target_serving s ON s.target_id = t.id "
        "WHERE t.port IS NOT NULL OR s.target_id IS NOT NULL"
    )
    return {
        row["name"]: Described(
            row["port"],
            row["grpc_port"],
            row["tls_certificate"] or "",
            row["tls_key"] or "",
            row["client_tokens"] or "",
        )
        for row in rows
    }


def names(connection: Connection) -> list[str]:
    return [row["name"] for row in connection.execute("SELECT name FROM targets ORDER BY name")]


def target_id(connection: Connection, name: str) -> int | None:
    row = connection.execute("SELECT id FROM targets WHERE name = ?", (name,)).fetchone()
    return row["id"] if row else None


def target_ids(connection: Connection, names: Iterable[str] | None = None) -> dict[str, int]:
    """Keys of the targets of these names that exist, or of all, by name."""
    of_names = "" if names is None else "WHERE name IN (SELECT value FROM json_each(?))"
    values = () if names is None else (json.dumps(list(names)),)
    rows = connection.execute(f"SELECT id, name FROM targets {of_names}", values)  # noqa: S608 - ours
    return {row["name"]: row["id"] for row in rows}


def targets_of(connection: Connection, model: str) -> tuple[str, ...]:
    """Targets that the model file in force names, in its order."""
    rows = connection.execute(
        "SELECT t.name FROM model_targets mt JOIN targets t ON t.id = mt.target_id JOIN models m ON m.id = mt.model_id "
        "WHERE m.name = ? ORDER BY mt.position",
        (model,),
    )
    return tuple(row["name"] for row in rows)


def put_target(connection: Connection, target: Target, *, at: datetime) -> int:
    """Add a target, or bring its description up to date; returns its key."""
    put_targets(connection, [target], at=at)
    key = target_id(connection, target.name)
    assert key is not None
    return key


def put_targets(connection: Connection, described: Sequence[Target], *, at: datetime) -> None:
    """Add targets, or bring their descriptions up to date."""
    connection.executemany(
        "INSERT INTO targets (name, region, product, business_unit, environment, port, labels, listed, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET region = excluded.region, "
        "product = excluded.product, business_unit = excluded.business_unit, environment = excluded.environment, "
        "port = excluded.port, labels = excluded.labels, listed = excluded.listed",
        [
            (
                t.name,
                t.region,
                t.product,
                t.business_unit,
                t.environment,
                t.port,
                canonical_json(t.labels),
                t.listed,
                to_us(at),
            )
            for t in described
        ],
    )

    connection.executemany(
        "INSERT INTO target_serving (target_id, grpc_port, tls_certificate, tls_key, client_tokens) "
        "SELECT t.id, ?2, ?3, ?4, ?5 FROM targets t LEFT JOIN target_serving s ON s.target_id = t.id WHERE t.name = ?1 "
        "AND (s.target_id IS NOT NULL OR ?2 IS NOT NULL OR ?3 <> '' OR ?5 <> '') "
        "ON CONFLICT (target_id) DO UPDATE SET grpc_port = excluded.grpc_port, "
        "tls_certificate = excluded.tls_certificate, tls_key = excluded.tls_key, client_tokens = excluded.client_tokens",
        [(t.name, t.grpc_port, t.tls_certificate, t.tls_key, t.client_tokens) for t in described],
    )
    _put_places(connection, described)


def _put_places(connection: Connection, described: Sequence[Target]) -> None:
    """Record which of the targets the daemon starts no process for."""
    placed = {
        t.name: (
            *(("command", canonical_json(t.deployer)) if t.deployer else (t.place, "")),
            canonical_json(t.limits or {}),
        )
        for t in described
        if t.deployer or t.place != "local"
    }
    connection.executemany(
        "DELETE FROM target_places WHERE target_id = (SELECT id FROM targets WHERE name = ?)",
        [(t.name,) for t in described if t.name not in placed],
    )
    connection.executemany(
        "INSERT INTO target_places (target_id, place, deployer, limits) SELECT id, ?, ?, ? FROM targets WHERE name = ? "
        "ON CONFLICT (target_id) DO UPDATE SET place = excluded.place, deployer = excluded.deployer, limits = excluded.limits",
        [(*values, name) for name, values in placed.items()],
    )
    # one that has never been heard of answers nothing: a roll-out passes it over until it comes
    connection.executemany(
        "INSERT INTO serving_reports (target_id, received_at, port, pid, loaded, failed, spooled_batches, silent) "
        "SELECT id, created_at, 0, 0, '{}', '{}', 0, 1 FROM targets WHERE name = ? ON CONFLICT (target_id) DO NOTHING",
        [(name,) for name, (place, *_) in placed.items() if place != "elsewhere"],
    )
    connection.executemany(
        "DELETE FROM serving_reports WHERE target_id = (SELECT id FROM targets WHERE name = ?)",
        [(name,) for name, (place, *_) in placed.items() if place == "elsewhere"],
    )


def set_model_targets(connection: Connection, model_id: int, target_ids: Sequence[int]) -> None:
    """Record the targets that a model file names, in its order."""
    rows = connection.execute(
        "SELECT target_id FROM model_targets WHERE model_id = ? ORDER BY position", (model_id,)
    )
    if [row[0] for row in rows] == list(target_ids):
        return
    connection.execute("DELETE FROM model_targets WHERE model_id = ?", (model_id,))
    connection.executemany(
        "INSERT INTO model_targets (model_id, target_id, position) VALUES (?, ?, ?)",
        [(model_id, key, position) for position, key in enumerate(target_ids)],
    )


def replace_token(connection: Connection, target: int, digest: str, *, by: str, at: datetime) -> None:
    """Put a new token in force; the one before is void from now on."""
    connection.execute(
        "UPDATE target_tokens SET revoked_at = ? WHERE target_id = ? AND revoked_at IS NULL",
        (to_us(at), target),
    )
    columns = {"target_id": target, "digest": digest, "issued_by": by, "recorded_at": at}
    insert(connection, "target_tokens", columns)


def target_of_token(connection: Connection, digest: str) -> str | None:
    """Target whose token in force has this digest, or None."""
    row = connection.execute(
        "SELECT t.name FROM target_tokens k JOIN targets t ON t.id = k.target_id "
        "WHERE k.digest = ? AND k.revoked_at IS NULL",
        (digest,),
    ).fetchone()
    return row["name"] if row else None
