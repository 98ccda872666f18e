"""The contract in force, held against the rows in production as windows close."""

import json
from pathlib import Path

import numpy as np
import pytest

from pilothouse.domain.formats.time_units import DAY_US, to_us
from pilothouse.domain.models.contract import ColumnRule
from pilothouse.domain.monitoring.alert_rules import Span
from pilothouse.domain.monitoring.findings import CONTRACT, DriftFinding, QualityFinding
from pilothouse.domain.records import Alert
from pilothouse.operations.alerts import alerts
from pilothouse.operations.alerts.alert_explanation import explain_alert
from pilothouse.operations.automation import monitoring_round
from pilothouse.operations.models.contracts import contract_text
from pilothouse.operations.monitoring import contract_checks
from pilothouse.operations.monitoring.monitor_views import monitor_view
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import apply_models
from pilothouse.presentation.charts.feature_charts import quality_chart
from pilothouse.presentation.charts.series_csv import series_csv
from pilothouse.presentation.pages.alert_page import explanation_page
from pilothouse.presentation.pages.work_pages import feature_table
from pilothouse.telemetry import Stream
from pilothouse.telemetry.intake.streams import find_stream
from pilothouse.telemetry.rows import retention
from pilothouse.telemetry.windows import readings
from pilothouse.telemetry.windows.readings import DRIFT, QUALITY
from support.monitored_flights import (
    MODEL,
    admin,
    calibrate_ahead,
    make_watched,
    on_day,
    send,
    traffic,
    write_model,
)

CONTRACT_TEXT = """
[contract.carrier]
type = "text"
pattern = "[A-Z0-9]{2}"

[contract.distance]
type = "number"
minimum = 0
unique = true

[contract.hour]
type = "integer"
maximum = 0

[contract.late]
type = "integer"

[contract.wind_speed]
type = "number"
nullable = true
maximum = 50
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace without traffic, to be copied."""
    root = tmp_path_factory.mktemp("contracts")
    services = make_watched(root)
    calibrate_ahead(services)
    services.close()
    return root


def promise(
    services: Services, text: str = CONTRACT_TEXT, ignore: tuple[str, ...] = ("hour", "carrier")
) -> None:
    """Apply a model file with a contract. The first week has a carrier that the reference has not."""
    model = MODEL.replace('ignore = ["hour"]', f"ignore = {json.dumps(ignore)}")
    write_model(services.paths.root, model + text)
    apply_models.apply(services, admin(services))


def with_some(column: str, value: object, every: int, days: int = 8) -> dict[str, object]:
    """The column of what ``send`` ships, with a value in some of its rows."""
    values = traffic("ewr", 0, days)[column].copy()
    values.iloc[::every] = value
    return {column: values}


def stream_of(services: Services) -> Stream:
    with services.telemetry.read() as connection:
        stream = find_stream(connection, "flight-delay", 1, "ewr")
    assert stream is not None
    return stream


def of_contract(services: Services) -> dict[str, QualityFinding]:
    """Findings of contracts in the newest window."""
    with services.telemetry.read() as connection:
        (*_, newest) = readings.history(connection, stream_of(services).id, QUALITY)
    return {f.feature: f for f in readings.findings_of(newest, QualityFinding) if f.fault == CONTRACT}


def opened(services: Services) -> list[Alert]:
    return [alert for alert in alerts.list_alerts(services, admin(services)) if alert.kind == "data_quality"]


def page(services: Services, alert: Alert) -> str:
    explanation = explain_alert(services, admin(services), alert.id)
    return "\n".join("".join(cell.text for cell in line.cells) for line in explanation_page(explanation))


