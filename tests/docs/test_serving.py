"""The request and the answer in docs/serving.md are those of the protocol as it is served."""

import json
import re
import tomllib

import numpy as np
from documents import DOCUMENTS, ROOT, blocks, words_of

from pilothouse.daemon.hub_checks import MAXIMUM_OUTCOMES
from pilothouse.domain.identifiers import PredictionId
from pilothouse.inference.predictor import Prediction
from pilothouse.inference.schema import InputColumn, InputSchema
from pilothouse.serving.bodies.invocations import read_invocation
from pilothouse.serving.bodies.protocol import MAXIMUM_BODY_BYTES, MAXIMUM_ROWS, output_names, read_inference
from pilothouse.serving.bodies.records import read_rows, rows_answer
from pilothouse.serving.bodies.request_report import MAXIMUM_ENTRIES, report_of
from pilothouse.serving.delivery.spool_limits import SpoolLimits
from pilothouse.serving.pages.metrics_page import metrics_page
from pilothouse.serving.pages.route import Standing
from pilothouse.serving.pages.routes import ROUTES
from pilothouse.serving.pages.traffic import Traffic
from pilothouse.serving.versions.live_versions import Roster
from pilothouse.serving.web import access

PAGE = DOCUMENTS / "serving.md"


def schema() -> InputSchema:
    path = ROOT / "src" / "pilothouse" / "demo" / "models" / "flight-delay" / "model.toml"
    data = tomllib.loads(path.read_text("utf-8"))["data"]
    columns = tuple(
        InputColumn(name, "category" if name in data["categoricals"] else "number")
        for name in data["features"]
    )
    return InputSchema("flight-delay", "binary", ("0", "1"), data["timestamp"], columns)


def test_the_request_shown_is_one_that_is_taken():
    request = read_inference(blocks(PAGE, "json")[0].encode(), schema(), ())
    assert request.columns.rows == 2
    assert request.event_times is not None


def test_the_answer_shown_has_the_outputs_that_are_given():
    answer = json.loads(blocks(PAGE, "json")[1])
    assert [output["name"] for output in answer["outputs"]] == list(output_names(schema())[:-1])
    documented = re.findall(r"^\| `([a-z_]+)` \|", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    assert set(output_names(schema())) <= set(documented)


def test_the_records_shown_are_taken_and_answered_as_shown():
    columns = (InputColumn("plan", "category"), InputColumn("age", "number"))
    churn = InputSchema("churn", "binary", ("no", "yes"), "at", columns)
    body = re.search(r"/predict -d '(.*)'", PAGE.read_text("utf-8"))
    request = read_rows(body[1].encode(), churn, ())
    probabilities = np.array([[0.75, 0.25], [0.375, 0.625]])
    prediction = Prediction(probabilities[:, 1], ["no", "yes"], probabilities)
    report = report_of(request.columns, churn, {"plan": frozenset({"gold"})})
    first = PredictionId("7949880833c5", 1, 0)
    answer = rows_answer(churn, 3, request, prediction, first, report)
    assert json.loads(answer) == json.loads(blocks(PAGE, "json")[2])


def test_the_bounds_named_are_those_in_force():
    text, limits = words_of("serving.md"), SpoolLimits()
    assert f"{MAXIMUM_BODY_BYTES // 2**20} MiB" in text
    assert f"1 to {MAXIMUM_ROWS:,} rows" in text
    assert f"up to {MAXIMUM_ENTRIES:,} of them" in text
    assert f"{MAXIMUM_OUTCOMES:,} at once" in text
    assert f"**{limits.total_bytes // 2**30} GiB**" in text
    assert f"**{limits.free_bytes // 2**20} MiB**" in text
    assert f"{limits.rows:,} rows or {limits.segment_bytes // 2**20} MiB" in text


def test_the_routes_of_the_table_are_those_that_are_there():
    text = PAGE.read_text("utf-8")
    table = text[text.index("| route | what it answers |") : text.index("Errors are `{")]
    named = re.findall(r"`(?:GET|POST) (/[^`]*)`", table) + re.findall(r"`POST (/[^`]*)`", table)
    patterns = {
        path.replace("NAME", "{model}").replace("/v2/health/live`, `GET ", "")
        for path in named
        if "…" not in path
    }
    assert patterns <= {route.pattern for route in ROUTES}
    described = {route.pattern for route in ROUTES if route.summary and "{version}" not in route.pattern}
    assert described - patterns == {"/", "/v2/systemsharedmemory/status", "/v2/cudasharedmemory/status"}


def test_the_metrics_named_are_those_of_the_page():
    found = metrics_page(Roster(), Standing(Traffic()), openmetrics=False).decode()
    families = set(re.findall(r"^# TYPE (\S+)", found, re.MULTILINE))
    text = PAGE.read_text("utf-8")
    section = text[text.index("## Metrics") : text.index("## What is never lost")]
    assert set(re.findall(r"`(pilothouse_[a-z_]+)`", section)) == families


def test_the_invocation_shown_is_one_that_is_taken():
    body = re.search(r"/invocations -H '[^']*' -d '(.*)'", PAGE.read_text("utf-8"))
    assert read_invocation(body[1].encode(), schema(), ()).columns.rows == 1


def test_the_files_of_access_and_their_bounds_are_named():
    text = words_of("serving.md")
    for name in (access.TOKENS, access.CERTIFICATE, access.KEY):
        assert f"`{name}`" in text
    assert f"{access._SHORTEST_TOKEN} to {access._LONGEST_TOKEN} characters" in text
