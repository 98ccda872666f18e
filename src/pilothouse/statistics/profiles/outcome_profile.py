"""Outcome profiles: what a window's predictions met, as sums. Score counts by class, confusion matrix, sums of
errors.

Every sum is an integer (fixed point, 2⁻²⁰), so that merging is exact and associative; Python's integers do not
overflow.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pilothouse.domain.errors import IntegrityError, InvalidInputError
from pilothouse.statistics.arrays import AnyArray, Flags, Floats, Ints, frozen
from pilothouse.statistics.encoding import pack, unpack
from pilothouse.statistics.profiles.classes import class_codes
from pilothouse.statistics.profiles.placement import bins_of
from pilothouse.statistics.profiles.specification import ProfileSpecification

POINT = 1 << 20
"""Fixed-point units of a sum in 1."""
_LARGEST = float(1 << 40)
"""Units at which one row's contribution saturates, so that a batch of eight million rows fits in 64 bits."""
SMALLEST_PROBABILITY = 1e-15
"""Least distance of a probability from 0 and 1 where its logarithm is taken."""

CLASSIFICATION_SUMS = ("brier", "brier²", "log_loss", "log_loss²")
"""Names of a binary task's sums."""
REGRESSION_SUMS = ("e", "|e|", "e²", "e⁴", "y", "y²", "y³", "y⁴", "e²y", "e²y²")
"""Names of a regression's sums: e is prediction minus outcome, y outcome minus the specification's centre, both in
units of its scale. Interval formulas need the fourth powers."""


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeProfile:
    """Sums over the rows of a window whose outcomes are known: ``rows`` with a usable outcome and score; ``unusable``
    had an unknown class, or no number.

    ``cells`` and ``counts`` (int64[k], sparse, increasing cells) hold the score's histogram: for a binary task the
    negatives' bins and, ``bins`` further on, the positives'; empty for other tasks. ``confusion`` is int64[classes,
    classes], true class by predicted class; ``sums`` are in units of 1 / POINT, in the order of CLASSIFICATION_SUMS
    (binary alone) or REGRESSION_SUMS.
    """

    rows: int
    unusable: int
    cells: Ints
    counts: Ints
    confusion: Ints
    sums: tuple[int, ...]


def profile_outcomes(
    specification: ProfileSpecification,
    scores: Floats,
    labels: Sequence[object] | AnyArray,
    outcomes: Sequence[object] | AnyArray,
) -> OutcomeProfile:
    """Outcome profile of rows: ``scores`` float64[n], ``labels`` the predicted classes (empty for a regression),
    ``outcomes`` the true classes as text or number (1, 1.0 and "1" are one class) or the true values. A row whose score
    is not finite, or whose class or value is missing or unknown, counts as unusable. Raises InvalidInputError where
    the lengths differ."""
    return profile_outcome_groups(
        specification, scores, labels, outcomes, np.zeros(len(scores), np.int64), 1
    )[0]


def profile_outcome_groups(
    specification: ProfileSpecification,
    scores: Floats,
    labels: Sequence[object] | AnyArray,
    outcomes: Sequence[object] | AnyArray,
    groups: Ints,
    count: int,
) -> list[OutcomeProfile]:
    """Outcome profile of each of ``count`` groups of rows, in order: ``groups`` (int64[n], 0 to count − 1) says to
    which each row belongs. The other arguments and errors are those of ``profile_outcomes``; a group without rows has
    an empty profile."""
    scores = np.asarray(scores, dtype=np.float64)
    if len(outcomes) != len(scores) or (specification.classes and len(labels) != len(scores)):
        raise InvalidInputError(
            f"outcomes: {len(scores)} scores, {len(labels)} labels and {len(outcomes)} outcomes; expected as many of each"
        )
    classes = len(specification.classes)
    cells = confusion = None
    if specification.task == "regression":
        values = _as_numbers(outcomes)
        usable: Flags = np.isfinite(scores) & np.isfinite(values)
        sums = _regression(specification, scores[usable], values[usable])
        member = groups[usable]
    else:
        true, predicted = (
            class_codes(specification.classes, outcomes),
            class_codes(specification.classes, labels),
        )
        usable = (true >= 0) & (predicted >= 0) & np.isfinite(scores)
        true, predicted, member = true[usable], predicted[usable], groups[usable]
        # one bincount for the confusion matrices of all groups
        confusion = np.bincount(
            (member * classes + true) * classes + predicted, minlength=count * classes * classes
        ).reshape(count, classes, classes)
        sums = np.empty((0, len(true)), np.int64)
        if specification.task == "binary":
            cells = bins_of(specification.score, scores[usable]) + true * specification.score.bins
            sums = _binary(scores[usable], true)
    rows = np.bincount(member, minlength=count)
    unusable = np.bincount(groups[~usable], minlength=count)
    order = np.argsort(member, kind="stable") if count > 1 else np.arange(len(member))
    ends = np.cumsum(rows)
    profiles = []
    for k in range(count):
        own = order[ends[k] - rows[k] : ends[k]]
        histogram = (
            (np.empty(0, np.int64),) * 2 if cells is None else np.unique(cells[own], return_counts=True)
        )
        profiles.append(
            OutcomeProfile(
                int(rows[k]),
                int(unusable[k]),
                frozen(histogram[0]),
                frozen(histogram[1].astype(np.int64)),
                frozen(np.zeros((0, 0), np.int64) if confusion is None else confusion[k]),
                tuple(sums[:, own].sum(axis=1).tolist()),
            )
        )
    return profiles


