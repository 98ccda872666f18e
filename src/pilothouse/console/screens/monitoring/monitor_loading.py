"""Loading for the monitor: the deployments there are, the figures of one, and what stands beside it. Runs in a thread."""

from dataclasses import dataclass

from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.listing import Query
from pilothouse.domain.monitoring.monitoring import FeatureDistribution, MonitorView
from pilothouse.domain.targets import Difference
from pilothouse.operations.services import Services
from pilothouse.presentation.charts.chart import window_at
from pilothouse.presentation.charts.monitor_points import Other


@dataclass(frozen=True)
class MonitorData:
    """The figures of a deployment, and what stands beside them."""

    view: MonitorView | None
    other: Other | None = None
    besides: tuple[str, ...] = ()
    """What can stand beside: the model's other targets, then versions that ran here before (``v1``)."""
    distribution: FeatureDistribution | None = None
    differs: Difference | None = None
    """What the target runs instead of what it should."""


def list_deployments(services: Services, actor: Actor) -> tuple[tuple[str, str], ...]:
    """Every model with each of its targets, in order."""
    from pilothouse.operations import catalogue

    models = catalogue.list_models(services, actor)
    return tuple((model.name, target) for model in models for target in model.targets)


def resolve(
    services: Services, actor: Actor, deployment: tuple[str, str], deployments: tuple[tuple[str, str], ...]
) -> tuple[str, str]:
    """The deployment with an empty model replaced by the first one, and an empty target by the model's worst: the one whose
    state is the model's."""
    from pilothouse.operations.fleet import health

    model, target = deployment[0] or deployments[0][0], deployment[1]
    if not target:
        worst = health.states_page(services, actor, Query(where=(("model", model),), after=1)).rows
        target = worst[0].target if worst else ""
    return model, target or next((target for name, target in deployments if name == model), "")


def load_monitor(services: Services, actor: Actor, deployment: tuple[str, str], beside: str) -> MonitorData:
    """The figures of a deployment, and of ``beside`` where that can stand beside it."""
    from pilothouse.operations.fleet import places
    from pilothouse.operations.monitoring import monitor_views

    besides = monitor_views.comparable(services, actor, *deployment)
    differs = places.differing(services, actor).get(deployment)
    if beside not in besides:
        view = monitor_views.monitor_view(services, actor, *deployment)
        return MonitorData(view, None, besides, differs=differs)
    view, other = monitor_views.side_by_side(services, actor, *deployment, beside)
    return MonitorData(view, Other(beside, other), besides, differs=differs)


def load_distribution(
    services: Services, actor: Actor, view: MonitorView, feature: str, cursor: float | None
) -> FeatureDistribution | None:
    """The feature's distribution and its reference, in the window that a chart shows at the cursor; else in the newest of the
    live version."""
    from pilothouse.operations.monitoring import distributions

    windows = view.drift[feature]
    shown = view.newest(windows)
    if cursor is not None:
        shown = windows[window_at([window.window.end.timestamp() for window in windows], cursor)]
    if shown is None:
        return None
    return distributions.feature_distribution(
        services,
        actor,
        view.model,
        view.target,
        feature,
        window_end=shown.window.end,
        version=shown.version,
    )
