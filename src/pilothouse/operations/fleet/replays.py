"""How far a replay of past data is. It says so in a file of the workspace; who reads judges whether its process lives.

A file rather than a table: it changes every day of the replay, and a copy of the registry has no use for it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date

from pilothouse.domain.formats.bounded_json import parse_json
from pilothouse.domain.replay import Replay
from pilothouse.operations.services import Services
from pilothouse.system.files import write_atomically
from pilothouse.system.processes import is_alive, own_name, read_name


def announce(services: Services, day: int, days: int, clocks: Mapping[str, date]) -> None:
    """Say that this process has sent ``day`` of ``days`` days. Raises OSError."""
    record = {
        "process": asdict(own_name()),
        "day": day,
        "days": days,
        "clocks": {model: clock.isoformat() for model, clock in clocks.items()},
    }
    write_atomically(services.paths.replay, json.dumps(record).encode())


def replay_state(services: Services) -> Replay | None:
    """The workspace's replay; None where there never was one, or nothing can be read of it."""
    try:
        record = parse_json(services.paths.replay.read_bytes())
        day, days = int(record["day"]), int(record["days"])
        clocks = tuple((str(model), date.fromisoformat(clock)) for model, clock in record["clocks"].items())
        return Replay(day, days, clocks, day < days and is_alive(read_name(record["process"])))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None
