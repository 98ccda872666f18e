"""Why an alert fired: the windows, what moved and where to, what it was held against, on real flights."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.domain.monitoring.alert_explanation import AlertExplanation
from pilothouse.operations.alerts import alert_explanation, alerts, change_evidence, incidents
from pilothouse.operations.alerts.explaining_windows import Firing
from pilothouse.operations.automation import monitoring_round
from pilothouse.operations.services import Services
from pilothouse.presentation.documents import wrap
from pilothouse.presentation.pages.alert_page import bar, explanation_page
from pilothouse.store.deployed.alerts import diagnosis_of
from support.monitored_flights import admin, calibrate_ahead, make_watched, on_day, send


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    made = make_watched(Path(tmp_path_factory.mktemp("why")))
    calibrate_ahead(made)
    send(made, "ewr", 0, 23, change={"wind_speed": 60.0, "carrier": "ZZ"}, wrong_outcomes=True)
    monitoring_round.evaluate_windows(made)
    yield made
    made.close()


def told(services: Services, kind: str) -> AlertExplanation:
    (alert,) = [a for a in alerts.list_alerts(services, admin(services)) if a.kind == kind]
    return alert_explanation.explain_alert(services, admin(services), alert.id)


def test_a_drift_shows_its_windows_features_and_where_the_rows_went(services: Services) -> None:
    found = told(services, "data_drift")
    (fired,) = [w for w in found.windows if w.fired]
    assert fired.window.end == on_day(7)  # a drift that is certain needs no second window
    assert [w.window.end for w in found.windows] == [on_day(7), on_day(14), on_day(21)]
    assert fired.value > fired.bound
    assert {f.finding.feature for f in found.features} >= {"wind_speed", "carrier"}
    assert found.looked_at > len(found.features)
    moved = {share.label: share for share in found.shares}
    label = "any other" if found.shares_of == "carrier" else next(iter(moved))
    assert moved[label].window > 0.99
    assert moved[label].reference < 0.2
    assert "training rows of ewr" in found.compared_with
    assert [d.version for d in found.deployments] == [1]


def test_performance_is_held_against_the_reference_less_random_variation(services: Services) -> None:
    found = told(services, "performance")
    assert not found.higher_is_significant
    (fired,) = [w for w in found.windows if w.fired]
    assert fired.value < fired.bound < found.alert.figures["reference"]
    assert "job" in found.retraining


def test_quality_names_the_share(services: Services) -> None:
    found = told(services, "data_quality")
    assert found.figure == "carrier: share of rows unseen"
    assert found.windows[-1].value > 0.99


@pytest.mark.parametrize("kind", ["data_drift", "performance", "data_quality"])
def test_what_changed_is_said_anew_only_where_it_is_not_what_was_said_then(
    services: Services, kind: str
) -> None:
    found = told(services, kind)
    with services.registry.read() as connection:
        said = diagnosis_of(connection, found.alert.id)
    now = change_evidence.diagnose_alert(services, found.alert, Firing(found.alert.effective_at))
    assert said is not None
    assert now is not None
    assert said.sentence in found.alert.explanation
    assert found.changed == ("" if now.sentence in found.alert.explanation else now.sentence)


def test_everything_about_one_version_on_one_target_is_one_incident(services: Services) -> None:
    (incident,) = incidents.list_incidents(services, admin(services))
    assert {a.kind for a in incident.alerts} >= {"data_drift", "data_quality", "performance"}
    assert incident.cause.startswith("auc worse while carrier")
    assert incident.cost.words.startswith("auc −0.")
    assert len(incident.retrainings) == 1


@pytest.mark.parametrize("kind", ["data_drift", "performance", "data_quality"])
def test_the_page_is_readable_in_eighty_columns(services: Services, kind: str) -> None:
    lines = [
        "".join(cell.text for cell in part.cells)
        for line in explanation_page(told(services, kind))
        for part in wrap(line, 78)
    ]
    assert max(map(len, lines)) <= 78
    charted = [line for line in lines if "━" in line]
    assert len(charted) >= 2
    assert any("◀ fired" in line for line in charted)


def test_a_bar_ends_at_its_value_and_marks_its_bound() -> None:
    assert bar(0.5, 1.0, 0.0, 1.0, 11) == "━━━━━━    ┃"
    assert bar(float("nan"), 0.5, 0.0, 1.0, 11) == "     ┃     "
    assert bar(1.0, float("nan"), 0.0, 1.0, 4) == "━━━━"
