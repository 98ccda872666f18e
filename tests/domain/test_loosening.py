"""What loosens a model file: every key, and the changes that look like something else."""

import dataclasses
import typing
from collections.abc import Iterator
from typing import Any

import pytest

from fixtures.registries import plain_spec
from pilothouse.domain.models.dataclass_reader import read_dataclass
from pilothouse.domain.models.model_file import spec_from_plain
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.promotion.loosening import judged_more_loosely, loosened, loosened_by_new
from pilothouse.domain.promotion.loosening_keys import KEYS, Looser
from support.loosening_cases import BASE, CHANGES, base_of, changed

GATES: dict[str, Any] = {
    "metric": [{"metric": "auc", "minimum": 0.7}, {"metric": "auc", "minimum": 0.6, "slice": "wind"}],
    "comparison": {"margin": 0.01},
    "latency": {"p95_ms": 50.0},
    "data": {"minimum_rows": 500, "maximum_missing": 0.2},
    "model_size_mb": 10.0,
    "function": "gate.py:check",
}
DATA = {**plain_spec()["data"], "slices": ["wind"]}


def spec(gates: dict[str, Any] | None = None, **tables: Any) -> ModelSpec:
    return spec_from_plain(plain_spec(data=DATA, gates=gates if gates is not None else GATES, **tables))


def plain_to_spec(plain: dict[str, Any]) -> ModelSpec:
    """A specification whose keys are compared whether or not they fit one another."""
    problems: list[str] = []
    read = read_dataclass(ModelSpec, plain, "", problems)
    assert read is not None, problems
    return read


def leaf_keys(kind: Any = ModelSpec, prefix: str = "") -> Iterator[str]:
    """Every key of a model file that holds a value."""
    for name, hint in typing.get_type_hints(kind).items():
        inner = [part for part in _parts(hint) if dataclasses.is_dataclass(part)]
        for part in inner:
            yield from leaf_keys(part, f"{prefix}{name}.")
        if not inner:
            yield prefix + name


def _parts(hint: Any) -> Iterator[Any]:
    yield hint
    for part in typing.get_args(hint):
        yield from _parts(part)


def test_every_key_of_a_model_file_says_when_it_loosens_or_why_it_never_does() -> None:
    assert set(leaf_keys()) == KEYS.keys()
    assert all(rule.why for rule in KEYS.values())
    assert {*CHANGES, "name"} == KEYS.keys()


@pytest.mark.parametrize("key", CHANGES)
def test_each_key_loosens_as_it_is_classified(key: str) -> None:
    rule = KEYS[key]
    before = base_of(key, unattended=rule.unattended)
    after = changed(before, *CHANGES[key])

    there, back = (
        loosened(plain_to_spec(one), plain_to_spec(other))
        for one, other in ((before, after), (after, before))
    )

    assert bool(there) == (rule.looser is not Looser.NEVER)
    if rule.looser is Looser.CHANGED and key != "gates.function":
        assert back
    elif rule.looser is not Looser.TABLE:
        assert back == []
    if there and rule.looser is not Looser.TABLE and key != "gates.function":
        assert there[0].endswith(f"({rule.why})")


@pytest.mark.parametrize("key", [key for key, rule in KEYS.items() if rule.unattended])
def test_what_starts_trainings_loosens_nothing_while_people_decide(key: str) -> None:
    if key == "automation.schedule.action":  # a schedule of watching changes
        return
    before = base_of(key, unattended=False)

    assert loosened(plain_to_spec(before), plain_to_spec(changed(before, *CHANGES[key]))) == []


@pytest.mark.parametrize("table", ["comparison", "latency"])
def test_a_gate_that_goes_is_looser_and_one_that_comes_is_not(table: str) -> None:
    with_gate, without = plain_to_spec(BASE), plain_to_spec(changed(BASE, f"gates.{table}", None))
    if table == "comparison":  # it is there by default
        without = dataclasses.replace(without, gates=dataclasses.replace(without.gates, comparison=None))

    assert loosened(with_gate, without) == [f"gates.{table}: gone (nothing judges it)"]
    assert loosened(without, with_gate) == []


def test_a_narrower_interval_is_looser_where_all_of_it_has_to_be_better() -> None:
    better = changed(BASE, "gates.comparison.require", "better")
    narrow = changed(better, "gates.comparison.confidence", 0.5)

    assert loosened(plain_to_spec(narrow), plain_to_spec(better)) == []
    assert loosened(plain_to_spec(better), plain_to_spec(narrow)) == [
        "gates.comparison.confidence: 0.9 → 0.5 (a worse version passes more often)"
    ]
    assert loosened(plain_to_spec(BASE), plain_to_spec(narrow)) == []


