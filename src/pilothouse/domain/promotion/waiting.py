"""What waits for a person beside requests to approve, and what is late whoever does it. Pure."""

from collections import Counter
from dataclasses import dataclass

from pilothouse.domain.promotion.break_glass import BrokenGlass
from pilothouse.domain.promotion.conditions import Condition
from pilothouse.domain.promotion.request_standing import WaitingRequest


@dataclass(frozen=True, slots=True)
class WaitingItems:
    """``requests`` to approve, broken glass to look at (``reviews``), and ``conditions`` to confirm, each by this person;
    ``late``: conditions whose day has passed, whoever confirms them."""

    requests: tuple[WaitingRequest, ...] = ()
    reviews: tuple[BrokenGlass, ...] = ()
    conditions: tuple[Condition, ...] = ()
    late: tuple[Condition, ...] = ()

    @property
    def by_model(self) -> dict[str, int]:
        """Number of items that wait for this person, by model; models without one are left out."""
        models = Counter(one.model for one in self.requests)
        models += Counter(one.model for one in self.reviews)
        return dict(models + Counter(one.model for one in self.conditions))

    @property
    def on_requests(self) -> frozenset[int]:
        """Numbers of deployed requests on whose page something waits for this person."""
        of_reviews = frozenset(one.request_id for one in self.reviews)
        return of_reviews | frozenset(one.request_id for one in self.conditions)
