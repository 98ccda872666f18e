"""Pairs and arms of a roll-out's trials, folded from telemetry into the sufficient statistics of its tests.

Statistics and watermark are one row: a daemon that was killed goes on from there to the same numbers. A row belongs to a wave
and a target; what comes late, such as an outcome, is folded also when the wave has gone on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.identifiers import VersionReference
from pilothouse.domain.rollouts.plan import Step, StepKind
from pilothouse.domain.rollouts.rollout import Rollout
from pilothouse.operations.catalogue import spec_of_model
from pilothouse.operations.rollouts.answer_folding import fold_arms, fold_pairs
from pilothouse.sqlite import Connection
from pilothouse.statistics.arrays import Flags, Floats
from pilothouse.statistics.profiles import latency
from pilothouse.statistics.sequential import (
    arm_errors,
    decisions,
    latency_ratio,
    paired_errors,
    paired_losses,
    two_arms,
)
from pilothouse.statistics.sequential.decisions import Decisions
from pilothouse.statistics.sequential.paired_errors import PairedErrors
from pilothouse.statistics.sequential.paired_losses import PairedLosses
from pilothouse.statistics.sequential.records import from_plain, to_plain
from pilothouse.statistics.sequential.two_arms import TwoArms
from pilothouse.store.deployed import deployer_states
from pilothouse.store.models import versions
from pilothouse.store.promotion.rollouts import EvidenceRow
from pilothouse.telemetry import trial_answers, trial_pairs
from pilothouse.telemetry.trial_pairs import ArmOutcomes, Pairs, TrialName

PAIRS, PAIR_LOSS, ARMS, ARM_LOSS, ARM_ANSWERS = "pairs", "pair loss", "arms", "arm loss", "arm answers"
"""Tests of a trial as rows name them: of a shadow before and with outcomes; of a canary requests, losses, and answers before
outcomes."""
OF_KIND = {StepKind.SHADOW: (PAIRS, PAIR_LOSS), StepKind.CANARY: (ARMS, ARM_LOSS, ARM_ANSWERS)}
_OF_ARM = " of v"
"""In the name of a test, before the version where that is tried beside the roll-out's own: ``arm loss of v5``."""
_SCALES = 3.0
"""Cut of a regression's absolute errors, in mean absolute errors of the version before on its hold-out."""
_USUAL_ERROR = 0.2
"""Share of wrong answers that is expected where none is on record; whatever it is, the rates hold."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is fixed of a target's tests before the first observation. ``scale``: cut of a regression's absolute errors; None
    where labels are right or wrong. ``centre``: mean loss that is expected, from 0 to 1."""

    scale: float | None
    centre: float


def first_rows(connection: Connection, rollout: Rollout, target: str, at: datetime) -> list[EvidenceRow]:
    """Empty rows of the trial that begins on a target, with its terms; none where the wave has had one of its kind there."""
    assert rollout.current is not None
    _, step = rollout.current
    terms = _terms(connection, rollout, target)
    place = trial_place(rollout, rollout.wave, step.kind)
    statistics: dict[str, Any] = {"scale": terms.scale, "centre": terms.centre}
    if step.kind is StepKind.CANARY and target in deployer_states.command_targets(connection):
        statistics["log"] = True
    tests = [test for test in OF_KIND[step.kind] if test != ARM_ANSWERS or rollout.plan.moved is not None]
    if step.kind is StepKind.CANARY:
        tests += [test_of_arm(test, arm.version) for arm in rollout.tried for test in tests]
    return [
        EvidenceRow(
            wave=rollout.wave,
            step=place,
            target=target,
            test=test,
            statistics=dict(statistics),
            watermark={"after": 0},
            folded_at=at,
        )
        for test in tests
    ]


def test_of_arm(test: str, version: int) -> str:
    """Name of a test of a version that is tried beside the roll-out's own."""
    return f"{test}{_OF_ARM}{version}"


def version_of(rollout: Rollout, row: EvidenceRow) -> int:
    """Version that a row is about."""
    _, _, number = row.test.partition(_OF_ARM)
    return int(number) if number else rollout.version


def rows_of(rollout: Rollout, version: int, rows: Sequence[EvidenceRow]) -> list[EvidenceRow]:
    """Rows of one version, under the plain names of their tests."""
    mine = [row for row in rows if version_of(rollout, row) == version]
    return [replace(row, test=row.test.partition(_OF_ARM)[0]) for row in mine]


def trial_place(rollout: Rollout, wave: int, kind: StepKind) -> int:
    """Number of the first step of a kind in a wave: its rows stand under it."""
    return next(i for i, step in enumerate(rollout.plan.waves[wave].steps) if step.kind is kind)


