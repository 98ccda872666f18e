"""Versions that serve or may serve, with their files, read from a registry of this release or an older one."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import IntegrityError, UnavailableError
from pilothouse.sqlite import Connection
from pilothouse.sqlite.connection import connect
from pilothouse.sqlite.errors import errors_named
from pilothouse.sqlite.schema import check_file, pragma
from pilothouse.sqlite.transactions import unit_of_work
from pilothouse.store.migrations import SCHEMA
from pilothouse.store.values import from_json


@dataclass(frozen=True, slots=True)
class UsedVersion:
    """Version with the digests of its files. ``live_on``: targets; empty for one that is only requested or was live before."""

    id: int
    model_id: int
    model: str
    number: int
    live_on: tuple[str, ...]
    requested: bool
    tried: bool
    """In a roll-out that has not ended, as its own version or beside that."""
    model_digest: str
    schema_digest: str
    predictions_digest: str
    portable_digest: str
    """Empty where there is no portable form."""
    holdout_digest: str
    """Rows that it was evaluated on; empty where a release did not keep them."""
    spec: dict[str, Any]
    """Specification as it ran."""
    scikit_learn: str
    """Release of scikit-learn that trained it; empty where that is not on record."""

    @property
    def place(self) -> str:
        """Where it stands: ``live on ewr, jfk``, ``tried``, ``requested``, or ``was live``, to which a roll-back may go."""
        if self.live_on:
            return f"live on {', '.join(self.live_on)}"
        if self.tried:
            return "tried"
        return "requested" if self.requested else "was live"


@contextmanager
def read_as_it_is(path: Path) -> Iterator[tuple[Connection, int]]:
    """One consistent state of a registry, and the version of its schema. Nothing is written and no migration runs.

    Raises NotFoundError, UnavailableError (a newer schema, or it cannot be opened), IntegrityError (another kind of file).
    """
    check_file(path, SCHEMA)
    with errors_named(path), closing(connect(path, named_rows=True, read_only=True)) as connection:
        if pragma(connection, "application_id") != SCHEMA.application_id:
            raise IntegrityError(f"{path} is not a registry of Pilothouse: name the workspace's own folder")
        version = pragma(connection, "user_version")
        if version > SCHEMA.version:
            raise UnavailableError(
                f"{path} has schema {version}, this Pilothouse knows schema {SCHEMA.version}: install a newer Pilothouse"
            )
        with unit_of_work(connection, "BEGIN", "COMMIT", "ROLLBACK"):
            yield connection, version


_USED = (
    "SELECT version_id FROM deployments UNION SELECT version_id FROM promotion_requests WHERE status = 'open'"
)
_TRIED = "SELECT version_id FROM rollouts WHERE ended_at IS NULL"
_BESIDE = (
    "SELECT a.version_id FROM rollout_arms a JOIN rollouts o ON o.id = a.rollout_id "
    "WHERE a.ended_at IS NULL AND o.ended_at IS NULL"
)


def used_versions(connection: Connection, version_id: int | None = None) -> list[UsedVersion]:
    """Versions that are live, that an open request asks for, that a roll-out tries, or that were live before; or the one of
    this id. Tables that came with later releases are read where they are."""
    tried = " UNION ".join(
        select
        for table, select in (("rollouts", _TRIED), ("rollout_arms", _BESIDE))
        if _has(connection, table)
    )
    tried = tried or "SELECT NULL WHERE 0"
    rows = connection.execute(
        "SELECT v.id, v.model_id, m.name AS model, v.number, v.model_digest, v.schema_digest, v.predictions_digest, "  # noqa: S608 - ours
        "r.spec, json_extract(r.environment, '$.packages.\"scikit-learn\"') AS scikit_learn, "
        "(SELECT json_group_array(t.name) FROM deployments d JOIN targets t ON t.id = d.target_id "
        "WHERE d.version_id = v.id AND d.ended_at IS NULL) AS live_on, "
        f"v.id IN ({tried}) AS tried, "
        "EXISTS (SELECT 1 FROM promotion_requests p WHERE p.version_id = v.id AND p.status = 'open') AS requested, "
        "(SELECT a.digest FROM run_artifacts a WHERE a.run_id = v.run_id AND a.name = 'holdout') AS holdout_digest, "
        f"{_PORTABLE if _has(connection, 'portable_models') else 'NULL'} AS portable_digest "
        "FROM versions v JOIN models m ON m.id = v.model_id JOIN runs r ON r.id = v.run_id "
        f"WHERE {f'v.id IN ({_USED} UNION {tried})' if version_id is None else 'v.id = ?'} ORDER BY m.name, v.number",
        () if version_id is None else (version_id,),
    )
    return [
        UsedVersion(
            id=row["id"],
            model_id=row["model_id"],
            model=row["model"],
            number=row["number"],
            live_on=tuple(sorted(json.loads(row["live_on"]))),
            requested=bool(row["requested"]),
            tried=bool(row["tried"]),
            model_digest=row["model_digest"],
            schema_digest=row["schema_digest"],
            predictions_digest=row["predictions_digest"],
            portable_digest=row["portable_digest"] or "",
            holdout_digest=row["holdout_digest"] or "",
            spec=from_json(row["spec"]),
            scikit_learn=str(row["scikit_learn"] or ""),
        )
        for row in rows
    ]


_PORTABLE = "(SELECT p.digest FROM portable_models p WHERE p.version_id = v.id ORDER BY p.id DESC LIMIT 1)"


def _has(connection: Connection, table: str) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", (table,))
    return found.fetchone() is not None
