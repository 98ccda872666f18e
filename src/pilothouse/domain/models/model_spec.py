"""Specification of a model (``model.toml``) as frozen values. ``model_file`` reads and checks it; field names are its keys.

Durations are written ``"90d"``, ``"6h"``, ``"15m"``, ``"30s"`` in the file and are seconds here.
"""

from dataclasses import dataclass, field
from typing import Literal

from pilothouse.domain.jobs.jobs import RetryOn
from pilothouse.domain.models.contract import ColumnRule
from pilothouse.domain.models.spec_keys import Duration as Duration

Task = Literal["binary", "multiclass", "regression"]
Direction = Literal["higher", "lower"]
RiskTier = Literal["high", "medium", "low"]
AlertKind = Literal["data_drift", "score_drift", "performance", "latency", "data_quality", "errors"]

Scalar = str | int | float | bool

METRICS: dict[str, tuple[Direction, tuple[Task, ...]]] = {
    "auc": ("higher", ("binary", "multiclass")),
    "average_precision": ("higher", ("binary",)),
    "accuracy": ("higher", ("binary", "multiclass")),
    "precision": ("higher", ("binary", "multiclass")),
    "recall": ("higher", ("binary", "multiclass")),
    "f1": ("higher", ("binary", "multiclass")),
    "log_loss": ("lower", ("binary", "multiclass")),
    "brier": ("lower", ("binary",)),
    "calibration_error": ("lower", ("binary",)),
    "mae": ("lower", ("regression",)),
    "rmse": ("lower", ("regression",)),
    "r2": ("higher", ("regression",)),
}
"""Each metric: which direction is better, and the tasks for which it is defined."""

SHOWN_ONLY: dict[Task, tuple[str, ...]] = {"binary": (), "multiclass": (), "regression": ("bias",)}
"""Figures that are shown beside the metrics and judge nothing: neither more nor less of a bias is better."""

NOT_WATCHED: dict[Task, tuple[str, ...]] = {"binary": (), "multiclass": ("auc", "log_loss"), "regression": ()}
"""Metrics that telemetry cannot give: of several classes it carries the winning one's probability alone."""

PRIMARY_METRIC: dict[Task, str] = {"binary": "auc", "multiclass": "accuracy", "regression": "mae"}
"""The metric that health, charts and the comparison with what is live use, unless the file names another."""


def primary_metric(task: Task, named: str | None) -> str:
    """The metric that health and comparison use: the one that the model file names, else that of the task."""
    return named or PRIMARY_METRIC[task]


def higher_is_better(metric: str) -> bool:
    """The direction of a metric; True for a metric of a newer release."""
    return METRICS.get(metric, ("higher", ()))[0] == "higher"


@dataclass(frozen=True, slots=True)
class CsvSpec:
    """``[data.csv]``: the dialect of csv files. What is empty is found out from the file's beginning, and said."""

    delimiter: str = ""
    """One character between fields."""
    decimal: str = ""
    """``.`` or ``,``."""
    thousands: str = ""
    """Character between groups of three digits."""
    encoding: str = ""
    """Name of an encoding, e.g. ``latin-1``."""
    quote: str = ""
    """One character around a field that holds delimiters or line breaks."""


@dataclass(frozen=True, slots=True)
class ConnectionSpec:
    """``[data.connection]``: how a source by URL is reached, and which of its versions is read."""

    credentials: str | None = None
    """``env:NAME``, a variable of the daemon's environment, or ``file:PATH``: where the secret is, never the secret."""
    version: int | str | None = None
    """Version of a Delta Lake table, snapshot id of an Iceberg table, version id of an object; the newest where absent."""
    timeout: Duration = Duration(600)
    """Of one statement on a database server, and of a connection's answers."""


@dataclass(frozen=True, slots=True)
class DataSpec:
    """``[data]``: where rows come from and what each column is."""

    source: str
    """A path relative to the model's folder (a file or a folder of dated files), or a URL (``source_url``)."""
    target: str
    timestamp: str
    features: tuple[str, ...]
    query: str | None = None
    """The SELECT for a source in a database; required there and refused elsewhere."""
    timezone: str | None = None
    """IANA name for naive timestamps; required where the source's timestamps carry no zone."""
    categoricals: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    """Columns never stored: not in snapshots, not in telemetry. They cannot be features."""
    slices: tuple[str, ...] = ()
    """Columns (features or carried along) by which metrics are cut, e.g. ``origin``."""
    outcome_delay: Duration = Duration(0)
    """A row's outcome is known this long after its timestamp."""
    holdout: Duration = Duration(14 * 86_400)
    """The newest rows, in time, kept from training to judge the version."""
    lookback: Duration | None = None
    """Only rows this long before ``as_of`` are used; all where absent."""
    missing: tuple[str, ...] | None = None
    """Words that mean missing, in place of the usual ones; an empty field is missing in any case."""
    csv: CsvSpec | None = None
    connection: ConnectionSpec | None = None


