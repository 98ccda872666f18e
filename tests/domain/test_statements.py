"""What is signed has one form (RFC 8785), and nothing but that form is read."""

import dataclasses
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.canonical import rfc8785_json
from pilothouse.domain.promotion.conditions import NewCondition
from pilothouse.domain.promotion.statements import Component, LogHead, Statement, parse_statement

STATEMENT = Statement(
    request=17,
    model="flight-delay",
    version=3,
    targets=("ewr", "lga"),
    evidence="e" * 64,
    policy="p" * 64,
    verdict="approve",
    reason="größer ist € 1 \u2028 besser",
    name="ada",
    key="SHA256:abc",
    time=datetime(2026, 11, 29, 3, 4, 5, 999, tzinfo=UTC),
    log=LogHead(812, "h" * 64),
)


def test_the_example_of_the_rfc() -> None:
    """RFC 8785, section 3.2.3: keys by their UTF-16 units, not by code points."""
    value = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    assert list(json.loads(rfc8785_json(value)).values()) == [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ]


def test_texts_are_escaped_as_the_rfc_says() -> None:
    text = '\u20ac$\u000f\nA\'B"\\\\"/\x7f\b\t\f\r\u2028'
    assert rfc8785_json(text) == '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/\x7f\\b\\t\\f\\r\u2028"'.encode()


@pytest.mark.parametrize("value", [1.5, float("nan"), 2**53, {1: 2}, {"a": {1}}, "\ud800", ["\udfff"]])
def test_what_has_no_one_form_is_refused(value: object) -> None:
    with pytest.raises(ValueError):
        rfc8785_json(value)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(_VALUES)
def test_what_is_written_is_read_as_the_same(value: object) -> None:
    try:
        written = rfc8785_json(value)
    except ValueError:
        return
    assert json.loads(written) == value
    assert rfc8785_json(json.loads(written)) == written


def test_a_statement_is_read_back() -> None:
    data = STATEMENT.to_bytes()
    assert b"\n" not in data
    assert b"I have reviewed the evidence and approve the deployment" in data
    assert parse_statement(data) == dataclasses.replace(STATEMENT, time=STATEMENT.time.replace(microsecond=0))
    assert parse_statement(data + b"\n") == parse_statement(data)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data + b"\n\n",
        lambda data: data.replace(b'","', b'", "', 1),
        lambda data: data.replace(b"approve the", b"like the", 1),
        lambda data: data.replace(b'"request":17', b'"request":17.0'),
        lambda data: data.replace(b'"request":17', b'"request":"17"'),
        lambda data: data.replace(b'"request":17', b'"request":true'),
        lambda data: data.replace(b'"form":', b'"x":1,"form":'),
        lambda data: data.replace(b"pilothouse/decision/1", b"pilothouse/decision/2"),
        lambda data: b"[]",
        lambda data: b"\xff",
        lambda data: b"{" * 100_000,
    ],
)
def test_another_form_is_refused(change: object) -> None:
    with pytest.raises(InvalidInputError, match="the statement"):
        parse_statement(change(STATEMENT.to_bytes()))  # type: ignore[operator]


def test_components_are_ordered() -> None:
    assert sorted(Component, key=lambda one: one.rank) == [
        Component.NONE,
        Component.PASSPHRASE,
        Component.KEY,
        Component.HARDWARE_KEY,
    ]


def test_differences_are_named() -> None:
    other = dataclasses.replace(STATEMENT, request=18, name="eve")
    assert list(STATEMENT.differences(other)) == [
        "it is for request 17, not 18",
        "it is in the name of ada, not eve",
    ]


def test_documents_and_a_condition_are_there_only_where_there_are_any() -> None:
    assert b"documents" not in STATEMENT.to_bytes()
    assert b"condition" not in STATEMENT.to_bytes()
    condition = NewCondition("reviewed", "auditor", datetime(2027, 1, 2, tzinfo=UTC))
    full = dataclasses.replace(STATEMENT, documents={"größe": "d" * 64, "a": "e" * 64}, condition=condition)
    read = parse_statement(full.to_bytes())
    assert (read.documents, read.condition) == (full.documents, condition)
    assert list(full.differences(STATEMENT)) == [
        "it is on the documents größe dddddddddddd, a eeeeeeeeeeee, not none"
    ]
    for value in (b"[]", b"7", b'"x"', b"null", b'{"a":7}', b'{"a":{"sha256":7}}', b'{"a":[]}'):
        start, end = full.to_bytes().index(b'"documents":'), full.to_bytes().index(b',"evidence"')
        with pytest.raises(InvalidInputError, match="none of Pilothouse's"):
            parse_statement(full.to_bytes()[:start] + b'"documents":' + value + full.to_bytes()[end:])
    for wrong in (b'"auditor"', b'"reviewed"', b'"2027-01-02T00:00:00Z"'):
        with pytest.raises(InvalidInputError, match="none of Pilothouse's"):
            parse_statement(full.to_bytes().replace(wrong, b"7"))