def test_a_schedule_of_watching_that_goes_is_looser_and_one_that_comes_is_not() -> None:
    without = plain_to_spec(changed(BASE, "automation.schedule", []))
    watched = plain_to_spec(
        changed(BASE, "automation.schedule", [{"name": "joint", "every": "1d", "action": "multivariate"}])
    )

    assert loosened(watched, without) == [
        "automation.schedule joint: gone (not comparable: the model is watched by it)"
    ]
    assert loosened(without, watched) == []


def test_a_target_that_comes_back_with_other_rows_is_compared_with_what_it_had() -> None:
    without = plain_to_spec(changed(BASE, "targets", BASE["targets"][:1]))
    other = plain_to_spec(changed(BASE, "targets.1.match", {"carrier": "AA"}))
    earlier: dict[str, Any] = {"jfk": {"carrier": "UA"}}

    assert loosened(without, plain_to_spec(BASE), earlier_matches=earlier) == []
    assert loosened(without, other, earlier_matches=earlier) == [
        "targets.jfk.match: { carrier = UA } → { carrier = AA } (not comparable: other rows are its reference)"
    ]


def test_a_new_target_loosens_where_versions_go_live_by_themselves() -> None:
    before = base_of("", unattended=True)
    after = changed(before, "targets", [*before["targets"], {"name": "lga"}])

    assert loosened(plain_to_spec(before), plain_to_spec(after)) == [
        "targets.lga: new (versions go live there without hands)"
    ]
    assert loosened(plain_to_spec(BASE), plain_to_spec(changed(after, "promotion", BASE["promotion"]))) == []


def test_the_body_of_a_gate_function_counts() -> None:
    one = plain_to_spec(BASE)
    code = {"gate.py": "1", "rules.py": "2"}

    assert loosened(one, one, code_before=code, code_after=dict(code)) == []
    assert loosened(one, one, code_before=code, code_after={"gate.py": "3", "limits.json": "4"}) == [
        "gates.function: gate.py:check: gate.py changed, limits.json new, rules.py gone "
        "(not comparable: other code judges)"
    ]
    assert loosened(one, one, code_before={}, code_after=code) == [
        "gates.function: gate.py:check (not comparable: its code was never recorded)"
    ]


def test_a_version_was_judged_more_loosely_by_gates_alone() -> None:
    now = plain_to_spec(BASE)
    ran = changed(changed(BASE, "gates.metric.0.minimum", 0.5), "monitoring.silence", "90d")
    ran = changed(changed(ran, "data.lookback", "80d"), "promotion.approvals", 1)

    (line,) = judged_more_loosely(now, plain_to_spec(ran))

    assert line.startswith("gates.metric auc by carrier: the minimum 0.6")
    assert judged_more_loosely(plain_to_spec(ran), now) == []


BLIND = {
    "comparison": {"margin": 1.0},
    "data": {"minimum_rows": 0, "maximum_missing": 1.0, "maximum_duplicates": 1.0, "leakage_auc": 2.0},
}
"""Gates that every version passes."""


@pytest.mark.parametrize(
    ("promotion", "gates", "said"),
    [
        ({"approvals": 1}, {"comparison": {}}, []),
        ({"approvals": 1}, {}, []),
        ({"approvals": 0, "automatic": True}, GATES, ["promotion.automatic", "promotion.approvals"]),
        ({"approvals": 2, "automatic": True}, GATES, ["promotion.automatic"]),
        ({"four_eyes": False}, {}, ["promotion.four_eyes"]),
        ({"approvals": 1}, BLIND, ["gates"]),
        ({"approvals": 1}, {**BLIND, "metric": [{"metric": "auc", "minimum": 0.0}]}, ["gates"]),
        ({"approvals": 1}, {**BLIND, "metric": [{"metric": "auc", "minimum": 0.6}]}, []),
        ({"approvals": 1}, {**BLIND, "metric": [{"metric": "log_loss", "maximum": 2.0}]}, []),
    ],
)
def test_a_new_model_takes_an_admin_where_nobody_or_one_person_could_put_it_live(
    promotion: dict[str, Any], gates: dict[str, Any], said: list[str]
) -> None:
    lines = loosened_by_new(spec(gates, promotion=promotion))

    assert [line.partition(":")[0] for line in lines] == said


