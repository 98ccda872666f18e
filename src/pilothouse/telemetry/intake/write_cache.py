"""Cache of the rows last written to telemetry.db, so that a writer need not read them back.

It holds committed rows alone: all of it is in the file too, and all of it is forgotten where another connection has
written since, or the same one outside of ``append``.
"""

from collections import OrderedDict

from pilothouse.sqlite import Connection
from pilothouse.telemetry.intake.admission import Clock
from pilothouse.telemetry.intake.increment import Increment
from pilothouse.telemetry.intake.streams import Stream, StreamKey

Key = tuple[int, int, int]
"""Key of a window: stream, level, start."""

_WINDOWS_AT_MOST = 128
"""Windows that are kept decoded; one of 25 features takes up to a megabyte."""
_NAMES_AT_MOST = 10_000
"""Entries beside the windows above which the cache is emptied."""


class WriteCache:
    """Cache that is valid for the connection and the state of the file in which it was written, which ``look`` checks."""

    def __init__(self) -> None:
        self.producers: dict[str, int] = {}
        self.owners: dict[int, str] = {}
        """Targets to which producers belong."""
        self.newest: dict[int, int] = {}
        """Highest sequence number of each producer that is stored, or about to be; -1 where none is."""
        self.clocks: dict[tuple[str, str], Clock | None] = {}
        self.streams: dict[StreamKey, Stream] = {}
        self.unfolded: set[Key] = set()
        """Coarser windows that are marked as unfolded in the file."""
        self.closed: dict[int, int | None] = {}
        """Ends of the newest closed windows with rows of a stream, by its number; None where none is closed."""
        self.packed: dict[int, int] = {}
        """Ends of the newest packed days of a stream, by its number; 0 where none is packed."""
        self._windows: OrderedDict[Key, Increment] = OrderedDict()
        self._seen: tuple[Connection, int, int] | None = None

    def look(self, connection: Connection) -> None:
        """Begin a transaction: forget everything where the file has changed since ``keep``."""
        if self._seen != (connection, *_state(connection)):
            self.forget()

    def keep(self, connection: Connection) -> None:
        """End a transaction that ``look`` began: from now on the cache is valid for the state that it writes."""
        if len(self.producers) + len(self.clocks) + len(self.streams) + len(self.unfolded) > _NAMES_AT_MOST:
            self.forget()
        self._seen = (connection, *_state(connection))

    def forget(self) -> None:
        """Forget everything: after a transaction that was rolled back, or whenever in doubt."""
        for known in (
            self.producers,
            self.owners,
            self.newest,
            self.clocks,
            self.streams,
            self.unfolded,
            self.closed,
            self.packed,
            self._windows,
        ):
            known.clear()
        self._seen = None

    def note_sequence(self, producer: int, sequence: int) -> None:
        """Remember that a batch of that number is stored."""
        self.newest[producer] = max(sequence, self.newest.get(producer, sequence))

    def window(self, key: Key) -> Increment | None:
        """Window of the finest level, or None where it is not in the cache."""
        return self._windows.get(key)

    def put_window(self, key: Key, window: Increment) -> None:
        """Remember the window as it is written now; the least recently written one goes."""
        self._windows[key] = window
        self._windows.move_to_end(key)
        if len(self._windows) > _WINDOWS_AT_MOST:
            self._windows.popitem(last=False)


def _state(connection: Connection) -> tuple[int, int]:
    """Numbers that change when another connection commits, and when this one changes a row."""
    (version,) = connection.execute("PRAGMA data_version").fetchone()
    return version, connection.total_changes
