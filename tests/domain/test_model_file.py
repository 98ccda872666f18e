"""A model file is read strictly: every fault gets its line, and nothing is guessed."""

import pytest

from pilothouse.domain.errors import ModelFileError
from pilothouse.domain.formats.canonical import canonical_digest
from pilothouse.domain.models.dataclass_reader import format_duration
from pilothouse.domain.models.model_file import load_spec, spec_from_plain, spec_to_plain

GOOD = """
name = "flight-delay"
task = "binary"
owner = "ops@example.org"

[data]
source = "../../data/flights.parquet"
target = "late"
timestamp = "scheduled_at"
features = ["origin", "distance", "temp"]
categoricals = ["origin"]
slices = ["origin"]
outcome_delay = "1d"
lookback = "90d"

[training]
estimator = "sklearn.ensemble.HistGradientBoostingClassifier"
parameters = { max_iter = 60, learning_rate = 0.1 }

[[gates.metric]]
metric = "auc"
minimum = 0.62

[[targets]]
name = "ewr"
match = { origin = "EWR" }

[automation]
retrain_on = ["performance"]

[[automation.schedule]]
name = "weekly"
cron = "0 3 * * mon"
"""


def faults(text: str) -> tuple[str, ...]:
    with pytest.raises(ModelFileError) as raised:
        load_spec(text, "models/x/model.toml")
    return raised.value.problems


def test_a_good_file_becomes_a_spec() -> None:
    spec = load_spec(GOOD, "model.toml")
    assert spec.data.outcome_delay == 86_400
    assert spec.data.lookback == 90 * 86_400
    assert spec.data.features == ("origin", "distance", "temp")
    assert spec.training.parameters == {"max_iter": 60, "learning_rate": 0.1}
    assert spec.primary_metric == "auc"
    assert spec.targets[0].match == {"origin": "EWR"}


def test_a_spec_survives_plain_data() -> None:
    spec = load_spec(GOOD, "model.toml")
    assert spec_from_plain(spec_to_plain(spec)) == spec


def test_a_renamed_key_is_read_by_its_earlier_name_and_stored_under_it() -> None:
    spec = load_spec(GOOD, "model.toml")
    assert load_spec(GOOD.replace("outcome_delay", "truth_delay"), "model.toml") == spec
    plain = spec_to_plain(spec)
    assert "outcome_delay" not in plain["data"]
    # of the release before the renaming: what it stored and hashed is what this one does
    assert canonical_digest(plain) == "d5e00d936477eb3d6d9a85f683a595bfb84c8381a8c2a9e8b63d80ba83c8cfc5"


