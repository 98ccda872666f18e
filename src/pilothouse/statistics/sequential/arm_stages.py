"""Stages of a canary: what the arms counted while the challenger had one share of the requests, added up share by share."""

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from pilothouse.domain.errors import InvalidInputError


class OfShare(Protocol):
    """Counts at one share of the challenger."""

    @property
    def share(self) -> float: ...


S = TypeVar("S", bound=OfShare)


def check_share(share: float) -> None:
    """Raise InvalidInputError for a share that leaves an arm without requests."""
    if not 0 < share < 1:
        raise InvalidInputError(f"the challenger's share is {share!r}, expected between 0 and 1")


def together(stages: Iterable[S], others: Iterable[S], plus: Callable[[S, S], S]) -> tuple[S, ...]:
    """Stages of both, one a share, in the order of the shares; ``plus`` adds two of one share."""
    by_share = {stage.share: stage for stage in stages}
    for stage in others:
        by_share[stage.share] = plus(by_share[stage.share], stage) if stage.share in by_share else stage
    return tuple(by_share[share] for share in sorted(by_share))
