"""What two versions' answers to the same rows show: changed decisions by slice, examples, scores, the check on itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from pilothouse.domain.jobs.replays import (
    AnsweredBy,
    ChangedWay,
    LeftOut,
    ReplaySlice,
    ScoreCounts,
    SelfCheck,
)
from pilothouse.training.replay.answers import NONE, Answers

SCORE_BINS = 20
_BANDS = 10
_MOST_WAYS = 12
_MOST_VALUES = 20
"""Values of a slice that are told, the most frequent ones."""
_LAST_DIGITS = 1e-9
"""Difference up to which scores are the same but for their last digits."""
_SPREAD = 10
"""A regression's answer counts as changed where it moves by more than this part of the spread of the answers."""


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """Whether each row is decided otherwise, and what is compared with: on rows that ``against`` answered itself the answer on
    record, on others what it answers now."""

    changed: Any
    base: Any
    base_labels: Any
    moved: Any
    """Absolute difference of the two scores."""
    tolerance: float | None


def decisions_of(answers: Answers, against: int) -> Decisions:
    """Decisions of the replayed version beside those of ``against``."""
    own = answered_by(answers) == against
    base = np.where(own, answers.then, answers.against)
    moved = np.abs(answers.version - base)
    if not len(answers.version_labels):
        spread = float(np.std(base)) or float(np.abs(base).mean()) or 1.0
        tolerance = spread / _SPREAD
        return Decisions(moved > tolerance, base, answers.version_labels, moved, tolerance)
    labels = np.where(own & (answers.then_labels != NONE), answers.then_labels, answers.against_labels)
    return Decisions(labels != answers.version_labels, base, labels, moved, None)


def answered_by(answers: Answers) -> Any:
    """Version that answered each row then."""
    return np.array([origin.version for origin in answers.origins], np.int64)[answers.origin]


def tellers(answers: Answers, decided: Decisions) -> tuple[AnsweredBy, ...]:
    """Versions that answered then; of each how many rows are decided otherwise than it answered."""
    by = answered_by(answers)
    if decided.tolerance is None:
        other = (answers.then_labels != answers.version_labels) & (answers.then_labels != NONE)
    else:
        other = np.abs(answers.version - answers.then) > decided.tolerance
    return tuple(
        AnsweredBy(int(version), int((by == version).sum()), int(other[by == version].sum()))
        for version in np.unique(by)
    )


def self_check(answers: Answers, against: int, unlike: str) -> SelfCheck:
    """Scores of ``against`` on record beside those that it gives now. ``unlike``: how the libraries of now differ from those
    of the record, where they do."""
    own = answered_by(answers) == against
    then, now = answers.then[own], answers.against[own]
    differs = then.view(np.int64) != now.view(np.int64)
    apart = np.abs(then - now)
    foreign = np.array([origin.foreign for origin in answers.origins])[answers.origin[own]]
    slight = differs & ~foreign & (apart <= _LAST_DIGITS * np.maximum(1.0, np.abs(then)))
    rest = differs & ~foreign & ~slight
    cause = unlike or "; the stored row or the model is not that of then"
    found = (
        (differs & foreign, "answered elsewhere and taken from a file"),
        (slight, f"the last digits differ, by {apart[slight].max(initial=0.0):.1g} at most{unlike}"),
        (rest, f"other answers, by {apart[rest].max(initial=0.0):.3g} at most{cause}"),
    )
    why = tuple(LeftOut(int(mask.sum()), text) for mask, text in found if mask.any())
    return SelfCheck(len(then), int((~differs).sum()), float(apart.max(initial=0.0)), why)


