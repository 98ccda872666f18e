"""JSON from outside that is longer than is held: the objects of one list, each as soon as it has come."""

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from pilothouse.domain.formats.bounded_json import DEEPEST, JsonError
from pilothouse.domain.formats.safe_text import one_line

LONGEST = 1 << 20
"""Characters of an item, or of a value beside the list, at most."""
_decode = json.JSONDecoder().raw_decode
_BLANK = re.compile(r"[ \t\n\r]*")


def items_of(parts: Iterable[bytes], name: str, beside: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Objects of the list ``name`` in an object that comes in parts; what else it holds goes into ``beside``. A part and an
    item are held at a time. Raises JsonError, also where the list holds something else, or a value is longer than
    ``LONGEST``."""
    text = _Text(parts)
    text.take("{")
    if text.next() == "}":
        text.take("}")
    else:
        while True:
            key = text.value()
            if not isinstance(key, str):
                raise JsonError(f"the name of a value is none, before character {text.passed:,}")
            text.take(":")
            if key == name and text.next() == "[":
                yield from _list(text)
            else:
                beside[key] = text.value()
            if text.take(",}") == "}":
                break
    if text.next():
        raise JsonError(f"more follows after its end, at character {text.passed:,}")


def _list(text: "_Text") -> Iterator[dict[str, Any]]:
    text.take("[")
    if text.next() == "]":
        text.take("]")
        return
    while True:
        for item in text.whole_items() or [text.value()]:
            if not isinstance(item, dict):
                raise JsonError(f"an item of its list is no object, before character {text.passed:,}")
            yield item
        if text.take(",]") == "]":
            return


class _Text:
    """Text that comes in parts, read value by value."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = iter(parts)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text, self._at, self._before, self._is_over = "", 0, 0, False
        self._is_plain = True
        """False once the last end of an object before a comma was none of an item."""

    @property
    def passed(self) -> int:
        """Characters that have been read."""
        return self._before + self._at

    def next(self) -> str:
        """The next character that is no blank; empty at the end."""
        while True:
            found = _BLANK.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def take(self, expected: str) -> str:
        """Pass one of these characters, and return it."""
        found = self.next()
        if not found or found not in expected:
            raise JsonError(f"expected {' or '.join(expected)} at character {self.passed:,}")
        self._at += 1
        return found

    def value(self) -> Any:
        """The next value, once it is whole."""
        self.next()
        while True:
            try:
                value, end = _decode(self._text, self._at)
            except RecursionError:
                raise JsonError(f"arrays or objects lie more than {DEEPEST} levels deep") from None
            except json.JSONDecodeError as error:
                fault = one_line(error.msg, 80)
            except ValueError:  # an integer that int() does not read
                raise JsonError("a number has more than 4,300 digits") from None
            else:
                if end < len(self._text) or self._is_over:  # a number at the end of a part may go on
                    self._at = end
                    return value
                fault = "it ends too early"
            if len(self._text) - self._at > LONGEST:
                raise JsonError(f"a value at character {self.passed:,} has no end within {LONGEST:,}")
            if not self._more():
                raise JsonError(f"{fault}, after character {self.passed:,}")

    def whole_items(self) -> list[Any]:
        """Items of a list that have come to their end, but for the last one, read at once, which takes less time than one by
        one; none where their end is not seen at a glance."""
        end = self._text.rfind("},", self._at)
        if not self._is_plain or end < 0:
            return []
        try:
            found: list[Any] = json.loads(f"[{self._text[self._at : end + 1]}]")
        except (ValueError, RecursionError):  # within a text, or another object
            self._is_plain = False
            return []
        self._at = end + 1
        return found

    def _more(self) -> bool:
        """Add the next part, and drop what has been read; False where there is none."""
        if self._is_over:
            return False
        part = next(self._parts, None)
        try:
            more = self._decoder.decode(part or b"", final=part is None)
        except UnicodeDecodeError as error:
            raise JsonError(one_line(str(error))) from None
        self._before += self._at
        self._text, self._at, self._is_over = self._text[self._at :] + more, 0, part is None
        return part is not None
