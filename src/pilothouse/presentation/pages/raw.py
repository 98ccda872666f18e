"""Every field of a stored record: as TOML, as JSON, or line by line."""

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import Enum
from itertools import islice
from typing import Any

from pilothouse.domain.formats.safe_text import LINE_LIMIT, safe, safe_block
from pilothouse.presentation.cell import Cell
from pilothouse.presentation.documents import BLANK, Line, heading, text_line
from pilothouse.presentation.width import clip

_BARE = re.compile(r"[A-Za-z0-9_-]+")
LONGEST = 400_000
"""Characters of a record that are shown; the cut is marked."""
LONGEST_FIELD = 50_000
"""Characters of one text in a record, and of one of its names; cut first of all."""
MOST_LINES = 5_000
"""Lines that ``describe`` returns at most, but for the mark of the cut."""


def plain(value: Any) -> Any:
    """A record as JSON data: times as ISO 8601, states as text; the cut of a very long text is marked."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {_bounded(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return str(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    return _bounded(str(value))


def _bounded(text: str) -> str:
    return text if len(text) <= LONGEST_FIELD else f"{text[:LONGEST_FIELD]}… cut: {len(text):,} characters"


def to_json(record: Any) -> str:
    """JSON, indented. Characters that a terminal would interpret are written as escapes."""
    return json.dumps(plain(record), indent=2, ensure_ascii=True)


def to_toml(record: Any) -> str:
    """TOML; an absent value stands as a comment, since TOML has no null."""
    data = plain(record)
    return "\n".join(_table(data if isinstance(data, dict) else {"value": data}, ()))


def describe(record: Any) -> list[Line]:
    """Every field as ``name  value``, nested ones in sections below."""
    data = plain(record)
    lines = list(islice(_sections(data if isinstance(data, dict) else {"value": data}, ""), MOST_LINES + 1))
    return lines if len(lines) <= MOST_LINES else [*lines[:MOST_LINES], text_line("… cut: y shows more")]


def raw_lines(text: str) -> list[Line]:
    """The text of a record as lines to read."""
    cut = (
        text if len(text) <= LONGEST else f"{text[:LONGEST]}\n… cut: the record has {len(text):,} characters"
    )
    return [text_line(line, hang=4) for line in safe_block(cut).split("\n")]


def _sections(data: Mapping[str, Any], title: str) -> Iterator[Line]:
    flat = {k: v for k, v in data.items() if not _nested(v)}
    if title:
        yield heading(title)
    width = min(28, max((len(safe(k)) for k in flat), default=0))
    for name, value in flat.items():
        text = ", ".join(map(_scalar, value)) if isinstance(value, list) else _scalar(value)
        lines = safe_block(text, LINE_LIMIT).split("\n")
        yield Line((Cell(clip(safe(name), width) + "  ", "dim"), Cell(lines[0])), width + 2)
        for line in lines[1:]:
            yield Line((Cell(" " * (width + 2)), Cell(line)), width + 2)
    yield BLANK
    for name, value in data.items():
        path = f"{title} {name}".strip()
        if isinstance(value, dict) and value:
            yield from _sections(value, path)
        elif _nested(value):
            for number, item in enumerate(value, start=1):
                yield from _sections(item if isinstance(item, dict) else {"": item}, f"{path} {number}")


def _nested(value: Any) -> bool:
    return (isinstance(value, dict) and bool(value)) or (
        isinstance(value, list) and any(isinstance(item, dict | list) for item in value)
    )


def _scalar(value: Any) -> str:
    return "–" if value is None or value == "" or value == {} else str(value)


def _table(data: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    for key, value in data.items():
        if value is None:
            yield f"# {_key(key)}: none"
        elif not _is_table(value) and not _is_tables(value):
            yield f"{_key(key)} = {_value(value)}"
    for key, value in data.items():
        below = (*path, key)
        name = ".".join(_key(part) for part in below)
        if _is_table(value):
            yield from ("", f"[{name}]", *_table(value, below))
        elif _is_tables(value):
            for item in value:
                yield from ("", f"[[{name}]]", *_table(item, below))


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) and bool(value)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _string(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)  # inf and nan are spelt the same in TOML
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(_value(item) for item in value if item is not None)}]"
    if isinstance(value, dict):
        pairs = (f"{_key(k)} = {_value(v)}" for k, v in value.items() if v is not None)
        return "{ " + ", ".join(pairs) + " }" if value else "{}"
    return _string(str(value))


def _string(text: str) -> str:
    """A basic string: every control character as an escape. A lone surrogate, which TOML cannot express, becomes the
    replacement character."""
    clean = re.sub("[\ud800-\udfff]", "\ufffd", text)
    return json.dumps(clean, ensure_ascii=False).replace("\x7f", "\\u007f")
