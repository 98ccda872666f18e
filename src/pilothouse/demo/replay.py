"""Sends the months that followed as real requests, day by day, and the outcomes a day later in the data's own time."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta

from pilothouse.demo.client import HubClient, ServingClient
from pilothouse.demo.traffic import Request, Stream
from pilothouse.domain.formats.wire import Outcome


@dataclass
class Tally:
    """Counts of what was sent and acknowledged."""

    rows: int = 0
    requests: int = 0
    outcomes: int = 0
    asked_again: int = 0
    """Rows whose answer was lost with a process that was killed."""


@dataclass(frozen=True)
class Lane:
    """One stream with the clients that it goes through."""

    stream: Stream
    serving: ServingClient
    hub: HubClient


def replay(
    lanes: Sequence[Lane],
    days: int,
    *,
    day_done: Callable[[int, Mapping[str, date]], object],
    tally: Tally,
) -> None:
    """Send ``days`` days of every lane side by side, each on its own calendar from its own first day.

    Outcomes of a day are handed in once the day after has been sent. ``day_done(number, {target: date})`` is called
    after each day and may take its time: the next day does not begin before it returns. None does where it returns True.
    """
    first = {lane.stream.target: lane.stream.first_day() for lane in lanes}
    late: dict[str, list[Outcome]] = {}
    with ThreadPoolExecutor(max_workers=len(lanes), thread_name_prefix="replay") as pool:
        for number in range(days):
            today = {target: day + timedelta(days=number) for target, day in first.items()}
            sent = list(pool.map(_send_day, lanes, [today[lane.stream.target] for lane in lanes]))
            for lane, outcomes in zip(lanes, sent, strict=True):
                yesterday = late.get(lane.stream.target, [])
                if yesterday:
                    lane.hub.send_outcomes(yesterday)
                late[lane.stream.target] = outcomes
                tally.rows += len(outcomes)
                tally.requests += len(_requests(lane, today[lane.stream.target]))
                tally.outcomes += len(yesterday)
            if day_done(number, today) is True:
                break
    for lane in lanes:
        lane.serving.close()
        tally.asked_again += lane.serving.asked_again


def _requests(lane: Lane, day: date) -> list[Request]:
    return lane.stream.days.get(day, [])


def _send_day(lane: Lane, day: date) -> list[Outcome]:
    """All rows of one day; the answer is what came true for each, by the id that the server gave it."""
    outcomes: list[Outcome] = []
    for request in _requests(lane, day):
        ids = lane.serving.predict(lane.stream.model, request)
        outcomes.extend(Outcome(id_, value) for id_, value in zip(ids, request.outcomes, strict=True))
    return outcomes