def _binary(scores: Floats, true: Ints) -> Ints:
    brier = (scores - true) ** 2
    loss = -np.log(np.clip(np.where(true == 1, scores, 1 - scores), SMALLEST_PROBABILITY, 1.0))
    return _fixed(brier, brier**2, loss, loss**2)


def _regression(specification: ProfileSpecification, scores: Floats, outcomes: Floats) -> Ints:
    with np.errstate(over="ignore"):
        error = (scores - outcomes) / specification.scale
        value = (outcomes - specification.centre) / specification.scale
        square, height = error**2, value**2
        return _fixed(
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


def _fixed(*columns: Floats) -> Ints:
    """Contributions of each row in fixed point, int64[columns, n]."""
    with np.errstate(over="ignore"):
        scaled = np.nan_to_num(np.array(columns)) * POINT
    return np.asarray(np.rint(np.clip(scaled, -_LARGEST, _LARGEST)).astype(np.int64))


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


def merge_all(specification: ProfileSpecification, profiles: Iterable[OutcomeProfile]) -> OutcomeProfile:
    """Outcome profile of the rows of all; of no profiles the empty one. Exact, whatever the order."""
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
    """Score histograms of the negatives and of the positives of a binary task, each int64[bins]; all 0 for other tasks."""
    bins = specification.score.bins
    dense = np.zeros(2 * bins, np.int64)
    dense[profile.cells] = profile.counts
    return dense[:bins], dense[bins:]


def _sum_count(specification: ProfileSpecification) -> int:
    if specification.task == "regression":
        return len(REGRESSION_SUMS)
    return len(CLASSIFICATION_SUMS) if specification.task == "binary" else 0


def encode(specification: ProfileSpecification, profile: OutcomeProfile) -> bytes:
    """Bytes of an outcome profile (kind "O"), marked with the first 16 digits of its specification's digest."""
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
    return pack("O", header, arrays, checked=True)


def encode_parts(specification: ProfileSpecification, parts: Mapping[str, OutcomeProfile]) -> bytes:
    """Bytes of several named outcome profiles in one frame (kind "Q"): far fewer, and far less work, than a frame each."""
    header = {
        "of": specification.digest[:16],
        "names": list(parts),
        "rows": [part.rows for part in parts.values()],
        "unusable": [part.unusable for part in parts.values()],
        "sums": [str(value) for part in parts.values() for value in part.sums],
    }
    none = [np.empty(0, np.int64)]
    arrays = {
        "sizes": np.array([len(part.cells) for part in parts.values()], np.int64),
        "gaps": np.concatenate(none + [np.diff(part.cells, prepend=0) for part in parts.values()]),
        "counts": np.concatenate(none + [part.counts for part in parts.values()]),
        "confusion": np.concatenate(none + [part.confusion.ravel() for part in parts.values()]),
    }
    return pack("Q", header, arrays, checked=True)


def decode_parts(specification: ProfileSpecification, data: bytes) -> dict[str, OutcomeProfile]:
    """Outcome profiles by name from the bytes that ``encode_parts`` wrote. Raises IntegrityError for damaged bytes,
    or profiles of another specification."""
    header, arrays = unpack("Q", data)
    if header.get("of") != specification.digest[:16]:
        raise IntegrityError(
            f"outcome profiles were made under specification {header.get('of')!s}…; "
            f"expected {specification.digest[:16]}…"
        )
    classes, width = len(specification.classes), _sum_count(specification)
    try:
        names, ends = header["names"], np.cumsum(arrays["sizes"], dtype=np.int64)
        confusion = arrays["confusion"].reshape(len(names), classes, classes)
        sums = [int(text) for text in header["sums"]]
        if (
            len(sums) != width * len(names)
            or len(ends) != len(names)
            or len(arrays["counts"]) != sum(arrays["sizes"])
        ):
            raise ValueError("sizes do not agree")
        profiles = {}
        for k, name in enumerate(names):
            own = slice(int(ends[k] - arrays["sizes"][k]), int(ends[k]))
            cells = np.cumsum(arrays["gaps"][own], dtype=np.int64)
            if cells.size and not 0 <= int(cells.min()) <= int(cells.max()) < 2 * specification.score.bins:
                raise ValueError("cells out of range")
            profiles[str(name)] = OutcomeProfile(
                int(header["rows"][k]),
                int(header["unusable"][k]),
                frozen(cells),
                arrays["counts"][own],
                confusion[k],
                tuple(sums[k * width : (k + 1) * width]),
            )
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"stored outcome profiles are damaged: {error!r}; restore them from a backup"
        ) from None
    return profiles


def decode(specification: ProfileSpecification, data: bytes) -> OutcomeProfile:
    """Outcome profile from the bytes that ``encode`` wrote. Raises IntegrityError for damaged bytes, or a profile of
    another specification."""
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
