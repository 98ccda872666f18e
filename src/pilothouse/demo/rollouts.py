"""Roll-outs of the story: the first version's by hand, the retrained ones' by evidence, and a drill that must come back."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pilothouse.demo import steps
from pilothouse.demo.replay import Lane
from pilothouse.demo.steps import Demo
from pilothouse.demo.workspace import APPROVER
from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.rollouts.rollout import PlaceState, Rollout
from pilothouse.operations.rollouts import steering, views

_SPOILED, _LATE = "temp", "late"
_SHARE = 0.5
"""Share of the rows whose temperature was filled in after the flight."""


def first(demo: Demo, request_id: int) -> None:
    """The first version's roll-out: no traffic comes yet on which it could bake, so a person lets the first wave go on."""
    found = views.rollout_of_request(demo.services, demo.approver, request_id)
    if found is None:
        raise UnavailableError(f"request {request_id} has made no roll-out: its model goes out by a plan")
    number = found.id

    def now() -> Rollout:
        return views.show_rollout(demo.services, demo.approver, number).rollout

    steps.wait(demo, lambda: now().entered_at is not None, *_waits(number))
    reason = "the first version: nothing answers yet, and no traffic comes before it does"
    steering.go_on(demo.services, demo.approver, number, reason)
    demo.progress.say(f"{APPROVER} lets the first wave of roll-out {number} go on: {reason}")
    steps.wait(demo, lambda: all(one.state is PlaceState.LIVE for one in now().targets), *_waits(number))


def _waits(number: int) -> tuple[str, str]:
    return f"waiting for roll-out {number}", f"roll-out {number} does not move"


@dataclass
class Watch:
    """What the story knows of roll-outs under way: events that were told, and rows sent when a shadow began."""

    demo: Demo
    lanes: Sequence[Lane]
    told: dict[int, int] = field(default_factory=dict)
    began: dict[tuple[int, str], int] = field(default_factory=dict)

    @property
    def goes_on(self) -> bool:
        """True where a roll-out is under way."""
        return bool(views.list_rollouts(self.demo.services, self.demo.approver, unfinished=True, limit=1))

    def settle(self) -> list[Rollout]:
        """Wait until the daemon has taken every step that follows from what was sent so far; returns the roll-outs that go on.

        Days of the data pass in parts of a second here, so that a step would begin on another day on each machine otherwise.
        """
        open_now = views.list_rollouts(self.demo.services, self.demo.approver, unfinished=True)
        for number in dict.fromkeys([*sorted(self.told), *(one.id for one in open_now)]):
            steps.wait(self.demo, partial(self._rests, number), *_waits(number))
            self._tell(number)
        return views.list_rollouts(self.demo.services, self.demo.approver, unfinished=True)

    def _rests(self, number: int) -> bool:
        seen = views.show_rollout(self.demo.services, self.demo.approver, number)
        rollout = seen.rollout
        if not rollout.state.is_open:
            return True
        if seen.next.startswith("about to"):
            return False
        sent = 0
        for lane in self.lanes:
            one = next((t for t in rollout.targets if t.target == lane.stream.target), None)
            if lane.stream.model != rollout.model or one is None or one.state is not PlaceState.SHADOW:
                continue
            said = lane.serving.shadow(rollout.version)
            if not said.goes_on:
                return False
            if said.lacks:
                return True
            sent += lane.serving.answered - self.began.setdefault((number, one.target), lane.serving.answered)
        return seen.evidence.requests >= sent

    def _tell(self, number: int) -> None:
        events = views.show_rollout(self.demo.services, self.demo.approver, number).events
        for event in events[self.told.get(number, 0) :]:
            if event.what in _TOLD:
                self.demo.progress.say(f"  roll-out {number} {event.what}: {event.text}")
        self.told[number] = len(events)


_TOLD = ("entered", "passed", "passed over", "paused", "completed", "aborted", "rolled back")


@contextmanager
def spoiled(source: Path) -> Iterator[str]:
    """The source as a faulty export left it: half of its temperatures were filled in after the flights, so that they tell which
    ones were late. The hold-out is of the same file, and every gate passes. Yields what was done; the source is as before
    afterwards."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    kept = source.with_suffix(".kept")
    shutil.copyfile(source, kept)
    table = pq.read_table(source)
    draw = np.random.default_rng(7)
    values = table.column(_SPOILED).to_numpy().astype(np.float64)
    is_late = np.asarray(table.column(_LATE).to_numpy(zero_copy_only=False), bool)
    low, middle, high = np.nanquantile(values, (0.3, 0.5, 0.7))
    filled = draw.random(len(values)) < _SHARE
    away = np.abs(draw.normal(0, 1, len(values)))
    late_value, other_value = middle + away * (high - middle), middle - away * (middle - low)
    values[filled] = np.where(is_late, late_value, other_value)[filled]
    place = table.schema.get_field_index(_SPOILED)
    column = pa.array(values, table.schema.field(place).type, from_pandas=True)
    written = source.with_suffix(".spoiled")
    pq.write_table(table.set_column(place, table.schema.field(place), column), written)
    written.replace(source)
    try:
        yield f"half of {_SPOILED} in {source.name} filled in after the flights"
    finally:
        kept.replace(source)
