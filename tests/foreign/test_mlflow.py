"""MLflow's registry as it is read: by its SQLite file and by its server alike, and nothing beyond what may be read."""

import base64
import http.server
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pilothouse.domain.errors import (
    InvalidInputError,
    NotAllowedError,
    NotFoundError,
    PilothouseError,
    UnavailableError,
)
from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.imported.names import mapped_name, path_fault, read_whole, stored_text
from pilothouse.domain.imported.records import MOST_POINTS, Curve, ForeignRun
from pilothouse.foreign import mlflow_curves, mlflow_server
from pilothouse.foreign.http_client import HttpClient
from pilothouse.foreign.mlflow_server import MlflowServer
from pilothouse.foreign.opening import open_mlflow
from pilothouse.foreign.source import Source
from pilothouse.store.models.imports import run_facts
from support.mlflow_store import recorded, unpacked
from support.recorded_http import served


def together(source: Source, ids: list[str]) -> list[ForeignRun]:
    return [run for part in source.runs(ids, frozenset()) for run in part]


def everything(source: Source) -> tuple[Any, ...]:
    """What a registry says, and the bytes of its files, but where they lie."""
    models = [one for page in source.models(()) for one in page]
    versions = [one for page in source.versions(()) for one in page]
    runs = together(source, sorted({one.run for one in versions}))
    files = {
        (one.model, one.number, file.path): b"".join(file.chunks())
        for one in versions
        for file in source.files(one)
        if not file.path.endswith(".pkl")
    }
    plain = {
        run.id: canonical_json(
            [run_facts(run), repr([(key, list(curve)) for key, curve in sorted(run.curves.items())])]
        )
        for run in runs
    }
    return models, [replace(one, location="") for one in versions], plain, files


def test_file_and_server_say_the_same(tmp_path: Path) -> None:
    file = open_mlflow(str(unpacked(tmp_path)))
    by_file = everything(file)
    file.close()
    with served(recorded()) as (address, asked):
        server = open_mlflow(address)
        by_server = everything(server)
        server.close()
    assert by_file == by_server
    models, versions, runs, files = by_file
    assert {one.name: dict(one.aliases) for one in models}["Credit Risk"] == {"Champion": 1, "é": 2}
    assert [one.number for one in versions if one.model == "Credit Risk"] == [1, 2, 3, 4]
    assert len(runs) == 5  # a deleted version of the first model is none
    assert ("Credit Risk", 1, "model.skops") in files
    assert len(asked) < 60


def test_a_file_of_a_release_without_later_tables_is_read(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as made:
        made.executescript(
            "CREATE TABLE registered_models (name TEXT, creation_time INT, last_updated_time INT, description TEXT);"
            "CREATE TABLE model_versions (name TEXT, version INT, creation_time INT, source TEXT, run_id TEXT);"
            "CREATE TABLE runs (run_uuid TEXT, user_id TEXT, status TEXT, start_time INT, end_time INT, lifecycle_stage TEXT,"
            " artifact_uri TEXT, experiment_id INT); CREATE TABLE experiments (experiment_id INT, name TEXT);"
            "CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT);"
            "CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT);"
            "CREATE TABLE metrics (key TEXT, value REAL, timestamp INT, run_uuid TEXT, step INT, is_nan INT);"
            "CREATE TABLE latest_metrics (key TEXT, value REAL, timestamp INT, run_uuid TEXT, step INT, is_nan INT);"
            "INSERT INTO registered_models VALUES ('m', 1, 1, NULL); INSERT INTO model_versions VALUES ('m', 1, 1, 'x', 'r');"
            "INSERT INTO runs VALUES ('r', NULL, 'FINISHED', 1, 2, 'active', '', 0);"
        )
    source = open_mlflow(f"sqlite:///{path}")
    ((version,),) = source.versions(())
    assert (version.workspace, version.model, version.number) == ("default", "m", 1)
    assert [run.id for run in together(source, ["r"])] == ["r"]
    source.close()


@pytest.mark.parametrize(
    "location",
    ["/etc", "file:///etc", "../../../etc", "mlflow-artifacts:/../../etc", "mlruns/out", "s3://bucket/x"],
)
def test_no_file_beyond_the_folders_is_read(tmp_path: Path, location: str) -> None:
    path = unpacked(tmp_path / "store")
    (path.parent / "mlruns" / "out").symlink_to("/etc")
    source = open_mlflow(str(path))
    ((version, *_), *_) = source.versions(())
    with pytest.raises((NotFoundError, UnavailableError)):
        list(source.files(replace(version, location=location)))
    source.close()


def test_a_link_within_a_folder_is_not_followed(tmp_path: Path) -> None:
    path = unpacked(tmp_path / "store")
    source = open_mlflow(str(path))
    version = next(one for page in source.versions(()) for one in page if one.model == "Credit Risk")
    folder = next(path.parent.glob(f"mlruns/1/models/{version.logged_model}/artifacts"))
    (folder / "stolen").symlink_to("/etc/passwd")
    (folder / "all").symlink_to("/etc")
    assert {one.path for one in source.files(version)} & {"stolen", "all/passwd"} == set()
    source.close()


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("/nowhere.db", "does not exist"),
        ("ftp://host/x", "expected http"),
        ("http://ada:secret@127.0.0.1:5000", "MLFLOW_TRACKING_USERNAME"),
        ("http://127.0.0.1:99999", "port"),
    ],
)
def test_an_address_that_is_none_is_refused_in_one_line(uri: str, said: str) -> None:
    with pytest.raises(PilothouseError, match=said) as refused:
        open_mlflow(uri)
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)


