"""What the held-out rows show of a version, as the figures that its pictures are drawn from.

Counts and means of many rows alone: no row can be read back. Every point of a curve is a point of the exact curve; of long
curves some are left out.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.bounded_json import JsonError, parse_json
from pilothouse.domain.models.dataclass_reader import read_dataclass

FILE = "pictures"
"""Name of the file among those of a run."""
FORM = 1
"""Form of the file; a reader of another one says so."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """Rows of one class against all others at a threshold: taken for the class where the score is at least that."""

    threshold: float
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @property
    def precision(self) -> float | None:
        """Share of the class among the rows that are taken for it; None where none is."""
        taken = self.true_positives + self.false_positives
        return self.true_positives / taken if taken else None

    @property
    def recall(self) -> float | None:
        """Share of the class's rows that are taken for it; None where there is none."""
        rows = self.true_positives + self.false_negatives
        return self.true_positives / rows if rows else None


@dataclass(frozen=True, slots=True)
class ClassCurve:
    """One class against all others. ``true_positives[i]`` and ``false_positives[i]`` count the rows whose score is at least
    ``thresholds[i]``; thresholds fall. ``auc`` and ``average_precision`` are of all points, not of those kept."""

    name: str
    positives: int
    negatives: int
    auc: float
    average_precision: float
    thresholds: tuple[float, ...]
    true_positives: tuple[int, ...]
    false_positives: tuple[int, ...]

    def at(self, index: int) -> Confusion:
        """Counts at the threshold ``index``; those beyond the ends are the ends'."""
        i = max(0, min(index, len(self.thresholds) - 1))
        tp, fp = self.true_positives[i], self.false_positives[i]
        return Confusion(self.thresholds[i], tp, fp, self.positives - tp, self.negatives - fp)

    def nearest(self, threshold: float) -> int:
        """Index of the smallest kept threshold that is not below ``threshold``; 0 where all are below it."""
        rising = [-value for value in self.thresholds]
        return max(0, bisect_left(rising, -threshold + 1e-15) - 1) if self.thresholds else 0


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Rows with scores of one range: their mean score, and the share of them that were of the class."""

    mean_score: float
    observed: float
    rows: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """Reliability of the scores of one class, in bins of equal width."""

    name: str
    bins: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, slots=True)
class Histogram:
    """Rows by value: ``counts[i]`` between ``edges[i]`` and ``edges[i + 1]``; the last bin holds its upper edge."""

    name: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """Figures of one class by the label that the version answers. A figure that is not defined is None."""

    name: str
    rows: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True, slots=True)
class PredictedBin:
    """Rows with predictions of one range: mean prediction, mean outcome, and the outcomes' 10th and 90th percentile."""

    predicted: float
    actual: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True, slots=True)
class Residuals:
    """Outcome less prediction, row by row: mean, standard deviation, median, and a histogram."""

    mean: float
    deviation: float
    median: float
    histogram: Histogram
    bins: tuple[PredictedBin, ...]


@dataclass(frozen=True, slots=True)
class Importance:
    """Loss of the primary metric when a feature is shuffled, with the 95 % interval over shuffles."""

    feature: str
    loss: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class DependenceLine:
    """Mean answer at each value of the feature: of a class, its probability."""

    name: str
    answers: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Dependence:
    """Partial dependence of the answer on one feature. One of ``numbers`` and ``texts`` holds the feature's values."""

    feature: str
    numbers: tuple[float, ...]
    texts: tuple[str, ...]
    lines: tuple[DependenceLine, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class ModelPictures:
    """Figures of a version on its held-out rows. What the task does not have is empty."""

    form: int
    task: str
    rows: int
    classes: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    """Rows by true class (rows) and answered class (columns), in the order of ``classes``."""
    figures: tuple[ClassFigures, ...] = ()
    curves: tuple[ClassCurve, ...] = ()
    reliability: tuple[Reliability, ...] = ()
    scores: tuple[Histogram, ...] = ()
    """Scores of a binary task by true class; for more classes the score of the answered one, of right and wrong answers."""
    residuals: Residuals | None = None
    importance: tuple[Importance, ...] = ()
    dependence: tuple[Dependence, ...] = ()


@dataclass(frozen=True, slots=True)
class ComparedPictures:
    """Pictures of a version (None where its training kept none), beside those of its model's champion where that is another
    version that has some. ``same_rows``: both were measured on the same held-out rows. ``fault``: why a file of one of them
    cannot be read."""

    version: int
    own: ModelPictures | None
    champion: int | None = None
    champions: ModelPictures | None = None
    same_rows: bool = False
    fault: str = ""


def read_pictures(data: bytes) -> ModelPictures:
    """Figures from the file that a training left. Raises IntegrityError."""
    try:
        plain = parse_json(data)
    except JsonError as error:
        raise IntegrityError(f"pictures of a version: {error}") from None
    if isinstance(plain, Mapping) and plain.get("form") != FORM:
        raise IntegrityError(
            f"pictures of a version: form {str(plain.get('form'))[:20]}; expected {FORM}: written by another release"
        )
    problems: list[str] = []
    pictures = read_dataclass(ModelPictures, plain, "pictures", problems)
    if pictures is None:
        raise IntegrityError(f"pictures of a version: {problems[0]}")
    return pictures
