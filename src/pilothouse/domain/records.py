"""Records of the registry, as frozen values that screens and commands show. Times are aware datetimes in UTC."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pilothouse.domain.audit.entries import AuditEntry as AuditEntry
from pilothouse.domain.audit.entries import AuditHead as AuditHead
from pilothouse.domain.identity.persons import Author, folded
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.models.evaluation import ColumnSummary, GateResult, MetricValue, PortableForm
from pilothouse.domain.models.version_stage import Standing
from pilothouse.domain.promotion.break_glass import BrokenGlass
from pilothouse.domain.promotion.decisions import Comment, Decision
from pilothouse.domain.promotion.documents import RequestDocument, shown_digest
from pilothouse.domain.promotion.policies import EffectivePolicy
from pilothouse.domain.promotion.request_standing import (
    DeploymentEnd,
    IncumbentChange,
    RulesAtDecision,
    RulesInForce,
)
from pilothouse.domain.registered import Model as Model
from pilothouse.domain.registered import Target as Target


class VersionStatus(StrEnum):
    """Verdict of the gates on a version."""

    CANDIDATE = "candidate"  # passed every gate: its promotion can be requested
    REFUSED = "refused"  # failed a gate: it cannot be requested


class RequestStatus(StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    """Its version goes out by a plan: what became of it is the state of its roll-out."""
    DEPLOYED = "deployed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"


class AlertStatus(StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The exact rows of a run. ``content_digest`` covers the rows; ``artifact_digest`` the stored file."""

    content_digest: str
    artifact_digest: str
    source_digest: str
    rows: int
    training_rows: int
    holdout_rows: int
    first_row_at: datetime
    last_row_at: datetime
    trained_until: datetime
    columns: tuple[ColumnSummary, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """One training with all that is needed to repeat it. ``code``: commit, branch, dirty, diff_digest, folder_digest;
    ``environment``: python, platform, packages {name: version}, threads; ``fitted``: steps of the fitted model in words."""

    id: int
    model: str
    job_id: int
    spec_digest: str
    as_of: datetime | None
    parameters: dict[str, Any]
    seed: int
    started_by: str
    reason: str
    started_at: datetime
    ended_at: datetime
    duration_s: float
    peak_memory_mb: float
    code: dict[str, Any]
    environment: dict[str, Any]
    snapshot: Snapshot
    triggered_by_alert: int | None = None
    window_notes: tuple[str, ...] = ()
    """Targets whose windows will hold fewer rows than a verdict takes, by the rows it was trained on."""
    fitted: tuple[str, ...] = ()
    erased: tuple[str, ...] = ()
    """Lines about rows of its snapshot that were erased since."""


@dataclass(frozen=True, slots=True)
class Version:
    """A model version. Never changes; what runs where is a Deployment."""

    id: int
    model: str
    number: int
    run_id: int
    status: VersionStatus
    model_digest: str
    model_bytes: int
    schema_digest: str
    profile_spec_digest: str
    reference_digest: str
    predictions_digest: str
    created_at: datetime
    metrics: tuple[MetricValue, ...] = ()
    gates: tuple[GateResult, ...] = ()
    aliases: tuple[str, ...] = ()
    live_on: tuple[str, ...] = ()
    portable: PortableForm | None = None
    standing: Standing = field(default_factory=Standing)
    """Where it stands in its life, since when and by whom."""

    def metric(self, name: str, slice_: str = "") -> MetricValue | None:
        """The hold-out metric of that name, or None."""
        return next((m for m in self.metrics if m.metric == name and m.slice == slice_), None)


@dataclass(frozen=True, slots=True)
class PromotionRequest:
    """A request with its frozen evidence and policy."""

    id: int
    model: str
    version: int
    targets: tuple[str, ...]
    status: RequestStatus
    requested_by: str
    trained_by: str
    reason: str
    recorded_at: datetime
    expires_at: datetime
    closed_at: datetime | None
    policy: EffectivePolicy
    policy_digest: str
    evidence: dict[str, Any]
    evidence_digest: str
    decisions: tuple[Decision, ...] = ()
    comments: tuple[Comment, ...] = ()
    closed_by: str | None = None
    superseded_by: int | None = None
    outdated_by: tuple[IncumbentChange, ...] = ()
    """Changes since its evidence was frozen that make an open request undecidable."""
    ended_by: tuple[DeploymentEnd, ...] = ()
    """Of a deployed request: where its version is live no more, the newest last."""
    went_out: str = ""
    """Of an approved request: how its roll-out ended; empty while it has not."""
    authors: tuple[Author, ...] = ()
    """Everybody with a part in what it asks for, in sentences."""
    in_force: RulesInForce | None = None
    """Of an open request: what the rules in force ask of it now."""
    glass: BrokenGlass | None = None
    """How it was deployed without its approvals."""
    decided_by: RulesAtDecision | None = None
    """Of a closed request with decisions: the rules of the last one."""
    documents: tuple[RequestDocument, ...] = ()
    """Documents that were attached, in their order: of each name the newest counts."""

    @property
    def shown_digest(self) -> str:
        """Digest of what is shown, evidence and documents, by which an approver names it."""
        return shown_digest(self.evidence_digest, self.documents)

    @property
    def rules(self) -> EffectivePolicy:
        """Policy by which it is, or was, decided: the tighter of the frozen one and the one in force then."""
        in_force = self.in_force or self.decided_by
        return in_force.policy if in_force else self.policy

    @property
    def expires_by(self) -> datetime:
        """Time at which it expires by these rules."""
        return min(self.expires_at, self.recorded_at + timedelta(seconds=self.rules.expires))

    @property
    def approvals(self) -> int:
        """Persons who have approved it, as far as that counts now, or counted when it was decided."""
        given = {d.person or folded(d.actor) for d in self.decisions if d.verdict == "approve" and not d.void}
        return self.decided_by.approvals if self.decided_by else len(given)

    @property
    def approved_by(self) -> tuple[str, ...]:
        """Accounts whose approvals count, in order."""
        return tuple(dict.fromkeys(d.actor for d in self.decisions if d.verdict == "approve" and not d.void))

    @property
    def approvals_needed(self) -> int:
        """Approvals that deploy it: at least one, unless it went live without any."""
        went_live_alone = (
            self.status in (RequestStatus.APPROVED, RequestStatus.DEPLOYED) and not self.decisions
        )
        return max(0 if went_live_alone else 1, self.rules.needed)


@dataclass(frozen=True, slots=True)
class Deployment:
    """A version on a target, from ``effective_at`` until ``ended_effective_at`` (None: live now)."""

    id: int
    model: str
    version: int
    target: str
    kind: str
    """``promotion``, ``automatic`` or ``rollback``."""
    actor: str
    reason: str
    request_id: int | None
    recorded_at: datetime
    effective_at: datetime
    ended_at: datetime | None = None
    ended_effective_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RollBackStep:
    """Effect of a roll-back: on ``target`` version ``then`` replaces ``now``."""

    model: str
    target: str
    now: int
    then: int
    now_record: str = ""
    """State of what is live now: ``critical: mae 97.6, worse than its reference``; empty where it was not asked for."""
    then_record: str = ""
    """State of what it goes back to when that was last live there; ``then_was_bad`` where degraded or worse."""
    then_was_bad: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """Automatic deployment is off for a model until somebody lifts it."""

    id: int
    model: str
    reason: str
    set_by: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Job:
    id: int
    kind: str
    """One of ``job_kinds.KINDS``."""
    model: str
    status: JobStatus
    step: str
    progress: float
    message: str
    created_by: str
    reason: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    attempt: int
    options: dict[str, Any]
    error: str = ""
    version: int | None = None
    """The version that it produced, or that it was about."""
    result: dict[str, Any] = field(default_factory=dict)
    trigger_key: str = ""
    priority: int = 0
    not_before: datetime | None = None
    """A waiting job is not started earlier: the back-off after a failure."""
    deadline: datetime | None = None
    failures: int = 0
    """Attempts that failed in a way that allowed another one."""
    max_attempts: int = 3
    parent: int | None = None
    """The training whose trial it is."""
    after: tuple[int, ...] = ()
    """Jobs that it waits for."""
    refused_by: tuple[str, ...] = ()
    """The gates that refused the version which it trained."""


@dataclass(frozen=True, slots=True)
class Alert:
    """Alert, with the reason why it fired in ``figures`` and ``explanation``."""

    id: int
    model: str
    version: int
    target: str
    kind: str
    subject: str
    """The feature, metric or percentile that it is about."""
    severity: str
    """``warning`` or ``critical``."""
    status: AlertStatus
    effective_at: datetime
    recorded_at: datetime
    summary: str
    explanation: str
    figures: dict[str, float]
    handled_by: str = ""
    handled_at: datetime | None = None
    resolved_at: datetime | None = None
    retrain_job: int | None = None
    features: tuple[str, ...] = ()
    """The features that it names, the farthest from its threshold first; empty where it is about none."""
    incident: int | None = None
    joined_because: str = ""
    """Reason why it joined that incident; empty for the alert that opened it."""
    note: str = ""
    """Remark of whoever handled it last."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule of a model. ``next_times`` are nominal times to come."""

    id: int
    model: str
    name: str
    action: str
    expression: str
    timezone: str
    paused: bool
    last_nominal: datetime | None
    last_outcome: str
    next_times: tuple[datetime, ...] = ()
    jitter_s: int = 0
    catch_up: str = "once"
