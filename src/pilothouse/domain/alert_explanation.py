"""Why an alert fired, as values: the windows that spoke, what they were measured against, and what happened around them."""

from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.records import Alert, Deployment


@dataclass(frozen=True, slots=True)
class WindowVerdict:
    """One window of the figure that fired. ``bound`` is what it was held against; ``fired`` marks the alert's own window."""

    start: datetime
    end: datetime
    rows: int
    value: float
    bound: float
    speaks: bool
    judged: bool
    fired: bool = False


@dataclass(frozen=True, slots=True)
class FeatureVerdict:
    """One feature in the window that fired; ``importance`` is its share, None where it was not measured."""

    feature: str
    statistic: str
    value: float
    threshold: float
    p_value: float
    speaks: bool
    importance: float | None = None
    threshold_from: str = ""
    """What set the threshold, where that was kept."""


@dataclass(frozen=True, slots=True)
class BinShare:
    """A bin or category: its share of the reference and of the window, 0 to 1."""

    label: str
    reference: float
    window: float


@dataclass(frozen=True, slots=True)
class AlertExplanation:
    """Everything there is to say about one alert."""

    alert: Alert
    figure: str
    """What the windows show: ``wind: Kolmogorov–Smirnov distance``; empty where no window is involved."""
    bound: str
    """What the bound is, in words."""
    windows: tuple[WindowVerdict, ...] = ()
    higher_speaks: bool = True
    """Whether a value above the bound speaks; False for a metric that is better when higher."""
    features: tuple[FeatureVerdict, ...] = ()
    telling: tuple[tuple[str, float, float], ...] = ()
    """For a drift of all features together: (feature, loss of AUROC when it is shuffled, AUROC of it alone)."""
    looked_at: int = 0
    """Features judged together, over which the rate of false alarms is kept."""
    compared_with: str = ""
    shares_of: str = ""
    shares: tuple[BinShare, ...] = ()
    fire: int = 0
    of: int = 0
    changed: str = ""
    """What changed (inputs, truth, both, only volume or quality) as known now; empty where the explanation says so already."""
    retraining: str = ""
    deployments: tuple[Deployment, ...] = ()
    """Those on the alert's target around its time, oldest first."""
