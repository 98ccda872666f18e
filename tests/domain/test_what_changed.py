"""Which of the four the evidence supports, and that the sentence gives the figures it rests on."""

import pytest

from pilothouse.domain.monitoring.change_diagnosis import Change, Evidence, Measured, diagnose

INSIDE, BEYOND = Measured(0.70, 0.67, 0.73), Measured(0.55, 0.52, 0.58)
ESTIMATE = Measured(0.69, 0.65, 0.73)
WIND_MISSING = (("wind", "missing"),)


@pytest.mark.parametrize(
    ("found", "change"),
    [
        (Evidence("auc", ["wind"], measured=INSIDE, estimated=ESTIMATE), Change.INPUTS),
        (Evidence("auc", ["wind"], measured=BEYOND, estimated=ESTIMATE), Change.BOTH),
        (Evidence("auc", ["wind"], estimated=ESTIMATE), Change.INPUTS),
        (Evidence("auc", score=True, measured=INSIDE, estimated=ESTIMATE), Change.INPUTS),
        (Evidence("auc", measured=BEYOND, estimated=ESTIMATE), Change.OUTCOMES),
        (Evidence("auc", measured=INSIDE, estimated=ESTIMATE), Change.UNKNOWN),
        (Evidence("auc", measured=BEYOND), Change.UNKNOWN),
        (Evidence("auc"), Change.UNKNOWN),
        # what is missing drifts by that alone, and takes the score along
        (Evidence("auc", ["wind"], True, WIND_MISSING, measured=INSIDE, estimated=ESTIMATE), Change.QUALITY),
        (Evidence("auc", ["wind"], True, WIND_MISSING), Change.QUALITY),
        (Evidence("auc", ["wind", "rain"], False, WIND_MISSING), Change.INPUTS),
        (Evidence("auc", [], False, WIND_MISSING, measured=BEYOND, estimated=ESTIMATE), Change.UNKNOWN),
        (Evidence("auc", volume=0.3, measured=INSIDE, estimated=ESTIMATE), Change.QUALITY),
        (Evidence("auc", volume=0.3, measured=BEYOND, estimated=ESTIMATE), Change.OUTCOMES),
        (Evidence("auc", volume=1.4), Change.UNKNOWN),
    ],
)
def test_the_verdict_is_what_the_evidence_supports(found, change):
    assert diagnose(found).change is change


def test_the_sentence_gives_the_figures():
    words = diagnose(
        Evidence("auc", ["wind"], True, measured=BEYOND, estimated=ESTIMATE, reference=0.71)
    ).sentence
    assert words.startswith(
        "What changed: both: inputs and outcomes moved. Inputs drift (wind) and so do the scores."
    )
    assert (
        "measured auc 0.55 lies beyond what the inputs explain, 0.69 (band 0.65 to 0.73); the hold-out had 0.71"
        in words
    )


def test_faults_with_a_figure_beyond_the_band_ask_to_be_mended_first():
    words = diagnose(Evidence("auc", [], False, WIND_MISSING, measured=BEYOND, estimated=ESTIMATE)).evidence
    assert "wind missing" in words
    assert "mend them first" in words


def test_volume_is_told_in_words():
    assert "Volume is 0.3 times the usual." in diagnose(Evidence("auc", volume=0.3)).evidence


def test_what_drifted_only_briefly_is_named_and_is_no_evidence() -> None:
    found = diagnose(Evidence("auc", seldom=["wind"], measured=INSIDE, estimated=ESTIMATE))
    assert found.change is Change.UNKNOWN
    assert found.evidence.startswith("No input drifts for as much as half of that time, only briefly wind.")
    long = diagnose(Evidence("auc", ["rain"], seldom=["wind"], measured=INSIDE, estimated=ESTIMATE))
    assert "Inputs drift (rain)." in long.evidence
