"""Which alerts have one cause, and which incident costs most."""

from datetime import UTC, datetime, timedelta

import pytest

from pilothouse.domain.monitoring.incident_cost import (
    DRIFT,
    LOSS,
    NOTHING,
    Drifting,
    Evidence,
    PerformanceLoss,
    Slow,
    Unanswered,
    cost_of,
    volume,
)
from pilothouse.domain.monitoring.incidents import (
    JOINT,
    Cost,
    Incident,
    by_cost,
    cause_text,
    membership_of,
    why_joined,
)
from pilothouse.domain.records import Alert, AlertStatus

START = datetime(2013, 7, 1, tzinfo=UTC)
REACH = timedelta(days=29)


def alert(number: int, kind: str, target: str = "jfk", *features: str, **other: object) -> Alert:
    fields = {
        "id": number, "model": "delay", "version": 3, "target": target, "kind": kind,
        "subject": "auc" if kind == "performance" else "features",
        "severity": "critical" if kind in ("performance", "errors") else "warning", "status": AlertStatus.OPEN,
        "effective_at": START, "recorded_at": START, "summary": kind, "explanation": "", "figures": {}, "features": features,
    }  # fmt: skip
    return Alert(**{**fields, **other})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("new", "member", "because"),
    [
        (
            alert(2, "performance"),
            alert(1, "data_drift", "jfk", "wind"),
            "version 3 on jfk loses performance while its inputs drift",
        ),
        (
            alert(2, "score_drift"),
            alert(1, "data_drift", "jfk", "wind"),
            "its inputs drift and its scores drift: version 3 on jfk",
        ),
        (
            alert(2, "data_drift", "jfk", "carrier"),
            alert(1, "data_quality", "jfk", "carrier"),
            "carrier is faulty and so drifts: version 3 on jfk",
        ),
        (
            alert(2, "data_drift", "ewr", "temp", "wind"),
            alert(1, "data_drift", "jfk", "wind"),
            "wind drifts on ewr as on jfk: one cause upstream",
        ),
        (
            alert(2, "performance", "ewr"),
            alert(1, "performance"),
            "performance is lost by version 3 on ewr as on jfk, in the same weeks",
        ),
        (
            alert(2, "latency"),
            alert(1, "errors"),
            "requests fail and requests are slow on jfk: one serving process",
        ),
        (alert(2, "silence", "ewr"), alert(1, "silence"), "ewr fell silent within the hour as jfk did"),
    ],
)
def test_one_cause_joins_and_says_why(new: Alert, member: Alert, because: str) -> None:
    joining = why_joined(new, member, REACH)
    assert joining is not None
    assert joining.because == because


@pytest.mark.parametrize(
    ("new", "member"),
    [
        (alert(2, "data_drift", "ewr", "temp"), alert(1, "data_drift", "jfk", "wind")),
        (alert(2, "data_drift", "ewr", "wind", version=4), alert(1, "data_drift", "jfk", "wind")),
        (
            alert(2, "data_drift", "ewr", "wind", effective_at=START + timedelta(days=60)),
            alert(1, "data_drift", "jfk", "wind"),
        ),
        (alert(2, "latency", "ewr"), alert(1, "latency")),
        (alert(2, "latency"), alert(1, "performance")),
        (alert(2, "silence", "ewr", recorded_at=START + timedelta(hours=2)), alert(1, "silence")),
        (alert(2, "performance", model="bikes"), alert(1, "data_drift", "jfk", "wind")),
    ],
)
def test_different_causes_stay_apart(new: Alert, member: Alert) -> None:
    assert why_joined(new, member, REACH) is None


def test_an_alert_that_links_two_incidents_merges_the_younger_into_the_older() -> None:
    new = alert(9, "data_drift", "jfk", "wind")
    place = membership_of(
        new, [(4, [alert(1, "performance")]), (7, [alert(2, "data_drift", "ewr", "wind")])], REACH
    )
    assert place is not None
    assert (place.incident, place.merged) == (4, (7,))
    assert place.because == "version 3 on jfk loses performance while its inputs drift"


def incident(number: int, cost: Cost, *alerts: Alert) -> Incident:
    return Incident(number, "delay", START, "", alerts, cost)


