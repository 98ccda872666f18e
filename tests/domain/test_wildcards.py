"""``*`` stands for any text, in linear time."""

import re

from hypothesis import given
from hypothesis import strategies as st

from pilothouse.domain.formats.toml_lines import key_lines
from pilothouse.domain.formats.wildcards import fits
from pilothouse.domain.listing import parse_filter


@given(st.text("ab*", max_size=8), st.text("ab", max_size=8))
def test_a_pattern_is_what_a_regular_expression_would_be(pattern: str, text: str) -> None:
    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None
    assert fits(pattern, text) is expected


def test_forty_stars_do_not_stop_the_console() -> None:
    query = parse_filter("model=" + "*a" * 40 + "*b")
    assert not query.matches({"model": "a" * 5_000})


def test_a_header_of_blanks_does_not_stop_the_reading_of_lines() -> None:
    assert key_lines("[ a ]\nb = 1\n[" + " " * 50_000) == {"a": 1, "a.b": 2}
