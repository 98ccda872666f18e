"""Every metric of a window, by class and by slice, for whoever asks."""

import pytest

from pilothouse.domain.errors import InvalidInputError, NotFoundError
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
