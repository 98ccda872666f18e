"""``[contract.COLUMN]``: what the rows of a model are promised to be, checked before each training, on files that come in, and
on the rows of closed windows.

A missing value (null, not a number, a word for missing) is no value: it breaks ``nullable = false`` and no other rule.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

ColumnType = Literal["number", "integer", "text", "time", "boolean"]
_LONGEST_PATTERN = 200
_MOST_VALUES = 1_000
_OTHER_ENGINES = re.compile(r"\\[A-Za-z0-9]|\(\?|\[\[|\[:|[*+?}][+?]|\^|\$(?!$)|\n")
"""What engines of regular expressions read in different ways: classes by letters, groups with a flag, anchors, possessive and
lazy repetition."""


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """Promise about one column, by the names of its keys."""

    type: ColumnType
    nullable: bool = False
    """Values may be missing."""
    minimum: float | None = None
    maximum: float | None = None
    """Least and greatest number."""
    values: tuple[str | float, ...] = ()
    """The only values, as texts or numbers; any where there are none."""
    unique: bool = False
    pattern: str | None = None
    """Regular expression that the whole text matches: letters, classes in brackets, groups, ``|``, and repetition."""
    tolerance: float = 0.01
    """Share of a window's rows in production that may break its rules before an alert opens; trainings allow none."""


def contract_faults(contract: Mapping[str, ColumnRule], not_stored: Collection[str]) -> Iterator[str]:
    """Faults of a contract, one line each. ``not_stored``: private and excluded columns."""
    for name, rule in contract.items():
        path = f"contract.{name}"
        if name in not_stored:
            yield f"{path}: is in data.private or data.exclude, of which nothing is read; expected another column"
        if (rule.minimum is not None or rule.maximum is not None) and rule.type not in ("number", "integer"):
            yield f"{path}: minimum and maximum are of numbers; the type is {rule.type}"
        if rule.minimum is not None and rule.maximum is not None and rule.minimum > rule.maximum:
            yield f"{path}: minimum {rule.minimum:g} is above maximum {rule.maximum:g}; no row can keep it"
        if not 0 <= rule.tolerance < 1:
            yield f"{path}.tolerance: found {rule.tolerance:g}; expected a share of rows, from 0 to below 1"
        if len(rule.values) > _MOST_VALUES:
            yield f"{path}.values: found {len(rule.values):,}; expected at most {_MOST_VALUES:,}"
        wanted = {"text": str, "number": float, "integer": float}.get(rule.type)
        if rule.values and wanted is None:
            yield f"{path}.values: expected with the type text, number or integer; the type is {rule.type}"
        elif any(isinstance(value, str) != (wanted is str) for value in rule.values):
            yield f"{path}.values: expected {'texts' if wanted is str else 'numbers'}, as the type is {rule.type}"
        if rule.unique and rule.nullable:
            yield f"{path}.unique: expected with nullable = false; whether two missing values are equal is not agreed on"
        if rule.pattern is not None:
            yield from _pattern_faults(path, rule)


def unchecked_notes(contract: Mapping[str, ColumnRule], features: Collection[str]) -> Iterator[str]:
    """What of a contract is held against rows of training and of files, and not against those of production: two lines at
    most."""
    others = [name for name in contract if name not in features]
    if others:
        yield (
            f"contract: {', '.join(others)}: no feature, so that it is checked before trainings and on files, and not in "
            "production, where features alone are stored"
        )
    once = [name for name, rule in contract.items() if rule.unique and name in features]
    if once:
        yield (
            f"contract: unique of {', '.join(once)} is checked before trainings and on files, and not in production: two "
            "requests may ask the same"
        )


def _pattern_faults(path: str, rule: ColumnRule) -> Iterator[str]:
    pattern = rule.pattern or ""
    if rule.type != "text":
        yield f"{path}.pattern: expected with the type text; the type is {rule.type}"
    if len(pattern) > _LONGEST_PATTERN:
        yield f"{path}.pattern: has {len(pattern)} characters; expected at most {_LONGEST_PATTERN}"
    elif _OTHER_ENGINES.search(pattern):
        yield (
            f"{path}.pattern: found {pattern!r}; expected letters, classes in brackets, groups, |, *, +, ? and {{m,n}} alone: "
            "it matches the whole text, and the rest means another thing elsewhere"
        )
    else:
        try:
            re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
            yield f"{path}.pattern: is no regular expression: {error}"
