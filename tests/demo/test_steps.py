"""What the demo's people say when they decide."""

import pytest

from pilothouse.demo.steps import approval_reason


@pytest.mark.parametrize(
    ("gates", "said"),
    [
        ([("metric.auc", "passed"), ("comparison", "not comparable")], "nothing was live to compare it with"),
        ([("comparison.v1", "passed"), ("comparison.v2", "not comparable")], "not worse than what is live"),
        ([("comparison.v1", "not comparable")], "not comparable with what is live"),
    ],
)
def test_the_approver_says_not_worse_only_of_what_was_compared(
    gates: list[tuple[str, str]], said: str
) -> None:
    evidence = {"gates": [{"gate": name, "outcome": outcome} for name, outcome in gates]}
    assert approval_reason(evidence) == f"gates passed, {said}"
