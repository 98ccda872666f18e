"""Readings of earlier releases stay readable: fields have other names there, and what they did not know has a plain default."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.domain.monitoring.alert_rules import Span
from pilothouse.domain.monitoring.findings import (
    ClosedWindow,
    DriftFinding,
    EstimateFinding,
    Finding,
    GiveAway,
    Grounds,
    MultivariateFinding,
    PerformanceFinding,
    QualityFinding,
    TrafficFinding,
    Window,
)
from pilothouse.sqlite import driver
from pilothouse.telemetry import TelemetryStore, schema
from pilothouse.telemetry.windows import readings, revisions
from pilothouse.telemetry.windows.readings import (
    DRIFT,
    MULTIVARIATE,
    PERFORMANCE,
    QUALITY,
    TRAFFIC,
    Reading,
    finding_of,
    findings_of,
)

OLD_DRIFT = (
    '[{"feature":"temp","statistic":"ks","value":0.4,"threshold":0.3,"p_value":0.001,"speaks":true,'
    '"statistics":{"ks":0.4},"missing":0.0,"unseen":0.1}]'
)
OLD_QUALITY = (
    '[{"feature":"seats","fault":"missing","value":0.4,"reference":0.1,"threshold":0.3,'
    '"p_value":0.001,"speaks":true}]'
)
OLD = {
    DRIFT: (
        '[{"feature":"say \\"speaks\\":","statistic":"ks","value":0.4,"threshold":0.3,"p_value":0.001,"speaks":true,'
        '"statistics":{"ks":0.4},"missing":0.0,"unseen":0.1,"compared_with":"recent","since_us":5,"until_us":9,"spoke":2,'
        '"windows":3,"grounds":{"effect":0.1,"calibrated":0.3,"usual":0.2,"blocks":9.0,"tests":4,"level":0.01,"rank":1,'
        '"looked_at":7,"certain":true,"together":1}}]'
    ),
    QUALITY: (
        '[{"feature":"seats","fault":"missing","value":0.4,"reference":0.1,"threshold":0.3,"p_value":0.001,"speaks":true,'
        '"spoke":1,"windows":2,"grounds":{"effect":0.02,"calibrated":0.3,"usual":0.1,"blocks":0.0,"tests":1,"level":0.01,'
        '"rank":1,"looked_at":7,"certain":false,"together":1}}]'
    ),
    PERFORMANCE: (
        '{"metric":"auc","value":0.61,"low":0.57,"high":0.65,"reference":0.7,"reference_low":0.68,"reference_high":0.72,'
        '"labelled_share":1.0}'
    ),
    TRAFFIC: (
        '{"requests":170,"errors":3,"p50_ms":4.2,"p95_ms":61.0,"p99_ms":94.0,"baseline_p95_ms":5.8,"latency_speaks":true,'
        '"errors_speak":false}'
    ),
    MULTIVARIATE: (
        '{"auc":0.8,"low":0.7,"high":0.9,"usual":0.55,"threshold":0.6,"p_value":0.001,'
        '"features":[{"feature":"wind","drop":0.2,"alone":0.52}],"window_rows":2000,"reference_rows":4000,"null_windows":12,'
        '"reference":"pooled"}'
    ),
}
"""As the release before wrote them."""
NOW: dict[str, Finding] = {
    DRIFT: DriftFinding(
        feature='say "speaks":',
        statistic="ks",
        value=0.4,
        threshold=0.3,
        p_value=0.001,
        significant=True,
        statistics={"ks": 0.4},
        missing=0.0,
        unseen=0.1,
        compared_with="recent",
        since_us=5,
        until_us=9,
        significant_windows=2,
        judged_windows=3,
        grounds=Grounds(
            effect=0.1,
            calibrated=0.3,
            usual=0.2,
            blocks=9.0,
            tests=4,
            level=0.01,
            rank=1,
            looked_at=7,
            certain=True,
        ),
    ),
    QUALITY: QualityFinding(
        feature="seats",
        fault="missing",
        value=0.4,
        reference=0.1,
        threshold=0.3,
        p_value=0.001,
        significant=True,
        significant_windows=1,
        judged_windows=2,
        grounds=Grounds(
            effect=0.02, calibrated=0.3, usual=0.1, tests=1, level=0.01, rank=1, looked_at=7, certain=False
        ),
    ),
    PERFORMANCE: PerformanceFinding(
        metric="auc",
        value=0.61,
        low=0.57,
        high=0.65,
        reference=0.7,
        reference_low=0.68,
        reference_high=0.72,
        labelled_share=1.0,
        significant=True,
    ),
    TRAFFIC: TrafficFinding(
        requests=170,
        errors=3,
        p50_ms=4.2,
        p95_ms=61.0,
        p99_ms=94.0,
        baseline_p95_ms=5.8,
        latency_significant=True,
        errors_significant=False,
    ),
    MULTIVARIATE: MultivariateFinding(
        auc=0.8,
        low=0.7,
        high=0.9,
        usual=0.55,
        threshold=0.6,
        p_value=0.001,
        features=(GiveAway(feature="wind", drop=0.2, alone=0.52),),
        window_rows=2000,
        reference_rows=4000,
        null_windows=12,
        reference="pooled",
        significant=True,
    ),
}
"""The same, as this release knows them."""
WINDOW = Window(
    start=datetime(2013, 6, 3, tzinfo=UTC), end=datetime(2013, 6, 10, tzinfo=UTC), rows=500, judged=True
)


def reading(data: str) -> Reading:
    return Reading(
        id=1,
        stream_id=1,
        monitor=DRIFT,
        start_us=0,
        end_us=1,
        rows=500,
        judged=True,
        significant=True,
        data=data,
    )


def test_a_reading_without_grounds_is_read() -> None:
    (drift,) = findings_of(reading(OLD_DRIFT), DriftFinding)
    assert (drift.feature, drift.unseen, drift.compared_with) == ("temp", 0.1, "reference")
    assert not drift.grounds.certain
    assert drift.power is None
    assert not drift.blind
    assert (drift.significant_windows, drift.judged_windows, drift.grounds.looked_at) == (0, 0, 0)
    (quality,) = findings_of(reading(OLD_QUALITY), QualityFinding)
    assert (quality.fault, quality.grounds.blocks) == ("missing", 0.0)


@pytest.fixture
def older(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of the form before, with a reading of each monitor."""
    path = tmp_path / "telemetry.db"
    form = schema.MIGRATIONS[:4]
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", form)
        patch.setattr(schema.TelemetryFile, "schema", replace(schema.TelemetryFile.schema, version=len(form)))
        schema.TelemetryFile.create(path).close()
    connection = driver.connect(str(path), isolation_level=None)
    connection.execute("INSERT INTO specifications VALUES (1, 'x', x'00')")
    connection.execute(
        "INSERT INTO streams (id, model, version, target, specification_id, first_event, last_event, last_arrival) "
        "VALUES (1, 'm', 1, 'ewr', 1, 0, 1, 1)"
    )
    for monitor, data in OLD.items():
        connection.execute(
            "INSERT INTO readings (stream_id, monitor, window_start, window_end, rows, judged, speaks, recorded, data) "
            "VALUES (1, ?, ?, ?, 500, 1, 1, 1, ?)",
            (monitor, to_us(WINDOW.start), to_us(WINDOW.end), data),
        )
    connection.close()
    return path