def test_an_absolute_path_with_three_slashes_is_refused_with_the_address_that_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.db").touch()
    with pytest.raises(PilothouseError) as refused:
        open_mlflow(f"sqlite:///{str(tmp_path / 'x.db').removeprefix('/')}")
    assert f"sqlite:///{tmp_path / 'x.db'}" in str(refused.value)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("no database, but long enough to be taken for one" * 100)
    with pytest.raises(InvalidInputError, match="no SQLite file"):
        open_mlflow(str(tmp_path / "x.db"))
    sqlite3.connect(tmp_path / "y.db").execute("CREATE TABLE t (x)")
    with pytest.raises(InvalidInputError, match="no table of model versions"):
        open_mlflow(str(tmp_path / "y.db"))
    with pytest.raises(InvalidInputError, match="file store"):
        open_mlflow(str(tmp_path))


class _Scripted(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def do_GET(self) -> None:
        self.server.seen.append(self.headers.get("Authorization"))
        status, headers, body = self.server.script.pop(0)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if "Content-Length" in headers:
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def scripted(*script: tuple[int, dict[str, str], bytes]) -> Iterator[tuple[str, list[Any]]]:
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Scripted)
    server.script, server.seen = list(script), []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", server.seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_busy_server_is_asked_again_and_a_failing_one_is_not_asked_for_ever() -> None:
    pauses: list[float] = []
    busy = (503, {"Retry-After": "7"}, b"")
    with scripted(busy, (429, {}, b""), (200, {}, b'{"a": 1}'), *[busy] * 5) as (address, _):
        client = HttpClient(address, {}, pauses.append)
        assert client.json("/x") == {"a": 1}
        assert pauses[0] == 7.0
        with pytest.raises(UnavailableError, match="503"):
            client.json("/x")
        client.close()


def test_an_answer_that_is_cut_off_is_asked_for_again() -> None:
    cut = (200, {"Content-Length": "100"}, b'{"a": 1}')
    with scripted(cut, (200, {}, b'{"a": 2}'), *[cut] * 5) as (address, _):
        client = HttpClient(address, {}, lambda _: None)
        assert client.json("/x") == {"a": 2}
        with pytest.raises(UnavailableError, match="92 bytes too early"):
            client.json("/x")
        client.close()


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        ((302, {"Location": "http://127.0.0.1:1/"}, b""), UnavailableError, "name the address"),
        ((403, {}, b'{"message": "Invalid Host\\u001b[2J"}'), NotAllowedError, "MLFLOW_TRACKING_TOKEN"),
        (
            (404, {"Transfer-Encoding": "chunked", "Connection": "close"}, b"5\r\nab"),
            NotFoundError,
            "answered 404: is it a tracking server, and its prefix",
        ),
        ((200, {}, b"<html>"), UnavailableError, "no JSON"),
        ((200, {}, b"[1]"), UnavailableError, "no JSON object"),
        ((200, {"Content-Length": "100"}, b'{"a": 1}'), UnavailableError, "too early|answer|IncompleteRead"),
    ],
)
def test_an_answer_that_is_none_is_one_line(answer: Any, kind: type[Exception], said: str) -> None:
    with scripted(*[answer] * 5) as (address, _):
        client = HttpClient(address, {}, lambda _: None)
        with pytest.raises(kind, match=said) as refused:
            client.json("/x")
        client.close()
    assert str(refused.value).isprintable()


