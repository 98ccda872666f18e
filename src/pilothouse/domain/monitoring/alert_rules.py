"""The rules of watching, without a clock of their own: which windows are due, when an alert opens and resolves, when a
retraining may start. Times are microseconds since 1970 on the event clock, durations seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from pilothouse.domain.formats.time_units import DAY_S, DAY_US, HOUR_S, MINUTE_S, SECOND_US
from pilothouse.domain.jobs.triggers import Hindrance, Refusal, training_goes_on

BUDGET_PERIOD_S = 30 * DAY_S


@dataclass(frozen=True, slots=True)
class Span:
    """A window of event time, ``start_us`` included, ``end_us`` not."""

    start_us: int
    end_us: int


def level_of(*durations: int) -> int:
    """The coarsest of day, hour and minute (in seconds) of which all durations are multiples."""
    for level in (DAY_S, HOUR_S):
        if all(duration % level == 0 for duration in durations):
            return level
    return MINUTE_S


def due_spans(
    origin_us: int, closed_until_us: int | None, window: int, step: int, ripe_until_us: int
) -> list[Span]:
    """The windows to close, oldest first: those that end every ``step`` after what is closed, up to ``ripe_until_us``.

    The first windows begin at the origin and are shorter than ``window`` where a step is: figures come early, with the
    wide intervals that they deserve.
    """
    end = (origin_us if closed_until_us is None else closed_until_us) + step * SECOND_US
    spans = []
    while end <= ripe_until_us:
        spans.append(Span(max(origin_us, end - window * SECOND_US), end))
        end += step * SECOND_US
    return spans


class Turn(Enum):
    """Change of an alert by the newest window."""

    OPEN = "open"
    RESOLVE = "resolve"
    STAY = "stay"


def turn(significant: Sequence[bool], is_open: bool, fire: int, of: int, *, certain: bool = False) -> Turn:
    """Judge the verdicts of the windows so far, newest last (windows without a verdict are left out).

    Opens when the newest window is significant and ``fire`` of the last ``of`` are, or at once where the newest is ``certain``
    by itself; resolves after ``of`` quiet ones in a row. Between the two nothing changes, so that an alert does not flutter.
    """
    last = significant[-of:]
    if not is_open:
        return Turn.OPEN if last and last[-1] and (certain or sum(last) >= fire) else Turn.STAY
    return Turn.RESOLVE if len(last) == of and not any(last) else Turn.STAY


@dataclass(frozen=True, slots=True)
class RetrainingState:
    """State of a model when an alert asks for a retraining."""

    paused_because: str | None
    running_job: int | None
    open_request: int | None
    earlier_us: Sequence[int]
    """Event times at which alerts started trainings of this model."""


def why_not_retrain(state: RetrainingState, event_us: int, cooldown: int, budget: int) -> Refusal | None:
    """Reason why no retraining starts now; None where one may start."""
    if state.paused_because is not None:
        because = f": {state.paused_because}" if state.paused_because else ""
        return Refusal(Hindrance.PAUSED, f"automation is paused{because}")
    if state.running_job is not None:
        return training_goes_on(state.running_job)
    if state.open_request is not None:
        reason = f"promotion request {state.open_request} of this model waits for a decision"
        return Refusal(Hindrance.UNDECIDED, reason)
    newest = max(state.earlier_us, default=None)
    if newest is not None and event_us - newest < cooldown * SECOND_US:
        days = (event_us - newest) / DAY_US
        reason = f"a retraining started {days:.1f} days of event time ago; the cool-down is {cooldown / DAY_S:g} days"
        return Refusal(Hindrance.COOLING_DOWN, reason)
    recent = sum(event_us - BUDGET_PERIOD_S * SECOND_US < earlier <= event_us for earlier in state.earlier_us)
    if recent >= budget:
        reason = f"the budget of {budget} retrainings in 30 days of event time is used up"
        return Refusal(Hindrance.OVER_BUDGET, reason)
    return None


LIVE_US = DAY_US
"""A target whose newest event was this close to its arrival is a live one, and can fall silent; a replay of history is
silent when it is over."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Traffic of a target, in microseconds: ``event_us`` by the data, the others by the wall clock.

    ``watched_since_us``: nothing that arrived before could have been seen, or asked for (a deployment, the daemon's start).
    """

    event_us: int
    arrived_us: int
    watched_since_us: int


def silent_for(flow: Flow, now_us: int, silence: int) -> int | None:
    """For how many seconds nothing has arrived, where that is longer than ``silence`` and the target's traffic is live."""
    if abs(flow.arrived_us - flow.event_us) > LIVE_US:
        return None
    quiet = (now_us - max(flow.arrived_us, flow.watched_since_us)) // SECOND_US
    return quiet if quiet > silence else None


def next_look_us(flow: Flow, silence: int) -> int:
    """Wall clock at which traffic that is not silent now would have become so; a day on where it is no live one."""
    if abs(flow.arrived_us - flow.event_us) > LIVE_US:
        return flow.arrived_us + 36_500 * DAY_US
    return max(flow.arrived_us, flow.watched_since_us) + (silence + 1) * SECOND_US


def flowing_since(arrivals_us: Sequence[int], now_us: int, silence: int) -> int | None:
    """Since when events have come without a gap longer than ``silence`` until now, if that is as long as would have been a
    silence: one event ends none. ``arrivals_us`` are in order."""
    allowed = silence * SECOND_US
    since = now_us
    for arrived in reversed(arrivals_us):
        if since - arrived > allowed:
            break
        since = arrived
    return since if now_us - since >= allowed else None
