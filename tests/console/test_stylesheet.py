"""What has been parsed stays parsed, and is parsed again where a variable has another value."""

import pytest
from textual.css.stylesheet import StylesheetParseError

from pilothouse.console.stylesheet import Stylesheet


def test_rules_stay_until_a_variable_changes() -> None:
    sheet = Stylesheet(variables={"ink": "red"})
    sheet.add_source("Label { color: $ink; }")
    sheet.parse()
    first = sheet.rules[0]

    sheet.set_variables({"ink": "red"})
    sheet.reparse()
    assert sheet.rules[0] is first

    sheet.set_variables({"ink": "blue"})
    sheet.reparse()
    assert sheet.rules[0] is not first
    assert sheet.rules[0].styles.color.rgb == (0, 0, 255)


def test_a_source_that_comes_later_is_parsed() -> None:
    sheet = Stylesheet()
    sheet.add_source("Label { color: red; }", read_from=("one", ""))
    sheet.parse()
    sheet.add_source("Label { color: blue; }", read_from=("two", ""))
    sheet.reparse()
    assert len(sheet.rules) == 2


def test_a_faulty_source_leaves_the_rules_as_they_were() -> None:
    sheet = Stylesheet()
    sheet.add_source("Label { color: red; }", read_from=("one", ""))
    sheet.parse()
    sheet.add_source("Label { color: nonsense-colour; }", read_from=("two", ""))
    with pytest.raises(StylesheetParseError):
        sheet.reparse()
    assert len(sheet._rules) == 1
