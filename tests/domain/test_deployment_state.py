"""The state of a deployment is the worst of its grounds, and nothing is healthy by default."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pilothouse.domain.monitoring.deployment_state import (
    Facts,
    Figures,
    Verdict,
    as_known,
    counts_as_known,
    grounds_of,
    is_of_then,
    model_as_known,
    reason,
    worst,
)
from pilothouse.domain.monitoring.findings import Window
from pilothouse.domain.monitoring.monitoring import Health, ServingState, Suspicion
from pilothouse.domain.records import Alert, AlertStatus

SINCE = datetime(2013, 5, 1, tzinfo=UTC)


def window(days: int) -> Window:
    end = SINCE + timedelta(days=days)
    return Window(start=end - timedelta(days=7), end=end, rows=2_000, judged=True)


def alert(
    severity: str = "critical", kind: str = "performance", summary: str = "auc 0.60", at: int = 7
) -> Alert:
    end = SINCE + timedelta(days=at)
    return Alert(1, "m", 2, "jfk", kind, "auc", severity, AlertStatus.OPEN, end, end, summary, "", {})


QUIET = (
    Verdict(monitor="drift", window=window(7), alert_kinds=("data_drift",)),
    Verdict(monitor="performance", window=window(7), alert_kinds=("performance",)),
)


def facts(*verdicts: Verdict, **changes: Any) -> Facts:
    figures = Figures(events=True, verdicts=verdicts or QUIET, last_event=SINCE)
    given: dict[str, Any] = {"version": 2, "since": SINCE, "serving": ServingState.ANSWERING, "answering": 2}
    return Facts(**{**given, "figures": figures, **changes})


def state(given: Facts) -> tuple[Health, str]:
    grounds = grounds_of(given)
    return grounds[0].health, reason(grounds)


def test_a_judged_window_within_the_reference_is_healthy_and_says_to_when() -> None:
    assert state(facts()) == (Health.HEALTHY, "within its reference to 2013-05-08")


@pytest.mark.parametrize(
    ("given", "health", "text"),
    [
        (facts(version=None), Health.NOT_DEPLOYED, "nothing is deployed here"),
        (facts(figures=Figures()), Health.NO_DATA, "no prediction of v2 has come yet"),
        (facts(figures=Figures(events=True)), Health.NOT_JUDGED, "no window is closed yet"),
        (facts(serving=ServingState.DOWN), Health.DOWN, "answers nothing: no word of its process"),
        (
            facts(serving=ServingState.FAILED, fault="no memory", answering=1),
            Health.DEGRADED,
            "v2 cannot be loaded: no memory; v1 answers",
        ),
        (
            facts(serving=ServingState.FAILED, fault="no memory", answering=None),
            Health.DOWN,
            "answers nothing: v2 cannot be loaded: no memory",
        ),
        (facts(alerts=[alert()]), Health.CRITICAL, "auc 0.60 (to 2013-05-08)"),
        (facts(alerts=[alert("warning")]), Health.DEGRADED, "auc 0.60 (to 2013-05-08)"),
        (
            facts(alerts=[alert("warning", "silence", "no event for 3 h")]),
            Health.NO_TRAFFIC,
            "no event for 3 h",
        ),
        (
            facts(silent="alert 9 was resolved by petra on 2013-05-01"),
            Health.NO_TRAFFIC,
            "no event since 2013-05-01 00:00, though alert 9 was resolved by petra on 2013-05-01",
        ),
    ],
)
def test_each_ground_makes_its_state(given: Facts, health: Health, text: str) -> None:
    assert state(given) == (health, text)


def test_a_finding_degrades_without_an_alert_and_the_alert_about_it_takes_its_place() -> None:
    drifted = Verdict(
        monitor="drift",
        window=window(7),
        beyond="2 of 9 features drifted (temp, wind)",
        alert_kinds=("data_drift",),
    )
    assert state(facts(drifted)) == (
        Health.DEGRADED,
        "2 of 9 features drifted (temp, wind) in the window to 2013-05-08",
    )
    handed_over = facts(drifted, resolved={"data_drift": "alert 9 was resolved by petra on 2013-05-09"})
    assert state(handed_over)[1].endswith(", though alert 9 was resolved by petra on 2013-05-09")
    of_another = facts(drifted, resolved={"score_drift": "alert 8 was resolved by petra on 2013-05-09"})
    assert "though" not in state(of_another)[1]
    told = grounds_of(facts(drifted, alerts=[alert("warning", "data_drift", "temp drifted")]))
    assert [ground.text for ground in told] == ["temp drifted (to 2013-05-08)"]


def test_an_alert_of_when_the_version_was_live_before_does_not_give_its_figures_as_those_of_now() -> None:
    other = (Verdict(monitor="drift", window=window(-3)),)
    again = grounds_of(facts(*other, alerts=[alert(at=0)]))[0]
    assert (again.health, again.text) == (Health.CRITICAL, "auc 0.60 (when v2 was live before)")
    left_open = grounds_of(facts(*other, alerts=[alert(at=-3)]))[0]
    assert left_open.text == "auc 0.60 (to 2013-04-28, when v2 was live before)"
    # the newest window of then is no older than the one that fired: its figures are those that are shown
    quiet = (Verdict(monitor="performance", window=window(-3)),)
    assert grounds_of(facts(*quiet, alerts=[alert(at=0)]))[0].text == (
        "auc 0.60 (when v2 was live before), quiet in the window to 2013-04-28"
    )
    worse = Verdict(monitor="performance", window=window(-3), beyond="auc 0.55", alert_kinds=("performance",))
    assert grounds_of(facts(worse, alerts=[alert(at=0)]))[0].text == (
        "auc 0.55 in the window to 2013-04-28, when v2 was live before"
    )


def test_an_alert_is_told_by_the_newest_window_that_was_judged_since_it_opened() -> None:
    worse = Verdict(
        monitor="performance",
        window=window(7),
        beyond="auc 0.55, worse than its reference 0.70",
        alert_kinds=("performance",),
    )
    for opened in (0, 3):
        grounds = grounds_of(facts(worse, alerts=[alert(at=opened)]))
        assert grounds[0].text == "auc 0.55, worse than its reference 0.70 in the window to 2013-05-08"
        assert grounds[0].health is Health.CRITICAL
    minutes = replace(worse, window=replace(window(7), start=window(7).end - timedelta(minutes=5)))
    assert grounds_of(facts(minutes, alerts=[alert(at=3)]))[0].text.endswith("to 2013-05-08 00:00")
    # its own window is the newest
    assert state(facts(worse, alerts=[alert(at=7)]))[1] == "auc 0.60 (to 2013-05-08)"
    # the newest window says nothing: the alert stands until enough of them are quiet
    again = state(facts(alerts=[alert(at=0)]))[1]
    assert again == "auc 0.60 (when v2 was live before), quiet in the window to 2013-05-08"
    # what another monitor says is not its figure
    drifts = Verdict(
        monitor="drift", window=window(7), beyond="the score drifted", alert_kinds=("score_drift",)
    )
    told = grounds_of(facts(drifts, alerts=[alert(at=3)]))
    assert {ground.text for ground in told} == {
        "auc 0.60 (to 2013-05-04)",
        "the score drifted in the window to 2013-05-08",
    }


def suspected(day: int = 7, **changes: Any) -> Verdict:
    waits = Suspicion(below=True, next_at=SINCE + timedelta(days=14))
    return Verdict(
        monitor="performance",
        window=window(day),
        beyond="auc 0.70 [0.65, 0.75], reference 0.80",
        alert_kinds=("performance",),
        suspicion=replace(waits, **changes),
    )


def test_a_loss_that_one_window_does_not_make_certain_makes_a_deployment_suspected() -> None:
    """The verdict comes first: a narrow column shows only the beginning of the reason."""
    figures = "auc 0.70 [0.65, 0.75], reference 0.80 in the window to 2013-05-08"
    text = "below its reference, one more window decides on 2013-05-15"
    assert state(facts(QUIET[0], suspected())) == (Health.SUSPECTED, f"{text}: {figures}")
    for changes, then in (
        ({"next_at": None}, "below its reference, one more window decides"),
        ({"below": False}, "above its reference, one more window decides on 2013-05-15"),
        ({"wanted": 2}, "below its reference, 2 more windows decide, the next on 2013-05-15"),
        ({"wanted": 2, "next_at": None}, "below its reference, 2 more windows decide"),
    ):
        assert state(facts(QUIET[0], suspected(**changes)))[1] == f"{then}: {figures}"


def test_a_suspicion_of_when_the_version_was_live_before_has_no_date() -> None:
    """The next window of then is long over."""
    health, text = state(facts(QUIET[0], suspected(-3)))
    assert health is Health.SUSPECTED
    assert text.startswith("below its reference, one more window decides: ")
    assert text.endswith("in the window to 2013-04-28, when v2 was live before")


def test_what_is_certain_or_not_judged_is_worse_than_a_suspicion() -> None:
    drifted = Verdict(monitor="drift", window=window(7), beyond="wind drifted", alert_kinds=("data_drift",))
    assert [g.health for g in grounds_of(facts(drifted, suspected()))] == [Health.DEGRADED, Health.SUSPECTED]
    thin = Verdict(monitor="drift", window=None, unjudged=3, lack="120 of 300 rows in 7 d")
    assert state(facts(thin, suspected())) == (Health.NOT_JUDGED, "120 of 300 rows in 7 d (and 1 more)")
    # an alert about performance says it itself, and does not call the window quiet
    told = grounds_of(facts(QUIET[0], suspected(), alerts=[alert(at=3)]))
    assert [g.text for g in told] == ["auc 0.70 [0.65, 0.75], reference 0.80 in the window to 2013-05-08"]


def test_inputs_that_are_not_judged_are_not_healthy_whatever_performance_says() -> None:
    thin = Verdict(monitor="drift", window=None, unjudged=3, lack="120 of 300 rows in 7 d")
    assert state(facts(thin, QUIET[1])) == (Health.NOT_JUDGED, "120 of 300 rows in 7 d")
    before = Verdict(monitor="drift", window=window(7), unjudged=1, lack="120 of 300 rows in 7 d")
    assert state(facts(before, QUIET[1])) == (
        Health.NOT_JUDGED,
        "120 of 300 rows in 7 d; last judged to 2013-05-08",
    )


def test_performance_that_is_not_judged_is_told_beside_healthy() -> None:
    unknown = Verdict(monitor="performance", window=None, unjudged=1, lack="no outcome is known")
    health, text = state(facts(QUIET[0], unknown))
    assert health is Health.HEALTHY
    assert "performance not judged: no outcome is known" in text


def test_the_record_of_a_version_that_is_live_again_stands_with_its_date() -> None:
    bad = Verdict(monitor="performance", window=window(-3), beyond="mae 97.6, worse than its reference 23.3")
    assert state(facts(bad)) == (
        Health.DEGRADED,
        "mae 97.6, worse than its reference 23.3 in the window to 2013-04-28, when v2 was live before (and 1 more)",
    )
    good = (Verdict(monitor="drift", window=window(-3)), Verdict(monitor="performance", window=window(-3)))
    assert state(facts(*good)) == (
        Health.NOT_JUDGED,
        "no window since v2 went live; last judged to 2013-04-28",
    )
    assert is_of_then(window(-3), SINCE)
    assert not is_of_then(window(7), SINCE)


def test_a_model_is_as_healthy_as_its_sickest_deployment() -> None:
    parts = [(Health.HEALTHY, "fine", "ewr"), (Health.CRITICAL, "auc fell", "jfk")]
    assert worst(parts) == (Health.CRITICAL, "jfk: auc fell")
    assert worst(parts[:1]) == (Health.HEALTHY, "fine")
    assert worst([])[0] is Health.NOT_DEPLOYED


def test_down_is_the_worst_and_what_is_not_judged_is_worse_than_healthy() -> None:
    ranks = [health.rank for health in Health]
    assert ranks == sorted(ranks)
    assert Health.DOWN.rank < Health.CRITICAL.rank < Health.NOT_JUDGED.rank < Health.HEALTHY.rank
    assert Health.NO_DATA.rank < Health.SUSPECTED.rank < Health.HEALTHY.rank


def test_nothing_is_healthy_while_nobody_watches() -> None:
    health, text = state(facts())
    assert as_known(health, text, watched=True) == (health, text)
    assert as_known(health, text, watched=False) == (
        Health.NOT_JUDGED,
        "nothing watches: was healthy, within its reference to 2013-05-08",
    )
    assert as_known(Health.NO_DATA, "no prediction", watched=False) == (Health.NO_DATA, "no prediction")
    before = as_known(*state(facts(QUIET[0], suspected())), watched=False)
    assert before[0] is Health.NOT_JUDGED
    assert before[1].startswith("nothing watches: was suspected, below its reference, one more window")
    counts = {Health.DOWN: 1, Health.NO_DATA: 2, Health.SUSPECTED: 4, Health.HEALTHY: 3}
    assert list(counts_as_known(counts, watched=False).items()) == [
        (Health.DOWN, 1),
        (Health.NOT_JUDGED, 7),
        (Health.NO_DATA, 2),
    ]


def test_a_model_with_a_deployment_that_was_healthy_is_not_judged_while_nobody_watches() -> None:
    counts = {Health.NO_DATA: 1, Health.HEALTHY: 2}
    assert model_as_known(Health.NO_DATA, "ewr: no prediction", counts, watched=False) == (
        Health.NOT_JUDGED,
        "nothing watches: was healthy on 2 of its targets; ewr: no prediction",
    )
    assert model_as_known(
        Health.NO_DATA, "ewr: no prediction", {**counts, Health.SUSPECTED: 1}, watched=False
    ) == (
        Health.NOT_JUDGED,
        "nothing watches: was suspected on 1 and healthy on 2 of its targets; ewr: no prediction",
    )
    assert model_as_known(Health.DOWN, "ewr: down", {Health.DOWN: 1, **counts}, watched=False) == (
        Health.DOWN,
        "ewr: down",
    )


def test_a_process_that_was_not_heard_of_since_the_daemon_started_is_not_said_to_answer() -> None:
    given = facts(serving=ServingState.NOT_HEARD, reported_at=SINCE)
    text = "no word of its process since the daemon started, last of 2013-05-01 00:00"
    assert state(given) == (Health.NOT_JUDGED, text)


def test_where_windows_are_shorter_than_a_day_reasons_say_the_time_of_day() -> None:
    end = SINCE + timedelta(hours=20, minutes=7)
    minute = Window(start=end - timedelta(minutes=1), end=end, rows=2_000, judged=True)
    quiet = Verdict(monitor="drift", window=minute, alert_kinds=("data_drift",))
    assert state(facts(quiet)) == (Health.HEALTHY, "within its reference to 2013-05-01 20:07")
    drifted = replace(quiet, beyond="wind drifted")
    assert state(facts(drifted))[1] == "wind drifted in the window to 2013-05-01 20:07"
    told = grounds_of(facts(quiet, alerts=[alert()]))
    assert told[0].text == "auc 0.60 (to 2013-05-08 00:00)"
    thin = replace(quiet, unjudged=1, lack="12 of 300 rows in 60 s")
    assert state(facts(thin))[1] == "12 of 300 rows in 60 s; last judged to 2013-05-01 20:07"


def blind(count: int, features: int = 12) -> Facts:
    figures = Figures(
        events=True,
        verdicts=QUIET,
        last_event=SINCE,
        features=features,
        blind=count,
        blind_named="temp and dewp",
    )
    return facts(figures=figures)


def test_features_that_cannot_be_judged_are_part_of_what_is_healthy() -> None:
    assert state(blind(2)) == (
        Health.HEALTHY,
        "within its reference to 2013-05-08; 2 of 12 features not judged: they vary too much by themselves (temp and dewp)",
    )
    assert "1 of 12 features not judged: it varies too much by itself" in state(blind(1))[1]


def test_where_most_features_cannot_be_judged_the_deployment_is_not() -> None:
    health, why = state(blind(7))
    assert health is Health.NOT_JUDGED
    assert why.startswith("7 of 12 features not judged")
    assert state(blind(6))[0] is Health.HEALTHY


def test_rows_of_before_a_first_deployment_are_not_of_when_the_version_was_live() -> None:
    old = facts(Verdict(monitor="drift", window=window(-3)), alerts=[alert(at=0)], was_live=False)
    assert grounds_of(old)[0].text == "auc 0.60 (by rows of before it went live)"