def test_a_renamed_key_is_checked_by_its_earlier_name_too() -> None:
    both = GOOD.replace("outcome_delay", 'truth_delay = "2d"\noutcome_delay')
    assert faults(both) == (
        "models/x/model.toml: data.truth_delay: is outcome_delay by an earlier name; expected one of the two",
    )
    for value in ('"soon"', "1"):
        (line,) = faults(GOOD.replace('outcome_delay = "1d"', f"truth_delay = {value}"))
        assert line.startswith("models/x/model.toml: data.truth_delay: found")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("owner =", "ownr =", "ownr: unknown key; did you mean owner?"),
        ("owner =", "ownr =", "owner: missing; expected a string"),
        ('task = "binary"', 'task = "ranking"', "task: found 'ranking'; expected one of 'binary'"),
        (
            'outcome_delay = "1d"',
            'outcome_delay = "soon"',
            "data.outcome_delay: found 'soon'; expected a duration",
        ),
        (
            "max_iter = 60",
            "max_iter = [60]",
            "training.parameters.max_iter: found [60]; expected a string or",
        ),
        ("minimum = 0.62", 'minimum = "high"', "gates.metric[0].minimum: found 'high'; expected a number"),
        ('metric = "auc"', 'metric = "mae"', "gates.metric[0].metric: found 'mae'; expected one of auc"),
        ('["performance"]', '["silence"]', "automation.retrain_on[0]: found 'silence'; expected one of"),
        ('"temp"]', '"late"]', "data.features: holds the target 'late'"),
        (
            '"temp"]',
            '"score"]',
            "data.features: holds 'score', which in charts and prediction logs is the model's",
        ),
        (
            '"temp"]',
            '"label"]',
            "data.features: holds 'label', which in charts and prediction logs is the pred",
        ),
        ('"temp"]', '"scheduled_at"]', "data.features: holds the timestamp 'scheduled_at'"),
        ('categoricals = ["origin"]', 'categoricals = ["tail"]', "data.categoricals: 'tail' is not in"),
        ('slices = ["origin"]', 'private = ["origin"]', "data.private: 'origin' is in data.features too"),
        ('lookback = "90d"', 'lookback = "7d"', "data.lookback: not longer than data.holdout"),
        ('estimator = "sklearn.', 'estimator = "os.', "training.estimator: found 'os.ensemble"),
        ('cron = "0 3 * * mon"', 'cron = "daily"', "automation.schedule[0].cron: found 'daily'"),
        ('name = "ewr"', 'name = "../ewr"', "targets[0].name: found '../ewr'"),
        ('source = "../../data/flights.parquet"', 'source = "sqlite:a.db"', "data.query: expected with"),
        (
            'flights.parquet"',
            'fli\\u0000ghts.parquet"',
            "data.source: found '../../data/fli\\x00ghts.parquet'",
        ),
        ('"distance", "temp"', '"temp", "temp"', "data.features: 'temp' is named twice"),
        (
            'slices = ["origin"]',
            'private = ["tail"]\nslices = ["tail"]',
            "data.private: 'tail' is in data.slices too",
        ),
        ("minimum = 0.62", "minimum = 0.62\nmaximum = 0.5", "gates.metric[0]: minimum 0.62 is above maximum"),
        (
            'outcome_delay = "1d"',
            "outcome_delay = 1",
            "data.outcome_delay: found 1; expected a duration such as",
        ),
        ('lookback = "90d"', 'lookback = "9999999w"', "data.lookback: found '9999999w'; expected at most"),
    ],
)
def test_each_fault_has_its_line(old: str, new: str, expected: str) -> None:
    assert old in GOOD
    problems = faults(GOOD.replace(old, new))
    assert any(line.startswith(f"models/x/model.toml: {expected}") for line in problems), problems


def test_a_private_column_marks_no_target() -> None:
    text = GOOD.replace('outcome_delay = "1d"', 'private = ["tail"]').replace("{ origin =", "{ tail =")
    assert any("data.private: 'tail' is in targets[0].match too" in line for line in faults(text))


def test_all_faults_are_told_at_once() -> None:
    problems = faults(GOOD.replace("owner =", "ownr =").replace("0.62", "true").replace('"1d"', "-3"))
    assert len(problems) == 4


def test_broken_toml_names_file_and_line() -> None:
    (problem,) = faults('name = "x"\nowner = \n')
    assert problem.startswith("models/x/model.toml: not valid TOML")
    assert "line 2" in problem


@pytest.mark.parametrize(
    ("seconds", "text"), [(1_209_600, "2w"), (86_400, "1d"), (5_400, "90m"), (7, "7s"), (0, "0s")]
)
def test_durations_are_written_in_the_largest_unit(seconds: int, text: str) -> None:
    assert format_duration(seconds) == text


def test_a_metric_that_telemetry_cannot_give_is_not_watched() -> None:
    several = GOOD.replace('"binary"', '"multiclass"') + '\n[monitoring]\nmetric = "auc"\n'
    assert any("monitoring.metric: 'auc' needs every class's probability" in line for line in faults(several))


@pytest.mark.parametrize("written", ['"2027-03-31"', "2027-03-31"])
def test_the_date_of_a_review_may_stand_without_quotes(written: str) -> None:
    spec = load_spec(f"{GOOD}\n[inventory]\nnext_review = {written}\n", "model.toml")
    assert spec.inventory is not None
    assert spec.inventory.next_review == "2027-03-31"
    canonical_digest(spec_to_plain(spec))


@pytest.mark.parametrize("written", ['"soon"', '"2027-02-30"', '"2027-3-1"', "2027-03-31T06:00:00", "true"])
def test_what_is_no_date_of_a_review_is_refused(written: str) -> None:
    with pytest.raises(ModelFileError, match=r"inventory\.next_review: found"):
        load_spec(f"{GOOD}\n[inventory]\nnext_review = {written}\n", "model.toml")
