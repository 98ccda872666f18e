"""Results of monitoring for screens: health, findings over time, the state of a target."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.domain.monitoring.findings import (
    DriftFinding,
    EstimateFinding,
    Finding,
    MultivariateFinding,
    PerformanceFinding,
    TrafficFinding,
    Window,
    WindowFinding,
)
from pilothouse.domain.records import Alert, Deployment

F = TypeVar("F", bound=Finding)


class Health(StrEnum):
    """Health of a deployment or of a model, worst first when sorted by ``rank``."""

    DOWN = "down"
    """Deployed, and its serving process answers nothing."""
    CRITICAL = "critical"
    DEGRADED = "degraded"
    NO_TRAFFIC = "no traffic"
    """Deployed, and no event has arrived for longer than the model's ``silence``."""
    NOT_JUDGED = "not judged"
    """Deployed and answering, but nobody can say how well: the newest windows have no verdict."""
    NO_DATA = "no data"
    """Deployed, and no prediction of the live version has come yet."""
    SUSPECTED = "suspected"
    """Judged and perhaps worse than its reference: one window does not make it certain, the next ones decide."""
    HEALTHY = "healthy"
    NOT_DEPLOYED = "not deployed"

    @property
    def rank(self) -> int:
        """0 is worst."""
        return _RANKS[self]


_RANKS = {health: rank for rank, health in enumerate(Health)}


@dataclass(frozen=True, slots=True)
class StateGround:
    """Reason for a state. ``at`` is by the data, for the serving process by the wall clock; None where it has no date."""

    health: Health
    text: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """A loss of performance that its window does not make certain. ``wanted``: how many more windows decide, at least."""

    below: bool
    """True where the figure is below its reference, False where it is above: worse in either case."""
    wanted: int = 1
    next_at: datetime | None = None
    """Event time at which the next of them can be judged; None where that is not known."""


@dataclass(frozen=True, slots=True)
class TimelineMark:
    """Mark on the time axis: a deployment, a roll-back, an alert, a retraining."""

    at: datetime
    kind: str
    label: str


@dataclass(frozen=True, slots=True)
class RevisedWindow:
    """A window that was judged again because something of it came late (``after.late``), or by a back-fill. The figures are
    those of performance, measured or estimated; None for another monitor, and where there was none."""

    monitor: str
    version: int | None
    before: Window
    after: Window
    figure_before: float | None
    figure_after: float | None
    significant_before: bool
    significant_after: bool
    recorded_at: datetime
    """Wall clock of the judgement before."""
    revised_at: datetime


@dataclass(frozen=True, slots=True)
class MonitorView:
    """Content of the monitor's screen for one model on one target."""

    model: str
    target: str
    version: int | None
    metric: str
    reference: MetricValue | None
    baseline_p95_ms: float | None
    performance: tuple[WindowFinding[PerformanceFinding], ...] = ()
    """Findings of the windows in which the metric is defined."""
    estimated: tuple[WindowFinding[EstimateFinding], ...] = ()
    """The same metric estimated without outcomes: also of windows whose outcomes are not known yet."""
    drift: dict[str, tuple[WindowFinding[DriftFinding], ...]] = field(default_factory=dict)
    """Feature (and ``score``) to its findings, oldest first; most drifted feature first."""
    traffic: tuple[WindowFinding[TrafficFinding], ...] = ()
    marks: tuple[TimelineMark, ...] = ()
    alerts: tuple[Alert, ...] = ()
    event_clock: datetime | None = None
    labels_joined: int = 0
    events: int = 0
    multivariate: tuple[WindowFinding[MultivariateFinding], ...] = ()
    """Findings of the windows for which the job was run, oldest first."""
    state: "TargetState | None" = None
    """State on record of the deployment; None where another version than the live one is shown."""
    minimum_rows: int = 0
    """Rows that a verdict takes, by the model file in force."""
    revised: tuple[RevisedWindow, ...] = ()
    """Windows that were judged again, the newest last."""
    undefined: tuple[WindowFinding[PerformanceFinding], ...] = ()
    """Findings of the windows with outcomes in which the metric is not defined."""
    suspected: tuple[WindowFinding[PerformanceFinding], ...] = ()
    """Those of ``performance`` with a loss that is not certain."""
    suspicion: Suspicion | None = None
    """That of the newest window of the version shown; None where it is not suspected."""

    def newest(self, windows: Sequence[WindowFinding[F]]) -> WindowFinding[F] | None:
        """The newest of these windows that is of the version shown; the newest of any other where it has none."""
        own = [window for window in windows if window.version in (None, self.version)]
        return next(reversed(own or windows), None)

    def is_of_then(self, window: WindowFinding[F]) -> bool:
        """True for a window of the live version that ended before it went live again."""
        live = self.state.deployment if self.state is not None else None
        return live is not None and window.version == live.version and window.window.end <= live.effective_at


