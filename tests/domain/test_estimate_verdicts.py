"""What the band of an estimate says of a change, and what it is an argument for."""

import math

import pytest

from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.domain.monitoring.change_diagnosis import Change, Evidence, Measured, diagnose
from pilothouse.domain.monitoring.findings import EstimateFinding, verdict_of_band
from pilothouse.presentation.texts import estimate_note, estimate_text


@pytest.mark.parametrize(
    ("metric", "figures", "reference", "verdict"),
    [
        ("auc", (0.60, 0.57, 0.63), 0.70, "worse"),
        ("auc", (0.80, 0.77, 0.83), 0.70, "better"),
        ("auc", (0.70, 0.692, 0.708), 0.70, "no loss"),
        ("auc", (0.70, 0.65, 0.75), 0.70, "cannot tell"),
        ("auc", (0.50, 0.0002, 1.0), 0.70, "cannot tell"),
        ("auc", (0.695, 0.691, 0.699), 0.70, "no loss"),  # beyond the reference, and less than counts
        ("auc", (0.695, 0.680, 0.699), 0.70, "cannot tell"),
        ("mae", (5.0, 4.6, 5.4), 4.0, "worse"),
        ("mae", (4.0, 3.9, 4.1), 4.0, "no loss"),
        ("mae", (3.0, 2.9, 3.1), 4.0, "better"),
        ("mae", (4.0, 3.0, 5.0), 4.0, "cannot tell"),
        ("auc", (0.60, 0.57, 0.63), math.nan, "cannot tell"),
        ("auc", (math.nan, math.nan, math.nan), 0.70, "cannot tell"),
    ],
)
def test_a_band_says_what_it_excludes(metric, figures, reference, verdict) -> None:
    assert verdict_of_band(MetricValue(metric, *figures, 0), reference) == verdict


def finding(low: float, high: float, **more) -> EstimateFinding:
    return EstimateFinding(metric="auc", value=0.69, low=low, high=high, reference=0.7, **more)


def test_the_note_gives_why_and_what_it_rests_on() -> None:
    weights = {"inputs": 0.1, "unchanged": 0.6, "last": 0.3}
    assert estimate_note(finding(0.5, 0.8, weights=weights, record=7)) == (
        "cannot tell: the band reaches from 0.500 to 0.800, wider than the smallest change that counts (0.01) beside the "
        "reference 0.700; mean of forecasts, weighted by how each did in 7 earlier windows: the reference 60%, "
        "the figure measured last 30%, the estimate from inputs 10%"
    )
    assert estimate_note(finding(0.693, 0.70)).startswith(
        "no loss: the band reaches from 0.693 to 0.700, which excludes"
    )
    assert "; no earlier window had its outcomes when this was estimated" in estimate_note(
        finding(0.5, 0.8, weights=weights)
    )
    assert (estimate_text(finding(0.5, 0.8)), estimate_text(finding(0.693, 0.70))) == (
        "≈ cannot tell",
        "≈0.690",
    )


def test_a_figure_inside_a_wide_band_says_nothing_of_outcomes() -> None:
    inside = Measured(0.69, 0.66, 0.72)
    wide = diagnose(Evidence("auc", measured=inside, estimated=Measured(0.69, 0.0002, 1.0)))
    assert wide.change is Change.UNKNOWN
    assert "cannot be told: the band is wider than the smallest change that counts (0.01)" in wide.evidence
    narrow = diagnose(Evidence("auc", measured=inside, estimated=Measured(0.69, 0.685, 0.695)))
    assert "outcomes have not moved by as much as counts (0.01)" in narrow.evidence


def test_before_outcomes_have_come_the_forecast_is_named_or_said_to_be_none() -> None:
    explained = Measured(0.69, 0.64, 0.74)
    wide = diagnose(Evidence("auc", ["wind"], estimated=explained, forecast=finding(0.5, 0.8))).evidence
    assert "the estimate of auc cannot tell (its band reaches from 0.5 to 0.8" in wide
    told = diagnose(Evidence("auc", ["wind"], estimated=explained, forecast=finding(0.6, 0.68))).evidence
    assert "auc is estimated at 0.69 (band 0.6 to 0.68)" in told


def test_an_estimate_is_never_significant() -> None:
    assert not finding(0.5, 0.55).significant
