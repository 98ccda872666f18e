"""Explanation of an alert as values: the significant windows, their bound, and the events around them."""

from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.monitoring.findings import DriftFinding, GiveAway, QualityFinding, Window
from pilothouse.domain.monitoring.monitoring import DistributionBin
from pilothouse.domain.records import Alert, Deployment


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowVerdict:
    """Window of the figure that fired, with its ``bound``; ``fired`` marks the alert's own window. ``lack``: why it has no
    verdict. ``suspected``: not significant by itself, though its interval excludes the reference."""

    window: Window
    value: float
    bound: float
    significant: bool
    suspected: bool = False
    fired: bool = False
    lack: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedFeature:
    """Finding of a feature in the window that fired; ``importance`` is its share, None where it was not measured."""

    finding: DriftFinding | QualityFinding
    importance: float | None = None
    threshold_from: str = ""
    """Part that set the threshold, where that was stored."""
    example: str = ""
    """Value that is outside of its contract, where such a row is stored still."""


@dataclass(frozen=True, slots=True)
class AlertExplanation:
    alert: Alert
    figure: str
    """Figure of the windows: ``wind: Kolmogorov–Smirnov distance``; empty where no window is involved."""
    bound: str
    """Text that names the bound."""
    windows: tuple[WindowVerdict, ...] = ()
    higher_is_significant: bool = True
    """True where a value above the bound is significant; False for a metric that is better when higher."""
    features: tuple[ExplainedFeature, ...] = ()
    telling: tuple[GiveAway, ...] = ()
    """Features that give a drift of all features together away."""
    looked_at: int = 0
    """Features judged together, over which the rate of false alarms is kept."""
    blind: tuple[str, ...] = ()
    """Features of the window that cannot be judged."""
    compared_with: str = ""
    explained_by: Window | None = None
    """Window that ``features``, ``telling`` and ``shares`` are of: the one that fired; of an alert that was opened again the
    newest since then that is significant."""
    again: datetime | None = None
    """Event time at which it was opened again; None where it was not."""
    shares_of: str = ""
    shares: tuple[DistributionBin, ...] = ()
    fire: int = 0
    of: int = 0
    changed: str = ""
    """Diagnosis (inputs, outcomes, both, only volume or quality) as known now; empty where the explanation holds it."""
    retraining: str = ""
    deployments: tuple[Deployment, ...] = ()
    """Deployments on the alert's target around its time, oldest first."""
