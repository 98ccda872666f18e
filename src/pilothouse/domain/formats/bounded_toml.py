"""TOML from outside as plain data, within bounds: every file that a person writes is read here."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date, time
from typing import Any

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.safe_text import one_line

DEEPEST = 64
"""Levels of tables and arrays within each other at most."""
LONGEST_TEXT = 16 * 2**20
"""Characters of a file at most."""
_INTEGERS = range(-(2**63), 2**63)
"""TOML promises no more than 64 bits."""
_LONGEST_PATH = 120
_LONGEST_FAULT = 1_000
_MOST_FAULTS = 200
_LONG_NUMBER = re.compile(r"\d[\d_]{4299}")
_LONG_KEY = re.compile(
    r"(?:^|[\[{,])[ \t]*(?:(?:[\w-]+|\"[^\"\n]*\"|'[^'\n]*')[ \t]*\.[ \t]*){" + str(DEEPEST) + "}",
    re.MULTILINE,
)
_STRINGS = re.compile(r"\"(?:\\.|[^\"\\])*\"|'[^']*'|#.*$")


def parse_toml(text: str, file: str) -> dict[str, Any]:
    """Content of TOML, with integers of 64 bits and ``DEEPEST`` levels at most. Raises InvalidInputError with one line;
    ``file`` is how it names the text."""
    if len(text) > LONGEST_TEXT:
        raise InvalidInputError(f"{file}: has {len(text):,} characters; expected {LONGEST_TEXT:,} at most")
    if key := _LONG_KEY.search(text):  # the time to read one grows with the square of its parts
        raise InvalidInputError(f"{file}{_line_at(text, key.end())}: {_too_deep()}")
    try:
        plain = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInputError(f"{file}: not valid TOML: {one_line(str(error))}") from None
    except RecursionError:
        raise InvalidInputError(f"{file}{_line_of_depth(text)}: {_too_deep()}") from None
    except ValueError:  # an integer that int() does not read
        number = _LONG_NUMBER.search(text)
        line = _line_at(text, number.start()) if number else ""
        raise InvalidInputError(
            f"{file}{line}: found a number of more than 4,300 digits; {_EXPECTED}"
        ) from None
    _check(plain, file)
    return plain


_EXPECTED = f"expected a whole number from {_INTEGERS[0]} to {_INTEGERS[-1]}"


def _too_deep() -> str:
    return f"tables or arrays lie more than {DEEPEST} levels deep; expected fewer"


def one_line_each(problems: Iterable[str]) -> list[str]:
    """Faults of a file as lines that a terminal may show: each of one line and of bounded length, not more than a person
    would read."""
    lines = [one_line(problem, _LONGEST_FAULT) for problem in problems]
    more = len(lines) - _MOST_FAULTS
    return lines if more <= 0 else [*lines[:_MOST_FAULTS], f"and {more:,} more faults"]


def _check(plain: Mapping[str, Any], file: str) -> None:
    """Refuse what lies too deep and integers that are too long. Raises InvalidInputError."""
    waiting: list[tuple[str, int, Any]] = [("", 0, plain)]
    while waiting:
        path, depth, value = waiting.pop()
        if depth > DEEPEST:
            raise InvalidInputError(f"{file}: {path}: {_too_deep()}")
        if isinstance(value, dict):
            prefix = f"{path}." if path else ""
            waiting += [(_shown(f"{prefix}{key}"), depth + 1, item) for key, item in value.items()]
        elif isinstance(value, list):
            waiting += [(_shown(f"{path}[{i}]"), depth + 1, item) for i, item in enumerate(value)]
        elif isinstance(value, int) and value not in _INTEGERS:
            digits = int(value.bit_length() * 0.30103) + 1
            raise InvalidInputError(f"{file}: {path}: found a number of about {digits} digits; {_EXPECTED}")
        else:
            assert isinstance(value, str | int | float | date | time), type(value)


def _shown(path: str) -> str:
    return path if path.isprintable() and len(path) <= _LONGEST_PATH else one_line(path, _LONGEST_PATH)


def _line_at(text: str, position: int) -> str:
    return f" line {text.count(chr(10), 0, position) + 1}"


def _line_of_depth(text: str) -> str:
    """`` line N`` of the first line on which brackets lie too deep; empty where strings of several lines hide it."""
    depth = 0
    for number, line in enumerate(text.split("\n"), 1):
        for letter in _STRINGS.sub("", line):
            depth += (letter in "[{") - (letter in "]}")
            if depth > DEEPEST:
                return f" line {number}"
    return ""