def test_readings_of_the_form_before_are_the_findings_of_this_one(older: Path) -> None:
    store = TelemetryStore(older)
    store.check()
    with store.read() as connection:
        for monitor, expected in NOW.items():
            (stored,) = readings.history(connection, 1, monitor)
            assert (stored.window, stored.significant) == (WINDOW, True)
            if monitor in (DRIFT, QUALITY):
                assert findings_of(stored, type(expected)) == [expected]
                assert readings.count_significant(stored) == 1
            else:
                assert finding_of(stored, type(expected)) == expected
    store.close()


def test_computing_such_a_window_again_finds_the_same(older: Path) -> None:
    store = TelemetryStore(older)
    with store.transaction() as connection:
        for monitor, finding in NOW.items():
            closed = ClosedWindow(window=WINDOW, findings=(finding,))
            assert revisions.replace(connection, 1, monitor, closed, 2) == "same"
        other = replace(WINDOW, rows=501)
        closed = ClosedWindow(window=other, findings=(NOW[DRIFT],))
        assert revisions.replace(connection, 1, DRIFT, closed, 2) == "changed"
        (stored,) = readings.history(connection, 1, DRIFT)
    assert '"significant_windows":2' in stored.data
    assert findings_of(stored, DriftFinding) == [NOW[DRIFT]]
    store.close()


