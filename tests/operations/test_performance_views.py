"""Every metric of a window, by class and by slice, for whoever asks."""

from pathlib import Path

import pytest

from pilothouse.domain.errors import InvalidInputError, NotFoundError
from pilothouse.operations.automation import monitoring_round
from pilothouse.operations.fleet import health
from pilothouse.operations.monitoring.performance_views import performance_view
from support.monitored_flights import MODEL, admin, make_watched, send

SLICED = MODEL.replace("[training]", "[training]\n# cut by carrier").replace(
    'outcome_delay = "1d"', 'outcome_delay = "1d"\nslices = ["carrier"]'
)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory):
    services = make_watched(tmp_path_factory.mktemp("performance"), SLICED)
    send(services, "ewr", 0, 6)
    yield services
    services.close()


def test_every_metric_has_a_value_between_its_bounds(services) -> None:
    view = performance_view(services, admin(services), "flight-delay", "ewr", by_slice=True)
    assert view.version == 1
    assert (view.days, (view.end - view.start).days) == (6, 14)
    names = [m.metric for m in view.whole.metrics]
    assert names == [
        "auc", "average_precision", "accuracy", "precision", "recall", "f1", "log_loss", "brier", "calibration_error",
    ]  # fmt: skip
    for metric in view.whole.metrics:
        assert metric.low <= metric.value <= metric.high, metric
        assert metric.rows == view.whole.rows
    assert [part.what for part in view.classes] == ["0", "1"]
    assert sum(part.rows for part in view.classes) == view.whole.rows
    positive = {m.metric: m.value for m in view.classes[1].metrics}
    assert positive["recall"] == pytest.approx(
        next(m.value for m in view.whole.metrics if m.metric == "recall")
    )
    assert sum(part.rows for part in view.slices) == view.whole.rows
    assert "carrier=UA" in {part.what for part in view.slices}


def test_fewer_days_are_the_newest(services) -> None:
    view = performance_view(services, admin(services), "flight-delay", "ewr", days=2)
    assert view.days == 2
    assert view.slices == ()


def test_the_figure_is_that_of_the_newest_window_that_was_judged(tmp_path: Path) -> None:
    watched = make_watched(tmp_path)
    send(watched, "ewr", 0, 19)  # outcomes of days after the last whole window are known too
    monitoring_round.evaluate_windows(watched)
    actor = admin(watched)
    (state,) = [s for s in health.target_states(watched, actor) if s.target == "ewr"]
    assert state.performance is not None
    view = performance_view(watched, actor, "flight-delay", "ewr")
    window = state.performance.window
    assert (view.start, view.end, view.is_window) == (window.since, window.end, True)
    assert view.whole.rows == window.judged_rows
    (auc,) = [m for m in view.whole.metrics if m.metric == "auc"]
    assert auc.value == pytest.approx(state.performance.finding.value)
    newest = performance_view(watched, actor, "flight-delay", "ewr", days=3)
    assert newest.end > view.end
    assert not newest.is_window
    watched.close()


@pytest.mark.parametrize(
    ("model", "target", "version", "words"),
    [
        ("no-such", "ewr", None, "no model 'no-such'"),
        ("flight-delay", "lga", None, "not live on 'lga'"),
        ("flight-delay", "jfk", None, "no outcome"),
        ("flight-delay", "ewr", 9, "no outcome"),
    ],
)
def test_what_is_not_there_is_said(services, model, target, version, words) -> None:
    with pytest.raises(NotFoundError, match=words):
        performance_view(services, admin(services), model, target, version=version)


def test_no_days_are_refused(services) -> None:
    with pytest.raises(InvalidInputError, match="--days 0"):
        performance_view(services, admin(services), "flight-delay", "ewr", days=0)
