"""A replay is told in one line, and never as better than it is."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.jobs.job_kinds import KINDS
from pilothouse.domain.jobs.replays import (
    FigurePair,
    LeftOut,
    OutcomeFigures,
    SelfCheck,
    check_text,
    days_text,
    is_worse,
    most_changed,
    read_replay,
    replay_line,
    share_text,
    stored_text,
)
from pilothouse.domain.models.dataclass_reader import to_plain
from support.replay_values import FOUND, TRAFFIC, replay_of


def outcomes(*figures: FigurePair, why: str = "") -> OutcomeFigures:
    return OutcomeFigures(40_000, 38_900, "24 whole days drawn again", figures, why)


def test_the_line_of_a_version_that_is_better() -> None:
    assert replay_line(replay_of()) == (
        "on 41,212 rows of 1–28 Nov 2026 it would have decided 312 otherwise (0.8 %); on 38,900 with known outcomes auc 0.742 "
        "against 0.731, better by 0.011 [0.004, 0.018]"
    )
    assert not is_worse(replay_of())


@pytest.mark.parametrize(
    ("pair", "said", "worse"),
    [
        (FigurePair("auc", 0.742, 0.731, -0.011, -0.018, -0.004), "worse by 0.011 [0.004, 0.018]", True),
        (
            FigurePair("auc", 0.742, 0.741, -0.001, -0.018, 0.004),
            "not told apart, -0.001 [-0.018, 0.004]",
            False,
        ),
        (FigurePair("auc", 0.742, 0.742, 0.0, 0.0, 0.0), "not told apart, +0 [0, 0]", False),
    ],
)
def test_the_line_of_one_that_is_not(pair: FigurePair, said: str, worse: bool) -> None:
    replay = replay_of(outcomes=outcomes(pair), changed=0)
    assert replay_line(replay).endswith(said)
    assert "it would have decided none otherwise;" in replay_line(replay)
    assert is_worse(replay) is worse


def test_without_outcomes_it_says_why() -> None:
    replay = replay_of(outcomes=outcomes(why="12 of these rows have a known outcome: 30 are needed"))
    assert replay_line(replay).endswith("; 12 of these rows have a known outcome: 30 are needed")
    assert not is_worse(replay)


def test_a_regression_has_no_decisions() -> None:
    assert "it would have moved 312 by more than 1.25 (0.8 %)" in replay_line(replay_of(tolerance=1.25))


def test_what_is_stored_is_said() -> None:
    assert stored_text(TRAFFIC) == (
        "of 31 days asked for, rows of 24 are stored (41,212 of 52,300 rows); rows are kept for 24 days"
    )
    quiet = replace(TRAFFIC, days_served=26, kept_s=None)
    assert "rows of 24 are stored, 5 had no traffic (" in stored_text(quiet)
    assert stored_text(quiet).endswith("rows are kept for good")


def test_the_check_on_itself_says_how_many_differ_and_why() -> None:
    assert check_text(replay_of()) == "v2 answers all 41,212 rows that it answered then equal to the bit"
    check = SelfCheck(100, 90, 0.5, (LeftOut(4, "answered elsewhere"), LeftOut(6, "other answers")))
    assert check_text(replay_of(check=check)) == (
        "v2 answers 10 of 100 rows otherwise than then (4: answered elsewhere; 6: other answers)"
    )
    assert "cannot be checked" in check_text(replay_of(check=SelfCheck(0, 0, 0.0)))


def test_shares_and_days() -> None:
    assert [share_text(*pair) for pair in ((0, 10), (1, 100_000), (1, 3), (0, 0))] == [
        "0.0 %",
        "< 0.1 %",
        "33.3 %",
        "0.0 %",
    ]

    def us(*day: int) -> int:
        return to_us(datetime(*day, 9, tzinfo=UTC))  # type: ignore[arg-type]

    assert days_text(us(2026, 11, 3), us(2026, 11, 3)) == "3 Nov 2026"
    assert days_text(us(2026, 10, 28), us(2026, 11, 3)) == "28 Oct – 3 Nov 2026"
    assert days_text(us(2025, 12, 28), us(2026, 1, 3)) == "28 Dec 2025 – 3 Jan 2026"


def test_the_slices_that_changed_most_are_no_handfuls() -> None:
    few = replace(FOUND.slices[0], value="lga", rows=10, changed=10)
    assert (
        most_changed(replay_of(slices=(*FOUND.slices, few)))
        == "target ewr 1.0 % of 30,000, target jfk 0.1 % of 11,212"
    )


def test_a_result_is_read_back_and_a_strange_one_is_none() -> None:
    replay = replay_of()
    result = {"replay": to_plain(replay), "seconds": 3.0}
    assert read_replay(result) == replay
    words = KINDS["replay"].result_lines
    assert words is not None
    assert words(result, 3)[0].startswith("v3 against v2 on ewr, jfk: on 41,212 rows")
    for strange in (
        {},
        {"replay": {"model": "x"}},
        {"replay": 3},
        {"replay": {**to_plain(replay), "new": 1}},
    ):
        assert read_replay(strange) is None
        assert words(strange, 3) == []
