"""Addresses and tokens that no connection can be made with: said before, in one line, by whoever named them."""

from pathlib import Path

import pytest

from pilothouse.domain.errors import InvalidInputError, UnavailableError
from pilothouse.serving.delivery.credential import TOKEN_VARIABLE, Credential
from pilothouse.serving.delivery.hub_address import read_address


@pytest.mark.parametrize("host", ["a..b", "a" * 70 + ".example"])
def test_a_host_that_is_no_name_is_refused_and_ends_no_process_later(host: str) -> None:
    with pytest.raises(InvalidInputError, match="does not name a hub"):
        read_address(f"https://{host}:8443")


@pytest.mark.parametrize("text", ["tok€n", "one\ntwo", "\x1b[31m"])
def test_a_token_that_no_header_holds_is_said_to_be_none(text: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    with pytest.raises(UnavailableError, match=TOKEN_VARIABLE):
        Credential(file, text).read()
    file.write_text(text)
    with pytest.raises(UnavailableError, match="the token file"):
        Credential(file).read()


def test_a_token_is_read_without_the_end_of_its_line(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("phr_abc-_1\n")
    assert Credential(file).read() == "phr_abc-_1"
    assert Credential(file, "given").read() == "given"
