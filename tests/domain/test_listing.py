"""The grammar of filters, and what they let through."""

import pytest

from pilothouse.domain.listing import Predicate, RowFilter, like, parse_filter

ROW = {"job": "12", "status": "✖ out of memory", "model": "flight-delay", "unit": "retail", "region": "us"}


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", RowFilter()),
        ("Failed", RowFilter("failed")),
        ("!failed", RowFilter("failed", "lacks")),
        ("!", RowFilter()),
        ("-f fldl", RowFilter("fldl", "fuzzy")),
        ("-f", RowFilter("-f")),
        (
            "bu=retail region!=us",
            RowFilter("", "holds", (Predicate("bu", "retail"), Predicate("region", "us", True))),
        ),
        ("by=sam nightly run", RowFilter("nightly run", "holds", (Predicate("by", "sam"),))),
        ("a == b", RowFilter("a == b")),
    ],
)
def test_what_is_typed_has_a_meaning(typed: str, expected: RowFilter) -> None:
    assert parse_filter(typed) == expected


@pytest.mark.parametrize(
    ("typed", "passes"),
    [
        ("flight", True), ("FLIGHT", True), ("bike", False), ("!bike", True), ("!flight", False),
        ("-f fgtdly", True), ("-f ylf", False), ("bu=retail", True), ("unit=retail region=us", True),
        ("unit=retail region=eu", False), ("region!=eu", True), ("status=out*", True), ("status=memory", False),
        ("model=flight", False), ("model=flight*", True), ("reg=us", True), ("nocolumn=x", False),
        ("status=*memory flight", True),
    ],
)  # fmt: skip
def test_rows_pass_or_not(typed: str, passes: bool) -> None:
    assert parse_filter(typed).matches(ROW) is passes


def test_a_very_long_filter_is_cut() -> None:
    assert len(parse_filter("x" * 100_000).text) == 200


def test_wildcards_of_sql_are_letters() -> None:
    assert like("50%_a*") == "50\\%\\_a%"
