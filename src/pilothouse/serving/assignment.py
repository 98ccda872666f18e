"""Assignment of a serving process."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Isolation = Literal["require", "warn"]


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a serving process serves, and what it is left."""

    target: str
    hub: Path
    folder: Path
    token_file: Path
    isolation: Isolation = "require"
    spool_mb: int = 1_024
    """MiB of predictions that are kept at most while the hub is away."""
