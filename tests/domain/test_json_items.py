"""Objects of a long list in JSON, however its bytes are cut into parts."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from pilothouse.domain.formats.bounded_json import JsonError
from pilothouse.domain.formats.json_items import LONGEST, items_of

_PLAIN: dict[str, Any] = {
    "before": [1, {"metrics": "no list"}],
    "metrics": [
        {"key": 'a "}, {" ü€\U0001f600', "value": 1.5e-300, "step": 12},
        {},
        {"value": float("nan"), "more": {"metrics": [1, 2]}},
    ],
    "next_page_token": "t",
    "number": 12345,
}


@pytest.mark.parametrize("indent", [None, 2])
def test_items_are_those_of_the_whole_text_however_it_is_cut(indent: int | None) -> None:
    data = json.dumps(_PLAIN, ensure_ascii=False, indent=indent).encode()
    others = {key: value for key, value in _PLAIN.items() if key != "metrics"}
    draw = random.Random(7)
    for size in (1, 2, 3, 50, 97, len(data)):
        cuts = sorted(draw.sample(range(len(data)), 5)) if size == 50 else list(range(size, len(data), size))
        parts = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        beside: dict[str, Any] = {}
        assert repr(list(items_of(parts, "metrics", beside))) == repr(_PLAIN["metrics"])
        assert beside == others


@pytest.mark.parametrize("text", [' { "metrics" : [ ] } ', "{}", '{"metrics": null}'])
def test_a_list_that_is_empty_or_absent_has_no_items(text: str) -> None:
    assert list(items_of([text.encode()], "metrics", {})) == []


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "expected {"),
        (b"<html>", "expected {"),
        (b"[1]", "expected {"),
        (b'{"metrics": [{"a": 1}', "too early"),
        (b'{"metrics": [{"a": 1}, {"a"', "delimiter"),
        (b'{"metrics": [{"a": 1}]} x', "more follows"),
        (b'{"metrics": [1]}', "no object"),
        (b'{"metrics": [{"a": 12', "delimiter"),
        (b'{"n": 12', "too early"),
        (b"{1: 2}", "name of a value"),
        (b'{"metrics": [{"a": "\xff"}]}', "utf-8"),
        (b'{"metrics": [{"a": ' + b"9" * 5_000 + b"}]}", "4,300 digits"),
        (b'{"metrics": [' + b'{"a":' * 200_000, "levels|delimiter|Expecting"),
    ],
)  # fmt: skip
def test_what_is_none_is_refused_in_one_line(data: bytes, said: str) -> None:
    with pytest.raises(JsonError, match=said) as refused:
        list(items_of([data[:9], data[9:]], "metrics", {}))
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 200


def test_a_value_without_end_is_left_once_it_is_too_long() -> None:
    read = 0

    def parts() -> Iterator[bytes]:
        nonlocal read
        yield b'{"metrics": [{"a": "'
        while True:
            read += 1 << 16
            yield b"x" * (1 << 16)

    with pytest.raises(JsonError, match="no end within"):
        list(items_of(parts(), "metrics", {}))
    assert read < 2 * LONGEST
