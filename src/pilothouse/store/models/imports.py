"""Imports of other registries, put on record: what is there already is brought up to date."""

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pilothouse.domain.formats.canonical import canonical_digest, canonical_json
from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.imported.names import mapped_name, stored_number
from pilothouse.domain.imported.records import ForeignFile, ForeignModel, ForeignRun, ForeignVersion
from pilothouse.domain.imported.views import Score
from pilothouse.sqlite import Connection
from pilothouse.store.values import insert

_PACKING = 1
"""Level of zlib: points of one curve are much alike."""

ForeignVersionKey = tuple[str, str, int]
"""Workspace, model and number."""


def begin(connection: Connection, origin: str, options: Mapping[str, Any], actor: str, at: datetime) -> int:
    """Record that an import has begun; returns its number."""
    columns = {"origin": origin, "options": dict(options), "imported_by": actor, "recorded_at": at}
    return insert(connection, "imports", columns)


def finish(connection: Connection, number: int, counts: Mapping[str, int], at: datetime) -> None:
    """Record that an import has come to its end."""
    connection.execute(
        "UPDATE imports SET finished_at = ?, counts = ? WHERE id = ?",
        (to_us(at), canonical_json(dict(counts)), number),
    )


def put_models(
    connection: Connection, origin: str, models: Sequence[ForeignModel], at: datetime
) -> dict[tuple[str, str], int]:
    """Record models, or what has changed of them; keys by workspace and their own name."""
    keys: dict[tuple[str, str], int] = {}
    for model in models:
        known = connection.execute(
            "SELECT id FROM imported_models WHERE origin = ? AND workspace = ? AND original = ?",
            (origin, model.workspace, model.name),
        ).fetchone()
        tags = canonical_json(dict(model.tags))
        if known is not None:
            keys[model.workspace, model.name] = known["id"]
            connection.execute(
                "UPDATE imported_models SET description = ?1, tags = ?2, created_ms = ?3, updated_ms = ?4 WHERE id = ?5 "
                "AND (description, tags, created_ms, updated_ms) IS NOT (?1, ?2, ?3, ?4)",
                (model.description, tags, model.created_ms, model.updated_ms, known["id"]),
            )
            continue
        columns = {
            "origin": origin,
            "workspace": model.workspace,
            "original": model.name,
            "name": mapped_name(model.name, _Taken(connection)),
            "description": model.description,
            "tags": dict(model.tags),
            "created_ms": model.created_ms,
            "updated_ms": model.updated_ms,
            "recorded_at": at,
        }
        keys[model.workspace, model.name] = insert(connection, "imported_models", columns)
    return keys


def keys_of(connection: Connection, origin: str) -> dict[tuple[str, str], int]:
    """Keys of an origin's models by workspace and their own name."""
    rows = connection.execute(
        "SELECT id, workspace, original FROM imported_models WHERE origin = ?", (origin,)
    )
    return {(row["workspace"], row["original"]): row["id"] for row in rows}


def move_aliases(
    connection: Connection, model: int, aliases: Mapping[str, int], number: int, at: datetime
) -> int:
    """Bring a model's aliases up to what they mean now; returns how many were set, moved or dropped."""
    rows = connection.execute(
        "SELECT id, alias, number FROM imported_aliases WHERE imported_model_id = ? AND ended_at IS NULL",
        (model,),
    )
    before = {row["alias"]: (row["id"], row["number"]) for row in rows.fetchall()}
    changed = 0
    for alias, (key, meant) in before.items():
        if aliases.get(alias) != meant:
            connection.execute(
                "UPDATE imported_aliases SET until_import = ?, ended_at = ? WHERE id = ?",
                (number, to_us(at), key),
            )
            changed += alias not in aliases
    for alias, version in aliases.items():
        if before.get(alias, (0, None))[1] != version:
            columns = {
                "imported_model_id": model,
                "alias": alias,
                "number": version,
                "since_import": number,
                "recorded_at": at,
            }
            insert(connection, "imported_aliases", columns)
            changed += 1
    return changed


