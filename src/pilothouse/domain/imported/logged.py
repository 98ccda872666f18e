"""What training code logged with another tool, in words."""

from collections.abc import Mapping
from typing import Any

_WHATS = ("runs", "parameters", "tags", "points", "data sets", "files")


def left_out_text(record: Mapping[str, Any]) -> str:
    """``not kept of what was logged with MLflow: 20 points, 1 file``; empty where all is kept."""
    numbers = record.get("left_out")
    if not isinstance(numbers, Mapping):
        return ""
    parts = [
        f"{numbers[what]:,} {what if numbers[what] > 1 else what[:-1]}"
        for what in _WHATS
        if isinstance(numbers.get(what), int) and numbers[what] > 0
    ]
    return f"not kept of what was logged with MLflow: {', '.join(parts)}" if parts else ""
