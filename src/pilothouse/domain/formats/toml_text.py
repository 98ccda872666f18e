"""Texts as TOML has them."""

import json


def quoted(text: str) -> str:
    """Basic string of TOML with nothing in it that a terminal would obey: JSON's escapes, which are TOML's too."""
    return "".join(
        letter if letter.isprintable() else _escaped(ord(letter))
        for letter in json.dumps(text, ensure_ascii=False)
    )


def _escaped(code: int) -> str:
    return f"\\u{code:04x}" if code < 1 << 16 else f"\\U{code:08x}"