def version_digest(version: ForeignVersion) -> str:
    """Digest of what a registry says of a version. Where its files lie is no part of it: that differs by the way it is read."""
    told = {name: getattr(version, name) for name in _TOLD}
    return canonical_digest({**told, "tags": dict(version.tags)})


_TOLD = (
    "workspace", "model", "number", "created_ms", "updated_ms", "description", "user", "stage", "status", "source", "run",
)  # fmt: skip


def put_versions(
    connection: Connection,
    keys: Mapping[tuple[str, str], int],
    versions: Sequence[ForeignVersion],
    number: int,
    at: datetime,
) -> dict[ForeignVersionKey, int]:
    """Record versions; returns the keys of those of which no files are on record yet."""
    without: dict[ForeignVersionKey, int] = {}
    for version in versions:
        model = keys[version.workspace, version.model]
        row = connection.execute(
            "INSERT INTO imported_versions (imported_model_id, number, created_ms, updated_ms, description, user, stage, "
            "status, source, run, tags, digest, first_import, last_import, recorded_at) "
            "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13, ?14) "
            "ON CONFLICT (imported_model_id, number, created_ms) DO UPDATE SET updated_ms = excluded.updated_ms, "
            "description = excluded.description, user = excluded.user, stage = excluded.stage, status = excluded.status, "
            "source = excluded.source, run = excluded.run, tags = excluded.tags, digest = excluded.digest, "
            "last_import = max(last_import, excluded.last_import), gone_import = NULL RETURNING id, files IS NULL AS without",
            (
                model, version.number, version.created_ms or 0, version.updated_ms, version.description, version.user,
                version.stage, version.status, version.source, version.run, canonical_json(dict(version.tags)),
                version_digest(version), number, to_us(at),
            ),
        ).fetchone()  # fmt: skip
        if row["without"]:
            without[version.workspace, version.model, version.number] = row["id"]
    return without


def put_files(
    connection: Connection, version: int, form: str, files: Iterable[ForeignFile], fault: str
) -> None:
    """Record the files of a version; where they could not be read, why, so that the next import tries again."""
    stored = None if fault else json.dumps([[one.path, one.size, one.digest, one.left_out] for one in files])
    connection.execute(
        "UPDATE imported_versions SET form = ?, files = ?, files_fault = ? WHERE id = ?",
        (form, stored, fault, version),
    )


def mark_gone(connection: Connection, keys: Iterable[int], number: int) -> int:
    """Mark the versions of models that this import, which has read all of them, has not seen; returns how many."""
    marked = connection.execute(
        "UPDATE imported_versions SET gone_import = ? WHERE last_import < ? AND gone_import IS NULL "
        "AND imported_model_id IN (SELECT value FROM json_each(?))",
        (number, number, json.dumps(list(keys))),
    )
    return int(marked.rowcount)


def ended_runs(connection: Connection, origin: str, runs: Sequence[str]) -> frozenset[str]:
    """Runs on record that had ended when they were read, so that their curves have no new points."""
    rows = connection.execute(
        "SELECT run FROM imported_runs WHERE origin = ? AND ended_ms IS NOT NULL AND run IN (SELECT value FROM json_each(?))",
        (origin, json.dumps(list(runs))),
    )
    return frozenset(row["run"] for row in rows)


def read_since_ms(connection: Connection, origin: str, *, every_run: bool) -> int:
    """When the newest import began that has read all models of an origin, and with ``every_run`` all runs, to its end; 0 where
    none has."""
    (at,) = connection.execute(
        "SELECT coalesce(max(recorded_at), 0) / 1000 FROM imports WHERE origin = ? AND finished_at IS NOT NULL "
        "AND options ->> 'models' = '[]' AND (NOT ? OR options ->> 'runs' = 'all')",
        (origin, every_run),
    ).fetchone()
    return int(at)


