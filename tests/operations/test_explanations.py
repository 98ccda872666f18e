"""What an alert says of a change that shows in one window, or only in several together."""

from dataclasses import replace

from fixtures.registries import plain_spec
from pilothouse.domain.models.model_file import spec_from_plain
from pilothouse.domain.models.model_spec import MonitoringSpec
from pilothouse.domain.monitoring.findings import DriftFinding, Grounds, PerformanceFinding, QualityFinding
from pilothouse.operations.alerts import explanations
from pilothouse.operations.alerts.explanations import Occasion
from pilothouse.operations.alerts.moved_shares import whose_rows
from pilothouse.operations.monitoring.statistic_names import MEASURES, measure_name, measured_text
from pilothouse.statistics.significance.calibration import EFFECT
from pilothouse.statistics.significance.multiplicity import FAULTS, OVERDISPERSED_WEIGHTS, WEIGHTS

WEEK_US = 7 * 86_400_000_000
OCCASION = Occasion(
    target="jfk",
    start_us=3 * WEEK_US,
    end_us=4 * WEEK_US,
    rows=100,
    significant_windows=1,
    judged_windows=3,
    rules=MonitoringSpec(),
    enough="certain by itself",
)
LASTING = Grounds(tests=4, certain=True, together=3)
AGE = DriftFinding(
    feature="age",
    statistic="ks",
    value=0.2,
    threshold=0.15,
    p_value=0.0002,
    significant=True,
    grounds=replace(LASTING, together=1),
)


def test_a_lasting_change_says_over_which_windows_it_was_found() -> None:
    finding = replace(AGE, statistic="lasting_ks", grounds=LASTING)
    said = explanations.data_drift([finding], {"age"}, OCCASION)
    assert said.explanation.startswith(
        "Over the last 3 windows together (since 1970-01-08: a lasting change)"
    )
    assert (
        "held against sampling error alone; nothing was learnt from windows of age in the reference."
        in said.explanation
    )
    assert "1 of the last 3 windows" in said.explanation
    missing = QualityFinding(
        feature="age",
        fault="missing",
        value=0.1,
        reference=0.05,
        threshold=0.08,
        p_value=0.0002,
        significant=True,
        grounds=LASTING,
    )
    assert (
        "Over the last 3 windows together"
        in explanations.data_quality([missing], {"age"}, OCCASION).explanation
    )


def test_an_overdispersed_column_says_that_its_own_windows_were_learnt_from() -> None:
    finding = replace(AGE, grounds=replace(LASTING, blocks=9.0, together=1))
    said = explanations.data_drift([finding], {"age"}, OCCASION)
    assert said.explanation.startswith("From 1970-01-22 to 1970-01-29 (100 rows)")
    assert "learnt from windows of the reference's own days" in said.explanation


def test_a_reading_of_an_earlier_release_is_told_without_what_it_does_not_hold() -> None:
    said = explanations.data_drift([replace(AGE, grounds=Grounds())], {"age"}, OCCASION)
    assert "held against" not in said.explanation
    assert "learnt from" not in said.explanation


def test_ranks_tell_the_direction_in_a_unit_of_their_own() -> None:
    wider = replace(AGE, statistic="wider", value=0.31, threshold=0.18)
    said = explanations.data_drift([wider], {"age"}, OCCASION).explanation
    assert "age was spread 31.0% wider than in the reference (by ranks); 18.0% is the threshold" in said
    lower = replace(wider, statistic="lasting_lower")
    assert explanations.data_drift([lower], {"age"}, OCCASION).summary.endswith("drift on jfk: age lower")
    said = explanations.data_drift([lower], {"age"}, OCCASION).explanation
    assert (
        "age lay 0.31 standard deviations lower than in the reference (by ranks); 0.18 is the threshold"
        in said
    )
    outside = replace(wider, statistic="outside", value=0.04, threshold=0.03)
    said = explanations.data_drift([outside], {"age"}, OCCASION).explanation
    assert (
        "4.00% of the values of age lay outside of the range of the reference; 3.00% is the threshold" in said
    )


def test_a_distance_is_followed_by_the_way_that_the_column_went() -> None:
    moved = {"ks": 0.2, "higher": 0.41, "lower": 0.0, "wider": 0.02, "narrower": 0.0}
    finding = replace(AGE, statistics=moved)
    said = explanations.data_drift([finding], {"age"}, OCCASION).explanation
    assert "By ranks it lies 0.41 standard deviations higher than the reference." in said
    assert (
        explanations.data_drift([finding], {"age"}, OCCASION).summary
        == "1 of 1 features drift on jfk: age higher"
    )
    both = replace(finding, statistics=moved | {"wider": 0.3})
    said = explanations.data_drift([both], {"age"}, OCCASION).explanation
    assert "it lies 0.41 standard deviations higher and is spread 30.0% wider than" in said
    assert (
        "By ranks"
        not in explanations.data_drift([replace(finding, statistics={})], {"age"}, OCCASION).explanation
    )


def test_every_statistic_that_judges_has_words() -> None:
    assert set(EFFECT) - set(FAULTS) <= set(MEASURES)
    assert {*WEIGHTS, *OVERDISPERSED_WEIGHTS} == set(EFFECT) - set(FAULTS)
    for name in MEASURES:
        for statistic in (name, f"recent_{name}", f"lasting_{name}"):
            said, threshold = measured_text(statistic, "age", "the reference", 0.2, 0.1)
            assert "age" in said
            assert "the reference" in said
            assert "{" not in said + threshold
            assert not measure_name(statistic).endswith(",")


def test_a_loss_says_how_rarely_random_variation_makes_one_as_large() -> None:
    finding = PerformanceFinding(
        metric="auc",
        value=0.61,
        low=0.57,
        high=0.65,
        reference=0.70,
        reference_low=0.68,
        reference_high=0.72,
        labelled_share=1.0,
    )
    said = explanations.performance(finding, replace(OCCASION, enough="")).explanation
    assert "larger than random variation makes it in all but 10 % of windows" in said
    strict = replace(OCCASION, rules=replace(MonitoringSpec(), false_alarm_rate=0.001))
    assert "all but 1 % of windows" in explanations.performance(finding, strict).explanation


def test_rows_of_all_targets_are_said_of_a_model_with_several_alone_and_with_the_reason() -> None:
    spec = spec_from_plain(plain_spec())
    (first, *_) = spec.targets
    one, two = replace(spec, targets=(first,)), replace(spec, targets=(first, replace(first, name="other")))
    assert whose_rows("ewr", "", one) == whose_rows("ewr", "", two) == " of ewr"
    why = "ewr has 100 on 9 days, and it takes 500 on 14"
    assert whose_rows("ewr", why, two) == f" of all targets ({why})"
    assert whose_rows("ewr", why, one) == ""
