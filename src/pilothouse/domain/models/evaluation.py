"""Results of judging a version: metrics with intervals, and gates with figures and reasons."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pilothouse.domain.models.model_spec import higher_is_better

SMALLEST_LOSS = 0.01
"""Least fall of a metric that is better when higher that counts."""
SMALLEST_RISE = 0.03
"""Least rise of a loss that counts, as a share of its reference value."""


ENOUGH_ROWS = "enough_rows"
"""Figure of a gate on a metric whose interval reaches beyond the bound: rows from which that is not said beside the verdict."""


class GateOutcome(StrEnum):
    """``NOT_COMPARABLE`` does not fail a version: it says that there was nothing to compare it with."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True, slots=True)
class MetricValue:
    """A metric on some rows, with its confidence interval. ``slice`` is empty for all rows, else ``origin=JFK``."""

    metric: str
    value: float
    low: float
    high: float
    rows: int
    slice: str = ""


@dataclass(frozen=True, slots=True)
class GateResult:
    """Verdict of one gate, with its figures, its bound and the reason."""

    gate: str
    outcome: GateOutcome
    reason: str
    figures: dict[str, float] = field(default_factory=dict)
    bound: str = ""

    @property
    def doubt(self) -> str:
        """What to say beside a verdict that passed (``doubt_of``): whoever approves should look. Empty where nothing is."""
        return doubt_of(self.outcome, self.figures)


@dataclass(frozen=True, slots=True)
class PortableForm:
    """Portable form of a version's model, or why it has none. ``rows``: on how many it was compared with scikit-learn, to the
    bit; ``made_with``: versions of the libraries that it was made and compared with."""

    digest: str | None
    bytes: int
    reason: str
    """Why there is none; empty where there is one."""
    rows: int
    made_with: dict[str, str] = field(default_factory=dict)

    @property
    def tied(self) -> str:
        """``tied to scikit-learn 1.9.x: why``, empty where there is a portable form."""
        if self.digest is not None:
            return ""
        release = ".".join(self.made_with.get("scikit-learn", "?").split(".")[:2])
        return f"tied to scikit-learn {release}.x: {self.reason}"


@dataclass(frozen=True, slots=True)
class ColumnSummary:
    """One column of a snapshot. Numeric columns have the moments, categorical ones their most frequent values."""

    name: str
    kind: str
    missing: int
    distinct: int
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    deviation: float | None = None
    frequent: dict[str, int] = field(default_factory=dict)


LEAKAGE_MEASURES = {"binary": "AUC", "multiclass": "balanced accuracy", "regression": "|Spearman|"}
"""Measure by task of how well a single feature tells the outcome; each is 1 where it tells it wholly."""


def leakage_by_chance(task: str, classes: int) -> float:
    """Value of the task's measure of leakage for a feature that tells nothing."""
    if task == "regression":
        return 0.0
    return 1 / max(2, classes) if task == "multiclass" else 0.5


def doubt_of(outcome: str, figures: Mapping[str, object]) -> str:
    """``worse`` of a comparison that passed although its figure is on the worse side; ``few rows`` of a bound on a metric that
    passed on fewer rows than are enough, with an interval that reaches beyond the bound."""
    if outcome != GateOutcome.PASSED:
        return ""
    difference, rows, enough = (figures.get(name) for name in ("difference", "rows", ENOUGH_ROWS))
    if isinstance(difference, int | float) and difference < 0:
        return "worse"
    if isinstance(rows, int | float) and isinstance(enough, int | float) and rows < enough:
        return "few rows"
    return ""


def smallest_change(metric: str, reference: float) -> float:
    """Smallest change of a metric that counts, in its own unit."""
    return SMALLEST_LOSS if higher_is_better(metric) else SMALLEST_RISE * abs(reference)


def loss_against(metric: str, value: float, reference: float) -> float:
    """Loss of a value against a reference, in the metric's own unit; negative where it is better."""
    return reference - value if higher_is_better(metric) else value - reference


@dataclass(frozen=True, slots=True)
class ComparedRows:
    """How the answers of an ONNX file differ from the version's own on rows of one kind (``hold-out, complete``)."""

    kind: str
    rows: int
    labels: int
    """Rows with another label; none of a regression."""
    unanswered: int
    """Rows that the file refuses, or answers with what is no number."""
    largest: float
    """Largest difference of a probability, or of a regression's value."""
    moved: int = 0
    """Rows with the same label, of which a probability is off by more than a hundredth."""

    @property
    def differing(self) -> int:
        """Rows that are answered otherwise. Where a hundredth of the rows or fewer have moved, that is a number which lies next
        to a threshold, and does not count."""
        return self.labels + self.unanswered + (self.moved if 100 * self.moved > self.rows else 0)
