"""Whether somebody keeps the states on record true. Nobody does without a daemon, nor while nothing can be written."""

from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import processes
from pilothouse.system.leader import leader

BEGINS = "begins"
"""Set in the daemon's record until the states say that it has heard of no serving process yet."""
_STALE = "nothing is watched, states are as of then"


def unwatched(services: Services, connection: Connection) -> str:
    """Since when nobody keeps the states true; empty where the daemon runs and can write, and in the past, which is as it was
    recorded."""
    if services.at is not None:
        return ""
    mark = services.write_guard.state()
    if mark is not None:
        since = f" since {mark.since[:16].replace('T', ' ')}" if mark.since else ""
        return f"nothing can be written{since}: {_STALE}"
    running = leader(services.paths.daemon_lock)
    record = processes.find_process(connection, "daemon")
    if running is not None:
        watches = record is not None and record.process == running and not record.detail.get(BEGINS)
        return "" if watches else "the daemon has only just started: nothing is watched yet"
    if record is None:
        return "no daemon has run here: nothing is watched"
    return f"no daemon since {record.heartbeat_at:%Y-%m-%d %H:%M}: {_STALE}"
