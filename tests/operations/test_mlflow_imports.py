"""Imports of an MLflow registry: what it says is on record once, as what it said, and nothing can be deployed from it."""

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pilothouse.domain.errors import ConflictError, InvalidInputError, NotFoundError
from pilothouse.domain.identity.roles import Permission
from pilothouse.domain.imported.records import ForeignRun
from pilothouse.domain.imported.views import STANDING, Score
from pilothouse.foreign import mlflow_file
from pilothouse.foreign.mlflow_file import MlflowFile
from pilothouse.foreign.opening import open_mlflow
from pilothouse.operations.authorisation import changing
from pilothouse.operations.exchange import adoption, imported, importing
from pilothouse.operations.exchange.importing import ImportCounts, ImportOptions
from pilothouse.operations.promotion import promotions
from pilothouse.operations.workspace import audits
from pilothouse.store.models import imports
from support.mlflow_store import recorded, unpacked
from support.recorded_http import served
from support.small_workspace import SmallWorkspace, make_small_workspace


def take(example: SmallWorkspace, uri: Path | str, **options: object) -> ImportCounts:
    source = open_mlflow(str(uri))
    try:
        return importing.run_import(example.services, example.admin, source, ImportOptions(**options))  # type: ignore[arg-type]
    finally:
        source.close()


def rows(example: SmallWorkspace) -> dict[str, list[tuple[object, ...]]]:
    """What the registry holds of imports, but for when it was read."""
    queries = {
        "models": "SELECT origin, workspace, original, name, tags, created_ms FROM imported_models ORDER BY id",
        "versions": "SELECT imported_model_id, number, created_ms, digest, form, files FROM imported_versions ORDER BY id",
        "runs": "SELECT run, digest, curves FROM imported_runs ORDER BY run",
        "aliases": "SELECT imported_model_id, alias, number, ended_at FROM imported_aliases ORDER BY id",
    }
    with example.services.registry.read() as connection:
        return {name: [tuple(row) for row in connection.execute(query)] for name, query in queries.items()}


@pytest.fixture
def example(tmp_path: Path) -> SmallWorkspace:
    return make_small_workspace(tmp_path / "workspace")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return unpacked(tmp_path / "store")


def test_a_registry_is_taken_in_and_a_second_time_changes_nothing(
    example: SmallWorkspace, store: Path
) -> None:
    counts = take(example, store, files="all")
    assert (counts.models, counts.versions, counts.runs, counts.pickled) == (3, 6, 5, 1)
    before = rows(example)
    again = take(example, store, files="all")
    assert (again.runs_changed, again.aliases_changed, again.files, again.gone) == (0, 0, 0, 0)
    assert rows(example) == before
    version, run = imported.get_version(example.services, example.admin, "credit-risk/2")
    assert (version.original, version.stage, version.description, version.form) == (
        "Credit Risk", "Production", "a forest", "skops",
    )  # fmt: skip
    assert version.standing == STANDING
    assert run is not None
    assert run.facts["params"]["number"] == "1"
    assert [value for _, _, value in run.curves["loss"]] == [1.0, 0.5, 1 / 3, 0.25]
    assert version.metrics["undefined"] == "NaN"
    assert run.facts["inputs"][0]["tags"] == {"mlflow.data.context": "training"}
    remark = version.file("run/notes/remark.txt")
    assert remark is not None
    assert example.services.artifacts.read(remark.digest) == b"seen by nobody"
    pickled, _ = imported.get_version(example.services, example.admin, "credit-risk/4")
    assert pickled.form == "pickle"
    assert [one.left_out for one in pickled.files or () if one.path == "model.pkl"] == [
        "a pickle, which is never loaded: not fetched"
    ]


