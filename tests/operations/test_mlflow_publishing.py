"""Versions sent to MLflow's tracking server: once, completed when sent again, by whoever may, with entries in the log."""

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pilothouse.domain.errors import ConflictError, InvalidInputError, NotAllowedError, UnavailableError
from pilothouse.domain.imported.views import STANDING_OF_OURS
from pilothouse.foreign.opening import open_mlflow
from pilothouse.interop.mlflow_records import HELD_OUT, records_of
from pilothouse.operations import catalogue
from pilothouse.operations.exchange import adoption, imported, importing, mlflow_publishing
from pilothouse.operations.exchange.logged_files import place_of
from pilothouse.operations.exchange.tracking_server import TrackingServer
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import audits
from support import example
from support.mlflow_store import export_of_the_example, send_twice, sent, unpacked
from support.recorded_http import Answers, served
from support.templates import copy_of

MODEL = b"model 1"
"""What stands for the first version's model file in the example."""


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    copy_of("the example", example.build, tmp_path / "workspace")
    with example.opened(tmp_path / "workspace") as services:
        yield services


def answer(plain: object, status: int = 200) -> tuple[int, str]:
    return status, base64.b64encode(json.dumps(plain).encode()).decode()


def test_metrics_on_the_hold_out_parameters_and_logged_curves_are_told(services: Services) -> None:
    ada = example.person(services, "ada")
    version = catalogue.get_version(services, ada, "flight-delay/1")
    run = catalogue.get_run(services, ada, "flight-delay/1")
    run = replace(run, parameters={"depth": 3, "layers": [4, 2], "../up": "x", "a=b": 1, "a?b": 2})
    points = {"loss": [[0, 5, 1.0], [1, 6, "NaN"], [2, 7, "Infinity"]], "holdout.auc": [[0, 5, 0.1]]}
    logged = {"runs": [{"name": "mine", "params": {"depth": "9", "rate": "0.1"}, "metrics": points}]}
    told = records_of(version, run, (), logged)
    assert told.uri == "models:/flight-delay/1"
    assert told.parameters == {
        "depth": "3", "layers": "[4, 2]", "up": "x", "a_b": "1", "a_b 2": "2", "rate": "0.1",
    }  # fmt: skip
    assert [point[1:] for point in told.metrics if point[0] == "loss"] == [
        (1.0, 5, 0),
        ("NaN", 6, 1),
        ("Infinity", 7, 2),
    ]
    (auc,) = [point[1] for point in told.metrics if point[0] == f"{HELD_OUT}auc"]
    metric = version.metric("auc")
    assert metric is not None
    assert auc == metric.value
    assert [point[1] for point in told.metrics if point[0] == "logged.holdout.auc"] == [0.1]
    assert [data["name"] for data, _ in told.data_sets] == ["flight-delay"]
    assert told.tags["pilothouse.version"] == "models:/flight-delay/1"
    assert told.tags["pilothouse.model_sha256"] == version.model_digest


def test_tags_and_data_sets_of_training_code_are_told_without_those_of_tools(services: Services) -> None:
    ada = example.person(services, "ada")
    version = catalogue.get_version(services, ada, "flight-delay/1")
    run = catalogue.get_run(services, ada, "flight-delay/1")
    rows = {
        "name": "rows",
        "digest": "d" * 40,
        "source_type": "local",
        "source": "{}",
        "tags": {"kind": "small"},
    }
    tags = {
        "team": "night",
        "mlflow.user": "x",
        "mlflow.note.content": "first",
        "pilothouse.version": "forged",
    }
    first = {"run": "r1", "name": "mine", "tags": tags, "data_sets": [rows, rows]}
    second = {"run": "r2", "name": "again", "tags": {"team": "day"}, "data_sets": [rows]}
    told = records_of(version, run, (), {"runs": [first, second]})
    assert told.logged_tags == {"team": "night", "mlflow.note.content": "first", "again/team": "day"}
    assert told.prefixes == {"r1": "", "r2": "again/"}
    _, (data, of_set) = told.data_sets
    assert (data["name"], data["digest"], of_set) == ("rows", "d" * 36, {"kind": "small"})


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("0/r1/artifacts/plots/roc.png", "plots/roc.png"),
        ("0/r2/artifacts/roc.png", "second/a_try/roc.png"),
        ("0/models/m-1/artifacts/MLmodel", "models/m-1/MLmodel"),
        ("0/r1/artifacts/model/theirs.txt", "logged/model/theirs.txt"),
        ("0/r1/artifacts/model", "logged/model"),
        ("0/unknown/artifacts/a.txt", "logged/0/unknown/artifacts/a.txt"),
        ("loose.txt", "logged/loose.txt"),
    ],
)
def test_a_logged_file_has_its_own_place_in_the_run_that_is_sent(name: str, place: str) -> None:
    assert place_of(name, {"r1": "", "r2": "second/../a?try/"}, "model") == place