def runs_of_changed(
    connection: Connection, keys: Mapping[tuple[str, str], int], versions: Sequence[ForeignVersion]
) -> set[str]:
    """Runs of the versions of which something else is on record than what they say now, or nothing."""
    rows = connection.execute(
        "SELECT v.imported_model_id AS model, v.number, v.digest FROM imported_versions v JOIN json_each(?) one "
        "ON v.imported_model_id = one.value ->> 0 AND v.number = one.value ->> 1 WHERE v.gone_import IS NULL",
        (json.dumps([[keys[one.workspace, one.model], one.number] for one in versions]),),
    )
    known = {(row["model"], row["number"]): row["digest"] for row in rows}
    return {
        one.run
        for one in versions
        if known.get((keys[one.workspace, one.model], one.number)) != version_digest(one)
    }


def places_of(connection: Connection, origin: str, runs: Sequence[str]) -> dict[str, str]:
    """Folders of artifacts of the runs that are on record."""
    rows = connection.execute(
        "SELECT run, facts ->> 'artifacts' AS place FROM imported_runs WHERE origin = ? "
        "AND run IN (SELECT value FROM json_each(?))",
        (origin, json.dumps(list(runs))),
    )
    return {row["run"]: row["place"] for row in rows}


def put_runs(
    connection: Connection,
    origin: str,
    runs: Sequence[ForeignRun],
    without_curves: frozenset[str],
    at: datetime,
) -> int:
    """Record runs, or what has changed of them; returns how many were new or had changed."""
    changed = 0
    for run in runs:
        facts = run_facts(run)
        curves = None if run.id in without_curves else _packed(run)
        columns = (
            origin, run.id, run.status, run.started_ms, run.ended_ms, canonical_json(facts), curves, canonical_digest(facts),
            to_us(at), run.id in without_curves,
        )  # fmt: skip
        put = connection.execute(
            "INSERT INTO imported_runs (origin, run, status, started_ms, ended_ms, facts, curves, digest, recorded_at) "
            "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (origin, run) DO UPDATE SET status = excluded.status, "
            "ended_ms = excluded.ended_ms, facts = excluded.facts, digest = excluded.digest, "
            "curves = iif(?10, curves, excluded.curves) "
            "WHERE digest <> excluded.digest OR (NOT ?10 AND curves IS NOT excluded.curves)",
            columns,
        )
        changed += put.rowcount
    return changed


def run_facts(run: ForeignRun) -> dict[str, Any]:
    """Everything that a run says but its curves, as JSON holds it."""
    return {
        "experiment": run.experiment,
        "name": run.name,
        "user": run.user,
        "status": run.status,
        "lifecycle": run.lifecycle,
        "started_ms": run.started_ms,
        "ended_ms": run.ended_ms,
        "artifacts": run.artifacts,
        "params": dict(run.params),
        "metrics": {
            key: [step, time, stored_number(value)] for key, (step, time, value) in run.metrics.items()
        },
        "tags": dict(run.tags),
        "inputs": list(run.inputs),
        "outputs": list(run.outputs),
    }


def _packed(run: ForeignRun) -> bytes | None:
    if not run.curves:
        return None
    packer, packed, before = zlib.compressobj(_PACKING), bytearray(), '{"curves":{'
    for key, curve in sorted(
        run.curves.items()
    ):  # one by one: as texts, all of them take several times the memory of a curve
        points = [[step, time, stored_number(value)] for step, time, value in curve]
        packed += packer.compress(f"{before}{canonical_json(key)}:{canonical_json(points)}".encode())
        before = ","
    packed += packer.compress(f'}},"thinned":{canonical_json(run.thinned)}}}'.encode())
    return bytes(packed + packer.flush())


def add_score(connection: Connection, version: int, score: Score) -> int:
    """Record what a re-scoring found."""
    columns = {
        "imported_version_id": version,
        "model_digest": score.model_digest,
        "answers": score.answers,
        "finding": score.finding,
        "record": dict(score.record),
        "scored_by": score.scored_by,
        "recorded_at": score.recorded_at,
    }
    return insert(connection, "imported_scores", columns)


class _Taken:
    """Names that are taken, by imported models and by those of the workspace: one of theirs is not to look like one of ours."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __contains__(self, name: object) -> bool:
        found = self._connection.execute(
            "SELECT 1 FROM imported_models WHERE name = ?1 UNION SELECT 1 FROM models WHERE name = ?1",
            (name,),
        )
        return found.fetchone() is not None
