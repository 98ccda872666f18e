"""Models and their specifications: one row for each applied change of a model file, the newest in force."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pilothouse.domain.canonical import canonical_json
from pilothouse.domain.records import Model
from pilothouse.domain.time_units import to_us
from pilothouse.sqlite import Connection, Row
from pilothouse.store.aliases import aliases_of
from pilothouse.store.targets import targets_of
from pilothouse.store.values import from_row

_SELECT_MODEL = (
    "SELECT m.id, m.name, m.created_at, s.id AS spec_id, s.digest, s.folder, s.task, s.owner, s.description FROM models m "
    "JOIN model_specs s ON s.id = (SELECT max(id) FROM model_specs WHERE model_id = m.id) "
)
_SELECT_SPEC = "SELECT s.*, m.name AS model FROM model_specs s JOIN models m ON m.id = s.model_id "


@dataclass(frozen=True, slots=True)
class StoredSpec:
    """Specification as it was applied. ``spec`` is plain data; ``source`` the text of the file."""

    id: int
    model_id: int
    model: str
    digest: str
    spec: dict[str, Any]
    source: str
    folder: str
    """Folder of the model, relative to the workspace where it lies inside, else absolute."""
    loosened: tuple[str, ...]
    applied_by: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSpec:
    """Specification to put in force; its fields are those of ``StoredSpec``."""

    model_id: int
    digest: str
    spec: dict[str, Any]
    source: str
    folder: str
    loosened: tuple[str, ...]
    applied_by: str


def find(connection: Connection, name: str) -> Model | None:
    """Model with its specification in force, or None."""
    row = connection.execute(_SELECT_MODEL + "WHERE m.name = ?", (name,)).fetchone()
    return _model(connection, row) if row else None


def listed(connection: Connection) -> list[Model]:
    """Every model by name."""
    rows = connection.execute(_SELECT_MODEL + "ORDER BY m.name").fetchall()
    return [_model(connection, row) for row in rows]


def names(connection: Connection) -> list[str]:
    """Names of all models."""
    return [row["name"] for row in connection.execute("SELECT name FROM models ORDER BY name")]


def add(connection: Connection, name: str, *, by: str, at: datetime) -> int:
    """Record a model; its specification follows in the same transaction. Returns its key."""
    added = connection.execute(
        "INSERT INTO models (name, created_at, created_by) VALUES (?, ?, ?)", (name, to_us(at), by)
    )
    assert added.lastrowid is not None
    return added.lastrowid


def add_spec(connection: Connection, new: NewSpec, *, at: datetime) -> int:
    """Put a specification in force; returns its key."""
    added = connection.execute(
        "INSERT INTO model_specs (model_id, digest, spec, source, folder, task, owner, description, loosened, applied_by, "
        "recorded_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            new.model_id,
            new.digest,
            canonical_json(new.spec),
            new.source,
            new.folder,
            new.spec["task"],
            new.spec["owner"],
            new.spec["description"],
            canonical_json(list(new.loosened)),
            new.applied_by,
            to_us(at),
        ),
    )
    assert added.lastrowid is not None
    return added.lastrowid


def spec_in_force(connection: Connection, name: str) -> StoredSpec | None:
    """Newest specification of a model, or None."""
    row = connection.execute(_SELECT_SPEC + "WHERE m.name = ? ORDER BY s.id DESC LIMIT 1", (name,)).fetchone()
    return _spec(row) if row else None


def spec_by_id(connection: Connection, spec_id: int) -> StoredSpec | None:
    """Specification of that key, in force or not, or None."""
    row = connection.execute(_SELECT_SPEC + "WHERE s.id = ?", (spec_id,)).fetchone()
    return _spec(row) if row else None


def _model(connection: Connection, row: Row) -> Model:
    return from_row(
        Model,
        row,
        spec_digest=row["digest"],
        targets=targets_of(connection, row["name"]),
        aliases=aliases_of(connection, row["name"]),
    )


def _spec(row: Row) -> StoredSpec:
    return from_row(StoredSpec, row)
