"""The tables of ``monitor``: each row names its version, an estimate stands beside its own version's figure, and a figure that
is not known is a dash."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pilothouse.cli import failures, main
from pilothouse.domain.monitoring.findings import (
    EstimateFinding,
    Finding,
    PerformanceFinding,
    TrafficFinding,
    Window,
    WindowFinding,
)
from pilothouse.domain.monitoring.monitoring import MonitorView
from pilothouse.operations.monitoring import monitor_views
from pilothouse.operations.workspace import workspaces
from pilothouse.system.workspace_place import os_user

START = datetime(2011, 5, 10, tzinfo=UTC)


def of(version: int, finding: Finding, *, rows: int = 300) -> WindowFinding:
    window = Window(start=START, end=START + timedelta(days=14), rows=rows, judged=True)
    return WindowFinding(window=window, finding=finding, version=version)


def measured(value: float) -> PerformanceFinding:
    return PerformanceFinding(metric="mae", value=value, low=value - 5, high=value + 5, labelled_share=1.0)


def traffic(requests: int, p50_ms: float | None) -> TrafficFinding:
    return TrafficFinding(
        requests=requests,
        errors=0,
        p50_ms=p50_ms,
        p95_ms=p50_ms,
        p99_ms=p50_ms,
        baseline_p95_ms=None,
        latency_significant=False,
        errors_significant=False,
    )


VIEW = MonitorView(
    "bikes",
    "dc",
    1,
    "mae",
    None,
    None,
    performance=(of(1, measured(104.842)), of(2, measured(63.79))),
    estimated=(of(1, EstimateFinding(metric="mae", value=76.212, low=70.0, high=80.0, reference=60.0)),),
    traffic=(of(1, traffic(0, None)), of(2, traffic(20, 1.5))),
)


def test_an_estimate_stands_beside_what_its_own_version_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "workspace"
    root.mkdir()
    workspaces.initialise(root, os_user())
    monkeypatch.setattr(monitor_views, "monitor_view", lambda *_, **__: VIEW)
    assert failures.run(lambda: main.run(["--workspace", str(root), "monitor", "x", "y"])) == 0
    lines = capsys.readouterr().out.splitlines()
    (estimate,) = [line for line in lines if "76.212" in line]
    assert "104.842" in estimate
    assert "63.790" not in estimate
    assert "outside the band" in estimate
    assert " worse " in estimate
    assert [
        line
        for line in lines
        if line.startswith("worse: the band reaches from 70.00 to 80.00, all of it on one side")
    ]
    assert not [line for line in lines if "nan" in line]
    assert sum(line.split()[0] == "WINDOW" and "VERSION" in line for line in lines if line) == 3
    (quiet,) = [line for line in lines if line.split()[-6:] == ["300", "0", "0", "–", "–", "–"]]
    assert " v1 " in quiet


def test_json_has_what_an_estimate_says_and_what_it_rests_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "workspace"
    root.mkdir()
    workspaces.initialise(root, os_user())
    weights = {"unchanged": 0.6, "inputs": 0.4}
    estimate = replace(VIEW.estimated[0].finding, weights=weights, record=7)
    view = replace(VIEW, estimated=(replace(VIEW.estimated[0], finding=estimate),))
    monkeypatch.setattr(monitor_views, "monitor_view", lambda *_, **__: view)
    assert failures.run(lambda: main.run(["--workspace", str(root), "--json", "monitor", "x", "y"])) == 0
    (written,) = json.loads(capsys.readouterr().out)["estimated"]
    finding = written["finding"]
    assert (finding["verdict"], finding["weights"], finding["record"]) == ("worse", weights, 7)
