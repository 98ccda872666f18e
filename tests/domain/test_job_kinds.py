"""What a job found is told in words, also what a job of an earlier release found."""

import pytest

from pilothouse.domain.jobs.job_kinds import KINDS, is_significant


@pytest.mark.parametrize("name", ["significant", "speaks"])
def test_a_separation_is_told_whatever_its_release_called_it(name: str) -> None:
    result = {"auc": 0.8, "low": 0.7, "high": 0.9, "threshold": 0.6, "features": ["wind"]}
    words = KINDS["domain_classifier"].result_lines
    assert words is not None
    assert is_significant(result | {name: True})
    assert words(result | {name: True}, None) == [
        "AUROC 0.800 (0.700 to 0.900), threshold 0.600: drifts, most telling wind"
    ]
    assert not is_significant(result | {name: False})
    assert "within its reference" in words(result | {name: False}, None)[0]


def test_a_separation_that_was_not_judged_is_not_within_its_reference() -> None:
    result = {
        "auc": 0.8,
        "low": 0.7,
        "high": 0.9,
        "threshold": 0.6,
        "features": ["wind"],
        "significant": False,
    }
    words = KINDS["domain_classifier"].result_lines
    assert words is not None
    (line,) = words(result | {"lack": "292 of 300 rows in 7 d; minimum_rows = 200 would judge it"}, None)
    assert line == (
        "AUROC 0.800 (0.700 to 0.900), not judged: 292 of 300 rows in 7 d; minimum_rows = 200 would judge it, most telling "
        "wind"
    )
    (line,) = words(result | {"threshold": None}, None)
    assert "not judged: the reference has too few days" in line
