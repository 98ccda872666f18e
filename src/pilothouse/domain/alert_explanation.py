"""Why an alert fired, as values: the significant windows, what they were measured against, and what happened around them."""

from dataclasses import dataclass

from pilothouse.domain.findings import DriftFinding, GiveAway, QualityFinding, Window
from pilothouse.domain.monitoring import DistributionBin
from pilothouse.domain.records import Alert, Deployment


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowVerdict:
    """One window of the figure that fired. ``bound`` is what it was held against; ``fired`` marks the alert's own window."""

    window: Window
    value: float
    bound: float
    significant: bool
    fired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedFeature:
    """What was found about a feature in the window that fired; ``importance`` is its share, None where it was not measured."""

    finding: DriftFinding | QualityFinding
    importance: float | None = None
    threshold_from: str = ""
    """What set the threshold, where that was kept."""


@dataclass(frozen=True, slots=True)
class AlertExplanation:
    """Everything there is to say about one alert."""

    alert: Alert
    figure: str
    """What the windows show: ``wind: Kolmogorov–Smirnov distance``; empty where no window is involved."""
    bound: str
    """What the bound is, in words."""
    windows: tuple[WindowVerdict, ...] = ()
    higher_is_significant: bool = True
    """Whether a value above the bound is significant; False for a metric that is better when higher."""
    features: tuple[ExplainedFeature, ...] = ()
    telling: tuple[GiveAway, ...] = ()
    """For a drift of all features together: what gives it away."""
    looked_at: int = 0
    """Features judged together, over which the rate of false alarms is kept."""
    compared_with: str = ""
    shares_of: str = ""
    shares: tuple[DistributionBin, ...] = ()
    fire: int = 0
    of: int = 0
    changed: str = ""
    """What changed (inputs, outcomes, both, only volume or quality) as known now; empty where the explanation says so."""
    retraining: str = ""
    deployments: tuple[Deployment, ...] = ()
    """Those on the alert's target around its time, oldest first."""
