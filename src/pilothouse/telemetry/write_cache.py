"""What a writer knows of the file without reading it: what it wrote last.

Only a cache of what is committed: whatever is in it is in the file too, and all of it is forgotten where anybody else has
written since, or the same connection outside of ``append``.
"""

from collections import OrderedDict

from pilothouse.sqlite import Connection
from pilothouse.telemetry.admission import Clock
from pilothouse.telemetry.increment import Increment
from pilothouse.telemetry.streams import Stream

Place = tuple[str, int, str]
"""Model, version, target: what makes a stream."""
Key = tuple[int, int, int]
"""Stream, level, start: what makes a window."""

_WINDOWS_AT_MOST = 128
"""Windows that are kept decoded; one of 25 features takes up to a megabyte."""
_NAMES_AT_MOST = 10_000


class WriteCache:
    """Good for the connection and the state of the file in which it was written; ``look`` sees to that."""

    def __init__(self) -> None:
        self.producers: dict[str, int] = {}
        self.clocks: dict[tuple[str, str], Clock | None] = {}
        self.streams: dict[Place, Stream] = {}
        self.unfolded: set[Key] = set()
        """Coarser windows that are marked as such."""
        self._windows: OrderedDict[Key, Increment] = OrderedDict()
        self._seen: tuple[Connection, int, int] | None = None

    def look(self, connection: Connection) -> None:
        """At the beginning of a transaction."""
        if self._seen != (connection, *_state(connection)):
            self.forget()

    def keep(self, connection: Connection) -> None:
        """At the end of a transaction that ``look`` began: what is remembered now is what it writes."""
        if len(self.producers) + len(self.clocks) + len(self.streams) + len(self.unfolded) > _NAMES_AT_MOST:
            self.forget()
        self._seen = (connection, *_state(connection))

    def forget(self) -> None:
        """After a transaction that was rolled back, or whenever in doubt."""
        for known in (self.producers, self.clocks, self.streams, self.unfolded, self._windows):
            known.clear()
        self._seen = None

    def window(self, key: Key) -> Increment | None:
        """The window of the finest level, where it is known."""
        return self._windows.get(key)

    def put_window(self, key: Key, window: Increment) -> None:
        """Remember the window as it is written now."""
        self._windows[key] = window
        self._windows.move_to_end(key)
        if len(self._windows) > _WINDOWS_AT_MOST:
            self._windows.popitem(last=False)


def _state(connection: Connection) -> tuple[int, int]:
    """What changes when another connection commits, and when this one changes a row."""
    (version,) = connection.execute("PRAGMA data_version").fetchone()
    return version, connection.total_changes
