"""MLflow's SQLite file, read page by page. Columns and tables that its release lacks are taken as empty."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.imported.names import read_whole, stored_text, stored_texts
from pilothouse.domain.imported.records import Curve, ForeignModel, ForeignRun, ForeignVersion, Point
from pilothouse.foreign.file_roots import FileRoots
from pilothouse.foreign.source import HELD_POINTS, PAGE, FoundFile
from pilothouse.sqlite.foreign_rows import ForeignFile

_DELETED = "Deleted_Internal"
"""Stage of versions that were deleted."""
_RUNS = 50
"""Runs whose points are read together."""
_POINTS = 20_000
"""Points that are read in one query: the file is locked no longer than that takes."""


class MlflowFile:
    """Tracking server's database. ``artifacts``: folders beside the file's own in which its files may lie."""

    def __init__(self, path: Path, artifacts: Sequence[Path] = ()) -> None:
        self._file = ForeignFile(path)
        if not {"name", "version"} <= self._file.columns("model_versions"):
            self._file.close()
            raise InvalidInputError(
                f"{path} has no table of model versions; expected the database of an MLflow server"
            )
        self.origin = f"sqlite:{self._file.path}"
        self._roots = FileRoots(self._file.path.parent, artifacts)

    def count(self, names: Sequence[str]) -> int:
        """Versions of the named models, of all where none is named."""
        where, values = self._chosen("model_versions", names)
        return int(self._file.rows(f"SELECT count(*) FROM model_versions WHERE {where}", values)[0][0])  # noqa: S608 - ours

    def models(self, names: Sequence[str]) -> Iterator[list[ForeignModel]]:
        """Registered models, page by page."""
        columns = ("description", "creation_time", "last_updated_time")
        for rows in self._pages("registered_models", columns, names):
            keys = [(row[0], row[1]) for row in rows]
            tags = self._by_model("registered_model_tags", "key", "value", keys)
            aliases = self._by_model("registered_model_aliases", "alias", "version", keys)
            yield [
                ForeignModel(
                    workspace=stored_text(workspace),
                    name=stored_text(name),
                    description=stored_text(description),
                    created_ms=read_whole(created),
                    updated_ms=read_whole(updated),
                    tags=stored_texts(dict(tags.get((workspace, name), ()))),
                    aliases={
                        stored_text(alias): number
                        for alias, version in aliases.get((workspace, name), ())
                        if (number := read_whole(version)) is not None
                    },
                )
                for workspace, name, description, created, updated in rows
            ]

    def versions(self, names: Sequence[str]) -> Iterator[list[ForeignVersion]]:
        """Versions, page by page, in the order of their models and numbers."""
        columns = (
            "creation_time", "last_updated_time", "description", "user_id", "current_stage", "status", "source",
            "storage_location", "run_id",
        )  # fmt: skip
        for rows in self._pages("model_versions", columns, names, ("version",)):
            tags: dict[tuple[str, str, int], dict[str, str]] = {}
            by_model = self._by_model(
                "model_version_tags", "version || ':' || key", "value", sorted({(row[0], row[1]) for row in rows}),
                between=(min(row[2] for row in rows), max(row[2] for row in rows)),
            )  # fmt: skip
            for (workspace, name), pairs in by_model.items():
                for key, value in pairs:
                    number, _, tag = str(key).partition(":")
                    tags.setdefault((workspace, name, int(number)), {})[tag] = value
            places = self._places([(str(row[9] or ""), str(row[10] or "")) for row in rows])
            yield [
                ForeignVersion(
                    workspace=stored_text(row[0]),
                    model=stored_text(row[1]),
                    number=int(row[2]),
                    created_ms=read_whole(row[3]),
                    updated_ms=read_whole(row[4]),
                    description=stored_text(row[5]),
                    user=stored_text(row[6]),
                    stage=stored_text(row[7]),
                    status=stored_text(row[8]),
                    source=stored_text(row[9]),
                    location=stored_text(place),
                    run=stored_text(row[11]),
                    tags=stored_texts(tags.get((row[0], row[1], row[2]), {})),
                )
                for row, place in zip(rows, places, strict=True)
            ]

    def runs(self, ids: Sequence[str], without_curves: frozenset[str]) -> Iterator[list[ForeignRun]]:
        """Runs of these ids that exist, in parts; curves but for those of which they are known."""
        part: list[ForeignRun] = []
        held = 0
        for several, points in self._together(ids, without_curves):
            if part and held + points > HELD_POINTS:
                yield part
                part, held = [], 0
            part = part + self._runs(several, without_curves)
            held += points
        if part:
            yield part

    def _together(
        self, ids: Sequence[str], without_curves: frozenset[str]
    ) -> Iterator[tuple[list[str], int]]:
        """Ids of runs that are read together, and how many points they have."""
        wanted = json.dumps([one for one in ids if one not in without_curves])
        counts: dict[Any, int] = dict(
            self._file.rows(
                "SELECT run_uuid, count(*) FROM metrics WHERE run_uuid IN (SELECT value FROM json_each(?)) GROUP BY run_uuid",
                (wanted,),
            )
        )
        several: list[str] = []
        points = 0
        for one in ids:
            if several and (len(several) >= _RUNS or points + counts.get(one, 0) > HELD_POINTS):
                yield several, points
                several, points = [], 0
            several.append(one)
            points += counts.get(one, 0)
        if several:
            yield several, points

    def changed_runs(self, ids: Sequence[str], since_ms: int) -> set[str]:
        """All of them: to read them costs little, and tags have no time by which to choose."""
        return set(ids)

    def run_ids(self) -> Iterator[list[str]]:
        """Ids of all runs, page by page."""
        after = ""
        while self._file.columns("runs"):
            rows = self._file.rows(
                f"SELECT run_uuid FROM runs WHERE run_uuid > ? ORDER BY run_uuid LIMIT {PAGE}",  # noqa: S608 - ours
                (after,),
            )
            if rows:
                yield [str(row[0]) for row in rows]
            if len(rows) < PAGE:
                return
            after = str(rows[-1][0])

    def files(self, version: ForeignVersion) -> Iterator[FoundFile]:
        """Files of a version, from folders that may be read."""
        return self._roots.files(version.location or version.source)

    def close(self) -> None:
        self._file.close()

    def _pages(
        self, table: str, columns: Sequence[str], names: Sequence[str], keys: tuple[str, ...] = ()
    ) -> Iterator[list[tuple[Any, ...]]]:
        """Rows ``(workspace, name, *keys, *columns)``, by keyset: each page is a query of its own."""
        there = self._file.columns(table)
        key = ", ".join((self._workspace(table), "name", *keys))
        shown = ", ".join((key, *(name if name in there else f"NULL AS {name}" for name in columns)))
        where, named = self._chosen(table, names)
        after: tuple[Any, ...] = ()
        width = 2 + len(keys)
        while True:
            beyond = f" AND ({key}) > ({', '.join('?' * width)})" if after else ""
            rows = self._file.rows(
                f"SELECT {shown} FROM {table} WHERE {where}{beyond} ORDER BY {key} LIMIT {PAGE}",  # noqa: S608 - names of our own
                (*named, *after),
            )
            if rows:
                yield rows
            if len(rows) < PAGE:
                return
            after = rows[-1][:width]

    def _chosen(self, table: str, names: Sequence[str]) -> tuple[str, tuple[Any, ...]]:
        """Condition on rows of a table. A deleted version keeps its row there, with most of it blotted out."""
        where, values = _named(names)
        if "current_stage" in self._file.columns(table):
            where += f" AND current_stage IS NOT '{_DELETED}'"
        return where, values

    def _by_model(
        self,
        table: str,
        key: str,
        value: str,
        models: Sequence[tuple[str, str]],
        between: tuple[int, int] | None = None,
    ) -> dict[tuple[str, str], list[tuple[Any, Any]]]:
        if not self._file.columns(table):
            return {}
        found: dict[tuple[str, str], list[tuple[Any, Any]]] = {}
        names = sorted({name for _, name in models})
        ranged = (
            f" AND version BETWEEN {int(between[0])} AND {int(between[1])}"
            if between and len(names) == 1
            else ""
        )
        rows = self._file.rows(
            f"SELECT {self._workspace(table)}, name, {key}, {value} FROM {table} "  # noqa: S608 - names of our own
            f"WHERE name IN (SELECT value FROM json_each(?)){ranged} ORDER BY 1, 2, 3",
            (json.dumps(names),),
        )
        for workspace, name, one, other in rows:
            found.setdefault((workspace, name), []).append((one, other))
        return found

    def _workspace(self, table: str) -> str:
        return "workspace" if "workspace" in self._file.columns(table) else "'default'"

    def _places(self, places: Sequence[tuple[str, str]]) -> list[str]:
        """Where the files of versions lie, by what each says its source is and where the store keeps it."""
        told = [location or source for source, location in places]
        models = {one.removeprefix("models:/") for one in told if one.startswith("models:/m-")}
        runs = {one.removeprefix("runs:/").partition("/")[0] for one in told if one.startswith("runs:/")}
        of_models: dict[str, str] = {}
        if models and self._file.columns("logged_models"):
            of_models = dict(
                self._file.rows(
                    "SELECT model_id, artifact_location FROM logged_models "
                    "WHERE model_id IN (SELECT value FROM json_each(?))",
                    (json.dumps(sorted(models)),),
                )
            )
        of_runs: dict[str, str] = {}
        if runs:
            of_runs = dict(
                self._file.rows(
                    "SELECT run_uuid, artifact_uri FROM runs WHERE run_uuid IN (SELECT value FROM json_each(?))",
                    (json.dumps(sorted(runs)),),
                )
            )
        found: list[str] = []
        for one in told:
            run, _, below = one.removeprefix("runs:/").partition("/")
            if one.startswith("runs:/") and run in of_runs:
                found.append(f"{str(of_runs[run]).rstrip('/')}/{below}")
            else:
                found.append(str(of_models.get(one.removeprefix("models:/"), one)))
        return found

    def _runs(self, ids: list[str], without_curves: frozenset[str]) -> list[ForeignRun]:
        wanted = json.dumps(ids)
        chosen = "run_uuid IN (SELECT value FROM json_each(?))"
        named = "r.name" if "name" in self._file.columns("runs") else "NULL"
        rows = self._file.rows(
            f"SELECT r.run_uuid, {named}, r.user_id, r.status, r.start_time, r.end_time, r.lifecycle_stage, r.artifact_uri, "  # noqa: S608 - ours
            f"e.name FROM runs r LEFT JOIN experiments e ON e.experiment_id = r.experiment_id WHERE r.{chosen} ORDER BY 1",
            (wanted,),
        )
        params = self._pairs(f"SELECT run_uuid, key, value FROM params WHERE {chosen} ORDER BY 1, 2", wanted)  # noqa: S608 - ours
        tags = self._pairs(f"SELECT run_uuid, key, value FROM tags WHERE {chosen} ORDER BY 1, 2", wanted)  # noqa: S608 - ours
        latest: dict[str, dict[str, Point]] = {}
        for run, key, step, time, value, is_nan in self._file.rows(
            f"SELECT run_uuid, key, step, timestamp, value, is_nan FROM latest_metrics WHERE {chosen} ORDER BY 1, 2",  # noqa: S608 - ours
            (wanted,),
        ):
            latest.setdefault(run, {})[stored_text(key)] = _point(step, time, value, is_nan)
        curves = self._curves([one for one in ids if one not in without_curves])
        inputs, outputs = self._inputs(wanted), self._outputs(wanted)
        return [
            ForeignRun(
                id=stored_text(row[0]),
                name=stored_text(row[1]),
                user=stored_text(row[2]),
                status=stored_text(row[3]),
                started_ms=read_whole(row[4]),
                ended_ms=read_whole(row[5]),
                lifecycle=stored_text(row[6]),
                artifacts=stored_text(row[7]),
                experiment=stored_text(row[8]),
                params=stored_texts(params.get(row[0], {})),
                metrics=latest.get(row[0], {}),
                tags=stored_texts(tags.get(row[0], {})),
                inputs=inputs.get(row[0], ()),
                outputs=outputs.get(row[0], ()),
                curves={key: one for key, one in curves.get(row[0], {}).items() if one.seen > 1},
            )
            for row in rows
        ]

    def _pairs(self, query: str, wanted: str) -> dict[str, dict[Any, Any]]:
        found: dict[str, dict[Any, Any]] = {}
        for run, key, value in self._file.rows(query, (wanted,)):
            found.setdefault(run, {})[key] = value
        return found

    def _curves(self, ids: list[str]) -> dict[str, dict[str, Curve]]:
        """Curves of runs, whose points come in pages by the table's own key: a run may have millions."""
        found: dict[str, dict[str, Curve]] = {}
        chosen = "run_uuid IN (SELECT value FROM json_each(?))"
        wanted = json.dumps(ids)
        (count,) = self._file.rows(f"SELECT count(*) FROM metrics WHERE {chosen}", (wanted,))[0]  # noqa: S608 - ours
        if count <= _POINTS:
            for run, *rest in self._file.rows(
                "SELECT run_uuid, key, step, timestamp, value, is_nan FROM metrics "  # noqa: S608 - ours
                f"WHERE {chosen} ORDER BY run_uuid, key, step, timestamp, value",
                (wanted,),
            ):
                found.setdefault(run, {}).setdefault(stored_text(rest[0]), Curve()).add(_point(*rest[1:]))
            return found
        for run in ids:
            for (key,) in self._file.rows("SELECT DISTINCT key FROM metrics WHERE run_uuid = ?", (run,)):
                curve = found.setdefault(run, {}).setdefault(stored_text(key), Curve())
                after: tuple[Any, ...] = ()
                while True:
                    rows = self._file.rows(
                        "SELECT step, timestamp, value, is_nan FROM metrics WHERE run_uuid = ? AND key = ? "  # noqa: S608 - ours
                        + ("AND (step, timestamp, value, is_nan) > (?, ?, ?, ?) " if after else "")
                        + f"ORDER BY step, timestamp, value, is_nan LIMIT {_POINTS}",
                        (run, key, *after),
                    )
                    for row in rows:
                        curve.add(_point(*row))
                    if len(rows) < _POINTS:
                        break
                    after = rows[-1]
        return found

    def _inputs(self, wanted: str) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        if not self._file.columns("inputs") or not self._file.columns("datasets"):
            return found
        rows = self._file.rows(
            "SELECT i.destination_id, d.name, d.digest, d.dataset_source_type, d.dataset_source, d.dataset_schema, "
            "d.dataset_profile, (SELECT json_group_object(t.name, t.value) FROM input_tags t "
            "WHERE t.input_uuid = i.input_uuid) FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id "
            "WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN' "
            "AND i.destination_id IN (SELECT value FROM json_each(?)) ORDER BY 1, 2, 3",
            (wanted,),
        )
        for run, *rest, tags in rows:
            names = ("name", "digest", "source_type", "source", "schema", "profile")
            dataset: dict[str, Any] = {
                name: stored_text(value) for name, value in zip(names, rest, strict=True)
            }
            found.setdefault(run, []).append({**dataset, "tags": stored_texts(json.loads(tags or "{}"))})
        return found

    def _outputs(self, wanted: str) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        if "step" not in self._file.columns("inputs"):
            return found
        rows = self._file.rows(
            "SELECT source_id, destination_id, step FROM inputs WHERE source_type = 'RUN_OUTPUT' "
            "AND destination_type = 'MODEL_OUTPUT' AND source_id IN (SELECT value FROM json_each(?)) ORDER BY 1, 3, 2",
            (wanted,),
        )
        for run, model, step in rows:
            found.setdefault(run, []).append({"model": stored_text(model), "step": read_whole(step) or 0})
        return found


def _named(names: Sequence[str]) -> tuple[str, tuple[Any, ...]]:
    if not names:
        return "true", ()
    return "name IN (SELECT value FROM json_each(?))", (json.dumps(list(names)),)


def _point(step: Any, time: Any, value: Any, is_nan: Any) -> Point:
    number = float("nan") if is_nan or not isinstance(value, int | float) else float(value)
    return (read_whole(step) or 0, read_whole(time) or 0, number)