def test_credentials_come_from_the_environment_and_are_in_no_message() -> None:
    with scripted((401, {}, b"")) as (address, seen):
        client = HttpClient(address, {"MLFLOW_TRACKING_TOKEN": "geheim"}, lambda _: None)
        with pytest.raises(NotAllowedError) as refused:
            client.json("/x")
        client.close()
    assert seen == ["Bearer geheim"]
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize("uri", ["http://[::1", "http://host/ü", "http://hö.example", "http://host/a b"])
def test_an_address_that_is_none_is_one_line(uri: str) -> None:
    with pytest.raises(InvalidInputError, match="expected") as refused:
        HttpClient(uri, {})
    assert str(refused.value).isprintable()


def test_names_of_others_become_names_of_ours() -> None:
    assert mapped_name("Credit Risk", ()) == "credit-risk"
    assert mapped_name("Credit risk", {"credit-risk"}) == "credit-risk-2"
    assert mapped_name("Zürich/Élan", ()) == "zurich-elan"
    assert mapped_name("模型", ()) == "model"
    assert len(mapped_name("x" * 500, {"x" * 64})) <= 64
    assert stored_text("a\x00\ud800b") == "a\ufffd\ufffdb"
    assert [bool(path_fault(path)) for path in ("a/b", "../a", "/a", "a//b", "")] == [
        False,
        True,
        True,
        True,
        True,
    ]
    assert [read_whole(value) for value in (True, "7", 2**63, "x", 1.5, None)] == [
        None,
        7,
        None,
        None,
        None,
        None,
    ]


def test_a_curve_is_thinned_and_keeps_its_ends() -> None:
    curve = Curve()
    for step in range(100_001):
        curve.add((step, step, 0.5))
    points = list(curve)
    assert len(points) == len(curve) <= 2 * MOST_POINTS
    assert (points[0][0], points[-1][0], curve.seen) == (0, 100_000, 100_001)


def test_a_server_whose_pages_go_round_is_left() -> None:
    def page(token: str) -> tuple[int, str]:
        return 200, base64.b64encode(json.dumps({"next_page_token": token}).encode()).decode()

    asked = {"max_results": 1_000, "view_type": "ALL"}
    path = "POST /api/2.0/mlflow/experiments/search "
    answers = {
        path + json.dumps(asked): page("a"),
        path + json.dumps({**asked, "page_token": "a"}): page("b"),
        path + json.dumps({**asked, "page_token": "b"}): page("a"),
    }
    with served(answers) as (address, requests):
        source = MlflowServer(HttpClient(address))
        with pytest.raises(UnavailableError, match="experiments/search gives the same page again and again"):
            together(source, ["r"])
        source.close()
    assert len(requests) == 3


def _json(plain: object) -> tuple[int, str]:
    return 200, base64.b64encode(json.dumps(plain).encode()).decode()


def _search(ids: list[str], more: str = "", view: str = "ALL", most: int = 100) -> str:
    named = ", ".join(f"'{one}'" for one in ids)
    body = {
        "experiment_ids": ["1"], "filter": f"attributes.run_id IN ({named}){more}", "run_view_type": view, "max_results": most,
    }  # fmt: skip
    return f"POST /api/2.0/mlflow/runs/search {json.dumps(body)}"


_EXPERIMENTS = {
    'POST /api/2.0/mlflow/experiments/search {"max_results": 1000, "view_type": "ALL"}': _json(
        {"experiments": [{"experiment_id": "1", "name": "risk"}]}
    )
}


