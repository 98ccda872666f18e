"""Readings of earlier releases stay readable: what they did not know has a plain default."""

from pilothouse.telemetry.readings import DRIFT, DriftFigure, QualityFigure, Reading, figures_of

OLD_DRIFT = (
    '[{"feature":"temp","statistic":"ks","value":0.4,"threshold":0.3,"p_value":0.001,"speaks":true,'
    '"statistics":{"ks":0.4},"missing":0.0,"unseen":0.1}]'
)
OLD_QUALITY = (
    '[{"feature":"seats","fault":"missing","value":0.4,"reference":0.1,"threshold":0.3,'
    '"p_value":0.001,"speaks":true}]'
)


def reading(data: str) -> Reading:
    return Reading(1, 1, DRIFT, 0, 1, 500, True, True, data)


def test_a_reading_without_grounds_is_read() -> None:
    (drift,) = figures_of(reading(OLD_DRIFT), DriftFigure)
    assert (drift.feature, drift.unseen, drift.compared_with) == ("temp", 0.1, "reference")
    assert not drift.grounds.certain
    assert (drift.spoke, drift.windows, drift.grounds.looked_at) == (0, 0, 0)
    (quality,) = figures_of(reading(OLD_QUALITY), QualityFigure)
    assert (quality.fault, quality.grounds.blocks) == ("missing", 0.0)
