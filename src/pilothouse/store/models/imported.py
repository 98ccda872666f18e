"""What other registries said: models, versions, aliases and runs that were imported, as they are on record here."""

import json
import zlib
from collections.abc import Iterator, Sequence

from pilothouse.domain.formats.time_units import from_us
from pilothouse.domain.imported.records import ForeignFile
from pilothouse.domain.imported.views import AliasSpan, ImportedModel, ImportedRun, ImportedVersion, Score
from pilothouse.sqlite import Connection, Row
from pilothouse.store.values import from_json


def models(connection: Connection) -> list[ImportedModel]:
    """Imported models by name, with their aliases now."""
    rows = connection.execute(
        "SELECT m.*, (SELECT count(*) FROM imported_versions v WHERE v.imported_model_id = m.id AND v.gone_import IS NULL) "
        "AS versions, (SELECT json_group_object(a.alias, a.number) FROM imported_aliases a WHERE a.imported_model_id = m.id "
        "AND a.ended_at IS NULL) AS aliases FROM imported_models m ORDER BY m.name"
    ).fetchall()
    return [
        ImportedModel(
            name=row["name"],
            original=row["original"],
            origin=row["origin"],
            workspace=row["workspace"],
            description=row["description"],
            tags=from_json(row["tags"]),
            created_ms=row["created_ms"],
            updated_ms=row["updated_ms"],
            versions=row["versions"],
            aliases=from_json(row["aliases"]),
        )
        for row in rows
    ]


_MODEL_FILE = (
    "SELECT json_extract(f.value, '$[2]') FROM json_each(v.files) f "
    "WHERE v.form = 'skops' AND json_extract(f.value, '$[0]') LIKE '%.skops' AND json_extract(f.value, '$[2]') <> ''"
)
"""Digest of the model file of ``imported_versions v``."""
_OURS = (
    "SELECT w.name || '/' || o.number FROM versions o JOIN models w ON w.id = o.model_id "  # noqa: S608 - ours
    f"WHERE o.model_digest IN ({_MODEL_FILE}) AND NOT EXISTS (SELECT 1 FROM runs u WHERE u.id = o.run_id "
    "AND json_extract(u.parameters, '$.adopted_model') IS NOT NULL) "
    "ORDER BY 'models:/' || w.name || '/' || o.number <> coalesce(json_extract(v.tags, '$.\"pilothouse.version\"'), ''), o.id"
)
"""Versions of ours with that file, the one first that its tag names. An adopted version has its file from the import."""
_VERSIONS = (
    f"SELECT v.*, m.name AS model_name, m.original, m.origin, r.facts, ({_OURS} LIMIT 1) AS ours FROM imported_versions v "  # noqa: S608 - ours
    "JOIN imported_models m ON m.id = v.imported_model_id "
    "LEFT JOIN imported_runs r ON r.origin = m.origin AND r.run = v.run "
)


def versions(connection: Connection, name: str) -> Iterator[ImportedVersion]:
    """Versions of an imported model, the newest first."""
    rows = connection.execute(
        f"{_VERSIONS} WHERE m.name = ? ORDER BY v.number DESC, v.id DESC", (name,)
    ).fetchall()
    found = scores(connection, [row["id"] for row in rows])
    return (_version(row, found.get(row["id"])) for row in rows)


def find_version(connection: Connection, name: str, number: int) -> ImportedVersion | None:
    """Version of an imported model; of several of a number the one that is still there, or the newest."""
    row = connection.execute(
        f"{_VERSIONS} WHERE m.name = ? AND v.number = ? ORDER BY v.gone_import IS NOT NULL, v.created_ms DESC LIMIT 1",
        (name, number),
    ).fetchone()
    return None if row is None else _version(row, scores(connection, [row["id"]]).get(row["id"]))


def find_run(connection: Connection, origin: str, run: str) -> ImportedRun | None:
    """Run of an origin with its curves."""
    row = connection.execute(
        "SELECT * FROM imported_runs WHERE origin = ? AND run = ?", (origin, run)
    ).fetchone()
    if row is None:
        return None
    plain = from_json(zlib.decompress(row["curves"]).decode()) if row["curves"] is not None else {}
    return ImportedRun(
        id=row["run"],
        facts=from_json(row["facts"]),
        curves=plain.get("curves", {}),
        thinned=plain.get("thinned", {}),
        origin=origin,
    )


