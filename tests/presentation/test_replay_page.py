"""The page of a replay, and its part of the evidence: the line first, nothing that is raw, nothing left unsaid."""

from dataclasses import replace

from pilothouse.domain.jobs.replays import LeftOut, OutcomeFigures, SelfCheck
from pilothouse.domain.models.dataclass_reader import to_plain
from pilothouse.presentation.documents import Line
from pilothouse.presentation.pages.evidence import evidence_sections, replay_lines_of
from pilothouse.presentation.pages.replay_page import replay_page
from support.replay_values import FOUND, TRAFFIC, replay_of


def text_of(lines: list[Line]) -> str:
    return "\n".join("".join(cell.text for cell in line.cells).rstrip() for line in lines)


def test_the_page_begins_with_the_one_line() -> None:
    lines = replay_page(replay_of())
    assert text_of(lines[:1]) == "flight-delay version 3 against version 2  on ewr jfk"
    assert text_of(lines[1:2]).startswith(
        "On 41,212 rows of 1–28 Nov 2026 it would have decided 312 otherwise (0.8 %)"
    )
    assert lines[1].cells[0].tone == "good"
    text = text_of(lines)
    assert "of 31 days asked for, rows of 24 are stored" in text
    assert "never stored, so neither replayed nor shown: passenger" in text
    assert (
        "38,900 rows, 24 whole days drawn again; 95 % intervals of the difference; 1,100 more are left out"
        in text
    )
    assert "carrier  0.0 %    4 rows" in text


def test_what_was_left_out_or_drawn_or_differs_is_said() -> None:
    traffic = replace(TRAFFIC, sample=5_000, seed=7, not_sliced=("pier",))
    found = replace(
        FOUND,
        left_out=(LeftOut(12, "v1 on ewr was not asked with wind"),),
        check=SelfCheck(10, 9, 0.5, (LeftOut(1, "other answers"),)),
        outcomes=OutcomeFigures(0, 0, "", (), "no outcomes of these rows are known: 30 are needed"),
        latency=None,
        inputs=(),
        drift=(),
    )
    lines = replay_page(replace(replay_of(), traffic=traffic, found=found))
    text = text_of(lines)
    for said in (
        "a sample of 5,000 rows, each version, target and day in its proportion; seed 7",
        "12 rows are left out: v1 on ewr was not asked with wind",
        "v2 answers 1 of 10 rows otherwise than then (1: other answers)",
        "not stored, so not cut by: pier",
        "no outcomes of these rows are known: 30 are needed",
        "no value was missing",
        "its hold-out cannot be read",
    ):
        assert said in text
    assert "A CALL OF ONE ROW" not in text
    assert lines[1].cells[0].tone == ""


def test_examples_are_shown_with_what_is_stored_of_them_and_never_raw() -> None:
    nasty = {"ewr-1.7.3": {"carrier": "\x1b[31mAA\n", "wind": None, "hour": 7.0}}
    text = text_of(replay_page(replay_of(), nasty))
    assert "0 0.200 → 1 0.600, in truth 1  2026-11-01 12:00 ewr  ewr-1.7.3" in text
    assert "wind=missing hour=7" in text
    assert "\x1b" not in text
    assert "its row is not stored any more" in text_of(replay_page(replay_of(), {"ewr-1.7.3": None}))


def test_the_evidence_has_the_line_and_says_where_the_rest_is() -> None:
    evidence = {"gates": [], "replays": [{"job": 12, "replay": to_plain(replay_of())}]}
    (title, rows) = evidence_sections(evidence)[0]
    assert title == "Replay of recorded traffic"
    assert rows[0][0] == "v3 against v2"
    assert rows[0][1].startswith("on 41,212 rows")
    assert rows[1][0] == "● check on itself"
    assert rows[-1] == ["all of it", "job 12: pilothouse job 12"]
    assert replay_lines_of(evidence) == [f"v3 against v2 {rows[0][1]}"]


def test_a_replay_of_a_newer_release_is_named_and_not_guessed() -> None:
    evidence = {"replays": [{"job": 12, "replay": {"model": "x", "news": True}}]}
    assert evidence_sections(evidence) == [
        ("Replay of recorded traffic", [["job", "12", "its result is of a newer release"]])
    ]
    assert replay_lines_of(evidence) == []
