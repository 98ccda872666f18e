"""What is safe to write to a terminal."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.domain.formats.safe_text import one_line, safe, safe_block, safe_json

FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


@given(st.text(alphabet=st.characters(codec=None), max_size=400))
def test_no_text_is_unsafe_too_long_or_impossible_to_write(text: str) -> None:
    shown = safe(text, 100)
    assert not FORBIDDEN.search(shown)
    assert len(shown) <= 100
    shown.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Zürich 漢字 👍", "Zürich 漢字 👍"),
        ("\x1b]52;c;AAAA\x07", "�]52;c;AAAA�"),
        ("two\nlines\tand", "two lines and"),
        ("abc\u202etxt.exe", "abc�txt.exe"),
        ("[bold]kept[/bold]", "[bold]kept[/bold]"),
    ],
)
def test_safe_keeps_words_and_marks_what_it_took(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_a_megabyte_is_cut_before_it_is_looked_at() -> None:
    assert safe("x" * 1_000_000, 10) == "xxxxxxxxx…"


def test_towers_of_marks_are_levelled() -> None:
    assert len(safe("z" + "\u0301" * 300)) == 5


def test_blocks_keep_their_lines() -> None:
    assert safe_block("one\r\ntwo\x1b[2J\n\tthree") == "one\ntwo�[2J\n        three"


def test_json_means_the_same_without_raw_control_characters() -> None:
    hostile = {"reason": "\x1b]52;c;\x07 \x9b31m \u202e \U000e0041 \ud800 grüße 😀\n"}
    text = safe_json(json.dumps(hostile, indent=2, ensure_ascii=False))
    assert json.loads(text) == hostile
    assert not [c for c in text if not (c.isprintable() or c == "\n")]
    assert "grüße 😀" in text


def test_a_message_is_one_line_of_single_blanks() -> None:
    assert one_line("  the file\n\tis\x1b[2J   not \ud800 there\n") == "the file is�[2J not � there"
    assert one_line("word " * 100, 12) == "word word w…"
