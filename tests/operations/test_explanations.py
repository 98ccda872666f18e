"""What an alert says of a change that shows in one window, or only in several together."""

from dataclasses import replace

from pilothouse.domain.grounds import Grounds
from pilothouse.domain.model_spec import MonitoringSpec
from pilothouse.operations import explanations
from pilothouse.operations.explanations import Occasion
from pilothouse.telemetry.readings import DriftFigure, QualityFigure

WEEK_US = 7 * 86_400_000_000
OCCASION = Occasion("jfk", 3 * WEEK_US, 4 * WEEK_US, 100, 1, 3, MonitoringSpec(), "certain by itself")
LASTING = Grounds(tests=4, certain=True, together=3)


def test_a_lasting_change_says_over_which_windows_it_was_found() -> None:
    figure = DriftFigure("age", "lasting_ks", 0.2, 0.15, 0.0002, True, grounds=LASTING)
    said = explanations.data_drift([figure], {"age"}, OCCASION)
    assert said.explanation.startswith(
        "Over the last 3 windows together (since 1970-01-08: a lasting change)"
    )
    assert "held against chance alone" in said.explanation
    assert "1 of the last 3 windows" in said.explanation
    missing = QualityFigure("age", "missing", 0.1, 0.05, 0.08, 0.0002, True, grounds=LASTING)
    assert (
        "Over the last 3 windows together"
        in explanations.data_quality([missing], {"age"}, OCCASION).explanation
    )


def test_a_column_that_wanders_says_that_its_own_windows_were_learnt_from() -> None:
    figure = DriftFigure(
        "age", "ks", 0.2, 0.15, 0.0002, True, grounds=replace(LASTING, blocks=9.0, together=1)
    )
    said = explanations.data_drift([figure], {"age"}, OCCASION)
    assert said.explanation.startswith("From 1970-01-22 to 1970-01-29 (100 rows)")
    assert "learnt from windows of the reference's own days" in said.explanation


def test_a_reading_of_an_earlier_release_is_told_without_what_it_does_not_hold() -> None:
    said = explanations.data_drift([DriftFigure("age", "ks", 0.2, 0.15, 0.0002, True)], {"age"}, OCCASION)
    assert "held against" not in said.explanation
    assert "learnt from" not in said.explanation
