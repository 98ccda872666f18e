"""What a request's version changes of the last approved one, above everything else of the page."""

from datetime import UTC, datetime

from pilothouse.domain.audit.dossier import Change, Changes
from pilothouse.presentation.pages.change_lines import change_lines

OTHER = "measured on other rows"
CHANGES = Changes(
    1,
    datetime(2026, 5, 3, tzinfo=UTC),
    ("pat", "pia"),
    (
        Change("metrics", "auc", "0.7100 [0.690 0.730] of 4,000", "0.7500 [0.730 0.770] of 4,100", OTHER),
        Change("slices", "auc origin=JFK", "0.7", "0.8", OTHER),
        Change("data", "rows digest", "a" * 64, "b" * 64),
        *(Change("parameters", f"p{number}", "1", "2") for number in range(9)),
        Change("environment", "packages.numpy", "", "2.3.2"),
        Change("gates", "data.rows", "passed: 5 rows", "passed: 6 rows"),
        Change("gates", "latency", "passed: 1 ms", "not comparable: \x1b[2J"),
    ),
)


def _texts(changes: Changes, *, everything: bool = False) -> list[str]:
    lines = change_lines(changes, "delay", 2, everything=everything)
    return ["".join(cell.text for cell in line.cells).rstrip() for line in lines]


def test_each_group_is_short_and_says_how_much_is_left_out() -> None:
    assert _texts(CHANGES) == [
        "CHANGES SINCE VERSION 1, APPROVED 2026-05-03 BY PAT, PIA",
        "metrics      auc             0.7100 [0.690 0.730] → 0.7500 [0.730 0.770]",
        "slices                       1 differs",
        "data         rows digest     aaaaaaaaaaaa… → bbbbbbbbbbbb…",
        *(f"{'parameters' if n == 0 else '':12} p{n}              1 → 2" for n in range(4)),
        "                             5 more differ",
        "environment  packages.numpy  – → 2.3.2",
        "gates        latency         passed: 1 ms → not comparable: \ufffd[2J",
        "                             1 more differs in figures alone",
        "all of it: pilothouse compare delay/1 delay/2",
        OTHER,
        "",
    ]


def test_nothing_is_left_out_where_everything_is_asked_for() -> None:
    texts = _texts(CHANGES, everything=True)
    assert not any("differ" in text for text in texts)
    assert len(texts) == len(CHANGES.rows) + 3


def test_without_an_approved_version_it_says_so() -> None:
    assert _texts(Changes(None)) == [
        "CHANGES SINCE THE LAST APPROVED VERSION",
        "no version was approved before it",
        "",
    ]