def _run(number: str, *metrics: str) -> dict[str, Any]:
    points = [{"key": key, "value": 1.0, "timestamp": 5, "step": 0} for key in metrics]
    return {"info": {"run_id": number, "experiment_id": "1"}, "data": {"metrics": points}}


def test_requests_are_under_way_together_and_a_curve_is_asked_for_where_it_is() -> None:
    ids = [f"r{number:03d}" for number in range(150)]
    several = threading.Barrier(2, timeout=30)

    def seen(asked: str) -> None:
        if "runs/search" in asked:
            several.wait()  # never passed by one request alone

    bulk = "GET /ajax-api/2.0/mlflow/metrics/get-history-bulk?run_id=r120&metric_key=loss&max_results=25000 "
    points = [
        {"run_id": "r120", "key": "loss", "value": 1 / (step + 1), "timestamp": 5, "step": step}
        for step in range(2)
    ]
    answers = {
        **_EXPERIMENTS,
        _search(ids[:100]): _json({"runs": [_run(one) for one in reversed(ids[:100])]}),
        _search(ids[100:]): _json({"runs": [_run(one, *["loss"] * (one == "r120")) for one in ids[100:]]}),
        bulk: _json({"metrics": points}),
    }
    with served(answers, seen=seen) as (address, asked):
        source = MlflowServer(HttpClient(address, {}))
        (runs,) = source.runs(ids, frozenset())
        assert [run.id for run in runs] == ids
        assert {
            run.id: {key: list(curve) for key, curve in run.curves.items()} for run in runs if run.curves
        } == {"r120": {"loss": [(0, 5, 1.0), (1, 5, 0.5)]}}
        assert len(asked) == 4
        source.close()


def test_runs_that_nobody_asked_for_and_those_told_twice_are_not_taken() -> None:
    answers = {
        **_EXPERIMENTS,
        _search(["a", "b"]): _json({"runs": [_run(one) for one in ("other", "a", "a")]}),
    }
    with served(answers) as (address, _):
        source = MlflowServer(HttpClient(address, {}))
        assert [run.id for run in together(source, ["a", "b"])] == ["a"]
        source.close()


def test_runs_with_too_many_points_are_asked_for_again_in_smaller_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mlflow_server, "HELD_POINTS", 5)
    ids = ["a", "b", "c"]
    points = {
        run: [{"run_id": run, "value": step / 2, "timestamp": 5, "step": step} for step in range(4)]
        for run in ids
    }

    def bulk(*runs: str) -> str:
        named = "&".join(f"run_id={run}" for run in runs)
        return f"GET /ajax-api/2.0/mlflow/metrics/get-history-bulk?{named}&metric_key=loss&max_results=25000 "

    answers = {
        **_EXPERIMENTS,
        _search(ids): _json({"runs": [_run(one, "loss") for one in ids]}),
        bulk(*ids): _json({"metrics": [point for run in ids for point in points[run]]}),
        **{bulk(run): _json({"metrics": points[run]}) for run in ids},
    }
    with served(answers) as (address, asked):
        source = MlflowServer(HttpClient(address, {}))
        parts = list(source.runs(ids, frozenset()))
        source.close()
    assert [[run.id for run in part] for part in parts] == [["a"], ["b"], ["c"]]
    assert all(list(part[0].curves["loss"]) == [(step, 5, step / 2) for step in range(4)] for part in parts)
    assert len(asked) == 6


def _told(run: str, *steps: int) -> list[dict[str, Any]]:
    return [{"run_id": run, "value": step / 2, "timestamp": 5, "step": step} for step in steps]


def _bulk(*runs: str) -> str:
    named = "&".join(f"run_id={run}" for run in runs)
    return f"GET /ajax-api/2.0/mlflow/metrics/get-history-bulk?{named}&metric_key=loss&max_results=5 "


_HISTORY = "GET /api/2.0/mlflow/metrics/get-history?run_id=b&metric_key=loss&max_results=5"
_LONG = {
    _HISTORY + " ": _json({"metrics": _told("b", *range(5)), "next_page_token": "t"}),
    _HISTORY + "&page_token=t ": _json({"metrics": _told("b", 5, 6)}),
}


