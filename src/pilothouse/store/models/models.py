"""Models and their specifications: one row for each applied change of a model file, the newest in force."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.formats.time_units import from_us
from pilothouse.domain.registered import Model
from pilothouse.sqlite import Connection, Row
from pilothouse.store.models.aliases import aliases_by_model, aliases_of
from pilothouse.store.models.targets import targets_by_model, targets_of
from pilothouse.store.values import columns_of, from_json, from_row, insert

_SELECT_MODEL = (
    "SELECT m.id, m.name, m.created_at, s.id AS spec_id, s.digest, s.folder, s.task, s.owner, s.description, "
    "s.judging_code, s.git FROM models m "
    "JOIN model_specs s ON s.id = (SELECT max(id) FROM model_specs WHERE model_id = m.id) "
)
_SELECT_SPEC = "SELECT s.*, m.name AS model FROM model_specs s JOIN models m ON m.id = s.model_id "


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSpec:
    """Specification to put in force. ``spec`` is plain data; ``source`` the text of the file."""

    model_id: int
    digest: str
    spec: dict[str, Any]
    source: str
    folder: str
    """Folder of the model, relative to the workspace where it lies inside, else absolute."""
    loosened: tuple[str, ...]
    applied_by: str
    judging_code: dict[str, str] | None = None
    """Digests of the files that the gate function can reach, by name; None where a release before them applied it."""
    git: dict[str, Any] | None = None
    """Repository that the file lay in (``GitState``); None where it lay in none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSpec(NewSpec):
    """Specification as it was applied."""

    id: int
    model: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class SpecFacts:
    """What tells whether a file changes a model: digest of the specification in force, the model's folder, and the digests
    of the files that its gate function can reach."""

    digest: str
    folder: str
    judging_code: dict[str, str] = field(default_factory=dict)


def find(connection: Connection, name: str) -> Model | None:
    """Model with its specification in force, or None."""
    row = connection.execute(_SELECT_MODEL + "WHERE m.name = ?", (name,)).fetchone()
    if row is None:
        return None
    return _model(row, targets_of(connection, name), aliases_of(connection, name))


def listed(connection: Connection) -> list[Model]:
    """Every model by name."""
    rows = connection.execute(_SELECT_MODEL + "ORDER BY m.name").fetchall()
    targets, aliases = targets_by_model(connection), aliases_by_model(connection)
    return [_model(row, targets.get(row["name"], ()), aliases.get(row["name"], {})) for row in rows]


def facts(connection: Connection) -> dict[str, SpecFacts]:
    """Facts of every model's specification in force, by model."""
    return {
        row["name"]: SpecFacts(row["digest"], row["folder"], from_json(row["judging_code"] or "{}"))
        for row in connection.execute(_SELECT_MODEL)
    }


def names(connection: Connection) -> list[str]:
    return [row["name"] for row in connection.execute("SELECT name FROM models ORDER BY name")]


def add(connection: Connection, name: str, *, by: str, at: datetime) -> int:
    """Record a model; its specification follows in the same transaction. Returns its key."""
    return insert(connection, "models", {"name": name, "created_at": at, "created_by": by})


def add_spec(connection: Connection, new: NewSpec, *, at: datetime) -> int:
    """Put a specification in force; returns its key."""
    described = {key: new.spec[key] for key in ("task", "owner", "description")}
    columns = {**columns_of(new), **described, "spec": canonical_json(new.spec), "recorded_at": at}
    return insert(connection, "model_specs", columns)


def spec_in_force(connection: Connection, name: str) -> StoredSpec | None:
    """Newest specification of a model, or None."""
    row = connection.execute(_SELECT_SPEC + "WHERE m.name = ? ORDER BY s.id DESC LIMIT 1", (name,)).fetchone()
    return from_row(StoredSpec, row) if row else None


def earlier_matches(connection: Connection, name: str) -> dict[str, dict[str, Any]]:
    """What marked the rows of each target that any specification of a model has named, by the newest that did."""
    rows = connection.execute(
        "SELECT json_extract(t.value, '$.name') AS target, max(s.id), "
        "coalesce(json_extract(t.value, '$.match'), '{}') AS match "
        "FROM model_specs s JOIN models m ON m.id = s.model_id, json_each(s.spec, '$.targets') t "
        "WHERE m.name = ? GROUP BY target",
        (name,),
    )
    return {row["target"]: from_json(row["match"]) for row in rows}