def test_the_state_of_an_incident_is_that_of_its_alerts() -> None:
    over = alert(1, "performance", status=AlertStatus.RESOLVED, resolved_at=START + timedelta(days=1))
    seen = alert(2, "data_drift", "ewr", "wind", status=AlertStatus.ACKNOWLEDGED, retrain_job=5)
    both = incident(1, Cost(0, 0, ""), over, seen)
    assert (both.status, both.severity, both.targets) == (AlertStatus.ACKNOWLEDGED, "warning", ("ewr",))
    assert both.retrainings == (5,)
    assert both.resolved_at is None
    ended = incident(1, Cost(0, 0, ""), over)
    assert (ended.status, ended.severity, ended.resolved_at) == (
        AlertStatus.RESOLVED,
        "critical",
        over.resolved_at,
    )


@pytest.mark.parametrize(
    ("alerts", "words"),
    [
        ([alert(1, "performance"), alert(2, "data_drift", "jfk", "wind", "temp")], "auc worse while wind, temp drift"),
        (
            [alert(1, "data_quality", "jfk", "carrier"), alert(2, "data_drift", "jfk", "carrier")],
            "carrier is faulty and drifts with it",
        ),
        ([alert(1, "data_drift", "jfk", "wind", "temp", subject=JOINT)], "wind, temp drift together"),
        ([alert(1, "errors"), alert(2, "latency")], "requests fail and requests are slow"),
    ],
)  # fmt: skip
def test_the_cause_in_a_few_words(alerts: list[Alert], words: str) -> None:
    assert cause_text(alerts) == words


def test_a_loss_of_performance_comes_before_any_drift_and_is_weighed_by_volume() -> None:
    small = cost_of(Evidence([PerformanceLoss("jfk", "auc", 0.70, 0.74, 12_400)]))
    large = cost_of(Evidence([PerformanceLoss("ewr", "auc", 0.72, 0.74, 90_000)]))
    drift = cost_of(Evidence(drifting=[Drifting("jfk", {"wind": 30.0}, 1e6, {"wind": 1.0})]))
    assert sorted([drift, small, large], key=lambda cost: cost.rank) == [large, small, drift]
    assert small.words == "auc −0.04 on 12,400 predictions a week on jfk"
    assert (small.tier, drift.tier) == (LOSS, DRIFT)


def test_losses_of_different_metrics_are_weighed_by_what_is_worth_a_word() -> None:
    assert PerformanceLoss("a", "auc", 0.71, 0.74, 1).units == pytest.approx(3)
    assert PerformanceLoss("a", "mae", 43.6, 40.0, 1).units == pytest.approx(3)
    assert PerformanceLoss("a", "mae", 39.0, 40.0, 1).units < 0


def test_a_drift_is_weighed_by_importance_and_capped() -> None:
    importance = {"wind": 0.7, "temp": 0.3}
    wind, temp = (
        cost_of(Evidence(drifting=[Drifting("jfk", {name: 1.0}, 500, importance)])) for name in importance
    )
    assert wind.weight == pytest.approx(0.7)
    assert temp.weight == pytest.approx(0.3)
    assert Drifting("jfk", {"wind": 1e9}, 500, importance).weight == pytest.approx(0.7 * 9)
    assert (
        wind.words
        == "1 feature with 70% of the model's importance drifts, up to 2.0 times the threshold, 500 predictions a week on jfk"
    )


def test_what_is_within_chance_is_no_loss() -> None:
    cost = cost_of(
        Evidence([PerformanceLoss("jfk", "auc", 0.735, 0.74, 1e6)], [Drifting("jfk", {"wind": 0.5}, 10)])
    )
    assert cost.tier == DRIFT
    assert cost_of(Evidence()).tier == NOTHING


def test_answers_that_nobody_gets_weigh_like_a_worthless_model() -> None:
    silent = cost_of(Evidence(unanswered=[Unanswered("jfk", 1.0, 1_000, "no event arrives")]))
    assert silent.rank < cost_of(Evidence([PerformanceLoss("jfk", "auc", 0.70, 0.74, 1_000)])).rank
    assert cost_of(Evidence(slow=[Slow("jfk", 31, 5.3, 100)])).rank > silent.rank


def test_incidents_are_listed_by_cost_and_what_is_over_comes_last() -> None:
    over = alert(1, "performance", status=AlertStatus.RESOLVED, resolved_at=START)
    found = by_cost(
        [
            incident(1, Cost(0, 9e9, ""), over),
            incident(2, Cost(1, 5, ""), alert(2, "data_drift")),
            incident(3, Cost(0, 1, ""), alert(3, "performance")),
            incident(4, Cost(0, 2, ""), alert(4, "performance")),
        ]
    )
    assert [i.id for i in found] == [4, 3, 2, 1]


def test_a_volume_has_three_digits_that_count() -> None:
    assert [volume(x) for x in (0, 7.4, 12_432.1, 1_234_567)] == ["0", "7", "12,400", "1,230,000"]
