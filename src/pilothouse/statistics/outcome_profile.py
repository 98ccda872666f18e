"""What became known of a window's predictions, as sums: score counts by true class, confusion, sums of errors.

Every sum is an integer (fixed point, 2^-20), so that merging is exact and associative; Python's integers do not overflow.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pilothouse.domain.errors import IntegrityError, InvalidInputError

from .arrays import AnyArray, Flags, Floats, Ints, frozen
from .classes import class_codes
from .encoding import pack, unpack
from .profile import place
from .specification import ProfileSpecification

POINT = 1 << 20
"""Sums are in units of 1 / POINT."""
_LARGEST = float(1 << 40)
"""One row's contribution saturates here, so that a batch of eight million rows fits in 64 bits."""
SMALLEST_PROBABILITY = 1e-15
"""Probabilities are kept this far from 0 and 1 where their logarithm is taken."""

CLASSIFICATION_SUMS = ("brier", "brier²", "log_loss", "log_loss²")
REGRESSION_SUMS = ("e", "|e|", "e²", "e⁴", "y", "y²", "y³", "y⁴", "e²y", "e²y²")
"""e is prediction minus truth, y truth minus the specification's centre, both in units of its scale."""


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeProfile:
    """``rows`` with a usable truth and score; ``unusable`` had an unknown class, or no number.

    ``cells`` and ``counts`` (int64[k], sparse) hold the score's histogram: for a binary task the negatives' bins and,
    ``bins`` further on, the positives'; empty for other tasks. ``confusion`` is int64[classes, classes], true class by
    predicted class; ``sums`` are in the order of CLASSIFICATION_SUMS (binary alone) or REGRESSION_SUMS.
    """

    rows: int
    unusable: int
    cells: Ints
    counts: Ints
    confusion: Ints
    sums: tuple[int, ...]


def empty_outcomes(specification: ProfileSpecification) -> OutcomeProfile:
    """The profile of no outcomes."""
    none = frozen(np.empty(0, np.int64))
    classes = len(specification.classes)
    return OutcomeProfile(
        0, 0, none, none, frozen(np.zeros((classes, classes), np.int64)), (0,) * _sum_count(specification)
    )


