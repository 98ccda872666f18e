"""What a program is told of models, versions, jobs, requests and findings: small frozen values, times aware in UTC.

They are the package's own, so that a program does not depend on how the registry keeps its records. In a notebook they show
themselves as tables and pictures.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from pilothouse.api.showing import Shown, table_html
from pilothouse.domain.identifiers import version_uri


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of a version on the hold-out, with its 95 % confidence interval. ``slice`` is empty for all rows, else
    ``origin=JFK``."""

    name: str
    value: float
    low: float
    high: float
    rows: int
    slice: str = ""


@dataclass(frozen=True, slots=True)
class Gate:
    """Verdict of one gate, with its reason."""

    name: str
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class Model(Shown):
    """A model as applied. ``aliases`` name versions by number."""

    _ROW: ClassVar = ("name", "task", "owner", "targets", "aliases")

    name: str
    task: str
    owner: str
    description: str
    targets: tuple[str, ...]
    aliases: dict[str, int]

    def _html(self) -> str:
        aliases = " ".join(f"@{name} = {number}" for name, number in sorted(self.aliases.items()))
        facts = [
            ("task", self.task), ("owner", self.owner), ("description", self.description),
            ("targets", " ".join(self.targets)), ("aliases", aliases),
        ]  # fmt: skip
        return table_html(self.name, (), facts)


@dataclass(frozen=True, slots=True)
class Version(Shown):
    """A version of a model. ``status`` is the gates' verdict (``candidate`` or ``refused``), ``stage`` where it stands in its
    life, in words."""

    _ROW: ClassVar = ("number", "stage", "created_at", "trained_by", "metrics", "aliases", "live_on")

    model: str
    number: int
    status: str
    stage: str
    created_at: datetime
    trained_by: str
    reason: str
    parameters: dict[str, Any]
    metrics: tuple[Metric, ...]
    gates: tuple[Gate, ...]
    aliases: tuple[str, ...]
    live_on: tuple[str, ...]
    portable: bool
    """True where it has a portable form, which is evaluated without scikit-learn."""
    picture: str = field(default="", repr=False, compare=False)
    """The primary metric of the model's versions up to this one, as SVG; empty in lists."""

    @property
    def uri(self) -> str:
        """``models:/NAME/NUMBER``."""
        return version_uri(self.model, self.number)

    def metric(self, name: str, slice: str = "") -> float | None:  # noqa: A002 - as the field is called
        """Value of a metric on the hold-out, or on a slice of it; None where it has none."""
        return next((m.value for m in self.metrics if m.name == name and m.slice == slice), None)

    def _html(self) -> str:
        metrics = [
            (m.name, m.slice or "hold-out", f"{m.value:.4f}", f"{m.low:.4f} to {m.high:.4f}", f"{m.rows:,}")
            for m in self.metrics
        ]
        facts = [
            ("stage", self.stage),
            ("live on", " ".join(self.live_on) or "nowhere"),
            (
                "trained",
                f"{self.created_at:%Y-%m-%d %H:%M} UTC by {self.trained_by}: {self.reason or 'no reason given'}",
            ),
        ]
        return (
            table_html(self.uri, (), facts)
            + table_html("", ("metric", "rows of", "value", "95 % interval", "rows"), metrics)
            + table_html(
                "", ("gate", "verdict", "reason"), [(g.name, g.outcome, g.reason) for g in self.gates]
            )
            + self.picture
        )


@dataclass(frozen=True, slots=True)
class Job(Shown):
    """A job of the daemon. ``progress`` runs from 0 to 1; ``version`` is the one that it made or was about."""

    _ROW: ClassVar = (
        "number",
        "kind",
        "model",
        "status",
        "step",
        "progress",
        "version",
        "created_by",
        "created_at",
        "error",
    )

    number: int
    kind: str
    model: str
    status: str
    step: str
    progress: float
    message: str
    created_by: str
    reason: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    error: str
    version: int | None

    @property
    def ended(self) -> bool:
        """True once it has ended, whatever its end."""
        return self.ended_at is not None

    @property
    def succeeded(self) -> bool:
        """True where it has ended well. A training whose version a gate refused has not."""
        return self.status == "succeeded"

    def _html(self) -> str:
        facts = [
            ("status", self.status), ("step", f"{self.step} {self.progress:.0%} {self.message}"),
            ("version", "" if self.version is None else str(self.version)), ("reason", self.reason), ("error", self.error),
        ]  # fmt: skip
        return table_html(f"job {self.number}: {self.kind} {self.model}", (), facts)


@dataclass(frozen=True, slots=True)
class Request(Shown):
    """A promotion request. What a person decides on it is decided at the console or the command line."""

    _ROW: ClassVar = (
        "number",
        "model",
        "version",
        "targets",
        "status",
        "requested_by",
        "reason",
        "created_at",
    )

    number: int
    model: str
    version: int
    targets: tuple[str, ...]
    status: str
    requested_by: str
    reason: str
    created_at: datetime
    expires_at: datetime
    closed_at: datetime | None

    @property
    def open(self) -> bool:
        """True while it waits for a decision."""
        return self.status == "open"

    def _html(self) -> str:
        facts = [
            ("status", self.status), ("version", version_uri(self.model, self.version)), ("targets", " ".join(self.targets)),
            ("requested by", self.requested_by), ("reason", self.reason),
        ]  # fmt: skip
        return table_html(f"request {self.number}", (), facts)


@dataclass(frozen=True, slots=True)
class Finding(Shown):
    """Drift of one feature (or ``score``) in the newest closed window of a model on a target.

    ``verdict`` says it in words; ``drifts``: the value reached its threshold in a window that has a verdict. ``missing`` and
    ``unseen`` are shares of the window's rows.
    """

    _ROW: ClassVar = (
        "feature",
        "verdict",
        "drifts",
        "value",
        "threshold",
        "p_value",
        "rows",
        "missing",
        "unseen",
    )

    model: str
    target: str
    version: int | None
    feature: str
    window_start: datetime
    window_end: datetime
    rows: int
    statistic: str
    value: float
    threshold: float
    p_value: float
    drifts: bool
    verdict: str
    missing: float
    unseen: float
    picture: str = field(default="", repr=False, compare=False)
    """The feature over all windows, as SVG; empty in lists."""

    def _html(self) -> str:
        window = (
            f"{self.window_start:%Y-%m-%d %H:%M} to {self.window_end:%Y-%m-%d %H:%M} UTC, {self.rows:,} rows"
        )
        facts = [
            ("verdict", self.verdict), ("window", window),
            (self.statistic or "statistic", f"{self.value:.4f}, threshold {self.threshold:.4f}, p {self.p_value:.3g}"),
            ("missing", f"{self.missing:.1%}"), ("unseen", f"{self.unseen:.1%}"),
        ]  # fmt: skip
        return table_html(f"{self.feature} of {self.model} on {self.target}", (), facts) + self.picture
