"""The dashboard before Grafana's own types of dashboards, panels and queries (its Foundation SDK)."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from installed import python_with

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana" / "pilothouse.json"
_READ_BACK = """
import json, sys
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
register_default_plugins()
print(json.dumps(Dashboard.from_json(json.load(sys.stdin)), default=lambda value: value.to_json()))
"""


@pytest.fixture(scope="module")
def python() -> Path:
    return python_with("grafana", "grafana-foundation-sdk==1769699998!10.1.0")


def read_back(python: Path, dashboard: Any) -> Any:
    """The dashboard as Grafana's types hold it: what they do not know is gone."""
    done = subprocess.run(
        [str(python), "-c", _READ_BACK],
        input=json.dumps(dashboard),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return json.loads(done.stdout)


def lost(given: Any, back: Any, place: str = "") -> list[str]:
    """Places whose value is not what it was."""
    if isinstance(given, dict) and isinstance(back, dict):
        return [one for key in given for one in lost(given[key], back.get(key, "absent"), f"{place}.{key}")]
    if isinstance(given, list) and isinstance(back, list) and len(given) == len(back):
        return [
            one
            for i, (a, b) in enumerate(zip(given, back, strict=True))
            for one in lost(a, b, f"{place}[{i}]")
        ]
    return [] if given == back else [place]


def test_grafanas_types_know_everything_in_the_dashboard(python: Path) -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    assert lost(dashboard, read_back(python, dashboard)) == []


def test_a_field_that_grafana_does_not_know_would_be_found(python: Path) -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    number = next(i for i, panel in enumerate(dashboard["panels"]) if panel["type"] == "timeseries")
    dashboard["panels"][number]["options"]["legends"] = {}
    dashboard["panels"][number]["targets"][0]["expression"] = "up"
    places = lost(dashboard, read_back(python, dashboard))
    assert set(places) == {
        f".panels[{number}].targets[0].expression",
        f".panels[{number}].options.legends",
    }
