"""Limits of the spool: how much it may hold, and how much of the disk it leaves to others."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from pilothouse.domain.errors import UnavailableError

_LOOK_EVERY_S = 1.0
"""Seconds between two looks at the free space."""


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """Bounds at which a segment is sealed, and of the whole spool."""

    rows: int = 4_096
    segment_bytes: int = 4 * 2**20
    age_s: float = 1.0
    total_bytes: int = 2**30
    free_bytes: int = 128 * 2**20
    """Bytes left free on the disk for other programs."""


class Space:
    """Room for the spool. ``refusal`` is empty while there is some, else the reason why not."""

    def __init__(self, folder: Path, total_bytes: int, free_bytes: int) -> None:
        self.refusal = ""
        self._folder, self._total, self._free = folder, total_bytes, free_bytes
        self._looked = 0.0

    def check(self) -> None:
        """Raise UnavailableError while there is no room."""
        if self.refusal:
            raise UnavailableError(self.refusal)

    def consider(self, spooled: int, *, at_once: bool = False) -> None:
        """Look again with ``spooled`` bytes in the spool. The disk is asked once a second at most, unless ``at_once``."""
        if spooled >= self._total:
            self.refusal = (
                f"the spool holds {spooled:,} bytes that the hub has not taken; at most {self._total:,} are kept: "
                "start the daemon"
            )
            return
        now = time.monotonic()
        if not at_once and now - self._looked < _LOOK_EVERY_S:
            return
        self._looked = now
        facts = os.statvfs(self._folder)
        free = facts.f_bavail * facts.f_frsize
        self.refusal = (
            f"{free:,} bytes are free on the spool's disk; {self._free:,} are needed: free some space"
            if free < self._free
            else ""
        )

    def write_failed(self, error: OSError) -> UnavailableError:
        """Refuse for a second after a write that failed; returns the error for those who waited for it."""
        self._looked = time.monotonic()
        self.refusal = f"the spool cannot be written: {error.strerror} ({self._folder.name}): check the disk"
        return UnavailableError(self.refusal)