@pytest.mark.parametrize(
    ("lengths", "answers"),
    [
        ({"a": 3, "b": 4, "c": 1}, {_bulk("a", "b", "c"): _told("a", 0, 2, 1) + _told("b", 0, 1),
                                    _bulk("b"): _told("b", *range(4)), _bulk("c"): _told("c", 0)}),
        ({"b": 7, "c": 2}, {_bulk("b", "c"): _told("b", *range(5)), _bulk("c"): _told("c", 0, 1)}),
        ({"a": 0, "b": 7}, {_bulk("a", "b"): _told("b", *range(5)), _bulk("a"): []}),
        ({"a": 3, "b": 3}, {_bulk("a", "b"): [*_told("a", 0), *_told("b", 0), *_told("a", 1), *_told("b", 1), *_told("a", 2)],
                            _bulk("a"): _told("a", *range(3)), _bulk("b"): _told("b", *range(3))}),
    ],
    ids=["the last is cut off", "one alone fills it", "the one that fills it is the last", "a server that mixes runs"],
)  # fmt: skip
def test_what_a_full_answer_cuts_off_is_asked_for_until_every_curve_is_whole(
    monkeypatch: pytest.MonkeyPatch, lengths: dict[str, int], answers: dict[str, list[Any]]
) -> None:
    monkeypatch.setattr(mlflow_curves, "FULL", 5)
    there = {
        **_EXPERIMENTS,
        _search(list(lengths)): _json({"runs": [_run(one, "loss") for one in lengths]}),
        **_LONG,
        **{asked: _json({"metrics": points}) for asked, points in answers.items()},
    }
    with served(there) as (address, asked):
        source = MlflowServer(HttpClient(address, {}))
        runs = together(source, list(lengths))
        source.close()
    whole = {run: [(step, 5, step / 2) for step in range(count)] for run, count in lengths.items()}
    found = {run.id: list(run.curves.get("loss", ())) for run in runs}
    assert found == {run: points if len(points) > 1 else [] for run, points in whole.items()}
    assert len(asked) == len(set(asked))


def test_a_server_that_answers_with_other_runs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_curves, "FULL", 5)
    answers = {
        **_EXPERIMENTS,
        _search(["a", "b"]): _json({"runs": [_run("a", "loss"), _run("b", "loss")]}),
        _bulk("a", "b"): _json({"metrics": _told("x", 0, 1, 2) + _told("y", 0, 1)}),
    }
    with served(answers) as (address, _):
        source = MlflowServer(HttpClient(address, {}))
        with pytest.raises(UnavailableError, match="runs that were not asked for"):
            together(source, ["a", "b"])
        source.close()


def test_runs_that_have_changed_are_named_by_the_server_and_not_asked_for_twice() -> None:
    wanted = {
        " AND attributes.end_time > 7": ("ALL", ["a"]),
        " AND attributes.status != 'FINISHED'": ("ALL", ["b"]),
        " AND attributes.start_time > 0": ("DELETED_ONLY", ["c"]),
    }
    ids = ["a", "b", "c", "d"]
    answers = dict(_EXPERIMENTS)
    for more, (view, found) in wanted.items():
        answers[_search(ids, more, view, len(ids))] = _json({"runs": [_run(one) for one in found]})
    answers[_search(["e"])] = _json({"runs": [_run("e")]})
    with served(answers) as (address, asked):
        source = MlflowServer(HttpClient(address, {}))
        assert source.changed_runs(ids, 7) == {"a", "b", "c"}
        assert [run.id for run in together(source, ["a", "b", "c", "e"])] == ["a", "b", "c", "e"]
        assert len(asked) == 5
        source.close()


def test_a_client_that_is_closed_lets_go_of_a_request_under_way() -> None:
    begun, over = threading.Event(), threading.Event()

    def seen(_: str) -> None:
        begun.set()
        over.wait(30)

    with served({"GET /x ": _json({})}, seen=seen) as (address, _):
        client = HttpClient(address, {}, lambda _: None)
        failed: list[Exception] = []

        def ask() -> None:
            try:
                client.json("/x")
            except PilothouseError as error:
                failed.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        assert begun.wait(30)
        client.close()
        thread.join(30)
        over.set()
        assert len(failed) == 1
