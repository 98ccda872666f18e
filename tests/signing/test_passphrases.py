"""Passphrases as scrypt makes them."""

import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.signing.passphrases import Stretched, matches, stretch


def test_only_the_passphrase_itself_matches() -> None:
    stored = stretch("correct horse battery")
    assert matches("correct horse battery", stored)
    assert not matches("correct horse batterY", stored)
    assert not matches("x" * 5_000, stored)
    assert stretch("correct horse battery").digest != stored.digest
    assert "horse" not in repr(stored)


def test_one_text_in_two_unicode_forms_is_one_passphrase() -> None:
    assert matches("pass\u00e9 compos\u00e9 12", stretch("passe\u0301 compose\u0301 12"))


def test_short_and_endless_ones_are_refused() -> None:
    for text in ("short", "x" * 1_001):
        with pytest.raises(InvalidInputError, match="12 to 1,000 characters"):
            stretch(text)


def test_parameters_are_those_that_are_stored() -> None:
    """RFC 7914, section 12."""
    digest = (
        "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
        "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"
    )
    assert matches("password", Stretched(1024, 8, 16, b"NaCl".hex(), digest[:64]))