def test_runs_that_are_recorded_in_parts_are_the_same_runs(
    example: SmallWorkspace, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = take(example, store, files="all")
    monkeypatch.setattr(mlflow_file, "HELD_POINTS", 4)
    other = make_small_workspace(tmp_path / "other")
    parts = take(other, store, files="all")
    assert replace(parts, number=None) == replace(whole, number=None)
    assert rows(other) == rows(example)
    with other.services.registry.read() as connection:
        (count,) = connection.execute("SELECT count(*) FROM audit WHERE action = 'import.runs'").fetchone()
    assert count >= 2
    example.services.close()
    other.services.close()


def test_file_and_server_of_one_origin_are_one(example: SmallWorkspace, store: Path) -> None:
    take(example, store, origin="prod")
    before = rows(example)
    with served(recorded()) as (address, _):
        counts = take(example, address, origin="prod", again=True)
    assert (counts.models, counts.versions, counts.runs_changed, counts.files) == (3, 6, 0, 0)
    assert rows(example) == before


class _Served(MlflowFile):
    """A registry that says which runs have changed, as a server does, and notes which it is asked for."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, ())
        self.changed: set[str] = set()
        self.since: list[int] = []
        self.asked: list[str] = []

    def changed_runs(self, ids: Sequence[str], since_ms: int) -> set[str]:
        self.since.append(since_ms)
        return self.changed & set(ids)

    def runs(self, ids: Sequence[str], without_curves: frozenset[str]) -> Iterator[list[ForeignRun]]:
        self.asked += ids
        return super().runs(ids, without_curves)


def test_a_second_import_asks_for_runs_that_may_have_changed_alone(
    example: SmallWorkspace, store: Path
) -> None:
    def taken(**options: bool) -> tuple[ImportCounts, _Served]:
        source = _Served(store)
        source.changed = changed
        try:
            counts = importing.run_import(
                example.services, example.admin, source, ImportOptions(files="none", **options)
            )
        finally:
            source.close()
        return counts, source

    changed: set[str] = set()
    first, source = taken()
    assert (first.runs, first.runs_changed, first.runs_known, len(source.asked)) == (5, 5, 0, 5)
    assert source.since == []
    before = rows(example)
    second, source = taken()
    assert (second.runs, second.runs_changed, second.runs_known, source.asked) == (5, 0, 5, [])
    assert source.since[0] > 0
    assert rows(example) == before
    (run,) = [key for key, _, _ in before["runs"] if key][:1]
    with sqlite3.connect(store) as there:  # resumed, and ended again
        there.execute("UPDATE params SET value = '9' WHERE run_uuid = ?", (run,))
        there.execute("UPDATE tags SET value = 'credit' WHERE key = 'team'")
        (version,) = there.execute("SELECT run_id FROM model_versions WHERE version = 3").fetchone()
        there.execute("UPDATE model_versions SET description = 'seen' WHERE version = 3")
    changed = {str(run)}
    third, source = taken()
    assert set(source.asked) == {run, version}
    assert third.runs_changed == len(set(source.asked))
    last, source = taken(again=True)
    assert (len(source.asked), last.runs_known) == (5, 0)
    assert last.runs_changed > 0


def test_what_a_cut_off_import_has_read_is_compared_with_all_that_was_ever_there(
    example: SmallWorkspace, store: Path
) -> None:
    class _CutError(Exception):
        pass

    def cut(done: int, total: int) -> None:
        if done:
            raise _CutError

    source = _Served(store)
    with pytest.raises(_CutError):
        importing.run_import(example.services, example.admin, source, ImportOptions(files="none"), cut)
    importing.run_import(
        example.services, example.admin, source, ImportOptions(files="none", models=("Old",))
    )
    importing.run_import(example.services, example.admin, source, ImportOptions(files="none"))
    assert source.since == [0, 0]
    source.close()


def test_every_meaning_of_an_alias_stays(example: SmallWorkspace, store: Path) -> None:
    take(example, store)
    with sqlite3.connect(store) as there:
        there.execute("UPDATE registered_model_aliases SET version = 3 WHERE alias = 'Champion'")
        there.execute("DELETE FROM registered_model_aliases WHERE alias = 'é'")
    assert take(example, store).aliases_changed == 2
    spans = imported.alias_history(example.services, example.admin, "credit-risk")
    assert [(one.alias, one.number, one.ended_at is None) for one in spans] == [
        ("Champion", 1, False), ("é", 2, False), ("Champion", 3, True),
    ]  # fmt: skip
    assert imported.get_version(example.services, example.admin, "credit-risk@Champion")[0].number == 3
    with pytest.raises(NotFoundError, match="no alias"):
        imported.get_version(example.services, example.admin, "credit-risk@é")
    with (
        pytest.raises(ConflictError, match="ends once"),
        example.services.registry.transaction() as connection,
    ):
        connection.execute("UPDATE imported_aliases SET number = 9")


def test_a_model_made_again_and_a_deleted_version_are_told_apart(
    example: SmallWorkspace, store: Path
) -> None:
    take(example, store)
    with sqlite3.connect(store) as there:
        there.execute("UPDATE model_versions SET creation_time = creation_time + 5 WHERE name = 'Old'")
        there.execute("DELETE FROM model_versions WHERE name = 'Credit Risk' AND version = 3")
    assert take(example, store).gone == 2
    versions = imported.list_versions(example.services, example.admin, "credit-risk")
    assert [(one.number, one.gone) for one in versions] == [(4, False), (3, True), (2, False), (1, False)]
    old = imported.list_versions(example.services, example.admin, "old")
    assert [(one.number, one.gone) for one in old] == [(1, False), (1, True)]


def test_one_model_is_taken_and_the_others_are_left(example: SmallWorkspace, store: Path) -> None:
    counts = take(example, store, models=("Old",), files="none")
    assert (counts.models, counts.versions, counts.files, counts.gone) == (1, 1, 0, 0)
    with pytest.raises(NotFoundError, match="letter by letter"):
        take(example, store, models=("old",))
    source = open_mlflow(str(store))
    before = rows(example)
    assert importing.look(example.services, example.admin, source, ImportOptions()).versions == 6
    assert rows(example) == before
    source.close()


def test_nothing_imported_can_be_requested_and_no_name_is_taken_from_ours(
    example: SmallWorkspace, store: Path
) -> None:
    with sqlite3.connect(store) as there:
        for table in ("registered_models", "model_versions"):
            there.execute(f"UPDATE {table} SET name = 'Delay' WHERE name = 'Old'")
    take(example, store)
    assert [one.name for one in imported.list_models(example.services, example.admin)] == [
        "churn-2j-x",
        "credit-risk",
        "delay-2",
    ]
    with pytest.raises(NotFoundError):
        promotions.request_promotion(example.services, example.admin, "credit-risk/1", reason="it is good")


def test_files_that_cannot_be_reached_are_fetched_the_next_time(example: SmallWorkspace, store: Path) -> None:
    shutil.move(store.parent / "mlruns", store.parent / "elsewhere")
    counts = take(example, store)
    assert (counts.without_files, counts.files) == (6, 0)
    assert "--artifacts" in counts.faults[0]
    shutil.move(store.parent / "elsewhere", store.parent / "mlruns")
    assert take(example, store).without_files == 0
    assert imported.get_version(example.services, example.admin, "credit-risk/1")[0].skops_file is not None


def test_a_large_file_is_left_out_and_said(example: SmallWorkspace, store: Path) -> None:
    take(example, store, largest_file=1_000)
    version, _ = imported.get_version(example.services, example.admin, "credit-risk/1")
    assert version.skops_file is None
    (said,) = [one.left_out for one in version.files or () if one.path == "model.skops"]
    assert said.endswith("not fetched")


def test_runs_of_no_version_come_in_where_they_are_asked_for(example: SmallWorkspace, store: Path) -> None:
    with sqlite3.connect(store) as connection:  # versions that were never registered
        connection.execute("DELETE FROM model_version_tags WHERE name = 'Credit Risk'")
        connection.execute("DELETE FROM registered_model_aliases WHERE name = 'Credit Risk'")
        connection.execute("DELETE FROM model_versions WHERE name = 'Credit Risk'")
    connection.close()
    assert take(example, store).runs == 1
    assert imported.list_runs(example.services, example.admin, 50) == ([], 0)
    counts = take(example, store, runs="all")
    assert (counts.versions, counts.runs, counts.runs_changed) == (2, 6, 5)
    runs, total = imported.list_runs(example.services, example.admin, 3)
    assert (len(runs), total) == (3, 5)
    assert {"number", "estimator"} <= runs[-1].facts["params"].keys()
    assert runs[0].facts["started_ms"] >= runs[-1].facts["started_ms"]
    assert take(example, store, runs="all").runs_changed == 0
    source = open_mlflow(str(store))
    assert importing.look(example.services, example.admin, source, ImportOptions(runs="all")).runs == 6
    source.close()


def test_an_import_that_ended_in_the_middle_is_gone_on_with(example: SmallWorkspace, store: Path) -> None:
    class _CutError(Exception):
        pass

    def cut(done: int, total: int) -> None:
        if done:
            raise _CutError

    source = open_mlflow(str(store))
    with pytest.raises(_CutError):
        importing.run_import(example.services, example.admin, source, ImportOptions(), cut)
    source.close()
    take(example, store)
    other = rows(example)
    assert len(other["versions"]) == 6
    assert audits.verify(example.services, example.admin)
    with example.services.registry.read() as connection:
        unfinished = connection.execute(
            "SELECT count(*) AS n FROM imports WHERE finished_at IS NULL"
        ).fetchone()
    assert unfinished["n"] == 1


@pytest.mark.parametrize(
    "options",
    [
        ImportOptions(files="some"),
        ImportOptions(largest_file=0),
        ImportOptions(runs="few"),
        ImportOptions(runs="all", models=("a",)),
        ImportOptions(origin="a\nb"),
    ],
)
def test_options_that_are_none_are_refused(
    example: SmallWorkspace, store: Path, options: ImportOptions
) -> None:
    source = open_mlflow(str(store))
    with pytest.raises(InvalidInputError):
        importing.run_import(example.services, example.admin, source, options)
    source.close()


@pytest.mark.parametrize("made", [0, -1, 10**16])
def test_a_version_made_at_no_time_is_not_adopted(example: SmallWorkspace, store: Path, made: int) -> None:
    with sqlite3.connect(store) as there:
        there.execute("UPDATE model_versions SET creation_time = ?", (made,))
    there.close()
    take(example, store)
    version, _ = imported.get_version(example.services, example.admin, "credit-risk/1")
    file = version.skops_file
    assert file is not None
    with changing(example.services, example.admin, Permission.IMPORT) as change:
        score = Score(file.digest, True, "answers", {}, example.admin.name, change.at)
        imports.add_score(change.connection, version.id, score)
        change.record("import.scored", "imported credit-risk/1", {})
    with pytest.raises(InvalidInputError, match="does not say when it was made"):
        adoption.adopt(example.services, example.admin, "credit-risk/1", "delay")
