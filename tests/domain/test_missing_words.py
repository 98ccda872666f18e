"""Words for missing that look like values."""

import pytest

from pilothouse.domain.formats.missing_words import word_like_a_value

REGIONS = {"EU": 900, "AS": 1_100, "SA": 1_000}


@pytest.mark.parametrize(
    ("words", "categories", "expected"),
    [
        ({"NA": 950}, REGIONS, "NA"),
        ({"NA": 510, "nan": 3}, REGIONS, "NA"),
        ({"NA": 40}, REGIONS, ""),
        ({"nan": 950}, REGIONS, ""),
        ({"NA": 3, "nan": 950}, REGIONS, ""),
        ({"NA": 950}, {"europe": 900, "asia": 1_000}, ""),
        ({"None": 950}, {"basic": 900, "gold": 1_000}, ""),
        ({"None": 950}, {"Base": 900, "Gold": 1_000}, "None"),
        ({"#N/A": 950}, REGIONS, ""),
        ({"NA": 950}, {"EU": 900}, ""),
        ({}, REGIONS, ""),
    ],
)
def test_a_word_as_frequent_as_a_category_and_written_like_one_is_named(
    words: dict[str, int], categories: dict[str, int], expected: str
) -> None:
    assert word_like_a_value(words, categories) == expected
