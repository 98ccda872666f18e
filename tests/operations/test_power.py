"""Power of verdicts on drift at every door: state, monitor, command line, alert."""

import json
from pathlib import Path

import pytest

from pilothouse.cli import failures, main
from pilothouse.domain.monitoring.deployment_state import blind_text
from pilothouse.operations.alerts import alerts
from pilothouse.operations.alerts.alert_explanation import explain_alert
from pilothouse.operations.automation import monitoring_round
from pilothouse.operations.model_files import spec_in_force
from pilothouse.operations.monitoring import monitor_views
from pilothouse.operations.services import Services
from pilothouse.operations.states.figures import figures_of
from pilothouse.presentation.pages.alert_page import explanation_page
from pilothouse.presentation.verdicts import blind_notes, power_text
from pilothouse.statistics.profiles.specification import SCORE
from support.monitored_flights import admin, calibrate_ahead, make_watched, send


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("watched")
    services = make_watched(root)
    calibrate_ahead(services)
    services.close()
    return root


def test_the_smallest_change_is_told_at_every_door(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    send(services, "ewr", 0, 15, change={"carrier": "ZZ"})
    monitoring_round.evaluate_windows(services)
    view = monitor_views.monitor_view(services, admin(services), "flight-delay", "ewr")
    newest = {feature: windows[-1].finding for feature, windows in view.drift.items()}
    assert {feature for feature, finding in newest.items() if finding.power is None} == {"hour"}  # ignored
    blind = [finding for finding in newest.values() if finding.blind and finding.feature != SCORE]
    assert blind
    assert not newest["carrier"].blind

    with services.registry.read() as registry, services.telemetry.read() as telemetry:
        in_force = spec_in_force(registry, "flight-delay")
        assert in_force is not None
        figures = figures_of(telemetry, "flight-delay", 1, "ewr", in_force)
    assert figures.blind == len(blind)
    assert blind_text(figures).startswith(f"{len(blind)} of {figures.features} features not judged")

    given = ["--workspace", str(services.paths.root), "--as", "ada", "monitor", "flight-delay", "ewr"]
    assert failures.run(lambda: main.run([*given, "--json"])) == 0
    written = json.loads(capsys.readouterr().out)["drift"]
    for feature, finding in newest.items():
        power = written[feature][-1]["finding"]["power"]
        assert (power and power["smallest"]) == (finding.power and finding.power.smallest)
    assert failures.run(lambda: main.run(given)) == 0
    told = capsys.readouterr().out
    assert blind_notes(list(newest.values()))[0] in told
    assert power_text(newest["carrier"].power) in told

    (alert,) = [a for a in alerts.list_alerts(services, admin(services)) if a.kind == "data_drift"]
    explanation = explain_alert(services, admin(services), alert.id)
    assert set(explanation.blind) >= {finding.feature for finding in blind} - {"hour"}
    page = "\n".join("".join(cell.text for cell in line.cells) for line in explanation_page(explanation))
    assert "The smallest change of carrier that would be found: " in page
    assert "Not judged, as they vary too much by themselves" in page
