"""Inputs belong to the target: the weeks before a window are compared with across promotions.

``temp`` is a wave of a year here: over the reference it goes as far as seasons do, and from one week to the next
little. A jump lies within its reference and is found beside the weeks before alone.
"""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pilothouse.cli import failures, main
from pilothouse.composition import open_workspace
from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.time_units import DAY_US, to_us
from pilothouse.domain.monitoring.findings import ClosedWindow, DriftFinding
from pilothouse.domain.records import Alert, AlertStatus
from pilothouse.operations.alerts import alert_explanation, alerts
from pilothouse.operations.automation import monitoring_round
from pilothouse.operations.ingest import ingest
from pilothouse.operations.monitoring import late_windows, monitor_backfills, weeks_before, window_closing
from pilothouse.operations.monitoring.statistic_names import measure_name
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import time_machine
from pilothouse.statistics import reference as references
from pilothouse.statistics.profiles.specification import ProfileSpecification, build_specification
from pilothouse.telemetry import Stream
from pilothouse.telemetry.intake.streams import find_stream
from pilothouse.telemetry.rows import retention
from pilothouse.telemetry.windows import late_days, readings, revisions
from pilothouse.telemetry.windows.readings import DRIFT
from support.flight_batches import batches, columns_of, flights
from support.monitored_flights import APRIL, MODEL, admin, deploy, make_watched, on_day, register

FIRST = to_us(APRIL)
START = 91
"""Day on which the traffic begins, after 1 April."""
QUIET = [
    "distance", "hour", "carrier", "dest", "seats", "plane_year", "dewp", "humid", "wind_speed", "pressure", "visib",
]  # fmt: skip
WATCHED = MODEL.replace('ignore = ["hour"]', f"ignore = {QUIET}".replace("'", '"'))
Change = tuple[int, float, float]
"""Day from which ``temp`` reads more, by how much, and in which share of the rows."""


@cache
def two_years() -> pd.DataFrame:
    """Flights of a year, and the same a year before."""
    rows = flights("EWR")
    return pd.concat([rows.assign(at_us=rows["at_us"] - 364 * DAY_US), rows], ignore_index=True)


def rows_of(since: int, days: int, changes: Sequence[Change] = ()) -> pd.DataFrame:
    """Flights of some days after 1 April, with a temperature that is known."""
    rows = two_years()
    first = FIRST + since * DAY_US
    rows = rows[(rows["at_us"] >= first) & (rows["at_us"] < first + days * DAY_US)].reset_index(drop=True)
    day = (rows["at_us"].to_numpy() - FIRST) // DAY_US
    weather = np.random.default_rng(1).normal(0, 0.6, 1_000)  # of each day
    of_row = np.random.default_rng(since + 900).normal(0, 0.5, len(rows))
    values = 10 * np.cos(2 * np.pi * day / 364) + weather[day + 400] + of_row
    for begun, more, share in changes:
        values = values + np.where((day >= begun) & (np.arange(len(rows)) % 10 < 10 * share), more, 0.0)
    return rows.assign(temp=values)