def test_more_rows_outside_of_the_contract_than_it_tolerates_open_an_alert_at_once(
    services: Services,
) -> None:
    promise(services)
    send(services, "ewr", 0, 8, change=with_some("wind_speed", 50.5, 20))
    monitoring_round.evaluate_windows(services)
    found = of_contract(services)
    assert set(found) == {"distance", "wind_speed"}, "hour and carrier are ignored, late is no feature"
    rows = len(traffic("ewr", 0, 7))
    wind = found["wind_speed"]
    assert wind.value == pytest.approx(-(-rows // 20) / rows)
    assert (wind.rule, wind.rows, wind.significant, wind.threshold) == ("above 50", rows, True, 0.01)
    assert (found["distance"].value, found["distance"].rule, found["distance"].significant) == (
        0.0,
        "",
        False,
    )
    (alert,) = opened(services)
    assert alert.effective_at == on_day(7)
    assert alert.summary == "data quality on ewr: wind_speed outside of its contract (above 50)"
    assert (
        "5.0% of the rows have wind_speed outside of its contract (above 50); its contract tolerates 1.0%."
        in (alert.explanation)
    )
    assert "or one that is beyond what a contract tolerates, as this is." in alert.explanation
    assert "looked at" not in alert.explanation
    assert "50.5" not in alert.summary + alert.explanation, "a value is stored with its row alone"
    shown = page(services, alert)
    assert "wind_speed outside of its contract (above 50), for example 50.5." in shown
    assert "counted, not tested" in shown


@pytest.mark.parametrize("every", [True, False])
def test_damaged_rows_are_left_out_and_said_and_the_window_closes(
    services: Services, every: bool, caplog: pytest.LogCaptureFixture
) -> None:
    promise(services)
    for day in range(8):
        send(services, "ewr", day, day + 1, change=with_some("wind_speed", 50.5, 20))
    with services.telemetry.transaction() as connection:
        condition = "true" if every else "id = (SELECT min(id) FROM segments)"
        connection.execute(f"UPDATE segments SET features = x'00' WHERE {condition}")
    monitoring_round.evaluate_windows(services)
    found = of_contract(services)
    assert set(found) == {"distance", "wind_speed"}
    wind = found["wind_speed"]
    assert "is damaged: pilothouse doctor" in caplog.text
    if every:
        assert wind.rule.startswith("not judged: ")
        assert "stored rows are damaged" in wind.rule
        assert not wind.significant
        assert opened(services) == []
    else:
        assert (wind.rule, wind.significant) == ("above 50", True)


def test_a_tolerance_is_written_where_it_is_not_the_usual_one() -> None:
    text = contract_text({"x": ColumnRule("number", tolerance=0.2), "y": ColumnRule("text")})
    assert text == '[contract.x]\ntype = "number"\ntolerance = 0.2\n\n[contract.y]\ntype = "text"\n'


def test_rows_within_the_tolerance_open_none(services: Services) -> None:
    promise(services, CONTRACT_TEXT.replace("maximum = 50", "maximum = 50\ntolerance = 0.06"))
    send(services, "ewr", 0, 8, change=with_some("wind_speed", 50.5, 20))
    monitoring_round.evaluate_windows(services)
    wind = of_contract(services)["wind_speed"]
    assert (wind.significant, wind.threshold, wind.rule) == (False, 0.06, "above 50")
    assert opened(services) == []


def test_the_share_stands_in_the_monitor_also_of_an_ignored_feature(services: Services) -> None:
    promise(services, ignore=("hour",))
    send(services, "ewr", 0, 8, change=with_some("carrier", "x\x1b[2J", 10))
    monitoring_round.evaluate_windows(services)
    view = monitor_view(services, admin(services), "flight-delay", "ewr")
    shares = {feature: windows[-1].finding.contract for feature, windows in view.drift.items()}
    assert shares["temp"] is None
    assert shares["carrier"] == pytest.approx(0.1, abs=0.01)
    assert shares["hour"] is not None
    assert shares["hour"] > 0.9
    assert "contract 10.0%" in quality_chart(view, "carrier").headline.text
    assert [s.name for s in quality_chart(view, "carrier").series] == ["unseen", "missing", "contract"]
    assert "share of carrier outside of its contract" in series_csv(view)
    assert any("CONTRACT" in str(column) for column in feature_table(view).columns)
    (alert,) = opened(services)
    shown = page(services, alert)
    assert "carrier outside of its contract (not of the pattern), for example x\ufffd[2J." in shown
    assert "\x1b" not in shown


def test_a_model_without_a_contract_has_no_such_finding_and_old_readings_are_read(services: Services) -> None:
    send(services, "ewr", 0, 8)
    monitoring_round.evaluate_windows(services)
    assert of_contract(services) == {}
    with services.telemetry.read() as connection:
        (reading,) = readings.history(connection, stream_of(services).id, DRIFT)
    assert {f.contract for f in readings.findings_of(reading, DriftFinding)} == {None}
    stored = json.loads(reading.data)
    for finding in stored:
        finding.pop("contract", None)
    old = type(reading)(**{n: getattr(reading, n) for n in reading.__slots__} | {"data": json.dumps(stored)})
    assert readings.findings_of(old, DriftFinding) == readings.findings_of(reading, DriftFinding)


def test_the_alert_names_no_value_once_the_contract_is_another_or_the_rows_are_gone(
    services: Services,
) -> None:
    promise(services)
    send(services, "ewr", 0, 8, change=with_some("wind_speed", 50.5, 20))
    monitoring_round.evaluate_windows(services)
    (alert,) = opened(services)
    promise(services, CONTRACT_TEXT.replace("maximum = 50", "maximum = 49"))
    assert "for example" not in page(services, alert)
    promise(services)
    assert "for example 50.5" in page(services, alert)
    stream = stream_of(services)
    with services.telemetry.transaction() as connection:
        while retention.delete_some(connection, stream.id, 1 << 62, 1).rows:
            pass
    assert "for example" not in page(services, alert)


def test_a_large_window_is_sampled_and_the_alert_says_so(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract_checks, "MOST_ROWS", 500)
    promise(services)
    send(services, "ewr", 0, 8, change=with_some("wind_speed", 50.5, 2))
    monitoring_round.evaluate_windows(services)
    wind, rows = of_contract(services)["wind_speed"], len(traffic("ewr", 0, 7))
    assert 300 <= wind.rows < 1_000 < rows
    assert wind.value == pytest.approx(0.5, abs=0.1), "every second row, and not all or none of the sample"
    (alert,) = opened(services)
    assert f"({wind.rows:,} rows were looked at); its contract tolerates 1.0%" in alert.explanation


def test_categories_that_are_numbers_are_read_back_and_other_rules_are_said(services: Services) -> None:
    codes = np.array(["1", "2", "2.5", "none of them"])[np.arange(len(traffic("ewr", 0, 8))) % 4]
    send(services, "ewr", 0, 8, change={"dest": codes})
    stream, week = stream_of(services), Span(to_us(on_day(0)), to_us(on_day(0)) + 7 * DAY_US)

    def checked(name: str, rule: ColumnRule) -> tuple[float, str, str]:
        with services.telemetry.read() as connection:
            (column,) = contract_checks.check_columns(connection, stream, {name: rule}, week).values()
        return round(column.share, 2), column.rule, column.example

    assert checked("dest", ColumnRule("integer")) == (0.5, "no number", "none of them")
    assert checked("dest", ColumnRule("number", maximum=1.0)) == (0.75, "above 1", "2.0")
    assert checked("dest", ColumnRule("number", values=(1.0, 2.0, 2.5))) == (
        0.25,
        "no number",
        "none of them",
    )
    share, rule, _ = checked("temp", ColumnRule("text", nullable=True))
    assert (share > 0.9, rule) == (True, "is a column of double; expected the type text")
    share, rule, _ = checked("dest", ColumnRule("text", pattern="(a{900}){900}"))
    assert (share, rule) == (1.0, "has a pattern of too many repetitions; expected at most 1,000 in all")
