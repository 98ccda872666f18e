"""JSON from outside as plain data: one kind of fault, whatever is wrong with it."""

import json
import re
from typing import Any

from pilothouse.domain.formats.safe_text import one_line

DEEPEST = 64
"""Levels of arrays and objects within each other at most."""
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\Z)', re.DOTALL)
_INNERMOST = re.compile(rb"\[\]|\{\}")
_NO_BRACKET = bytes(code for code in range(256) if code not in b"[]{}")


class JsonError(ValueError):
    """Text that is not JSON, or JSON beyond the bounds; the message is one short line."""


def parse_json(data: bytes | str, containers: int | None = None) -> Any:
    """Content of JSON. Raises JsonError, also for what lies deeper than ``DEEPEST``, for a number of more than 4,300 digits and
    for more than ``containers`` arrays and objects, each of which takes many times the memory of its text."""
    try:
        raw = data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")
        brackets = raw.count(b"[") + raw.count(b"{")
        if containers is not None and brackets > containers and brackets - _in_texts(raw) > containers:
            raise JsonError(f"it has more than {containers} arrays and objects")
        if brackets > DEEPEST and _is_deep(raw):
            raise JsonError(_TOO_DEEP)
        return json.loads(data)
    except RecursionError:
        raise JsonError(_TOO_DEEP) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise JsonError(one_line(str(error))) from None
    except JsonError:
        raise
    except ValueError:  # an integer that int() does not read
        raise JsonError("a number has more than 4,300 digits") from None


_TOO_DEEP = f"arrays or objects lie more than {DEEPEST} levels deep"


def _in_texts(raw: bytes) -> int:
    """Brackets that begin nothing, being in texts."""
    texts = (found.group() for found in _STRING.finditer(raw))
    return sum(text.count(b"[") + text.count(b"{") for text in texts)


def _is_deep(raw: bytes) -> bool:
    """True where brackets lie more than ``DEEPEST`` levels deep. Linear passes: a scanner of its own would take longer than
    reading does."""
    rest = _STRING.sub(b"", raw).translate(None, _NO_BRACKET)
    for _ in range(DEEPEST):
        left = _INNERMOST.sub(b"", rest)
        if left == rest:
            return False  # nothing left, or brackets that do not match, which is no JSON
        rest = left
    return bool(rest)