class ServingState(StrEnum):
    """State of a target's serving process with regard to the version that is deployed there."""

    ANSWERING = "answering"
    LOADING = "loading"
    FAILED = "failed"
    DOWN = "down"
    """The process does not report."""
    REMOTE = "remote"
    """The process is somebody else's, and sends its events."""
    NOT_REPORTED = "no report yet"
    NOT_HEARD = "not heard of"
    """Its last report is old, or came before the daemon started: nobody knows yet what that means."""
    NOT_RECORDED = "not recorded"
    """State in the past: which process answered is known of the present alone."""


@dataclass(frozen=True, slots=True)
class TargetState:
    """State of a deployment: one model on one target, as it is on record."""

    model: str
    target: str
    region: str
    product: str
    business_unit: str
    deployment: Deployment | None
    serving: ServingState
    serving_error: str
    """Reason why the version could not be loaded; empty where nothing failed."""
    serving_version: int | None
    reported_at: datetime | None
    """Wall clock of the serving process's last report."""
    health: Health
    why: str
    """The worst ground, and the number of others."""
    grounds: tuple[StateGround, ...]
    """All grounds, the worst first."""
    since: datetime | None
    """Time of the worst ground."""
    port: int | None
    performance: WindowFinding[PerformanceFinding] | None
    of_then: bool
    """True where the newest figures of the live version are of a time before it went live again."""
    drifted: int
    features: int
    drift_window: Window | None
    p95_ms: float | None
    rows_last_window: int
    open_alerts: int
    event_clock: datetime | None
    id: int = 0
    """Number of the state on record, by which a list finds it again."""


@dataclass(frozen=True, slots=True)
class ModelOverview:
    """State of a model: that of its worst deployment, with figures over all of them."""

    model: str
    task: str
    metric: str
    champion: int | None
    latest: int | None
    health: Health
    why: str
    counts: dict[str, int]
    """Number of its deployments by health, the worst first."""
    performance: float | None
    reference: float | None
    performance_at: datetime | None
    """End of the oldest window that the figure is made of."""
    of_then: bool
    """True where no window has been judged since the live versions went live: the figures are their earlier record."""
    drifted: int
    features: int
    p95_ms: float | None
    open_alerts: int
    unfinished_jobs: int
    open_requests: int
    waiting_for_me: int
    holds: int = 0
    history: tuple[float, ...] = ()
    """The primary metric over the last windows, all targets, for a sparkline."""
    drift_history: tuple[float, ...] = ()
    """Number of features that drifted in each of the last windows, on the target with the most."""
    p95_history: tuple[float, ...] = ()
    """The slowest target's p95 in milliseconds over the last windows."""


@dataclass(frozen=True, slots=True)
class DaemonState:
    running: bool
    pid: int | None
    started_at: datetime | None
    heartbeat_at: datetime | None
    isolation: str
    """What the daemon said is in force, promise by promise (``confinement.describe``); empty before it has said so."""
    stopped_at: datetime | None = None
    """When it stopped as it was asked to; None while it runs, and where it was killed."""
    mode: str = ""
    """``require`` or ``warn``; empty where it has not said so."""


@dataclass(frozen=True, slots=True)
class DistributionBin:
    """One bin of a feature: its label, and its share of the reference's and of the window's present values."""

    label: str
    reference: float
    window: float


@dataclass(frozen=True, slots=True)
class FeatureDistribution:
    """Distribution of one feature in one window (and those that it was judged with) beside its reference, with its finding."""

    model: str
    target: str
    version: int
    feature: str
    window: Window
    bins: tuple[DistributionBin, ...]
    reference_rows: int
    window_rows: int
    reference_missing: float
    window_missing: float
    finding: DriftFinding | None
    minimum_rows: int = 0
    """Rows that a verdict takes, by the model file in force."""
