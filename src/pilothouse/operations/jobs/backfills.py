"""Back-fills: one job for each of a range of past dates, however often a back-fill is repeated."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.records import Job
from pilothouse.operations.authorisation import reading
from pilothouse.operations.catalogue import require_model
from pilothouse.operations.jobs.trainings import (
    BacktestOptions,
    TrainingOptions,
    start_backtest,
    start_training,
)
from pilothouse.operations.services import Services
from pilothouse.store.deployed import deployments
from pilothouse.store.work import jobs

MOST_DATES = 1_000
_PRIORITY = -10
"""Below the default: present work comes first."""


@dataclass(frozen=True, slots=True)
class PastDates:
    """Dates from ``since`` to ``until`` at the interval ``every``."""

    since: datetime
    until: datetime
    every: timedelta


@dataclass(frozen=True, slots=True)
class BackfilledDate:
    """A date with its job; ``new`` where this call queued it."""

    at: datetime
    job: Job
    new: bool


def backfill(
    services: Services,
    actor: Actor,
    model: str,
    past: PastDates,
    *,
    kind: Literal["train", "backtest"] = "train",
    priority: int = _PRIORITY,
    reason: str = "",
) -> list[BackfilledDate]:
    """Queue a training as of each date, or a backtest of the live versions on each window from one date to the next.

    A date that has its job under the model file in force is left as it is, so that a repetition continues after an
    interruption.

    Raises NotFoundError, NotAllowedError or InvalidInputError (a range that is empty, too long, or still to come).
    """
    dates = _dates(services, past)
    with reading(services, actor) as connection:
        spec = require_model(connection, model).spec_digest[:16]
        live = sorted({deployment.version for deployment in deployments.live(connection, model=model)})
        keys = {at: _key(kind, spec, live, at, past.every) for at in dates}
        before = {at: jobs.find_by_trigger(connection, model, key) for at, key in keys.items()}
    if kind == "backtest" and not live:
        raise InvalidInputError(f"no version of {model} is live: there is nothing to score on past windows")
    dates_with_jobs = []
    for at, key in keys.items():
        text = reason or f"back-fill as of {at:%Y-%m-%d %H:%M}"
        job = before[at]
        if job is None and kind == "train":
            training = TrainingOptions(as_of=at, trigger_key=key, priority=priority)
            job = start_training(services, actor, model, training, reason=text)
        elif job is None:
            window = BacktestOptions(since=at, until=at + past.every, trigger_key=key, priority=priority)
            job = start_backtest(services, actor, model, live, window, reason=text)
        dates_with_jobs.append(BackfilledDate(at, job, before[at] is None))
    return dates_with_jobs


def _dates(services: Services, past: PastDates) -> list[datetime]:
    since, until, every = past.since, past.until, past.every
    if since > until:
        raise InvalidInputError(f"from {since.isoformat()} is after to {until.isoformat()}")
    if every < timedelta(minutes=1):
        raise InvalidInputError("every: expected a minute or more")
    if until > services.now():
        raise InvalidInputError(f"to: {until.isoformat()} is still to come; expected now or before")
    count = (until - since) // every + 1
    if count > MOST_DATES:
        raise InvalidInputError(
            f"that is {count:,} dates; expected {MOST_DATES:,} at most: take a longer step"
        )
    return [since + i * every for i in range(count)]


def _key(kind: str, spec: str, live: Sequence[int], at: datetime, every: timedelta) -> str:
    if kind == "train":
        return f"backfill:train:{spec}:{at.isoformat()}"
    versions = ",".join(map(str, live))
    return f"backfill:backtest:{versions}:{at.isoformat()}:{int(every.total_seconds())}"
