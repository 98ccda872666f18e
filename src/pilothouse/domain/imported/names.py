"""Names of another registry as names of ours, and its texts and numbers as ones that a record can hold.

A name there may hold blanks, capital letters and any script. It is mapped to a name that is safe as a word of a command; the
original is kept beside it.
"""

import math
import re
import unicodedata
from collections.abc import Container, Iterator, Mapping
from typing import Any

LONGEST_NAME = 1_000
LONGEST_TEXT = 100_000
_LONGEST = 64
_OTHER = re.compile("[^a-z0-9]+")
_ABSENT = re.compile("[\x00\ud800-\udfff]")


def mapped_name(original: str, taken: Container[str]) -> str:
    """Name of ours for one of theirs: lower case, other characters as hyphens, numbered where it is taken."""
    folded = unicodedata.normalize("NFKD", original[:LONGEST_NAME]).lower()
    plain = "".join(c for c in folded if not unicodedata.combining(c))
    name = _OTHER.sub("-", plain).strip("-")[:_LONGEST].strip("-") or "model"
    if name not in taken:
        return name
    return next(candidate for candidate in _numbered(name) if candidate not in taken)


def _numbered(name: str) -> Iterator[str]:
    number = 2
    while True:
        end = f"-{number}"
        yield name[: _LONGEST - len(end)].rstrip("-") + end
        number += 1


def stored_text(value: object, limit: int = LONGEST_TEXT) -> str:
    """Text as it can be stored: without NUL and lone surrogates, cut at ``limit``. None is empty."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else str(value)
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return _ABSENT.sub("\ufffd", text)


def stored_texts(values: Mapping[Any, Any]) -> dict[str, str]:
    """Tags or parameters as they can be stored."""
    return {stored_text(key, LONGEST_NAME): stored_text(value) for key, value in values.items()}


def stored_number(value: float) -> float | str:
    """Number as JSON holds it: those that are none, and the infinities, as MLflow writes them over REST."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def read_number(value: object) -> float:
    """Number from JSON, where NaN and the infinities are texts. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"found {str(value)[:40]!r}; expected a number")
    try:
        return float(value)
    except OverflowError:
        return math.inf if isinstance(value, int) and value > 0 else -math.inf
    except ValueError:
        raise ValueError(f"found {str(value)[:40]!r}; expected a number") from None


def read_whole(value: object) -> int | None:
    """Whole number that 64 bits hold, from JSON or a column; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        number = int(value)
    except ValueError:
        return None
    return number if -(2**63) <= number < 2**63 else None


def path_fault(path: str) -> str:
    """Why a path within a folder of files is not taken; empty where it is. It never becomes a path of ours."""
    parts = path.split("/")
    if len(path) > LONGEST_NAME or _ABSENT.search(path):
        return "its path is no path"
    if path.startswith("/") or any(part in ("", ".", "..") for part in parts):
        return "its path leads out of its folder"
    return ""