@dataclass(frozen=True, slots=True)
class SearchSpec:
    """``[training.search]``: a randomised search, scored on time-ordered folds of the training rows; a job a candidate."""

    parameters: dict[str, tuple[Scalar, ...]]
    candidates: int = 8
    folds: int = 3
    early_stopping: bool = True
    """Successive halving: all candidates on the newest fold, the better half on one fold more, and so on."""


@dataclass(frozen=True, slots=True)
class PreprocessingSpec:
    """``[training.preprocessing]``: what is done to the features before the estimator; ``auto``: what it does not do itself."""

    impute: Literal["auto", "none", "median", "mean"] = "auto"
    """What missing numbers are filled with."""
    scale: Literal["auto", "none", "standard"] = "auto"
    """``standard``: numbers are centred and scaled to unit variance."""
    categories: Literal["auto", "native", "ordinal", "one-hot"] = "auto"
    """``native``: the estimator splits on categories; ``ordinal``: their codes are numbers to it."""


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """``[training]``: an estimator by dotted name with parameters, or ``function = "train.py:fit"``. One of the two."""

    estimator: str | None = None
    parameters: dict[str, Scalar] = field(default_factory=dict)
    function: str | None = None
    preprocessing: PreprocessingSpec | None = None
    """None: as ``auto``, but codes of categories are numbers to every estimator, as before there was this table."""
    search: SearchSpec | None = None
    seed: int = 0
    timeout: Duration = Duration(3_600)
    cpu_time: Duration | None = None
    """Processor time of all processes of a step together."""
    memory_mb: int = 4_096
    threads: int = 2
    """Threads, and processors of the machine that a job's processes may run on."""
    concurrency: int = 4
    """Jobs of this model that run at once, trials of a search among them."""
    retries: int = 2
    """Further attempts of a job after a failure of a kind in ``retry_on``."""
    retry_after: Duration = Duration(30)
    """Before the first of them; doubled each time, an hour at most."""
    retry_on: tuple[RetryOn, ...] = ("lost", "killed", "disk full", "source")


@dataclass(frozen=True, slots=True)
class MetricBound:
    """``[[gates.metric]]``: a bound on the hold-out, for all rows or for every value of ``slice``."""

    metric: str
    minimum: float | None = None
    maximum: float | None = None
    slice: str | None = None
    minimum_rows: int = 200
    """Slices with fewer rows are reported and not judged. Where all rows are fewer, a pass whose interval reaches beyond the
    bound says so."""


@dataclass(frozen=True, slots=True)
class ComparisonGate:
    """``[gates.comparison]``: not worse than what is live, or better, on rows that neither was trained on."""

    margin: float = 0.005
    """Margin in units of the metric: the challenger fails when the paired interval lies wholly beyond it on the worse side."""
    metric: str | None = None
    confidence: float = 0.95
    minimum_rows: int = 500
    block: Duration | None = None
    """Length of the blocks of time that the interval draws whole: a day where None. Shorter where the rows span too few."""
    require: Literal["not worse", "better"] | None = None
    """``better``: the challenger passes only where the whole interval lies on the better side. ``not worse`` where None."""


@dataclass(frozen=True, slots=True)
class LatencyGate:
    """``[gates.latency]``: the budget of one prediction of one row, in milliseconds."""

    p95_ms: float
    repeats: int = 50


@dataclass(frozen=True, slots=True)
class DataGate:
    """``[gates.data]``: checks on the rows themselves."""

    minimum_rows: int = 100
    maximum_missing: float = 0.5
    maximum_duplicates: float = 0.01
    leakage_auc: float = 0.98
    """A single feature that alone ranks the target this well (or |Spearman| for a regression) is taken for a leak."""


@dataclass(frozen=True, slots=True)
class GatesSpec:
    """``[gates]``: what a version must pass before anybody can ask for its promotion."""

    metric: tuple[MetricBound, ...] = ()
    comparison: ComparisonGate | None = ComparisonGate()
    latency: LatencyGate | None = None
    data: DataGate = DataGate()
    model_size_mb: float | None = None
    portable: bool | None = None
    """A version must have a portable form that answers equal to the bit; without it the form is made where it can be."""
    function: str | None = None
    """``gate.py:check``, called in a process of its own with the hold-out, the predictions and the metrics."""


@dataclass(frozen=True, slots=True)
class PromotionSpec:
    """``[promotion]``: the policy. The workspace's policy is a floor under it."""

    approvals: int = 1
    four_eyes: bool = True
    automatic: bool = False
    """A version that passes every gate deploys without human hands."""
    expires: Duration = Duration(7 * 86_400)
    signature: Literal["none", "passphrase", "key", "hardware-key"] | None = None
    """Second component of every decision (``domain.statements.Component``); None: as the workspace says."""
    teams: dict[str, int] | None = None
    """Approvals needed of each team; one person stands for one team. The workspace may ask for more."""
    documents: tuple[str, ...] | None = None
    """Documents that must be attached to a request before somebody approves it. The workspace may ask for more."""
    plan: str | None = None
    """Plan of ``plans.toml`` by which its versions go out; None: all targets at once, or as the workspace says."""
    replay: Duration | None = None
    """A version is requested only once it has been replayed over so much recorded traffic, against what is live."""


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """``[[targets]]``: a target on which a version runs, listed or selected (``target_selection``).

    Region, product and business unit are described in ``targets.toml``; a model file may say the same.
    """

    name: str
    region: str = ""
    product: str = ""
    business_unit: str = ""
    match: dict[str, Scalar] = field(default_factory=dict)
    """Column values that mark this target's rows in the training data, e.g. ``{origin = "EWR"}``: its reference."""