def test_windows_that_were_judged_as_one_are_kept_with_the_reading(older: Path) -> None:
    store = TelemetryStore(older)
    single = replace(WINDOW, start=datetime(2013, 6, 10, tzinfo=UTC), end=datetime(2013, 6, 17, tzinfo=UTC))
    merged = replace(single, rows=292, together=3, rows_together=876)
    with store.transaction() as connection:
        for monitor, finding in NOW.items():
            findings = (finding, finding) if monitor in (DRIFT, QUALITY) else (finding,)
            closed = ClosedWindow(window=merged, findings=findings)
            assert readings.write(connection, 1, monitor, closed, 1)
            stored = readings.history(connection, 1, monitor)[-1]
            assert (stored.window, stored.rows) == (merged, 292)
            assert revisions.replace(connection, 1, monitor, closed, 2) == "same"
            assert revisions.replace(connection, 1, monitor, replace(closed, window=single), 3) == "changed"
            again = readings.history(connection, 1, monitor)[-1]
            assert again.window == replace(single, revision=1, late="asked")
            (was,) = revisions.earlier(connection, 1, (monitor,))
            assert (was.before, was.after) == (stored, again)
    store.close()


def test_the_first_of_the_significant_windows_is_found_however_many_follow(older: Path) -> None:
    """Hourly windows: ten quiet ones, one bad hour, a quiet one, then three weeks of bad hours with a quiet one among them."""
    store = TelemetryStore(older)
    hour, count = 3_600_000_000, 12 + 504
    bad = {10, *range(12, count)} - {300}
    with store.transaction() as connection:
        connection.executemany(
            "INSERT INTO readings (stream_id, monitor, window_start, window_end, rows, judged, significant, recorded, data) "
            "VALUES (1, 'traffic', ?, ?, 9, 1, ?, 1, '{}')",
            [(i * hour, (i + 1) * hour, i in bad) for i in range(count)],
        )
        until = {"until_us": count * hour}
        opened = revisions.first_significant(connection, 1, TRAFFIC, opened_us=14 * hour, **until)
        assert opened == Span(12 * hour, 13 * hour), "the quiet hour since it opened belongs to it"
        later = revisions.first_significant(connection, 1, TRAFFIC, opened_us=400 * hour, **until)
        assert later == Span(301 * hour, 302 * hour)
        early = revisions.first_significant(connection, 1, TRAFFIC, opened_us=11 * hour, until_us=11 * hour)
        assert early == Span(10 * hour, 11 * hour)
        quiet = revisions.first_significant(connection, 1, TRAFFIC, opened_us=10 * hour, until_us=10 * hour)
        assert quiet is None
    store.close()


def test_an_estimate_of_an_earlier_release_is_that_from_inputs() -> None:
    old = (
        '{"metric":"auc","value":0.61,"low":0.55,"high":0.67,"reference":0.7,"reference_low":0.68,'
        '"reference_high":0.72,"why":""}'
    )
    finding = msgspec.json.decode(old, type=EstimateFinding)
    assert finding.from_inputs == finding.by_inputs == MetricValue("auc", 0.61, 0.55, 0.67, 0)
    assert (finding.weights, finding.record) == ({}, 0)
    assert finding.verdict == "worse"
    stored = msgspec.json.encode(finding)
    assert msgspec.json.decode(stored, type=EstimateFinding) == finding
