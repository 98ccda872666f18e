"""Words for missing that look like values of the column in which they stand: ``NA`` among codes of countries is Namibia."""

from collections.abc import Mapping

_FEWEST_CATEGORIES = 2
_SHARE = 0.5
"""Share of the rows of an average category from which a word is as frequent as one."""


def word_like_a_value(words: Mapping[str, int], categories: Mapping[str, int]) -> str:
    """The most frequent of ``words`` where it looks like one of the categories, by the rows that each has; empty otherwise.

    It has to be nearly as frequent as a category is on average, and written as most of them are: letters alone, as long, and
    in the same case.
    """
    if not words or len(categories) < _FEWEST_CATEGORIES:
        return ""
    word = max(words, key=lambda name: words[name])
    average = sum(categories.values()) / len(categories)
    if not word.isalpha() or words[word] < _SHARE * average:
        return ""
    alike = sum(rows for name, rows in categories.items() if _shape(name) == _shape(word))
    return word if alike > sum(categories.values()) / 2 else ""


def _shape(text: str) -> tuple[bool, bool, bool, bool]:
    """How a text is written: letters alone, in capitals, beginning with one, and with three letters at most."""
    return text.isalpha(), text.isupper(), text[:1].isupper(), len(text) <= 3
