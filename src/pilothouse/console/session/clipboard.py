"""Copying through the terminal (OSC 52): over SSH too, as far as the reader's terminal lets it."""

from typing import TYPE_CHECKING, Any

from pilothouse.domain.safe_text import safe_block

if TYPE_CHECKING:
    from textual.app import App

LONGEST_BASE64 = 74_000
"""Many terminals take 74,994 bytes in one sequence and drop all of a longer one (xterm's limit on a string)."""
_LONGEST = LONGEST_BASE64 // 4 * 3


def clean(text: str) -> tuple[str, bool]:
    """What may be pasted into a shell without a surprise, cut where it is too long; and whether it was cut."""
    data = safe_block(text, 1_000_000).encode("utf-8", "replace")
    if len(data) <= _LONGEST:
        return data.decode("utf-8"), False
    return data[:_LONGEST].decode("utf-8", "ignore"), True


def copied(app: "App[Any]", text: str, what: str) -> str:
    """Copy, and say so."""
    if not getattr(app, "may_copy", True):
        return "copying is off in the configuration (clipboard = false)"
    words, cut = clean(text)
    app.copy_to_clipboard(words)
    size = f"{len(words):,} characters" if len(words) > 80 or "\n" in words else words
    return f"copied the first {len(words):,} of {len(text):,} characters" if cut else f"copied {what}: {size}"