def test_a_new_model_without_hands_whose_gates_cannot_fail_says_both() -> None:
    blind = spec({"comparison": {}}, promotion={"automatic": True})

    assert [line.partition(":")[0] for line in loosened_by_new(blind)] == ["promotion.automatic", "gates"]


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"promotion": {"approvals": 1}}, "promotion.approvals: 2 → 1"),
        ({"promotion": {"approvals": 2, "four_eyes": False}}, "promotion.four_eyes"),
        ({"promotion": {"approvals": 2, "automatic": True}}, "promotion.automatic"),
        ({"promotion": {"approvals": 2, "expires": "30d"}}, "promotion.expires"),
        ({"gates": {**GATES, "metric": GATES["metric"][1:]}}, "gates.metric auc: the minimum 0.7 is gone"),
        (
            {"gates": {**GATES, "metric": [{"metric": "auc", "minimum": 0.69}, GATES["metric"][1]]}},
            "minimum 0.7 → 0.69",
        ),
        (
            {"gates": {**GATES, "metric": [GATES["metric"][0], {**GATES["metric"][1], "minimum_rows": 900}]}},
            "auc by wind",
        ),
        ({"gates": {**GATES, "comparison": {"margin": 0.02}}}, "gates.comparison.margin: 0.01 → 0.02"),
        (
            {"gates": {**GATES, "comparison": {"margin": 0.01, "confidence": 0.99}}},
            "gates.comparison.confidence",
        ),
        ({"gates": {**GATES, "comparison": {"margin": 0.01, "metric": "accuracy"}}}, "auc → accuracy"),
        (
            {"gates": {**GATES, "comparison": {"margin": 0.01, "minimum_rows": 9_000}}},
            "gates.comparison.minimum_rows",
        ),
        ({"gates": {k: v for k, v in GATES.items() if k != "latency"}}, "gates.latency: gone"),
        ({"gates": {**GATES, "latency": {"p95_ms": 60.0}}}, "gates.latency.p95_ms: 50 → 60"),
        ({"gates": {**GATES, "data": {**GATES["data"], "minimum_rows": 10}}}, "gates.data.minimum_rows"),
        (
            {"gates": {**GATES, "data": {**GATES["data"], "maximum_missing": 0.9}}},
            "gates.data.maximum_missing",
        ),
        ({"gates": {**GATES, "data": {**GATES["data"], "leakage_auc": 1.0}}}, "gates.data.leakage_auc"),
        (
            {"gates": {k: v for k, v in GATES.items() if k != "model_size_mb"}},
            "gates.model_size_mb: 10 → none",
        ),
        ({"gates": {**GATES, "function": "other.py:check"}}, "gates.function"),
    ],
)
def test_what_makes_promotion_easier_is_a_loosening(tables: dict[str, Any], said: str) -> None:
    before = spec(promotion={"approvals": 2})
    after = spec(**{"promotion": {"approvals": 2}, **tables})

    lines = loosened(before, after)

    assert len(lines) == 1
    assert said in lines[0]


@pytest.mark.parametrize(
    "tables",
    [
        {},
        {"promotion": {"approvals": 3, "expires": "1d"}},
        {"gates": {**GATES, "metric": [*GATES["metric"], {"metric": "accuracy", "minimum": 0.5}]}},
        {"gates": {**GATES, "metric": [{"metric": "auc", "minimum": 0.72}, GATES["metric"][1]]}},
        {"gates": {**GATES, "comparison": {"margin": 0.001}}},
        {"gates": {**GATES, "latency": {"p95_ms": 20.0}}},
        {"description": "other words", "owner": "others"},
    ],
)
def test_what_makes_it_harder_or_changes_nothing_is_none(tables: dict[str, Any]) -> None:
    before = spec(promotion={"approvals": 2})

    assert loosened(before, spec(**{"promotion": {"approvals": 2}, **tables})) == []


def test_a_comparison_that_follows_the_primary_metric_is_loosened_with_it() -> None:
    before = spec()
    after = spec(monitoring={"metric": "accuracy"})

    assert loosened(before, after) == [
        "monitoring.metric: none → accuracy (not comparable: another metric is watched)",
        "gates.comparison.metric: auc → accuracy (not comparable: another metric compares)",
    ]
