"""Records of another registry as it told them: nothing here was trained, judged or approved by Pilothouse.

Times are milliseconds since 1970 in UTC, as MLflow keeps them, None where it has none. Texts are whatever somebody typed there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
    curves: Mapping[str, Sequence[Point]] = field(default_factory=dict)
    thinned: Mapping[str, int] = field(default_factory=dict)
    """Points that a curve had, where fewer are kept."""


@dataclass(frozen=True, slots=True)
class ForeignFile:
    """File of a version, by its path there. ``digest`` is empty where it was left out, and ``left_out`` says why."""

    path: str
    size: int
    digest: str = ""
    left_out: str = ""


class Curve:
    """Curve that is gathered point by point in the order of its steps, with memory for ``2 * MOST_POINTS`` at most."""

    def __init__(self) -> None:
        self._points: list[Point] = []
        self._stride = 1
        self._last: Point | None = None
        self.seen = 0

    def add(self, point: Point) -> None:
        """Take the next point."""
        if self.seen % self._stride == 0:
            self._points.append(point)
            if len(self._points) >= 2 * MOST_POINTS:
                self._points = self._points[::2]
                self._stride *= 2
        self.seen += 1
        self._last = point

    @property
    def points(self) -> list[Point]:
        """Points that are kept, the first and the last among them."""
        points = self._points
        if self._last is not None and points[-1] != self._last:
            points = [*points, self._last]
        return points
