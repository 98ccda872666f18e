"""Numbers of hundreds of digits and thousands of levels, in TOML and in JSON: one line each, with its place."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from pilothouse.console.session import config
from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.bounded_json import DEEPEST, JsonError, parse_json
from pilothouse.domain.formats.bounded_toml import parse_toml
from pilothouse.domain.identifiers import parse_prediction_id, parse_reference
from pilothouse.domain.models.model_file import load_spec, spec_from_plain
from pilothouse.domain.models.target_file import load_targets

READERS: list[Callable[[str], Any]] = [
    lambda text: load_spec(text, "model.toml"),
    lambda text: load_targets(text),
    lambda text: config.parse(text),
]
DIGITS = "9" * 400
LEVELS = 2_000


@pytest.mark.parametrize("read", READERS, ids=["model", "targets", "console"])
@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"a = 1\nport = {DIGITS}", "port: found a number of about 401 digits; expected a whole number from"),
        (f"port = -{DIGITS}", "port: found a number of about 401 digits"),
        (f"port = 0x{'f' * 9_000}", "port: found a number of about 10838 digits"),
        (f"a = 1\nport = {'9' * 5_000}", "line 2: found a number of more than 4,300 digits; expected"),
        (
            "a = 1\nb = " + "[" * LEVELS + "]" * LEVELS,
            "line 2: tables or arrays lie more than 64 levels deep",
        ),
        ("b = " + "{a = " * LEVELS + "1" + "}" * LEVELS, "line 1: tables or arrays lie more than 64 levels"),
        ("a = 1\n[" + ".".join("b" * LEVELS) + "]", "line 2: tables or arrays lie more than 64 levels deep"),
        ("a = 1\n" + ".".join(["'b'"] * LEVELS) + " = 1", "line 2: tables or arrays lie more than 64 levels"),
    ],
)
def test_what_is_too_long_or_too_deep_ends_in_one_line(
    read: Callable[[str], Any], text: str, found: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read(text)
    message = str(caught.value)
    assert found in message
    assert message.isprintable()
    assert len(message) < 300


def test_toml_within_the_bounds_is_what_it_was() -> None:
    deep = "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1)
    text = f'a = {2**63 - 1}\nb = {deep}\nc = "{"a." * 100}"\nd = "{"[" * 100}"'
    read = parse_toml(text, "file")
    assert read["a"] == 2**63 - 1
    assert json.dumps(read["b"]) == deep
    assert read["c"].count(".") == 100


@pytest.mark.parametrize(
    "data", ["[" * LEVELS + "]" * LEVELS, "[" * LEVELS, '{"a":' * LEVELS, "[{},[" * 40 + "]]" * 40]
)
def test_json_that_is_too_deep_is_a_fault_of_its_own_kind(data: str) -> None:
    for given in (data, data.encode()):
        with pytest.raises(JsonError) as caught:
            parse_json(given)
        assert len(str(caught.value)) < 300


def test_json_of_the_deepest_level_is_read() -> None:
    for opened, closed in (("[", "]"), ('{"a":', "}")):
        value = "null" if opened != "[" else ""
        data = opened * DEEPEST + value + closed * DEEPEST
        assert parse_json(data) == json.loads(data)
        with pytest.raises(JsonError, match="more than 64 levels"):
            parse_json(opened + data + closed)


def test_brackets_in_texts_and_beside_each_other_are_no_depth() -> None:
    for value in ("[" * 500, '\\"[' * 500, [[]] * 500, [{"a": []}] * 500):
        assert parse_json(json.dumps(value)) == value


def test_a_number_of_many_digits_in_json_says_so() -> None:
    assert parse_json(DIGITS) == int(DIGITS)
    with pytest.raises(JsonError, match=r"more than 4,300 digits"):
        parse_json("9" * 5_000)


@pytest.mark.parametrize("number", [10**400, 10**5_000, -(10**400)], ids=["400", "5000", "-400"])
@pytest.mark.parametrize("path", [("training", "seed"), ("data", "holdout"), ("training", "retries")])
def test_python_data_is_held_to_the_same_bounds(number: int, path: tuple[str, str]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        spec_from_plain({"name": "a", path[0]: {path[1]: number}})
    assert all(line.isprintable() and len(line) <= 1_000 for line in str(caught.value).split("\n"))
    assert f"{path[0]}.{path[1]}: found" in str(caught.value)


def test_a_file_of_faults_is_read_to_its_end_in_lines_that_a_person_can_read() -> None:
    text = "\n".join(f'"a\\u001b[31m{i}" = 1' for i in range(20_000))
    with pytest.raises(InvalidInputError) as caught:
        load_targets(text)
    lines = str(caught.value).split("\n")
    assert len(lines) == 201
    assert lines[-1] == "and 19,800 more faults"
    assert all(line.isprintable() for line in lines)


def test_references_and_ids_with_too_many_digits_name_nothing() -> None:
    for text in (f"models:/a/{DIGITS}", f"a/{'9' * 5_000}", "a/٣", "a@" + "b" * 400):
        with pytest.raises(InvalidInputError) as caught:
            parse_reference(text)
        assert len(str(caught.value)) < 250
    for text in (f"a.{DIGITS}.1", f"a.1.{'9' * 5_000}", f"a.{2**63}.1"):
        assert parse_prediction_id(text) is None
    assert str(parse_prediction_id(f"a.{2**63 - 1}.1")) == f"a.{2**63 - 1}.1"