def profile_outcomes(
    specification: ProfileSpecification,
    scores: Floats,
    labels: Sequence[object] | AnyArray,
    truth: Sequence[object] | AnyArray,
) -> OutcomeProfile:
    """Sum rows up: ``scores`` float64[n], ``labels`` the predicted classes (empty for a regression), ``truth`` the
    true classes as text or number (1, 1.0 and "1" are one class) or the true values. Raises InvalidInputError where
    the lengths differ.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if len(truth) != len(scores) or (specification.classes and len(labels) != len(scores)):
        raise InvalidInputError(
            f"outcomes: {len(scores)} scores, {len(labels)} labels and {len(truth)} truths; expected as many of each"
        )
    if specification.task == "regression":
        return _regression(specification, scores, _as_numbers(truth))
    true, predicted = class_codes(specification.classes, truth), class_codes(specification.classes, labels)
    usable = (true >= 0) & (predicted >= 0) & np.isfinite(scores)
    true, predicted, scores = true[usable], predicted[usable], scores[usable]
    classes = len(specification.classes)
    confusion = np.bincount(true * classes + predicted, minlength=classes * classes).reshape(classes, classes)
    cells = counts = np.empty(0, np.int64)
    sums: tuple[int, ...] = ()
    if specification.task == "binary":
        histogram = np.bincount(
            place(specification.score, scores) + true * specification.score.bins,
            minlength=2 * specification.score.bins,
        )
        cells = np.flatnonzero(histogram)
        counts = histogram[cells]
        brier = (scores - true) ** 2
        loss = -np.log(np.clip(np.where(true == 1, scores, 1 - scores), SMALLEST_PROBABILITY, 1.0))
        sums = _fixed(brier, brier**2, loss, loss**2)
    return OutcomeProfile(
        len(true), int(np.sum(~usable)), frozen(cells), frozen(counts), frozen(confusion), sums
    )


def _regression(specification: ProfileSpecification, scores: Floats, truth: Floats) -> OutcomeProfile:
    usable: Flags = np.isfinite(scores) & np.isfinite(truth)
    with np.errstate(over="ignore"):
        error = (scores[usable] - truth[usable]) / specification.scale
        value = (truth[usable] - specification.centre) / specification.scale
        square, height = error**2, value**2
        sums = _fixed(
            error,
            np.abs(error),
            square,
            square**2,
            value,
            height,
            height * value,
            height**2,
            square * value,
            square * height,
        )
    none = frozen(np.empty(0, np.int64))
    return OutcomeProfile(
        int(usable.sum()), int(np.sum(~usable)), none, none, frozen(np.zeros((0, 0), np.int64)), sums
    )


def _fixed(*columns: Floats) -> tuple[int, ...]:
    with np.errstate(over="ignore"):
        return tuple(
            int(np.rint(np.clip(np.nan_to_num(c) * POINT, -_LARGEST, _LARGEST)).astype(np.int64).sum())
            for c in columns
        )


def _as_numbers(values: Sequence[object] | AnyArray) -> Floats:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        return np.array([_as_number(value) for value in values], dtype=np.float64)


def _as_number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return np.nan


def merge(
    specification: ProfileSpecification, first: OutcomeProfile, second: OutcomeProfile
) -> OutcomeProfile:
    """The profile of the outcomes of both. Exact, associative, commutative."""
    return merge_all(specification, (first, second))


def merge_all(specification: ProfileSpecification, profiles: Iterable[OutcomeProfile]) -> OutcomeProfile:
    """The profile of all the outcomes (none: the empty profile)."""
    parts = list(profiles)
    if len(parts) == 1:
        return parts[0]
    histogram = np.zeros(2 * specification.score.bins, np.int64)
    confusion = np.zeros((len(specification.classes),) * 2, np.int64)
    for part in parts:
        histogram[part.cells] += part.counts
        confusion += part.confusion
    cells = np.flatnonzero(histogram)
    sums = zip((0,) * _sum_count(specification), *(part.sums for part in parts), strict=True)
    return OutcomeProfile(
        sum(part.rows for part in parts),
        sum(part.unusable for part in parts),
        frozen(cells),
        frozen(histogram[cells]),
        frozen(confusion),
        tuple(sum(column) for column in sums),
    )


def by_class(specification: ProfileSpecification, profile: OutcomeProfile) -> tuple[Ints, Ints]:
    """The score's histogram of the negatives and of the positives (binary), each int64[bins]."""
    bins = specification.score.bins
    dense = np.zeros(2 * bins, np.int64)
    dense[profile.cells] = profile.counts
    return dense[:bins], dense[bins:]


def _sum_count(specification: ProfileSpecification) -> int:
    if specification.task == "regression":
        return len(REGRESSION_SUMS)
    return len(CLASSIFICATION_SUMS) if specification.task == "binary" else 0


def encode(specification: ProfileSpecification, profile: OutcomeProfile) -> bytes:
    """Compact bytes of an outcome profile, marked with its specification."""
    header = {
        "of": specification.digest[:16],
        "rows": profile.rows,
        "unusable": profile.unusable,
        "sums": [str(value) for value in profile.sums],  # they may outgrow 64 bits
    }
    arrays = {
        "gaps": np.diff(profile.cells, prepend=0),
        "counts": profile.counts,
        "confusion": profile.confusion.ravel(),
    }
    return pack("O", header, arrays)


def decode(specification: ProfileSpecification, data: bytes) -> OutcomeProfile:
    """Read what ``encode`` wrote. Raises IntegrityError for damage, or a profile of another specification."""
    header, arrays = unpack("O", data)
    if header.get("of") != specification.digest[:16]:
        raise IntegrityError(
            f"an outcome profile was made under specification {header.get('of')!s}…; "
            f"expected {specification.digest[:16]}…"
        )
    classes = len(specification.classes)
    try:
        cells = np.cumsum(arrays["gaps"], dtype=np.int64)
        sums = tuple(int(text) for text in header["sums"])
        if (
            len(cells) != len(arrays["counts"])
            or len(sums) != _sum_count(specification)
            or (cells.size and not 0 <= int(cells.min()) <= int(cells.max()) < 2 * specification.score.bins)
        ):
            raise ValueError("cells or sums out of range")
        confusion = arrays["confusion"].reshape(classes, classes)
        return OutcomeProfile(
            int(header["rows"]), int(header["unusable"]), frozen(cells), arrays["counts"], confusion, sums
        )
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"a stored outcome profile is damaged: {error!r}; restore it from a backup"
        ) from None