def test_who_may_not_send_does_not_and_a_name_is_checked(services: Services) -> None:
    with pytest.raises(NotAllowedError, match="send a version to another registry"):
        mlflow_publishing.check(services, example.person(services, "vera"), "flight-delay/1", "")
    with pytest.raises(InvalidInputError, match="quotation marks"):
        mlflow_publishing.check(services, example.person(services, "sam"), "flight-delay/1", "a' or '1'='1")


def test_a_server_that_keeps_its_files_elsewhere_is_refused_before_a_run_is_made(services: Services) -> None:
    experiment = {"experiment": {"experiment_id": "1", "artifact_location": "s3://bucket/1"}}
    path = "GET /api/2.0/mlflow/experiments/get-by-name?experiment_name=flight-delay "
    answers: Answers = {path: answer(experiment)}
    with served(answers) as (address, asked):
        server = TrackingServer(address, {})
        with pytest.raises(InvalidInputError, match="s3://bucket/1"):
            mlflow_publishing.publish(
                services, example.person(services, "sam"), export_of_the_example(), server
            )
    assert asked == [path]
    entry = audits.show(services, example.person(services, "ada"), limit=1)[0]
    assert (entry.action, entry.detail["to"]) == ("version.exported", address)


def test_what_is_no_tracking_server_is_said_in_one_line(services: Services) -> None:
    page = (200, base64.b64encode(b"<html>hello").decode())
    path = "POST /api/2.0/mlflow/registered-models/create "
    body = json.dumps({"name": "x", "description": "", "tags": []})
    with served({f"{path}{body}": page}) as (address, _):
        server = TrackingServer(address, {})
        with pytest.raises(UnavailableError, match="is it a tracking server") as caught:
            server.make_model("x", "", {})
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(address)
    with pytest.raises(InvalidInputError, match="MLFLOW_TRACKING_PASSWORD"):
        TrackingServer("http://ada:secret@127.0.0.1:5000")


@pytest.mark.parametrize("said", [[], {"model_versions": [{}]}, {"model_versions": [{"version": "9 or so"}]}])
def test_a_version_without_a_number_is_none_that_is_there(said: object) -> None:
    path = "GET /api/2.0/mlflow/model-versions/search?filter=name+%3D+%27x%27+and+run_id+%3D+%27r%27&max_results=1 "
    with (
        served({path: answer(said)}) as (address, _),
        pytest.raises(UnavailableError, match="is it a tracking server"),
    ):
        TrackingServer(address, {}).find_version("x", "r")


def test_credentials_go_in_the_header_and_stand_in_no_error() -> None:
    path = "POST /api/2.0/mlflow/registered-models/alias "
    body = json.dumps({"name": "x", "alias": "champion", "version": "1"})
    with served({f"{path}{body}": answer({"message": "no such user"}, 401)}) as (address, _):
        server = TrackingServer(address, {"MLFLOW_TRACKING_TOKEN": "quite-secret"})
        with pytest.raises(NotAllowedError, match="MLFLOW_TRACKING_TOKEN") as caught:
            server.set_alias("x", "champion", "1")
    assert "quite-secret" not in str(caught.value)


def test_a_version_that_is_sent_twice_is_there_once(services: Services) -> None:
    with served(sent(), in_turn=True) as (address, asked):
        first, again = send_twice(services, address)
    assert (first.number, first.is_new, first.aliases) == ("1", True, ("champion",))
    assert (again.number, again.run, again.is_new, again.aliases) == ("1", first.run, False, ())
    made = [one.split()[1].rpartition("/")[2] for one in asked if "/create " in one]
    assert len(made) == 4  # experiment, run, model, version
    assert sum(one.startswith("PUT ") for one in asked) == 2
    entries = audits.show(services, example.person(services, "ada"), limit=4)
    assert [one.action for one in entries] == [
        "version.sent", "version.exported", "version.sent", "version.exported",
    ]  # fmt: skip
    assert (entries[0].detail["run"], entries[2].detail["new"]) == (first.run, True)


def test_an_imported_version_with_a_model_file_of_ours_is_known_as_ours(
    services: Services, tmp_path: Path
) -> None:
    ada = example.person(services, "ada")
    store = unpacked(tmp_path / "store")
    version = catalogue.get_version(services, ada, "flight-delay/1")
    theirs = sorted(store.parent.rglob("model.skops"))[0]
    theirs.write_bytes(MODEL)
    assert hashlib.sha256(MODEL).hexdigest() == version.model_digest
    source = open_mlflow(str(store))
    try:
        counts = importing.run_import(services, ada, source, importing.ImportOptions())
    finally:
        source.close()
    assert counts.ours == 1
    found = [one for one in imported.list_versions(services, ada, "credit-risk") if one.ours]
    assert [one.ours for one in found] == ["flight-delay/1"]
    assert found[0].standing == STANDING_OF_OURS
    with pytest.raises(ConflictError, match="pilothouse request flight-delay/1"):
        adoption.adopt(services, ada, f"credit-risk/{found[0].number}", "flight-delay")
