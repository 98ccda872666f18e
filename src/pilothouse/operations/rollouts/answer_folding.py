"""Answers of a trial before any outcome is known, folded into counts of events: a score above a threshold, a class.

Which events are counted follows from the first answers of the live version, which are not counted themselves: so the events are
fixed before the first count, and the promised rate holds.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pilothouse.statistics.arrays import Flags, Floats
from pilothouse.statistics.sequential import answer_events, arm_answers, paired_answers
from pilothouse.statistics.sequential.arm_answers import ArmAnswers
from pilothouse.statistics.sequential.paired_answers import PairedAnswers
from pilothouse.statistics.sequential.records import from_plain, to_plain
from pilothouse.telemetry.trial_answers import ArmAnswered
from pilothouse.telemetry.trial_pairs import Pairs

FIRST = 200
"""Answers of the live version from which the thresholds of scores are taken."""
_BINARY = 2
"""Classes up to which the score says all; with more, classes are counted."""


def fold_pairs(held: dict[str, Any] | None, new: Pairs) -> dict[str, Any]:
    """Counts with new pairs of a shadow added."""
    held = dict(held or {"first": []})
    begin = 0
    if "events" not in held:
        begin = _fix(held, new.classes, new.champion_scores, new.champion_labels)
        if "events" not in held:
            return held
    ours, theirs = (
        _events(held, new.classes, scores[begin:], labels[begin:])
        for scores, labels in (
            (new.challenger_scores, new.challenger_labels),
            (new.champion_scores, new.champion_labels),
        )
    )
    before = from_plain(PairedAnswers, held["counts"]) if "counts" in held else PairedAnswers()
    held["counts"] = to_plain(before.plus(paired_answers.collect(ours, theirs)))
    return held


def fold_arms(
    held: dict[str, Any] | None, new: ArmAnswered, parts: Sequence[tuple[float, Flags, Flags]]
) -> dict[str, Any]:
    """Counts with new answers of a canary added. ``parts``: share of the version among the two arms, and which rows each of
    the arms answered at it."""
    held = dict(held or {"first": []})
    counted = np.ones(len(new.scores), np.bool_)
    if "events" not in held:
        old = np.zeros(len(new.scores), np.bool_)
        for _, _, is_old in parts:
            old |= is_old
        taken = _fix(held, new.classes, new.scores[old], new.labels[old])
        if "events" not in held:
            return held
        last = np.flatnonzero(old)[taken - 1] if taken else -1
        counted[: last + 1] = False  # of both arms: what came before the events were fixed
    events = _events(held, new.classes, new.scores, new.labels)
    state = from_plain(ArmAnswers, held["counts"]) if "counts" in held else ArmAnswers()
    for share, is_new, is_old in parts:
        if (is_new & counted).any() or (is_old & counted).any():
            state = state.plus(arm_answers.collect(share, events[is_new & counted], events[is_old & counted]))
    held["counts"] = to_plain(state)
    return held


def _fix(held: dict[str, Any], classes: Sequence[str], scores: Floats, labels: Any) -> int:
    """Take the first answers of the live version, and with enough of them fix the events with the share of answers that is
    each; returns how many of these were taken."""
    first: list[float] = held["first"]
    values = labels if len(classes) > _BINARY else scores
    taken = values[: max(FIRST - len(first), 0)]
    first = [*first, *(float(value) for value in taken)]
    held["first"] = first
    if len(first) < FIRST:
        return len(taken)
    if len(classes) > _BINARY:
        held["events"] = []
        flags = np.asarray(first)[:, None] == np.arange(len(classes))
    else:
        cuts = np.arange(1, answer_events.THRESHOLDS + 1) / (answer_events.THRESHOLDS + 1)
        held["events"] = [
            float(cut) for cut in np.quantile(np.asarray(first), cuts)
        ]  # equal ones too: targets add up
        flags = answer_events.above(np.asarray(first), held["events"])
    held["centres"] = [float(share) for share in flags.mean(axis=0)]
    held["first"] = []
    return len(taken)


def _events(held: dict[str, Any], classes: Sequence[str], scores: Floats, labels: Any) -> Flags:
    if len(classes) > _BINARY:
        return np.asarray(np.asarray(labels)[:, None] == np.arange(len(classes)), np.bool_)
    return answer_events.above(scores, held["events"])
