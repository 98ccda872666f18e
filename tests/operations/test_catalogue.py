"""Reading models, versions and runs."""

import pytest

from fixtures.registries import Example
from pilothouse.domain.errors import InvalidInputError, NotFoundError
from pilothouse.operations import catalogue
from pilothouse.operations.models import comparisons


def test_versions_are_found_by_number_by_alias_and_as_the_newest(example: Example) -> None:
    example.add_version()
    example.add_version()
    reader = example.actor("vera")

    for reference, number in (("models:/delay/1", 1), ("delay/2", 2), ("delay", 2)):
        assert catalogue.get_version(example.services, reader, reference).number == number
    assert [v.number for v in catalogue.list_versions(example.services, reader, "delay")] == [2, 1]
    assert catalogue.get_run(example.services, reader, "delay/1").started_by == "sam"
    assert catalogue.primary_metric(example.services, reader, "delay") == "auc"


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("delay/9", "no version 9"),
        ("delay@champion", "no version with the alias @champion"),
        ("nothing/1", "no model 'nothing'"),
    ],
)
def test_what_is_not_there_is_named(example: Example, reference: str, why: str) -> None:
    example.add_version()
    with pytest.raises(NotFoundError, match=why):
        catalogue.get_version(example.services, example.actor("vera"), reference)


def test_a_model_without_versions_says_what_to_do(example: Example) -> None:
    with pytest.raises(NotFoundError, match="pilothouse train delay"):
        catalogue.get_version(example.services, example.actor("vera"), "delay")
    with pytest.raises(InvalidInputError, match="does not name a version"):
        catalogue.get_version(example.services, example.actor("vera"), "../../etc/passwd")


def test_two_versions_are_held_side_by_side(example: Example) -> None:
    example.add_version(auc=0.71)
    example.add_version(auc=0.75, passed=False)

    compared = comparisons.compare(example.services, example.actor("vera"), "delay/1", "delay/2")

    rows = [row for row in compared.rows if row.group != "paired test"]
    found = {(row.group, row.name): row for row in rows}
    assert found["metrics", "auc"].differs
    assert (found["version", "stage"].a, found["version", "stage"].b) == ("candidate", "refused")
    assert not found["parameters", "C"].differs
    assert found["artifacts", "model"].differs
    assert found["metrics", "auc"].note == comparisons.OTHER_ROWS, (
        "their hold-outs are of different snapshots"
    )
    assert {row.group for row in rows if row.note} <= {"metrics", "slices"}
    same = comparisons.compare(example.services, example.actor("vera"), "delay/1", "delay/1")
    assert not [row for row in same.rows if row.note]
    assert [row.group for row in rows] == sorted(
        (row.group for row in rows), key=[r.group for r in rows].index
    )
