"""A console that somebody had open."""

from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.identity.identity import Identity
from pilothouse.domain.jobs.jobs import ProcessName

LOST = "lost: the process is gone without having said so"


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody sits: their terminal, and the address that they came from over SSH."""

    terminal: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class ConsoleSession:
    """One console from ``opened_at`` until ``closed_at`` (None: open). ``ending`` says how it was left."""

    id: int
    actor: str
    terminal: str
    process: ProcessName
    read_only: bool
    opened_at: datetime
    closed_at: datetime | None = None
    ending: str = ""
    identity: Identity | None = None
    """How it was known who it is; None for sessions of earlier releases."""
    address: str = ""
    """Where they came from, over SSH."""
