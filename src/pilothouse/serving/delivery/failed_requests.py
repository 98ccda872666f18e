"""Requests that were answered with an error and wait to be counted in the spool, by stream; of a canary with their keys."""

from pilothouse.serving.delivery.pair_records import PairStream
from pilothouse.serving.delivery.segments import ErrorRecord, Stream

_MOST_DRAWS = 10_000
"""Keys that are remembered while nothing can be written; beyond them the errors alone are counted."""


class FailedRequests:
    """Counts of one spool. Its methods are for one thread."""

    def __init__(self) -> None:
        self._counts: dict[Stream | PairStream, int] = {}
        self._draws: dict[Stream | PairStream, list[int]] = {}

    def note(self, stream: Stream | PairStream, draw: int) -> None:
        """Note one request; ``draw``: the hash of its key in a canary, 0 where it has none."""
        self._counts[stream] = self._counts.get(stream, 0) + 1
        if isinstance(stream, Stream) and stream.share > 0:
            draws = self._draws.setdefault(stream, [])
            if len(draws) < _MOST_DRAWS:
                draws.append(draw)

    def records(self) -> list[tuple[Stream | PairStream, ErrorRecord]]:
        """What is to be written for each stream."""
        return [(stream, self._record(stream, count)) for stream, count in self._counts.items()]

    def forget(self, stream: Stream | PairStream) -> None:
        """Forget those of a stream, which are written."""
        del self._counts[stream]
        self._draws.pop(stream, None)

    def _record(self, stream: Stream | PairStream, count: int) -> ErrorRecord:
        draws = self._draws.get(stream, [])
        return ErrorRecord(count, list(draws) if len(draws) == count else [])
