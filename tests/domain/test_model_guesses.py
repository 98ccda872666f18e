"""What is guessed of a first model from facts about a file."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.models.dataclass_reader import format_duration
from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.domain.models.first_model import FirstModel, guesses, model_text
from pilothouse.domain.models.first_settings import (
    QuickFit,
    comparison,
    data_bounds,
    estimator,
    holdout,
    leaks,
    metric_bounds,
    preprocessing,
    weakness,
    windows,
)
from pilothouse.domain.models.model_file import load_spec
from pilothouse.domain.models.model_guesses import (
    Guess,
    guess_columns,
    guess_target,
    guess_task,
    guess_time,
    guess_zone,
    parts_of_target,
    positive_class,
    without,
)
from pilothouse.domain.tables.column_facts import ColumnFacts, FactKind, FileFacts, TimeFacts

START = datetime(2026, 1, 1, tzinfo=UTC)


def column(name: str, kind: FactKind = "number", distinct: int = 40, **more: Any) -> ColumnFacts:
    common = tuple((str(value), 1) for value in range(min(distinct, 10)))
    facts = {"rows": 1_000, "missing": 0, "common": common, "whole": False}
    return ColumnFacts(name=name, kind=kind, distinct=distinct, **facts | more)


def times(days: float = 100, name: str = "at", *, zoned: bool = True) -> TimeFacts:
    return TimeFacts(name, zoned, tuple(START + timedelta(days=days * part / 100) for part in range(101)))


def facts(*columns: ColumnFacts, rows: int = 1_000, of: TimeFacts | None = None) -> FileFacts:
    all_columns = (column("at", "time", 1_000), *columns)
    return FileFacts("data.csv", rows, rows, all_columns, (of or times(),))


@pytest.mark.parametrize(
    ("values", "task", "why"),
    [
        (column("y", distinct=2, common=(("0", 3), ("1", 2)), whole=True), "binary", "two values: 0, 1"),
        (column("y", "text", 2, common=(("yes", 3), ("no", 2))), "binary", "two values: no, yes"),
        (column("y", "text", 3, common=(("c", 1), ("a", 1), ("b", 1))), "multiclass", "3 classes: a, b, c"),
        (column("y", distinct=5, whole=True), "multiclass", "only 5 whole numbers"),
        (column("y", distinct=5), "regression", "5 different numbers"),
        (column("y", distinct=585, whole=True), "regression", "585 different numbers"),
    ],
)
def test_the_task_follows_from_the_values_of_the_target(values: ColumnFacts, task: str, why: str) -> None:
    found = guess_task(values)
    assert found.value == task
    assert why in found.reason


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (column("y", distinct=1), "one value only"),
        (column("y", distinct=0, missing=1_000), "empty"),
        (column("y", "text", 300), "300 texts are no classes"),
        (column("y", "text", 990), "an id"),
        (column("y", "time", 900), "no numbers and no classes"),
    ],
)
def test_a_target_that_cannot_be_predicted_is_refused(values: ColumnFacts, why: str) -> None:
    with pytest.raises(InvalidInputError, match=why):
        guess_task(values)


def test_the_positive_class_is_the_second_in_the_order_of_numbers_or_letters() -> None:
    assert positive_class(column("y", distinct=2, common=(("10", 9), ("9", 1)))) == "10"
    assert positive_class(column("y", "text", 2, common=(("yes", 9), ("no", 1)))) == "yes"


def test_the_target_is_found_by_its_name_or_is_the_last_that_can_be_one() -> None:
    named = facts(column("a"), column("Churn", "text", 2), column("b"))
    assert guess_target(named, "at") == Guess("Churn", "by its name")
    last = facts(
        column("a"), column("b"), column("row", distinct=1_000, counts_up=True), column("c", distinct=1)
    )
    assert guess_target(last, "at").value == "b"
    remarks = column("remarks", "text", 8, missing=870)
    assert guess_target(facts(column("a"), remarks), "at").value == "a"
    assert guess_target(facts(remarks), "at").value == "remarks"  # of all that can be one
    with pytest.raises(InvalidInputError, match="no column can be predicted"):
        guess_target(facts(column("c", distinct=1)), "at")


def test_the_time_with_the_fewest_gaps_is_taken_and_its_zone_is_asked_for_where_it_has_none() -> None:
    two = FileFacts(
        "data.csv",
        1_000,
        1_000,
        (column("late_at", "time", 900, missing=100), column("at", "time", 500)),
        (times(name="late_at"), times(zoned=False)),
    )
    assert guess_time(two).value == "at"
    assert "lack it" not in guess_time(two).reason
    gaps = FileFacts("data.csv", 1_000, 1_000, (column("at", "time", missing=25),), (times(),))
    assert "2.5% of rows lack it: leave them out of the source" in guess_time(gaps).reason
    assert guess_zone(two, "at").value == "UTC"
    assert guess_zone(two, "late_at").value is None
    with pytest.raises(InvalidInputError, match="no column holds times"):
        guess_time(FileFacts("data.csv", 5, 5, (column("a"),)))


def test_ids_constants_free_texts_further_times_and_lists_are_left_out_with_a_reason() -> None:
    found = guess_columns(
        facts(
            column("wind"),
            column("carrier", "text", 16),
            column("customer_id", distinct=700, whole=True),
            column("customerId", "text", 60),
            column("Individual ID", "text", 190),
            column("Sample Number", distinct=150, whole=True),
            column("Unnamed: 0", distinct=1_000, whole=True, counts_up=True),
            column("row", distinct=1_000, whole=True, counts_up=True),
            column("token", "text", 1_000),
            column("weather_id", distinct=4, whole=True),
            column("temperature", distinct=1_000),
            column("country", "text", 1, common=(("DE", 1_000),)),
            column("nothing", distinct=0, missing=1_000),
            column("rarely", distinct=9, missing=990),
            column("words", "text", 20_000, rows=100_000),
            column("landed", "time"),
            column("tags", "other", 0),
            column("score"),
            column("y", distinct=2),
        ),
        "y",
        "at",
    )
    assert found.features == {
        "wind": "number",
        "carrier": "category",
        "weather_id": "number",
        "temperature": "number",
    }
    assert found.categoricals == ("carrier",)
    reasons = {name: reason.split(":")[0] for name, reason in found.excluded.items()}
    assert reasons == {
        "customer_id": "an id",
        "customerId": "an id",
        "Individual ID": "an id",
        "Sample Number": "an id",
        "Unnamed: 0": "an id",
        "row": "an id",
        "token": "an id",
        "country": "constant",
        "nothing": "empty",
        "rarely": "missing in 99% of rows",
        "words": "free text or too many categories",
        "landed": "a further time",
        "tags": "holds neither numbers nor texts nor times",
        "score": "stands for the model's own score in prediction logs",
    }
    with pytest.raises(InvalidInputError, match="no column is left"):
        guess_columns(facts(column("y")), "y", "at")


def test_parts_of_the_target_and_leaks_are_left_out() -> None:
    roles = guess_columns(facts(column("casual"), column("registered"), column("hr"), column("y")), "y", "at")
    parts = parts_of_target([("casual", "registered")], "y")
    assert list(without(roles, parts).features) == ["hr"]
    assert parts["casual"] == "casual + registered = y: known only with it"
    found = leaks(QuickFit(leakage={"hr": 0.6, "casual": 0.99}), "binary")
    assert list(found) == ["casual"]
    assert "AUC 0.990" in found["casual"]
    with pytest.raises(InvalidInputError, match="no feature is left: hr: it"):
        without(without(roles, parts), {"hr": "it"})


@pytest.mark.parametrize(
    ("days", "expected"), [(365, "73d"), (20, "4d"), (1, "5h"), (0.1, "29m"), (0.0001, "1s")]
)
def test_a_fifth_of_the_time_is_held_out_in_round_units(days: float, expected: str) -> None:
    assert format_duration(holdout(times(days)).value) == expected


def test_rows_of_one_time_have_nothing_to_hold_out() -> None:
    with pytest.raises(InvalidInputError, match="all rows have one time"):
        holdout(times(0))


@pytest.mark.parametrize(
    ("a_day", "window", "minimum", "silence"),
    [
        (5_000, 86_400, 300, 3_600),
        (900, 7 * 86_400, 300, 3_600),
        (24, 7 * 86_400, 100, 86_400),
        (10, 28 * 86_400, 160, 3 * 86_400),
        (0.5, 28 * 86_400, 30, 28 * 86_400),
    ],
)
def test_windows_fit_the_rows_a_week(a_day: float, window: int, minimum: int, silence: int) -> None:
    found = windows(times(200), int(200 * a_day))
    assert (found.window, found.minimum_rows, found.silence) == (window, minimum, silence)
    assert found.performance_window >= found.window == found.performance_step
    if a_day > 1:
        assert found.minimum_rows <= a_day * found.window / 86_400, "a usual window is judged"
    else:
        assert "few" in found.reason


def metric(name: str, value: float, margin: float) -> MetricValue:
    return MetricValue(name, value, value - margin, value + margin, 800)


def test_bounds_leave_twice_the_margin_of_chance_and_never_accept_chance() -> None:
    assert metric_bounds("binary", QuickFit((metric("auc", 0.8, 0.02),)))[0][:3] == ("auc", "minimum", 0.76)
    assert metric_bounds("binary", QuickFit((metric("auc", 0.52, 0.02),)))[0][:3] == ("auc", "minimum", 0.5)
    found = metric_bounds("regression", QuickFit((metric("mae", 40, 2.2), metric("r2", 0.05, 0.1))))
    assert [bound[:3] for bound in found] == [("mae", "maximum", 45.0), ("r2", "minimum", 0.0)]
    assert "reached 40 (37.8 to 42.2) on 800 held-out rows" in found[0][3]
    assert metric_bounds("regression", QuickFit((metric("r2", -0.5, 0.1),))) == []
    assert metric_bounds("binary", QuickFit(error="it failed")) == []


def test_a_model_that_is_not_shown_to_be_better_than_none_is_said_to_be() -> None:
    assert "AUC 0.51" in weakness("binary", QuickFit((metric("auc", 0.51, 0.02),)))
    assert "R² 0.05" in weakness("regression", QuickFit((metric("mae", 4, 1), metric("r2", 0.05, 0.1))))
    assert "0.03 to 2" in weakness("binary", QuickFit((metric("auc", 1.0, 0.97),))), "on two rows"
    assert weakness("binary", QuickFit((metric("auc", 0.7, 0.02),))) == ""
    assert weakness("regression", QuickFit((metric("r2", 0.5, 0.1),))) == ""
    assert weakness("multiclass", QuickFit(error="it failed")) == ""
    text = model_text(first_model(QuickFit((metric("auc", 0.51, 0.02),)), column("y", distinct=2)))
    assert "# The quick fit is not shown to be better than chance (AUC 0.51, " in text


def test_other_bounds_follow_from_the_rows() -> None:
    fit = QuickFit((metric("mae", 40, 2),), holdout_rows=300, duplicates=0.02)
    assert comparison("regression", fit)[0].value == 0.8
    assert comparison("regression", fit)[1] == 150
    assert comparison("binary", QuickFit())[0].value == 0.005
    found = data_bounds(8_645, [column("a", missing=450)], fit)
    assert {key: guess.value for key, guess in found.items()} == {
        "minimum_rows": 4_300,
        "maximum_missing": 0.6,
        "maximum_duplicates": 0.04,
    }
    assert estimator("binary", 900)[0].value == "sklearn.linear_model.LogisticRegression"
    assert estimator("regression", 9_000)[0].value == "sklearn.ensemble.HistGradientBoostingRegressor"


def test_a_first_file_writes_the_preprocessing_out() -> None:
    def written(training_rows: int, most_categories: int) -> list[str]:
        return [guess.value for guess in preprocessing(training_rows, most_categories).values()]

    assert written(900, 400) == ["median", "standard", "one-hot"]
    assert written(9_000, 200) == ["none", "none", "native"]
    assert written(9_000, 201) == ["none", "none", "auto"]  # more than boosted trees split on


HOSTILE = 'a"\\b\n# [x]\x1b[2J\u2028é'


def first_model(fit: QuickFit, target: ColumnFacts) -> FirstModel:
    of = facts(
        column(HOSTILE, "text", 16),
        column("season"),
        *(column(f"a rather long name of a column {i}") for i in range(12)),
        column("constant\nname", distinct=1, common=(("x\n]", 1_000),)),
        target,
        of=times(zoned=False),
    )
    return FirstModel(
        name="first",
        owner=HOSTILE,
        source="../data\\x.csv",
        facts=replace(of, dialect="semicolon", file=HOSTILE),
        target=Guess(target.name, "by its name"),
        task=guess_task(target),
        time=guess_time(of),
        zone=guess_zone(of, "at"),
        roles=guess_columns(of, target.name, "at"),
        targets=Guess(("local",), "the only one"),
        fit=fit,
    )


@pytest.mark.parametrize(
    ("target", "fit"),
    [
        (column("y", distinct=2, common=((HOSTILE, 3), ("1", 2))), QuickFit((metric("auc", 0.8, 0.02),))),
        (column("y", distinct=90), QuickFit((metric("mae", 0.0123, 0.001), metric("r2", 0.4, 0.1)))),
        (column("y", "text", 3), QuickFit(error=f"it failed: {HOSTILE}")),
    ],
)
def test_the_text_reads_back_as_what_was_guessed_whatever_names_hold(
    target: ColumnFacts, fit: QuickFit
) -> None:
    model = first_model(fit, target)
    text = model_text(model)
    assert text.replace("\n", "").isprintable()
    assert max(map(len, text.split("\n"))) < 260

    from pilothouse.domain.models.target_file import TargetDescription

    spec = load_spec(text, "model.toml", {"local": TargetDescription("local")})
    assert spec.task == model.task.value
    assert spec.data.features == tuple(model.roles.features)
    assert spec.data.categoricals == (HOSTILE,)
    assert spec.data.exclude == ("constant\nname",)
    assert (spec.data.source, spec.owner) == ("../data\\x.csv", HOSTILE)
    assert spec.monitoring.ignore == ("season",)
    assert (spec.data.timezone, spec.data.holdout) == ("UTC", 20 * 86_400)
    assert len(spec.gates.metric) == len(metric_bounds(model.task.value, fit))
    assert {key for key, _, _ in guesses(model)} >= {
        "task",
        "data.target",
        "monitoring.window",
        "targets.names",
    }
