"""Text from outside as text that may go to a terminal, a log and a record: everything from outside passes through here."""

import json
import re
import unicodedata

CELL_LIMIT = 256
MESSAGE_LIMIT = 300
LINE_LIMIT = 4_096

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL, C1
    "\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # invisible, bidirectional
    "\ud800-\udfff"  # lone surrogates cannot be encoded
    "\U000e0000-\U000e007f]"  # tags
)
_REPLACEMENT = "\ufffd"


def safe(text: str, limit: int = CELL_LIMIT) -> str:
    """``text`` on one line without control, bidirectional or invisible characters, at most ``limit`` characters."""
    cut = text[: limit + 1]
    if not cut.isascii() or not cut.isprintable():
        cut = _UNSAFE.sub(_replace, cut)
        cut = _limit_marks(cut)
    return cut if len(cut) <= limit else cut[: limit - 1] + "…"


def one_line(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """A message as one line: as ``safe``, and its words parted by single blanks."""
    return safe(" ".join(text.split()), limit)


def safe_block(text: str, limit: int = LINE_LIMIT) -> str:
    """Several lines, each made safe and cut by itself; line ends stay."""
    return "\n".join(safe(line.expandtabs(8), limit) for line in text.replace("\r\n", "\n").split("\n"))


def safe_json(text: str) -> str:
    """JSON that means the same and holds no such character raw: what a terminal would obey is written as an escape."""
    return _UNSAFE.sub(lambda match: match[0] if match[0] == "\n" else json.dumps(match[0])[1:-1], text)


def _replace(match: re.Match[str]) -> str:
    return " " if match[0] in "\t\n\r" else _REPLACEMENT


def _limit_marks(text: str, most: int = 4) -> str:
    """At most ``most`` combining marks in a row: hundreds on one letter paint over the lines above."""
    out: list[str] = []
    run = 0
    for character in text:
        run = run + 1 if unicodedata.combining(character) else 0
        if run <= most:
            out.append(character)
    return "".join(out)
