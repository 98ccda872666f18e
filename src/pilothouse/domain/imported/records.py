"""Records of another registry as it told them: nothing here was trained, judged or approved by Pilothouse.

Times are milliseconds since 1970 in UTC, as MLflow keeps them, None where it has none. Texts are whatever somebody typed there.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

Point = tuple[int, int, float]
"""Step, time in milliseconds, value."""

MOST_POINTS = 10_000
"""Points of one curve that are kept: of a longer one every second, fourth … point, and its last."""


@dataclass(frozen=True, slots=True)
class ForeignModel:
    """Registered model with its aliases as they were when it was read."""

    workspace: str
    name: str
    description: str = ""
    created_ms: int | None = None
    updated_ms: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ForeignVersion:
    """Version of a registered model. ``source`` is where it says its files are; ``location``, where the store keeps them."""

    workspace: str
    model: str
    number: int
    created_ms: int | None = None
    updated_ms: int | None = None
    description: str = ""
    user: str = ""
    stage: str = ""
    status: str = ""
    source: str = ""
    location: str = ""
    run: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def logged_model(self) -> str:
        """Id of the logged model, ``m-…``; empty where the source names none. The entity's own field may be empty."""
        _, _, rest = self.source.partition("models:/")
        return rest if self.source.startswith("models:/m-") else ""


class Curve:
    """Curve that is gathered point by point in the order of its steps: its kept points, in 24 bytes each.

    ``2 * MOST_POINTS`` are kept at most, the first and the last of all among them. Steps and times have 64 bits.
    """

    def __init__(self, points: Iterable[Point] = ()) -> None:
        self._steps, self._times, self._values = array("q"), array("q"), array("d")
        self._stride = 1
        self._last: Point | None = None
        self.seen = 0
        """Points that came, kept or not."""
        for point in points:
            self.add(point)

    def add(self, point: Point) -> None:
        """Take the next point."""
        if self.seen % self._stride == 0:
            step, time, value = point
            self._steps.append(step)
            self._times.append(time)
            self._values.append(value)
            if len(self._steps) >= 2 * MOST_POINTS:
                self._steps, self._times, self._values = self._steps[::2], self._times[::2], self._values[::2]
                self._stride *= 2
        self.seen += 1
        self._last = point

    def __len__(self) -> int:
        return len(self._steps) + len(self._left_over())

    def __iter__(self) -> Iterator[Point]:
        return chain(zip(self._steps, self._times, self._values, strict=True), self._left_over())

    def _left_over(self) -> tuple[Point, ...]:
        """The last point, where it is none of every second, fourth …"""
        if self._last is None or (self.seen - 1) % self._stride == 0:
            return ()
        return (self._last,)


@dataclass(frozen=True, slots=True)
class ForeignRun:
    """Run with everything it logged. ``metrics`` are the latest values; ``curves`` hold those with more than one point."""

    id: str
    experiment: str = ""
    name: str = ""
    user: str = ""
    status: str = ""
    lifecycle: str = ""
    started_ms: int | None = None
    ended_ms: int | None = None
    artifacts: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, Point] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    inputs: Sequence[Mapping[str, Any]] = ()
    outputs: Sequence[Mapping[str, Any]] = ()
    curves: Mapping[str, Curve] = field(default_factory=dict)

    @property
    def thinned(self) -> dict[str, int]:
        """Points that a curve had, where fewer are kept."""
        return {key: curve.seen for key, curve in self.curves.items() if curve.seen > len(curve)}


@dataclass(frozen=True, slots=True)
class ForeignFile:
    """File of a version, by its path there. ``digest`` is empty where it was left out, and ``left_out`` says why."""

    path: str
    size: int
    digest: str = ""
    left_out: str = ""
