"""Text from outside as a cell of a CSV file that people open in a spreadsheet or print on a terminal."""

from pilothouse.domain.formats.safe_text import LINE_LIMIT, safe

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""Beginnings that a spreadsheet takes for a formula, full-width forms too (OWASP, "CSV Injection")."""


def csv_text(text: str) -> str:
    """The text without control characters, with an apostrophe before what a spreadsheet would take for a formula."""
    shown = safe(text, LINE_LIMIT)
    return f"'{shown}" if text.startswith(_FORMULA) or shown.lstrip().startswith(_FORMULA) else shown