def ways_of(answers: Answers, decided: Decisions) -> tuple[ChangedWay, ...]:
    """Ways in which decisions change, the most frequent first; none of a regression."""
    if decided.tolerance is not None:
        return ()
    k = len(answers.classes.listed)
    pair = decided.base_labels[decided.changed].astype(np.int64) * k + answers.version_labels[decided.changed]
    found, counts = np.unique(pair, return_counts=True)
    ways = [
        ChangedWay(answers.classes.listed[code // k], answers.classes.listed[code % k], int(rows))
        for code, rows in zip(found.tolist(), counts, strict=True)
    ]
    return tuple(sorted(ways, key=lambda way: -way.rows)[:_MOST_WAYS])


def slices_of(answers: Answers, decided: Decisions) -> tuple[ReplaySlice, ...]:
    """Rows cut by target, region, month, band of the score, and the features that the model file cuts by."""
    months = (answers.times // 1_000).astype("datetime64[ms]").astype("datetime64[M]")
    names, month_codes = np.unique(months, return_inverse=True)
    cuts: dict[str, tuple[Sequence[str], Any]] = {
        "target": _by_origin(answers, [origin.target for origin in answers.origins]),
        "region": _by_origin(answers, [origin.region for origin in answers.origins]),
        "month": ([str(name) for name in names], month_codes),
        "score": _bands(decided),
        **{name: (answers.slice_names[name].listed, codes) for name, codes in answers.slices.items()},
    }
    known, losses = _losses(answers)
    return tuple(
        one
        for by, (values, codes) in cuts.items()
        if by != "region" or any(values)
        for one in _cut(by, values, codes, decided.changed, known, losses)
    )


def _by_origin(answers: Answers, values: Sequence[str]) -> tuple[list[str], Any]:
    distinct = sorted(set(values))
    table = np.array([distinct.index(value) for value in values], np.int64)
    return distinct, table[answers.origin]


def _bands(decided: Decisions) -> tuple[list[str], Any]:
    """Bands of the score with which is compared: tenths of a probability, of a regression tenths of the rows."""
    if decided.tolerance is None:
        codes = np.clip((decided.base * _BANDS).astype(np.int64), 0, _BANDS - 1)
        return [f"{i / _BANDS:g} to {(i + 1) / _BANDS:g}" for i in range(_BANDS)], codes
    edges = np.unique(np.quantile(decided.base, np.linspace(0, 1, _BANDS + 1)))
    codes = np.clip(np.searchsorted(edges, decided.base, side="right") - 1, 0, max(len(edges) - 2, 0))
    return [f"{low:.4g} to {high:.4g}" for low, high in pairwise(edges)] or [f"{edges[0]:.4g}"], codes


def _losses(answers: Answers) -> tuple[Any, tuple[Any, Any]]:
    """Rows with known outcome, and for both versions 1 for a hit, of a regression the absolute error."""
    if len(answers.version_labels):
        known = answers.outcomes != NONE
        sides = (answers.against_labels, answers.version_labels)
        return known, tuple((side == answers.outcomes).astype(np.float64) for side in sides)
    known = np.isfinite(answers.outcomes)
    truth = np.where(known, answers.outcomes, 0.0)
    return known, (np.abs(answers.against - truth), np.abs(answers.version - truth))


def _cut(
    by: str, values: Sequence[str], codes: Any, changed: Any, known: Any, losses: tuple[Any, Any]
) -> list[ReplaySlice]:
    n = len(values)
    rows, others, labelled = (
        np.bincount(codes, weights=mask, minlength=n).astype(np.int64) for mask in (None, changed, known)
    )
    sums = [np.bincount(codes, weights=loss * known, minlength=n) for loss in losses]
    order = np.argsort(-rows, kind="stable")[:_MOST_VALUES] if by not in ("month", "score") else np.arange(n)
    return [
        ReplaySlice(
            by,
            values[i][:200],
            int(rows[i]),
            int(others[i]),
            int(labelled[i]),
            *(float(total[i] / labelled[i]) if labelled[i] else None for total in sums),
        )
        for i in order
        if rows[i]
    ]


def score_counts(decided: Decisions, version: Any) -> ScoreCounts:
    """Rows by score in bins of equal width: 0 to 1, or from the smallest to the largest answer of a regression."""
    low, high = 0.0, 1.0
    if decided.tolerance is not None:
        low = float(min(decided.base.min(), version.min()))
        high = float(max(decided.base.max(), version.max()))
        high = high if high > low else low + 1.0
    edges = np.linspace(low, high, SCORE_BINS + 1)
    counts = [np.histogram(side, edges)[0].tolist() for side in (decided.base, version)]
    return ScoreCounts(tuple(edges.tolist()), tuple(counts[0]), tuple(counts[1]))


def examples_of(answers: Answers, decided: Decisions, most: int) -> list[Mapping[str, Any]]:
    """Rows that changed most, those that are decided otherwise first; each names its batch and its place in it."""
    candidates = np.flatnonzero(decided.changed)
    # rows that moved alike in the order of their times, however they are stored
    keys = (answers.places, answers.batches, answers.times, -decided.moved)
    order = candidates[np.lexsort([key[candidates] for key in keys])[:most]]
    by, classes = answered_by(answers), answers.classes.listed

    def label(codes: Any, row: int) -> str:
        return classes[codes[row]] if len(codes) and codes[row] != NONE else ""

    def outcome(row: int) -> str:
        if len(answers.version_labels):
            return label(answers.outcomes, row)
        return f"{answers.outcomes[row]:.6g}" if np.isfinite(answers.outcomes[row]) else ""

    return [
        {
            "batch": int(answers.batches[row]),
            "place": int(answers.places[row]),
            "target": answers.origins[answers.origin[row]].target,
            "answered_by": int(by[row]),
            "at_us": int(answers.times[row]),
            "score_then": float(decided.base[row]),
            "score_now": float(answers.version[row]),
            "label_then": label(decided.base_labels, row),
            "label_now": label(answers.version_labels, row),
            "outcome": outcome(row),
        }
        for row in order.tolist()
    ]