@dataclass(frozen=True, slots=True)
class MonitoringSpec:
    """``[monitoring]``: windows on event time, and how often they must be significant before an alert opens."""

    window: Duration = Duration(7 * 86_400)
    step: Duration = Duration(7 * 86_400)
    performance_window: Duration = Duration(28 * 86_400)
    performance_step: Duration = Duration(7 * 86_400)
    metric: str | None = None
    minimum_rows: int = 300
    fire: int = 2
    of: int = 3
    """An alert opens when ``fire`` of the last ``of`` windows are significant; it resolves after ``of`` quiet ones."""
    false_alarm_rate: float = 0.01
    latency_factor: float = 3.0
    """p95 beyond this multiple of the baseline measured on the same machine."""
    silence: Duration = Duration(3_600)
    ignore: tuple[str, ...] = ()
    """Features whose drift is shown and never alerts (the calendar drifts by construction)."""
    keep_rows: Duration | None = None
    """Time for which rows of predictions are kept after they came; the workspace's setting where absent."""


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """``[[automation.schedule]]``: something done by the clock; ``cron``, ``every`` or ``at``, one of the three."""

    name: str
    cron: str | None = None
    every: Duration | None = None
    at: str | None = None
    """Once, ``2026-12-24T06:00``, in ``timezone`` where it names no offset of its own."""
    timezone: str = "UTC"
    action: Literal["train", "monitor", "backup", "retention", "multivariate"] = "train"
    jitter: Duration = Duration(0)
    """Each run is put off by up to this, always the same for one nominal time: many schedules need not start as one."""
    catch_up: Literal["all", "once", "skip"] = "once"
    """Times that passed while nothing ran: run each, run the newest for all of them, or none."""


@dataclass(frozen=True, slots=True)
class TriggerSpec:
    """``[[automation.trigger]]``: a training when something has happened."""

    name: str
    on: Literal["data", "version"]
    """New data under the model's source, or a version of ``model`` reaching ``state``."""
    model: str | None = None
    state: Literal["candidate", "deployed"] = "deployed"
    quiet: Duration = Duration(60)
    """New data counts once the source has not changed for so long."""
    every: Duration = Duration(3_600)
    """How often a source by URL is asked; files, SQLite and DuckDB are looked at all the time."""
    cooldown: Duration = Duration(3_600)
    """Between two trainings that this trigger starts, by the wall clock."""


@dataclass(frozen=True, slots=True)
class AutomationSpec:
    """``[automation]``: which alerts start a retraining, how often at most, and what follows."""

    retrain_on: tuple[AlertKind, ...] = ()
    cooldown: Duration = Duration(14 * 86_400)
    """Event time between two retrainings that alerts started."""
    budget_per_30d: int = 4
    budget_per_day: int = 6
    """Trainings that alerts and triggers start in 24 hours of the wall clock, all together."""
    request: bool = True
    """File a promotion request for a version that alerts or schedules trained and that passed its gates."""
    schedule: tuple[ScheduleSpec, ...] = ()
    trigger: tuple[TriggerSpec, ...] = ()


@dataclass(frozen=True, slots=True)
class InventorySpec:
    """``[inventory]``: what a register of models asks of each one, for those who did not build it."""

    risk_tier: RiskTier | None = None
    intended_use: str = ""
    not_intended_for: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    """Known limitations."""
    users: tuple[str, ...] = ()
    """Who acts on its predictions."""
    validator: str = ""
    """Who reviews it: another person than the owner where four eyes holds."""
    next_review: str = ""
    """Date by which it is reviewed, ``2027-03-31``; a review that is recorded later says the next one."""
    retired: str = ""
    """Why it is no longer in use: it takes no training, request or deployment then."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One ``model.toml``."""

    name: str
    task: Task
    owner: str
    data: DataSpec
    training: TrainingSpec
    targets: tuple[TargetSpec, ...]
    description: str = ""
    gates: GatesSpec = GatesSpec()
    promotion: PromotionSpec = PromotionSpec()
    monitoring: MonitoringSpec = MonitoringSpec()
    automation: AutomationSpec = AutomationSpec()
    inventory: InventorySpec | None = None
    contract: dict[str, ColumnRule] | None = None

    @property
    def primary_metric(self) -> str:
        """The metric that health and comparison use."""
        return primary_metric(self.task, self.monitoring.metric)
