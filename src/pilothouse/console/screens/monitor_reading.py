"""What the monitor reads: the places there are, one place's figures, and what is asked for beside them. Runs in a thread."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pilothouse.domain.monitoring import FeatureDistribution, MonitorView
from pilothouse.domain.roles import Actor
from pilothouse.presentation.charts.chart import window_at
from pilothouse.presentation.charts.monitor_charts import Other

if TYPE_CHECKING:
    from pilothouse.operations.services import Services

Place = tuple[str, str]
"""A model and one of its targets."""


@dataclass(frozen=True)
class Watched:
    """One target's view, where the reader can go from there, and what stands beside it."""

    view: MonitorView | None
    other: Other | None = None
    besides: tuple[str, ...] = ()
    """What can stand beside: the model's other targets, then versions that ran here before (``v1``)."""
    distribution: FeatureDistribution | None = None


def read_places(services: "Services", actor: Actor) -> tuple[Place, ...]:
    """Every place there is, in order."""
    from pilothouse.operations import catalogue

    models = catalogue.list_models(services, actor)
    return tuple((model.name, target) for model in models for target in model.targets)


def meant(place: Place, places: tuple[Place, ...]) -> Place:
    """The place that was asked for; of what was left open the first."""
    model = place[0] or places[0][0]
    return model, place[1] or next((t for m, t in places if m == model), "")


def read_watched(services: "Services", actor: Actor, place: Place, beside: str) -> Watched:
    """The figures of a place, and of what is asked for beside it where that can be."""
    from pilothouse.operations.monitoring import monitor_views

    besides = monitor_views.comparable(services, actor, *place)
    if beside not in besides:
        return Watched(monitor_views.monitor_view(services, actor, *place), None, besides)
    view, other = monitor_views.side_by_side(services, actor, *place, beside)
    return Watched(view, Other(beside, other), besides)


def read_distribution(
    services: "Services", actor: Actor, view: MonitorView, feature: str, cursor: float | None
) -> FeatureDistribution | None:
    """The feature's two distributions, of the window that a chart shows at the cursor; of the newest without one."""
    from pilothouse.operations.monitoring import distributions

    ends = [one.window.end for one in view.drift[feature]]
    end: datetime | None = (
        ends[window_at([end.timestamp() for end in ends], cursor)] if cursor is not None else None
    )
    return distributions.feature_distribution(
        services, actor, view.model, view.target, feature, window_end=end
    )
