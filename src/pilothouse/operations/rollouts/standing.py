"""Time for which no daemon looked at roll-outs: their steps stood still."""

from datetime import datetime, timedelta

from pilothouse.domain.errors import IntegrityError
from pilothouse.operations.authorisation import Change
from pilothouse.operations.rollouts.acts import stand_no_more
from pilothouse.store.promotion import rollouts

_LEAST = timedelta(minutes=1)
"""Shorter times without a daemon are of no account: it was started again."""


def move_on_after(change: Change, since: datetime) -> None:
    """Let every unfinished roll-out go on that nobody has looked at since then, where that was long: nobody saw what its wait
    was for. One that stands in a freeze does so until the freeze is over."""
    if change.at - since < _LEAST:
        return
    for number in rollouts.unfinished_numbers(change.connection):
        try:
            rollout = rollouts.find(change.connection, number)
        except IntegrityError:  # the keeper says so, and goes on with the others
            continue
        if rollout is not None and rollout.entered_at is not None and rollout.stands_since is None:
            stand_no_more(change, rollout, since, "no daemon ran")