def digest_in_force(connection: Connection, name: str) -> str | None:
    """Digest of the newest specification of a model, or None."""
    row = connection.execute(
        "SELECT s.digest FROM model_specs s WHERE s.model_id = (SELECT id FROM models WHERE name = ?) "
        "ORDER BY s.id DESC LIMIT 1",
        (name,),
    ).fetchone()
    return row["digest"] if row else None


def applied_after(connection: Connection, number: int) -> tuple[int, list[str]]:
    """Number of the newest specification, and the models of those with a number beyond ``number``."""
    rows = connection.execute(
        "SELECT DISTINCT m.name FROM model_specs s JOIN models m ON m.id = s.model_id WHERE s.id > ?",
        (number,),
    )
    changed = [row["name"] for row in rows]
    newest = connection.execute("SELECT coalesce(max(id), 0) FROM model_specs").fetchone()[0]
    return int(newest), changed


def with_triggers(connection: Connection, names: Iterable[str]) -> set[str]:
    """Those of these models whose file in force has a trigger; the files are not read into memory."""
    rows = connection.execute(
        "SELECT m.name FROM json_each(?) k CROSS JOIN models m ON m.name = k.value CROSS JOIN model_specs s "
        "ON s.id = (SELECT max(id) FROM model_specs WHERE model_id = m.id) "
        "WHERE json_array_length(s.spec, '$.automation.trigger') > 0",
        (canonical_json(list(names)),),
    )
    return {row["name"] for row in rows}


def spec_by_id(connection: Connection, spec_id: int) -> StoredSpec | None:
    """Specification of that key, in force or not, or None."""
    row = connection.execute(_SELECT_SPEC + "WHERE s.id = ?", (spec_id,)).fetchone()
    return from_row(StoredSpec, row) if row else None


def spec_of_run(connection: Connection, run_id: int) -> StoredSpec:
    """Specification by which a run was made, without its overrides, which concern no gate."""
    (spec_id,) = connection.execute("SELECT spec_id FROM runs WHERE id = ?", (run_id,)).fetchone()
    spec = spec_by_id(connection, spec_id)
    assert spec is not None
    return spec


def is_by_file_in_force(connection: Connection, name: str, number: int) -> bool:
    """True where the specification in force is the one by which a version was trained and judged."""
    (same,) = connection.execute(
        "SELECT (SELECT u.spec_id FROM versions v JOIN runs u ON u.id = v.run_id WHERE v.model_id = m.id AND v.number = ?) = "
        "(SELECT max(s.id) FROM model_specs s WHERE s.model_id = m.id) FROM models m WHERE m.name = ?",
        (number, name),
    ).fetchone()
    return bool(same)


def promotions_applied(connection: Connection, name: str) -> list[tuple[datetime, dict[str, Any]]]:
    """``[promotion]`` of each specification of a model with the time at which it was applied, oldest first."""
    rows = connection.execute(
        "SELECT s.recorded_at, json_extract(s.spec, '$.promotion') AS promotion FROM model_specs s "
        "WHERE s.model_id = (SELECT id FROM models WHERE name = ?) ORDER BY s.id",
        (name,),
    )
    return [(from_us(row["recorded_at"]), from_json(row["promotion"])) for row in rows]


def plans_named(connection: Connection, names: Iterable[str]) -> dict[str, str]:
    """Plan of these names that a model file in force names, by model."""
    rows = connection.execute(
        "SELECT m.name, json_extract(s.spec, '$.promotion.plan') AS plan FROM model_specs s JOIN models m ON m.id = s.model_id "
        "WHERE s.id IN (SELECT max(id) FROM model_specs GROUP BY model_id) "
        "AND json_extract(s.spec, '$.promotion.plan') IN (SELECT value FROM json_each(?)) ORDER BY m.name",
        (canonical_json(list(names)),),
    )
    return {row["name"]: row["plan"] for row in rows}


def history(connection: Connection, name: str, until: int) -> list[StoredSpec]:
    """Specifications of a model up to one of a number, oldest first."""
    rows = connection.execute(f"{_SELECT_SPEC}WHERE m.name = ? AND s.id <= ? ORDER BY s.id", (name, until))
    return [from_row(StoredSpec, row) for row in rows]


def _model(row: Row, targets: tuple[str, ...], aliases: dict[str, int]) -> Model:
    return from_row(Model, row, spec_digest=row["digest"], targets=targets, aliases=aliases)
