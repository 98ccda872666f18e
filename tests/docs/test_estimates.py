"""What docs/monitoring.md and docs/statistics.md say of estimates is what the code does."""

import re

from documents import DOCUMENTS, words_of

from pilothouse.domain.monitoring.change_diagnosis import MUCH_VOLUME, Change
from pilothouse.domain.monitoring.findings import EstimateVerdict
from pilothouse.presentation import texts
from pilothouse.statistics import performance_estimation
from pilothouse.statistics.estimation import estimate_record, probability_calibration

PAGE = (DOCUMENTS / "monitoring.md").read_text("utf-8")
TEXT = words_of("monitoring.md", "statistics.md")


def test_bounds_and_forms_are_those_in_force():
    assert f"that has {performance_estimation.FEWEST_ROWS} rows and two days" in TEXT
    assert performance_estimation.FEWEST_DAYS == 2
    assert probability_calibration.CAUTION == 10
    assert "counts for less than its rows: a tenth" in TEXT
    assert len(probability_calibration.FORMS) == 5
    assert MUCH_VOLUME == 2


def test_every_verdict_is_explained():
    section = PAGE.split("### What changed\n", 1)[1]
    for change in Change:
        assert f"| {str(change).split(':')[0]} |" in section


def test_forecasts_and_their_weights_are_those_in_force():
    section = (DOCUMENTS / "statistics.md").read_text("utf-8").split("### The record\n", 1)[1]
    rows = re.findall(r"^\| ([^|]+) \| `([a-z ]+)` \| [^|]+ \| 1/(\d) \|$", section, flags=re.MULTILINE)
    assert {name: 1 / int(part) for _, name, part in rows} == estimate_record.FORECASTS
    assert {name: words for words, name, _ in rows} == texts.FORECASTS
    assert sum(estimate_record.FORECASTS.values()) == 1


def test_what_an_estimate_says_is_explained():
    section = PAGE.split("**A band that excludes nothing cannot tell.**", 1)[1].split("\n\n", 1)[0]
    for verdict in EstimateVerdict:
        assert f"*{verdict}*" in section


def test_what_is_estimated_is_said():
    assert set(performance_estimation.ESTIMATED["regression"]) == {"mae", "rmse"}
    assert "MAE and RMSE" in TEXT
    assert performance_estimation.ESTIMATED["multiclass"] == ("accuracy",)