@cache
def trained(
    until: int, changes: tuple[Change, ...] = (), texts: tuple[str, ...] = (), held_days: int = 14
) -> tuple[ProfileSpecification, bytes]:
    """Specification and reference of a version that was trained on the year up to a day; ``texts`` are numbers that it takes
    as categories."""
    rows = rows_of(until - 364, 364, changes)

    def columns(part: pd.DataFrame) -> tuple[dict[str, np.ndarray], dict[str, list[str | None]]]:
        numeric, categorical = columns_of(part)
        moved: dict[str, list[str | None]] = {name: [str(v) for v in numeric.pop(name)] for name in texts}
        return numeric, categorical | moved

    held = (rows["at_us"] >= FIRST + (until - held_days) * DAY_US).to_numpy()
    specification = build_specification("binary", *columns(rows), rows["score"].to_numpy(), ("0", "1"))

    def dated(part: pd.DataFrame) -> references.DatedRows:
        numeric, categorical = columns(part)
        return references.DatedRows(
            (part["at_us"] // DAY_US).to_numpy(np.int64),
            numeric,
            {name: np.array(texts, dtype=object) for name, texts in categorical.items()},
            part["score"].to_numpy(np.float64),
            part["label"].to_numpy(object),
            part["late"].astype(str).to_numpy(object),
        )

    all_of = {"ewr": tuple(np.ones(part.sum(), bool) for part in (~held, held))}
    built = references.build_reference(specification, "auc", dated(rows[~held]), dated(rows[held]), all_of)
    return specification, references.encode(specification, built)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose version 2 is live on one target, without traffic."""
    root = tmp_path_factory.mktemp("before")
    services = make_watched(root, WATCHED)
    deploy(services, register(services, trained(START)), APRIL, ("ewr",))
    services.close()
    return root


def send(
    services: Services, since: int, days: int, version: int, changes: Sequence[Change] = (), **columns: object
) -> None:
    rows = rows_of(since, days, changes).assign(**columns)
    for batch in batches(rows, 500, producer=f"p{since}-{version}", target="ewr", version=version):
        ingest.ingest_batch(services, batch)


_LEARNT: dict[str, bytes] = {}
"""Calibrations that were made in some workspace, by the digest of what they come from."""


def evaluate(services: Services) -> None:
    with services.telemetry.transaction() as connection:
        for key, data in _LEARNT.items():
            readings.keep_calibration(connection, key, data)
    monitoring_round.evaluate_windows(services)
    assert monitoring_round.is_caught_up(services)
    with services.telemetry.read() as connection:
        _LEARNT.update(connection.execute("SELECT key, data FROM calibrations").fetchall())


def promote(services: Services, day: int, own: tuple[ProfileSpecification, bytes]) -> int:
    number = register(services, own)
    deploy(services, number, on_day(day), ("ewr",))
    return number


def findings(services: Services, version: int, feature: str = "temp") -> list[DriftFinding]:
    with services.telemetry.read() as connection:
        stream = find_stream(connection, "flight-delay", version, "ewr")
        assert stream is not None
        return [
            next(f for f in readings.findings_of(reading, DriftFinding) if f.feature == feature)
            for reading in readings.history(connection, stream.id, DRIFT)
        ]


def stored(services: Services, version: int) -> list[tuple[int, str]]:
    with services.telemetry.read() as connection:
        stream = find_stream(connection, "flight-delay", version, "ewr")
        assert stream is not None
        return [(r.end_us, r.data) for r in readings.history(connection, stream.id, DRIFT)]


def drift_alerts(services: Services, version: int) -> list[Alert]:
    return [
        alert
        for alert in alerts.list_alerts(services, admin(services))
        if alert.kind == "data_drift" and alert.version == version
    ]


def test_a_promotion_in_a_quiet_stream_changes_nothing(services: Services, prepared: Path) -> None:
    send(services, START, 28, 2)
    new = promote(services, START + 28, trained(START))
    send(services, START + 28, 29, new)
    evaluate(services)
    assert drift_alerts(services, new) == []
    found = findings(services, new)
    assert [f.significant for f in found] == [False] * 4
    assert [f.before and f.before.days for f in found] == [{2: 21}, {2: 14, new: 7}, {2: 7, new: 14}, None]
    assert found[1].before is not None
    assert (
        found[1].before.text
        == f"the 3 weeks before, 2 of them under version 2 and 1 of them under version {new}"
    )


def test_the_weeks_before_are_those_of_one_version_that_went_on(
    services: Services, tmp_path: Path, prepared: Path
) -> None:
    send(services, START, 28, 2)
    new = promote(services, START + 28, trained(START))
    send(services, START + 28, 29, new)
    evaluate(services)
    other = make_watched(tmp_path / "alone", WATCHED)
    deploy(other, register(other, trained(START)), APRIL, ("ewr",))
    send(other, START, 28, 2)
    send(other, START + 28, 29, 2)
    evaluate(other)
    alone = findings(other, 2)[4:]
    assert [f.statistics["recent_ks"] for f in findings(services, new)] == [
        f.statistics["recent_ks"] for f in alone
    ]
    assert [f.power for f in findings(services, new)] == [f.power for f in alone]
    score = findings(services, new, "score")
    assert ["recent_ks" in f.statistics for f in score[:3]] == [
        False
    ] * 3  # each version has scores of its own
    other.close()


def weeks_text(finding: DriftFinding) -> str:
    assert finding.before is not None
    return finding.before.text


def test_a_sensor_that_breaks_the_day_after_a_promotion_is_found_in_the_first_window(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    send(services, START, 28, 2)
    new = promote(services, START + 28, trained(START + 28))
    send(services, START + 28, 8, new, [(START + 29, 18.0, 1.0)])
    evaluate(services)
    (finding,) = findings(services, new)
    assert finding.significant
    assert finding.compared_with == "recent"
    assert (finding.since_us, finding.until_us) == (to_us(on_day(START + 7)), to_us(on_day(START + 28)))
    (alert,) = drift_alerts(services, new)
    assert alert.effective_at == on_day(START + 35)
    assert (
        "the 3 weeks before, 3 of them under version 2 (since 2013-07-08: a sudden change)"
        in alert.explanation
    )
    explained = alert_explanation.explain_alert(services, admin(services), alert.id)
    assert explained.figure == f"temp: {measure_name(finding.statistic)} beside {weeks_text(finding)}"
    assert finding.course is not None
    assert finding.course.high is not None
    assert finding.course.value > finding.course.high
    given = ["--workspace", str(services.paths.root), "--as", "ada", "monitor", "flight-delay", "ewr"]
    assert failures.run(lambda: main.run(given)) == 0
    assert f"compared with {weeks_text(finding)}: " in capsys.readouterr().out


CHANGED = START + 28
PROMOTED = START + 42


def test_a_change_answered_by_retraining_is_not_alerted_again(services: Services) -> None:
    change = (CHANGED, 18.0, 1.0)
    send(services, START, 42, 2, [change])
    evaluate(services)
    (first,) = drift_alerts(services, 2)
    assert first.effective_at == on_day(CHANGED + 7)
    new = promote(services, PROMOTED, trained(PROMOTED, (change,), held_days=7))
    send(services, PROMOTED, 29, new, [change])
    evaluate(services)
    assert drift_alerts(services, new) == []
    found = findings(services, new)
    changed = f"it changed under version 2 in the window to 2013-08-05, which version {new} was trained on"
    assert [f.before.lacking if f.before else None for f in found] == [changed, changed, "", None]
    assert ["recent_ks" in f.statistics for f in found] == [False, False, True, True]


def test_a_change_is_of_its_first_window_however_many_follow(services: Services) -> None:
    """Steps of ten minutes put hundreds of windows into the weeks before."""
    change = (CHANGED, 18.0, 1.0)
    send(services, START, 42, 2, [change])
    evaluate(services)
    with services.telemetry.transaction() as connection:
        connection.executemany(
            "INSERT INTO readings (stream_id, monitor, window_start, window_end, rows, judged, significant, applied, recorded, "
            "data) SELECT stream_id, monitor, window_start + ?1, window_end + ?1, rows, judged, significant, applied, recorded,"
            """ replace(data, '"compared_with":"recent"', '"compared_with":"reference"') FROM readings """
            "WHERE monitor='drift' AND window_end=?2",
            [(minutes * 60_000_000, to_us(on_day(CHANGED + 7))) for minutes in range(10, 4_001, 10)],
        )
    new = promote(services, PROMOTED, trained(PROMOTED, (change,), held_days=7))
    send(services, PROMOTED, 8, new, [change])
    evaluate(services)
    (finding,) = findings(services, new)
    assert finding.before is not None
    assert finding.before.lacking.startswith("it changed under version 2 in the window to 2013-08-05, ")


def test_a_change_that_is_not_answered_goes_on_being_open(services: Services) -> None:
    change = (CHANGED, 12.5, 0.8)
    send(services, START, 42, 2, [change])
    evaluate(services)
    new = promote(services, PROMOTED, trained(START))
    send(services, PROMOTED, 8, new, [change])
    evaluate(services)
    assert {alert.status for alert in drift_alerts(services, 2)} <= {AlertStatus.RESOLVED}
    (finding,) = findings(services, new)
    assert not finding.grounds.certain
    assert finding.before is not None
    assert finding.before.found_by == 2
    assert (finding.since_us, finding.until_us) == (to_us(on_day(CHANGED - 21)), to_us(on_day(CHANGED)))
    assert finding.significant_windows >= 2
    (alert,) = drift_alerts(services, new)
    assert alert.effective_at == on_day(PROMOTED + 7)
    assert (
        "one that is a change that version 2 showed before and that this version was not trained on"
        in alert.explanation
    )


def test_rows_that_come_late_to_the_version_before_give_what_rows_in_order_give(
    services: Services, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    other_root = tmp_path / "other"
    shutil.copytree(services.paths.root, other_root)
    change = [(START + 24, 10.0, 1.0)]
    send(services, START, 14, 2)
    new = promote(services, START + 28, trained(START))
    send(services, START + 28, 15, new, change)
    evaluate(services)
    early = stored(services, new)
    send(services, START + 14, 14, 2, change)
    evaluate(services)
    other = open_workspace(other_root)
    request.addfinalizer(other.close)
    for since in (0, 14):
        send(other, START + since, 14, 2, change)
    assert promote(other, START + 28, trained(START)) == new
    send(other, START + 28, 15, new, change)
    evaluate(other)
    assert stored(other, new) != early
    assert stored(services, 2) == stored(other, 2)
    assert stored(services, new) == stored(other, new)


def promoted_back_and_forth(services: Services) -> None:
    """Two promotions on one day, back to version 2 a week later, to version 4 again, then to version 3."""
    for after in (28, 28.5):
        number = register(services, trained(START))
        deploy(services, number, on_day(START) + timedelta(days=after), ("ewr",))
    for after, version in ((35, 2), (42, 4), (56, 3)):
        deploy(services, version, on_day(START + after), ("ewr",))


PIECES = [(0, 14, 2), (14, 14, 2), (28, 1, 3), (28, 7, 4), (35, 7, 2), (42, 14, 4), (56, 8, 3)]
"""Days since START, number of days, and the version that answered then."""


def sent_in(services: Services, order: Sequence[int], changes: Sequence[Change]) -> None:
    for piece in order:
        since, days, version = PIECES[piece]
        send(services, START + since, days, version, changes)
        evaluate(services)


@pytest.mark.parametrize(
    "changes", [[(START + 24, 18.0, 1.0)], [(START + 24, 10.0, 1.0), (START + 37, 6.0, 1.0)]]
)
def test_late_rows_of_one_version_reach_windows_that_rest_on_windows_of_another(
    services: Services,
    prepared: Path,
    changes: list[Change],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """Also where two versions begin in another order, and where rounds are cut off between two windows."""
    shutil.copytree(prepared, tmp_path / "late")
    late = open_workspace(tmp_path / "late")
    request.addfinalizer(late.close)
    for of in (services, late):
        promoted_back_and_forth(of)
    sent_in(services, range(7), changes)
    sent_in(late, [0, 3, 2, 4, 5, 6], changes)
    send(late, START + 14, 14, 2, changes)
    judge, calls = window_closing.recomputed_windows, count(1)

    def failing(*given: Any) -> Any:
        if next(calls) % 5 == 4:
            raise InvalidInputError("cut off")
        return judge(*given)

    monkeypatch.setattr(late_windows, "_AT_MOST", 3)
    monkeypatch.setattr(window_closing, "recomputed_windows", failing)
    for _ in range(8):
        with suppress(InvalidInputError):
            monitoring_round.evaluate_windows(late)
    monkeypatch.undo()
    evaluate(late)
    for version in (2, 3, 4):
        assert stored(late, version) == stored(services, version)
    now, in_order = (
        [(a.effective_at, a.status) for a in drift_alerts(of, 3) if not a.summary.startswith("at first ")]
        for of in (late, services)  # without what a window said before the rows had come
    )
    assert now == in_order


def changed_and_promoted(services: Services) -> int:
    change = (CHANGED, 12.5, 0.8)
    send(services, START, 42, 2, [change])
    new = promote(services, PROMOTED, trained(START))
    send(services, PROMOTED, 8, new, [change])
    return new


def found_by(services: Services, version: int) -> list[int | None]:
    return [f.before.found_by if f.before else None for f in findings(services, version)]


def test_windows_that_are_closed_after_those_that_rest_on_them(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = changed_and_promoted(services)
    judge = window_closing.closed_windows

    def failing(given: Services, stream: Stream, *rest: Any) -> Any:
        if stream.version == 2:
            raise InvalidInputError("cut off")
        return judge(given, stream, *rest)

    monkeypatch.setattr(window_closing, "closed_windows", failing)
    with pytest.raises(InvalidInputError):
        monitoring_round.evaluate_windows(services)
    assert found_by(services, new) == [None]
    monkeypatch.undo()
    evaluate(services)
    assert found_by(services, new) == [2]


def test_a_change_of_findings_alone_reaches_the_windows_that_rest_on_them(
    services: Services, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    new = changed_and_promoted(services)
    evaluate(services)
    before = stored(services, new)
    assert found_by(services, new) == [2]
    with services.telemetry.transaction() as connection:
        stream = find_stream(connection, "flight-delay", 2, "ewr")
        assert stream is not None
        now_us = to_us(services.now())
        changed = [r for r in readings.history(connection, stream.id, DRIFT) if r.significant]
        for reading in changed:
            closed = ClosedWindow(window=replace(reading.window, judged=False), findings=())
            revisions.replace(connection, stream.id, DRIFT, closed, now_us)
            late_days.note_findings(connection, stream.id, reading.span, now_us)
    evaluate(services)
    assert found_by(services, new) == [None]
    monkeypatch.setattr(weeks_before, "REACH", -1_000)  # rows of the other version reach no window
    with services.telemetry.transaction() as connection:
        for reading in changed:
            late_days.note_span(connection, stream.id, "rows", reading.start_us, reading.end_us, now_us)
    evaluate(services)
    assert stored(services, new) == before
    with services.telemetry.read() as connection:
        assert late_days.due(connection, 1 << 62) == []
    given = ["--workspace", str(services.paths.root), "--as", "ada", "monitor", "flight-delay", "ewr"]
    assert failures.run(lambda: main.run(given)) == 0
    assert "an earlier window changed" in capsys.readouterr().out


def test_a_back_fill_goes_by_time_over_all_versions(services: Services) -> None:
    """Windows of a version rest on those of others that answered between its own: once is enough."""
    promoted_back_and_forth(services)
    sent_in(services, range(7), [(START + 29, 18.0, 1.0)])
    right = [stored(services, version) for version in (2, 3, 4)]
    assert any('"found_by":4' in data for _, data in right[0])
    with services.telemetry.transaction() as connection:
        for version in (2, 3, 4):
            stream = find_stream(connection, "flight-delay", version, "ewr")
            assert stream is not None
            for reading in readings.history(connection, stream.id, DRIFT):
                closed = ClosedWindow(window=replace(reading.window, judged=False), findings=())
                revisions.replace(connection, stream.id, DRIFT, closed, to_us(services.now()))
    monitor_backfills.backfill_monitoring(
        services, admin(services), "flight-delay", on_day(0), on_day(300), reason="the figures were lost"
    )
    assert [stored(services, version) for version in (2, 3, 4)] == right


def test_the_past_shows_what_stood_then(services: Services) -> None:
    send(services, START, 28, 2)
    new = promote(services, START + 28, trained(START))
    send(services, START + 28, 8, new)
    evaluate(services)
    then = stored(services, new)
    later = services.now() + timedelta(days=3)
    services.now = lambda: later
    send(services, START + 36, 8, new, [(START + 36, 18.0, 1.0)])
    evaluate(services)
    past = time_machine.open_past(services, admin(services), on_day(START + 36) - timedelta(minutes=1))
    try:
        assert stored(past, new) == then
    finally:
        past.close()


def test_a_feature_of_another_type_has_no_past_and_says_why(services: Services) -> None:
    send(services, START, 28, 2)
    new = promote(services, START + 28, trained(START, texts=("visib",)))
    rows = rows_of(START + 28, 8)
    for batch in batches(rows, 500, producer="texts", target="ewr", version=new):
        batch.categorical["visib"] = [str(v) for v in np.frombuffer(batch.numeric.pop("visib"), "<f8")]
        ingest.ingest_batch(services, batch)
    evaluate(services)
    (visib,) = findings(services, new, "visib")
    assert visib.before is not None
    assert visib.before.lacking == "version 2 had it as another type"
    assert "recent_js" not in visib.statistics
    (temp,) = findings(services, new)
    assert "recent_ks" in temp.statistics


def test_rows_that_are_not_kept_any_more_are_said_to_be_gone(services: Services) -> None:
    send(services, START, 28, 2)
    with services.telemetry.transaction() as connection:
        stream = find_stream(connection, "flight-delay", 2, "ewr")
        assert stream is not None
        retention.delete_some(connection, stream.id, 1 << 62, 1)
    new = promote(services, START + 28, trained(START))
    send(services, START + 28, 8, new)
    evaluate(services)
    (finding,) = findings(services, new)
    assert finding.before is not None
    assert finding.before.lacking.startswith("rows from before 2013-07-")
    assert "recent_ks" not in finding.statistics


def test_rows_that_are_damaged_are_said_to_be_so_and_the_window_closes(services: Services) -> None:
    send(services, START, 28, 2)
    new = promote(services, START + 28, trained(START))
    with services.telemetry.transaction() as connection:
        connection.execute("UPDATE segments SET features = x'00' WHERE id = (SELECT max(id) FROM segments)")
    send(services, START + 28, 8, new)
    evaluate(services)
    (finding,) = findings(services, new)
    assert finding.before is not None
    assert finding.before.lacking.endswith(" stored rows of version 2 are damaged")
    assert "recent_ks" not in finding.statistics


def test_a_part_of_many_rows_stands_for_all_of_them(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weeks_before, "MOST_ROWS", 2_000)
    send(services, START, 28, 2)
    new = promote(services, START + 28, trained(START))
    send(services, START + 28, 15, new)
    evaluate(services)
    first, second = findings(services, new)
    assert first.before is not None
    assert first.before.every == len(rows_of(START + 7, 21)) // 2_000
    assert first.before.text.endswith(f", one row in {first.before.every}")
    assert second.statistics["recent_ks"] < 0.9
