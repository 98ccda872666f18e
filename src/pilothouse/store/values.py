"""Conversion of columns to Python values: structures are canonical JSON."""

import json
from typing import Any

from pilothouse.domain.errors import IntegrityError


def from_json(text: str) -> Any:
    """Content of a JSON column. Raises IntegrityError where it is not JSON any more."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise IntegrityError(
            f"the registry is damaged: a record is not JSON ({error}): restore a backup into a new folder"
        ) from None
