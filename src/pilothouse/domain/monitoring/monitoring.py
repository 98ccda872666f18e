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


class RejectionReason(StrEnum):
    """Reason why an event or an outcome was not taken in, or lost a column. The values are on record in telemetry."""

    UNKNOWN_VERSION = "unknown version"
    WRONG_COLUMNS = "wrong columns"
    CUT_BATCH = "cut batch"
    UNREADABLE = "not a batch"
    FUTURE = "in the future"
    BEHIND = "far behind its target's clock"
    AHEAD = "far ahead of its target's clock"
    NO_TIME = "no event time"
    NO_SCORE = "no usable score"
    WRONG_LABEL = "unknown label"
    TAKEN_ID = "id already taken"
    TAKEN_SEQUENCE = "sequence already taken by another batch"
    PRODUCER_OF_ANOTHER = "producer of another target"
    PRIVATE_COLUMN = "private column dropped"
    EXTRA_COLUMN = "unknown column dropped"
    NOT_AN_OUTCOME = "outcome of a wrong kind"
    NO_SUCH_ROW = "outcome of a prediction that was rejected"
    EXPIRED = "outcome of a prediction that was deleted"
    NOT_ITS_OWN = "outcome from another target"
    TOO_MANY_WAIT = "too many outcomes wait"
    NEVER_CAME = "outcome whose prediction never came"
    CONFLICT = "another outcome was there"
    ERASED = "erased before"


@dataclass(frozen=True, slots=True)
class RejectedEvents:
    """Events that the hub did not take, counted by reason."""

    reason: str
    """A RejectionReason; another word where another release counted it."""
    count: int
    last_at: datetime
    example: str


@dataclass(frozen=True, slots=True)
class WaitingOutcome:
    """An outcome that came before its prediction, or whose prediction never will."""

    id: int
    prediction: str
    value: str
    handed_in_by: str
    """The target that handed it in; empty for a file."""
    since: datetime
    batch: str
    """``PRODUCER.SEQUENCE`` of the batch that has not arrived; empty where the id is not one of ours."""


@dataclass(frozen=True, slots=True)
class OutcomeConflict:
    """A second outcome of one prediction that says something else: ``kept`` is the first, which stands."""

    id: int
    prediction: str
    model: str
    version: int
    target: str
    kept: str
    other: str
    at: datetime


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


@dataclass(frozen=True, slots=True)
class RollOut:
    """A version on its way: live on the targets ``there`` and asked for on those ``to_come``, where another one still is."""

    model: str
    version: int
    request: int
    waits: bool
    """True while the request waits for a decision."""
    there: tuple[str, ...]
    to_come: tuple[str, ...]
    under_way: tuple[str, ...] = ()
    """Targets of ``there`` whose serving process still answers with another version, or with none."""
    failed: tuple[str, ...] = ()
    """Targets of ``there`` whose serving process could not load it, or does not report."""
    rollout: int | None = None
    """Number of its roll-out, where it goes out by a plan."""
    step: str = ""
    """State of that and its place in the plan: ``running, 2 of 3 rest: canary 10 %``."""
    trials: tuple[str, ...] = ()
    """Targets of ``to_come`` where it answers a copy or a share of the requests."""


@dataclass(frozen=True, slots=True)
class Place:
    """A target as screens group it."""

    target: str
    region: str
    product: str
    business_unit: str
    environment: str = ""
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Models on targets, and the versions that are on their way."""

    states: tuple[TargetState, ...]
    """States of the models in the window."""
    roll_outs: tuple[RollOut, ...] = ()
    """Those of the models in the window, and the newest of the others, newest first."""
    more_roll_outs: int = 0
    """Number of those beyond ``roll_outs``."""
    models: tuple[str, ...] = ()
    """All models, the sickest first."""
    first: int = 0
    """Position of the first model of the window."""
    window: tuple[str, ...] = ()
    """The models in the window."""
    places: tuple[Place, ...] = ()
    """All targets that some model names or runs on, by name."""
    counts: dict[Health, int] = field(default_factory=dict)
    """Number of deployments of all models by health, the worst first."""
