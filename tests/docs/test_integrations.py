"""The dashboard and the alert rules ask for metrics that there are; the file that is shown is one that is taken."""

import importlib.util
import json
import re

from documents import DOCUMENTS, blocks

from pilothouse.domain.integrations.integration_file import load_integrations
from pilothouse.domain.integrations.metric_table import METRICS
from pilothouse.domain.models.model_spec import METRICS as OF_MODELS
from pilothouse.serving.pages.metrics_page import metrics_page
from pilothouse.serving.pages.route import Standing
from pilothouse.serving.pages.traffic import Traffic
from pilothouse.serving.versions.live_versions import Roster

GRAFANA = DOCUMENTS / "grafana" / "pilothouse.json"
RULES = DOCUMENTS / "prometheus" / "alerts.yml"
_ENDINGS = ("_bucket", "_sum", "_count", "_total", "_info")


def known() -> dict[str, set[str]]:
    """Series that there are, each with its labels; those of a serving process with any."""
    found = {metric.series: set(metric.labels) for metric in METRICS}
    page = metrics_page(Roster(), Standing(Traffic()), openmetrics=False).decode()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", page, flags=re.MULTILINE):
        labels = {"model", "version", "status", "le", "mode", "rollout", "champion", "outcome"}
        found |= {name + end: labels for end in (_ENDINGS[:3] if kind == "histogram" else ("",))}
    return found


def asked(expression: str) -> set[str]:
    return set(re.findall(r"\bpilothouse_[a-z0-9_]+", expression))


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    board = json.loads(GRAFANA.read_text("utf-8"))
    names = known()
    expressions = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    expressions += [
        variable["definition"] for variable in board["templating"]["list"] if "definition" in variable
    ]
    assert len(expressions) > 20
    for expression in expressions:
        assert asked(expression), expression
        assert asked(expression) <= names.keys(), expression
        for name, chosen in re.findall(r"(pilothouse_[a-z0-9_]+)\{([^}]*)\}", expression):
            assert set(re.findall(r"(\w+)\s*[=!]", chosen)) <= names[name], expression
        for legend in re.findall(r"by \(([^)]*)\)", expression):
            (name, *_) = asked(expression)
            assert {one.strip() for one in legend.split(",")} <= names[name], expression


def test_the_dashboard_is_one_that_grafana_reads() -> None:
    board = json.loads(GRAFANA.read_text("utf-8"))
    assert board["uid"] == "pilothouse"
    assert isinstance(board["schemaVersion"], int)
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    sources = {variable["name"] for variable in board["templating"]["list"]}
    assert {"datasource", "model", "target"} == sources
    for panel in board["panels"]:
        assert {"type", "title", "gridPos"} <= panel.keys()
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for target in panel.get("targets", ()):
            assert target["datasource"]["uid"] == "${datasource}"
    spec = importlib.util.spec_from_file_location("make_dashboard", GRAFANA.with_name("make_dashboard.py"))
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    assert made.text() == GRAFANA.read_text("utf-8"), "python docs/grafana/make_dashboard.py"


def test_the_alert_rules_ask_for_metrics_that_there_are() -> None:
    text = RULES.read_text("utf-8")
    expressions = re.findall(r"expr: (?:>\n)?((?:.*\n)(?: {10}.*\n)*)", text)
    assert len(expressions) >= 14
    for expression in expressions:
        assert asked(expression) <= known().keys(), expression
    (metrics,) = re.findall(r'metric=~"([^"]*)"', text)
    growing = {name for name, (direction, _) in OF_MODELS.items() if direction == "higher"}
    assert set(metrics.split("|")) <= growing


def test_the_file_that_is_shown_is_taken() -> None:
    (shown, *_) = blocks(DOCUMENTS / "integrations.md", "toml")
    read = load_integrations(shown)
    assert read.metrics is not None
    assert read.lineage is not None
    assert read.traces is not None
