"""What the demo's people say when they decide, and what is said at its end."""

from pathlib import Path

import pytest

from pilothouse.demo.steps import approval_reason
from pilothouse.demo.workspace import closing_text


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


def test_what_comes_next_is_to_start_what_has_ended_or_to_end_what_was_kept() -> None:
    assert closing_text(Path("demo"), keep=False).endswith("demo daemon start)")
    assert closing_text(Path("demo"), keep=True).endswith("demo daemon stop --serving)")