def other_runs(connection: Connection, limit: int) -> tuple[list[ImportedRun], int]:
    """Runs that belong to no imported version, the newest first, without curves; and how many there are."""
    others = (
        "FROM imported_runs WHERE (origin, run) NOT IN "
        "(SELECT m.origin, v.run FROM imported_versions v JOIN imported_models m ON m.id = v.imported_model_id)"
    )
    (total,) = connection.execute(f"SELECT count(*) {others}").fetchone()
    rows = connection.execute(
        f"SELECT origin, run, facts {others} ORDER BY started_ms DESC, id DESC LIMIT ?", (limit,)
    )
    return [ImportedRun(row["run"], from_json(row["facts"]), origin=row["origin"]) for row in rows], total


def alias_history(connection: Connection, name: str) -> list[AliasSpan]:
    """Every meaning of every alias of an imported model, in the order in which they were seen."""
    rows = connection.execute(
        "SELECT a.alias, a.number, a.recorded_at, a.ended_at FROM imported_aliases a "
        "JOIN imported_models m ON m.id = a.imported_model_id WHERE m.name = ? ORDER BY a.id",
        (name,),
    )
    return [
        AliasSpan(
            row["alias"],
            row["number"],
            from_us(row["recorded_at"]),
            row["ended_at"] and from_us(row["ended_at"]),
        )
        for row in rows
    ]


def scores(connection: Connection, keys: Sequence[int]) -> dict[int, Score]:
    """Newest score of each of these versions that has one."""
    rows = connection.execute(
        "SELECT s.* FROM imported_scores s WHERE s.imported_version_id IN (SELECT value FROM json_each(?)) AND s.id = "
        "(SELECT max(n.id) FROM imported_scores n WHERE n.imported_version_id = s.imported_version_id)",
        (json.dumps(list(keys)),),
    )
    return {
        row["imported_version_id"]: Score(
            row["model_digest"], bool(row["answers"]), row["finding"], from_json(row["record"]), row["scored_by"],
            from_us(row["recorded_at"]),
        )
        for row in rows
    }  # fmt: skip


def count_ours(connection: Connection, origin: str) -> int:
    """Versions of an origin that are there, and whose model file is that of a version here."""
    (number,) = connection.execute(
        "SELECT count(*) FROM imported_versions v JOIN imported_models m ON m.id = v.imported_model_id "  # noqa: S608 - ours
        f"WHERE m.origin = ? AND v.gone_import IS NULL AND EXISTS ({_OURS})",
        (origin,),
    ).fetchone()
    return int(number)


def file_digests(connection: Connection) -> list[str]:
    """Digests of the files of imported versions."""
    rows = connection.execute(
        "SELECT DISTINCT json_extract(f.value, '$[2]') AS digest FROM imported_versions v, json_each(v.files) f "
        "WHERE json_extract(f.value, '$[2]') <> ''"
    )
    return [row["digest"] for row in rows]


def _version(row: Row, score: Score | None) -> ImportedVersion:
    facts = from_json(row["facts"]) if row["facts"] is not None else {}
    return ImportedVersion(
        id=row["id"],
        model=row["model_name"],
        original=row["original"],
        origin=row["origin"],
        number=row["number"],
        created_ms=row["created_ms"] or None,
        updated_ms=row["updated_ms"],
        description=row["description"],
        user=row["user"],
        stage=row["stage"],
        status=row["status"],
        source=row["source"],
        run=row["run"],
        tags=from_json(row["tags"]),
        metrics={key: value for key, (_, _, value) in facts.get("metrics", {}).items()},
        form=row["form"],
        files=tuple(ForeignFile(*one) for one in from_json(row["files"]))
        if row["files"] is not None
        else None,
        files_fault=row["files_fault"],
        gone=row["gone_import"] is not None,
        score=score,
        recorded_at=from_us(row["recorded_at"]),
        ours=row["ours"] or "",
    )
