"""Findings of monitors about a window: one type for each kind. Statistics makes them, telemetry stores them as JSON,
presentation draws them.

Fields with a default are missing in what earlier releases have stored. A figure that is not known is None: JSON has no NaN.
"""

import math
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from pilothouse.domain.models.evaluation import MetricValue, loss_against, smallest_change
from pilothouse.domain.monitoring.drift_comparison import Course, WeeksBefore


class Finding(Protocol):
    """Property of every finding: whether it lies beyond its threshold."""

    @property
    def significant(self) -> bool: ...


F_co = TypeVar("F_co", bound=Finding, covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A window that was closed, by the event clock: ``end`` is not in it. ``judged``: there are enough rows for a verdict.

    A window with too few is judged together with those just before it: its figures are of ``together`` windows, itself the
    last, with ``rows_together`` rows in all.
    """

    start: datetime
    end: datetime
    rows: int
    judged: bool
    together: int = 1
    rows_together: int = 0
    """0 for a window by itself."""
    revision: int = 0
    """Number of times that it was judged again."""
    late: str = ""
    """What had come late when it was: rows, outcomes, findings of a window before it, or ``asked`` for a back-fill."""

    @property
    def judged_rows(self) -> int:
        """Rows that its figures are of."""
        return self.rows_together or self.rows

    @property
    def since(self) -> datetime:
        """Start of the first window that its figures are of."""
        return self.end - self.together * (self.end - self.start)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedWindow(Generic[F_co]):
    """Window with the findings of one monitor: one for each feature (drift), each fault (quality), or one."""

    window: Window
    findings: tuple[F_co, ...]

    @property
    def significant(self) -> bool:
        """True where a finding lies beyond its threshold in a window that has a verdict."""
        return self.window.judged and any(finding.significant for finding in self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowFinding(Generic[F_co]):
    """One finding with the window that it is about, as charts and tables take it."""

    window: Window
    finding: F_co
    version: int | None = None
    """The version that answered in the window; None where it was not asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """Grounds that explain a verdict without computing anything again.

    The p-value was held against ``level``, the largest at which a figure of this window is significant (Benjamini–Hochberg):
    it was the ``rank``-th smallest of ``looked_at`` (rank 0: not looked at). ``tests``: how many of the column's own it counts.
    ``usual`` is the value in the middle of what windows of as many rows show while nothing has changed, learnt from
    ``blocks`` independent windows' worth of the reference's days (0: from the sampling null alone). ``calibrated`` is the
    threshold that follows at that level, ``effect`` the smallest change that counts; the larger of the two is the
    threshold. ``certain``: strong enough to open an alert without a second window. ``together``: how many windows were judged
    as one, the newest last.
    """

    effect: float = 0.0
    calibrated: float = 0.0
    usual: float = 0.0
    blocks: float = 0.0
    tests: int = 0
    level: float = 0.0
    rank: int = 0
    looked_at: int = 0
    certain: bool = False
    together: int = 1

    @property
    def set_by(self) -> str:
        """Part that set the threshold: ``effect``, ``calibration`` (the reference's own windows) or ``sampling``."""
        if self.effect >= self.calibrated:
            return "effect"
        return "calibration" if self.blocks else "sampling"


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """The smallest change of a feature that its window would have shown as drift in three of four cases.

    ``smallest`` is a ``shift`` of its mean in standard deviations of the reference, in the feature's unit ``own_unit``, or the
    ``share`` of rows by which one category grows or shrinks; None where no change would be found. It would be found by
    ``statistic``, ``compared_with`` the reference or the days before (``recent``). ``enough``: it is no larger than what counts
    as judged.
    """

    kind: str
    smallest: float | None
    own_unit: float | None = None
    statistic: str = ""
    compared_with: str = "reference"
    enough: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftFinding:
    """Drift of one feature (or ``score``) in a window.

    ``statistic``, ``value`` and ``threshold`` are of the test that says most; ``p_value`` counts all of the column's.
    ``significant``: the value reached the threshold, which Benjamini–Hochberg sets over all columns together. A column without
    usable rows has an empty ``statistic``, is not significant, and shows in ``missing``. ``statistics`` holds all that were
    measured: ``psi``, ``js`` (base-2 distance, 0 to 1), ``ks``, ``wasserstein`` (in units of the reference's standard
    deviation) or ``chi2_p`` as fits the column; ``missing`` and ``unseen`` are shares of rows.

    ``compared_with`` is "reference" or "recent" (the days just before the window: a sudden change), the data from
    ``since_us`` to ``until_us`` (0: not known). It was significant in ``significant_windows`` of the last ``judged_windows``,
    this one included.
    """

    feature: str
    statistic: str
    value: float
    threshold: float
    p_value: float
    significant: bool
    statistics: dict[str, float] = field(default_factory=dict)
    missing: float = 0.0
    unseen: float = 0.0
    compared_with: str = "reference"
    since_us: int = 0
    until_us: int = 0
    significant_windows: int = 0
    judged_windows: int = 0
    grounds: Grounds = field(default_factory=Grounds)
    power: Power | None = None
    """None where nothing was tested, and in readings of releases that did not compute it."""
    before: WeeksBefore | None = None
    """None where the days before are of its own version, or the feature is not compared with them."""
    course: Course | None = None
    """None without usable rows, and in readings of releases that did not compute it."""
    contract: float | None = None
    """Share of rows that break the contract; None where it has none."""

    @property
    def blind(self) -> bool:
        """True where the feature cannot be judged: it varies so much by itself that a large change would not be found. What
        was found in spite of it is drift."""
        return self.power is not None and not self.power.enough and not self.significant

    @property
    def left_out(self) -> bool:
        """True where the feature was measured and not looked at: ``monitoring.ignore`` names it."""
        grounds = self.grounds
        return bool(self.statistic) and not self.significant and grounds.looked_at > 0 and not grounds.rank

    @property
    def times_threshold(self) -> float:
        """The value as a multiple of its threshold; 0 where there is none."""
        return self.value / self.threshold if self.threshold else 0.0


CONTRACT = "contract"
"""Fault of a feature whose rows break the contract in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityFinding:
    """The share of rows of a window in which a feature is ``missing``, its category ``unseen`` in the reference, or breaks its
    ``contract``; of the last windows together where ``grounds.together`` says so.

    Rows that break a contract are counted, not tested: their ``threshold`` is the contract's tolerance, and ``p_value`` is 0
    above it and 1 else.
    """

    feature: str
    fault: str
    value: float
    reference: float
    threshold: float
    p_value: float
    significant: bool
    significant_windows: int = 0
    judged_windows: int = 0
    grounds: Grounds = field(default_factory=Grounds)
    rule: str = ""
    """Rule of the contract that most of these rows break, in words; empty where none does."""
    rows: int = 0
    """Stored rows that were held against the contract: all of the window, or a sample of them."""

    @property
    def statistic(self) -> str:
        """Name of the figure: the fault."""
        return self.fault

    @property
    def words(self) -> str:
        """The fault as it follows the feature's name."""
        return f"outside of its contract ({self.rule})" if self.fault == CONTRACT else self.fault


@dataclass(frozen=True, slots=True, kw_only=True)
class _MetricFinding:
    """The primary metric of a window and of the reference, with intervals; None for a figure that is not defined."""

    metric: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reference: float | None = None
    reference_low: float | None = None
    reference_high: float | None = None

    @property
    def measured(self) -> MetricValue:
        """The metric in the window, NaN for a figure that is not known; without its number of rows."""
        return _metric_value(self.metric, self.value, self.low, self.high)

    @property
    def expected(self) -> MetricValue:
        """The metric in the reference, NaN for a figure that is not known; without its number of rows."""
        return _metric_value(self.metric, self.reference, self.reference_low, self.reference_high)


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceFinding(_MetricFinding):
    """The metric by a window's outcomes, with its 95 % interval; None with too few rows, or with one class alone.
    ``labelled_share``: of the window's rows, those whose outcome is known."""

    labelled_share: float
    significant: bool = False
    why: str = ""
    """Why the metric is not defined, where there are outcomes."""
    others: tuple[MetricValue, ...] = ()
    """The other metrics, where the primary one is not defined."""
    vanished: dict[str, float] = field(default_factory=dict)
    """Classes of the reference that no outcome holds, with their share there, where chance would hardly leave them out."""


class EstimateVerdict(StrEnum):
    """What the band of an estimate says of a change. It is shown and opens no alert."""

    WORSE = "worse"
    """The band excludes the reference, and the loss is large enough to count."""
    BETTER = "better"
    NO_LOSS = "no loss"
    """The band excludes every loss that counts."""
    CANNOT_TELL = "cannot tell"
    """The band excludes neither."""


def verdict_of_band(band: MetricValue, reference: float) -> EstimateVerdict:
    """What a band says of a change against a reference; CANNOT_TELL where a figure is NaN."""
    least = smallest_change(band.metric, reference)
    loss, *ends = (loss_against(band.metric, x, reference) for x in (band.value, band.low, band.high))
    if min(ends) > 0 and loss >= least:
        return EstimateVerdict.WORSE
    if max(ends) < 0:
        return EstimateVerdict.BETTER
    return EstimateVerdict.NO_LOSS if max(ends) < least else EstimateVerdict.CANNOT_TELL


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateFinding(_MetricFinding):
    """The metric as estimated without outcomes of the window, with its band; None where it cannot be, and ``why``.

    ``value`` is a mean of the forecasts in ``weights``, by how each did in the ``record`` windows before whose outcomes were
    known by then. ``inputs`` is the estimate from inputs and scores alone with the band of its assumptions, ``explained`` the
    same with the band of its own errors on record. Both are None in readings of releases without a record: their value was
    that estimate.
    """

    why: str = ""
    inputs: MetricValue | None = None
    explained: MetricValue | None = None
    weights: dict[str, float] = field(default_factory=dict)
    record: int = 0

    @property
    def from_inputs(self) -> MetricValue:
        """The estimate from inputs alone with its own band, NaN for a figure that is not known."""
        return self.inputs or self.measured

    @property
    def by_inputs(self) -> MetricValue:
        """What inputs explain: the estimate from them, with the band of its errors."""
        return self.explained or self.measured

    @property
    def verdict(self) -> "EstimateVerdict":
        """What the band says of a change against the reference: what it excludes."""
        return verdict_of_band(self.measured, known(self.reference))

    @property
    def significant(self) -> bool:
        """Never: an estimate is no evidence that outcomes have moved, and where inputs have moved drift says so."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficFinding:
    """Requests of a window. Percentiles are None without requests, the baseline before it was measured.

    ``slowdown`` is how many times longer the model's calls took than their processor time takes on the machine as it was when
    the version was loaded; None where the serving process does not say. ``machine_slow``: latency is beyond its threshold, and
    would not be without the slowdown; it is then no fault of the version.
    """

    requests: int
    errors: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    baseline_p95_ms: float | None
    latency_significant: bool
    errors_significant: bool
    slowdown: float | None = None
    machine_slow: bool = False

    @property
    def significant(self) -> bool:
        """True where latency or errors lie beyond their threshold."""
        return self.latency_significant or self.errors_significant


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveAway:
    """A feature by which a window can be told from the reference: what shuffling it costs, and the AUROC of it ``alone``."""

    feature: str
    drop: float
    alone: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MultivariateFinding:
    """Separation of a window from the reference by a domain classifier: AUROC, 0.5 where nothing differs.

    ``threshold`` is what windows of the reference itself do not exceed, ``usual`` what they have on average; these and
    ``p_value`` are None where the reference has too few days for windows of its own, and nothing is significant then.
    ``features``: the most telling first. ``reference``: the ``target``'s training rows, or all targets' ``pooled``.
    """

    auc: float
    low: float
    high: float
    usual: float | None
    threshold: float | None
    p_value: float | None
    features: tuple[GiveAway, ...]
    window_rows: int
    reference_rows: int
    null_windows: int
    reference: str = ""
    significant: bool = False


def known(value: float | None) -> float:
    """Figure for calculation: NaN where it is not known."""
    return math.nan if value is None else value


def finite_or_none(value: float) -> float | None:
    """Figure for storage: None where it is not known."""
    return value if math.isfinite(value) else None


def _metric_value(metric: str, value: float | None, low: float | None, high: float | None) -> MetricValue:
    return MetricValue(metric, known(value), known(low), known(high), 0)