def _terms(connection: Connection, rollout: Rollout, target: str) -> Terms:
    before = next(one.before for one in rollout.targets if one.target == target)
    champion = versions.find(connection, VersionReference(rollout.model, before)) if before else None
    if spec_of_model(connection, rollout.model).task == "regression":
        error = champion.metric("mae") or champion.metric("rmse") if champion else None
        return Terms(_SCALES * error.value if error is not None and error.value > 0 else 1.0, 1 / _SCALES)
    accuracy = champion.metric("accuracy") if champion else None
    return Terms(None, 1 - accuracy.value if accuracy is not None else _USUAL_ERROR)


def fold(telemetry: Connection, rollout: Rollout, rows: list[EvidenceRow], at: datetime) -> list[EvidenceRow]:
    """Rows that something new was folded into."""
    return [changed for row in rows for changed in _folded(telemetry, rollout, row, at)]


def _folded(telemetry: Connection, rollout: Rollout, row: EvidenceRow, at: datetime) -> Iterator[EvidenceRow]:
    trial = TrialName(rollout.id, rollout.model, row.target, version_of(rollout, row))
    statistics, after = dict(row.statistics), int(row.watermark["after"])
    found, reached = _FOLDS[row.test.partition(_OF_ARM)[0]](telemetry, rollout, trial, statistics, after)
    if reached != after or canonical_json(found) != canonical_json(row.statistics):
        yield EvidenceRow(
            wave=row.wave,
            step=row.step,
            target=row.target,
            test=row.test,
            statistics=found,
            watermark={"after": reached},
            folded_at=at,
        )


Folded = tuple[dict[str, Any], int]


def _fold_pairs(
    telemetry: Connection, rollout: Rollout, trial: TrialName, held: dict[str, Any], after: int
) -> Folded:
    more = True
    while more:
        new = trial_pairs.new_pairs(telemetry, trial, after)
        after, more = new.watermark, new.more
        for name in ("rows", "requests", "dropped", "failed", "unfit"):
            held[name] = held.get(name, 0) + getattr(new, name)
        if new.classes:
            names = [*new.classes, "?"]  # −1: a class that the trial does not have
            labels = [[names[i] for i in column] for column in (new.challenger_labels, new.champion_labels)]
            seen = decisions.collect(labels[0], labels[1])
            before = from_plain(Decisions, held["decisions"]) if "decisions" in held else Decisions()
            held["decisions"] = to_plain(before.plus(seen))
        if rollout.plan.moved is not None and new.rows:
            held["answers"] = fold_pairs(held.get("answers"), new)
    return held, after


def _fold_pair_loss(
    telemetry: Connection, rollout: Rollout, trial: TrialName, held: dict[str, Any], after: int
) -> Folded:
    more = True
    while more:
        new = trial_pairs.judged_pairs(telemetry, trial, after)
        after, more = new.watermark, new.more
        held["loss"] = to_plain(_pair_loss(held, new))
    return held, after


def _pair_loss(held: dict[str, Any], new: Pairs) -> PairedErrors | PairedLosses:
    scale = held["scale"]
    if scale is None:
        counts = from_plain(PairedErrors, held["loss"]) if "loss" in held else PairedErrors()
        wrong = [_wrong(labels, new.outcomes) for labels in (new.challenger_labels, new.champion_labels)]
        return counts.plus(paired_errors.count(wrong[0], wrong[1]))
    losses = from_plain(PairedLosses, held["loss"]) if "loss" in held else PairedLosses()
    ours, theirs = (np.abs(scores - new.outcomes) for scores in (new.challenger_scores, new.champion_scores))
    return losses.plus(paired_losses.truncated(ours, theirs, scale))


def _wrong(labels: Any, outcomes: Floats) -> Flags:
    return np.asarray(labels != outcomes, np.bool_)


def _fold_arms(
    telemetry: Connection, rollout: Rollout, trial: TrialName, held: dict[str, Any], after: int
) -> Folded:
    """Counts of the arms are summed over the whole trial in telemetry: they replace those before."""
    errors, latencies, answered = arm_errors.ArmErrors(), {}, {}
    by_share: dict[float, tuple[list[trial_pairs.Arm], list[trial_pairs.Arm]]] = {}
    planned, others = _shares(rollout), {rollout.version, *(arm.version for arm in rollout.arms)}
    for arm in trial_pairs.arms(telemetry, trial):
        if arm.share in planned and (arm.version == trial.challenger or arm.version not in others):
            by_share.setdefault(arm.share, ([], []))[arm.version == trial.challenger].append(arm)
    for share, (old, new) in sorted(
        by_share.items()
    ):  # somebody may have rolled the live version back: then two are old
        stage = arm_errors.Stage(
            drawn_share(rollout, share),
            sum(arm.draws for arm in new),
            sum(arm.draws for arm in old),
            sum(arm.failed_draws for arm in new),
            sum(arm.failed_draws for arm in old),
        )
        errors = errors.plus(arm_errors.ArmErrors((stage,)))
        answered[f"{share:g}"] = sum(arm.requests + arm.errors for arm in new)
        if new and old:
            both = [latency.merge_all([arm.draw_latencies for arm in arms]) for arms in (new, old)]
            latencies[f"{share:g}"] = to_plain(latency_ratio.collect(both[0], both[1]))
    return {**held, "errors": to_plain(errors), "latencies": latencies, "answered": answered}, after


