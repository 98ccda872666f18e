"""Copying through the terminal (OSC 52): works over SSH too, as far as the user's terminal allows."""

from typing import TYPE_CHECKING, Any

from pilothouse.domain.formats.safe_text import safe_block

if TYPE_CHECKING:
    from textual.app import App

LONGEST_BASE64 = 74_000
"""Many terminals accept 74,994 bytes in one sequence and drop a longer one whole (xterm's limit on a string)."""
LONGEST_BYTES = LONGEST_BASE64 // 4 * 3


def clean(text: str) -> tuple[str, bool]:
    """A text that can be pasted into a shell without surprises, cut where it is too long; and whether it was cut."""
    data = safe_block(text, 1_000_000).encode("utf-8", "replace")
    if len(data) <= LONGEST_BYTES:
        return data.decode("utf-8"), False
    return data[:LONGEST_BYTES].decode("utf-8", "ignore"), True


def copy(app: "App[Any]", text: str, name: str) -> str:
    """Copy, and return the message to show. ``name`` says what is copied."""
    if not getattr(app, "may_copy", True):
        return "copying is off in the configuration (clipboard = false)"
    safe_text, cut = clean(text)
    app.copy_to_clipboard(safe_text)
    size = f"{len(safe_text):,} characters" if len(safe_text) > 80 or "\n" in safe_text else safe_text
    return (
        f"copied the first {len(safe_text):,} of {len(text):,} characters"
        if cut
        else f"copied {name}: {size}"
    )
