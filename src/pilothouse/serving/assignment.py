"""Assignment of a serving process."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pilothouse.serving.delivery.credential import Credential
from pilothouse.serving.delivery.hub_address import HubAddress

Isolation = Literal["require", "warn"]
KEPT_STATE = "desired.msgpack"
"""File in the folder of a process with what it was to serve last."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a serving process serves, and what it is left."""

    target: str
    hub: HubAddress
    folder: Path
    token: Credential
    isolation: Isolation = "require"
    spool_mb: int = 1_024
    """MiB of predictions that are kept at most while the hub is away."""