def _fold_arm_loss(
    telemetry: Connection, rollout: Rollout, trial: TrialName, held: dict[str, Any], after: int
) -> Folded:
    more = True
    while more:
        new = trial_pairs.judged_arms(telemetry, trial, after)
        after, more = new.watermark, new.more
        ours = from_plain(TwoArms, held["loss"]) if "loss" in held else TwoArms()
        losses = _arm_losses(held["scale"], new)
        for share, is_new, is_old in arms_by_share(rollout, trial, new.shares, new.versions):
            ours = ours.plus(two_arms.collect(drawn_share(rollout, share), losses[is_new], losses[is_old]))
        held["loss"] = to_plain(ours)
    return held, after


def _fold_arm_answers(
    telemetry: Connection, rollout: Rollout, trial: TrialName, held: dict[str, Any], after: int
) -> Folded:
    more = True
    while more:
        new = trial_answers.answered_arms(telemetry, trial, after)
        after, more = new.watermark, new.more
        parts = [
            (drawn_share(rollout, share), is_new, is_old)
            for share, is_new, is_old in arms_by_share(rollout, trial, new.shares, new.versions)
        ]
        held["answers"] = fold_arms(held.get("answers"), new, parts)
    return held, after


def arms_by_share(
    rollout: Rollout, trial: TrialName, shares: Floats, versions: Any
) -> Iterator[tuple[float, Flags, Flags]]:
    """Share of a canary, and which rows the version of a trial and which the live one answered at it."""
    is_new = versions == trial.challenger
    is_old = ~np.isin(versions, [rollout.version, *(arm.version for arm in rollout.arms)])
    for share in sorted(_shares(rollout) & {*shares.tolist()}):
        yield share, is_new & (shares == share), is_old & (shares == share)


def drawn_share(rollout: Rollout, share: float) -> float:
    """Share of one version among the requests that it or the live version answers, where each of several gets ``share`` of
    all: the probability by which the tests of two arms go."""
    if not rollout.arms:
        return share
    return share / (share + 1 - (1 + len(rollout.arms)) * share)


def _shares(rollout: Rollout) -> set[float]:
    """Shares of the plan's canaries: what a target says of another share was never asked of it, and is no evidence."""
    steps = (step for _, _, step in rollout.plan.steps())
    return {step.share for step in steps if step.share is not None}


def _arm_losses(scale: float | None, new: ArmOutcomes) -> Floats:
    if scale is None:
        return _wrong(new.labels, new.outcomes).astype(np.float64)
    return np.minimum(np.abs(new.scores - new.outcomes), scale) / scale


_FOLDS = {
    PAIRS: _fold_pairs,
    PAIR_LOSS: _fold_pair_loss,
    ARMS: _fold_arms,
    ARM_LOSS: _fold_arm_loss,
    ARM_ANSWERS: _fold_arm_answers,
}


def requests_in(rows: Sequence[EvidenceRow], step: Step) -> int:
    """Pairs of a shadow, or requests that the new version answered at the share of a canary, over the targets of these rows."""
    if step.kind is StepKind.SHADOW:
        return sum(row.statistics.get("rows", 0) for row in rows if row.test == PAIRS)
    share = f"{step.share or 0:g}"
    return sum(row.statistics.get("answered", {}).get(share, 0) for row in rows if row.test == ARMS)


def judged_in(rollout: Rollout, rows: Sequence[EvidenceRow], step: Step) -> int:
    """Of these pairs of a shadow, or requests of a canary (one for each key), how many have an outcome."""
    if step.kind is StepKind.SHADOW:
        return sum(row.statistics["loss"]["pairs"] for row in rows if _has_loss(row, PAIR_LOSS))
    stages = [
        stage
        for row in rows
        if _has_loss(row, ARM_LOSS)
        for stage in from_plain(TwoArms, row.statistics["loss"]).stages
    ]
    share = drawn_share(rollout, step.share or 0.0)
    return sum(stage.challenger for stage in stages if stage.share == share)


def _has_loss(row: EvidenceRow, test: str) -> bool:
    return row.test == test and "loss" in row.statistics
