"""Verdict of all tests of a roll-out together, under the rate of roll-backs without cause that its plan promises.

Where several versions share the requests, each is compared with the live one, and the promised rate is divided by their number:
it is that of any of them being taken out without cause.

The tests are those of the plan: for each wave with a shadow its losses in pairs (and changed decisions, where the plan bounds
them), for each wave with a canary losses and failures of two arms, for each canary its latency. They weigh the same, and one
that has not begun counts with an e-value of 1. A wave's targets are pooled. A step goes on by the losses of its own wave.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.rollouts.plan import Plan, StepKind
from pilothouse.domain.rollouts.rollout import Rollout
from pilothouse.domain.rollouts.rules import ArmEvidence, Breach, Outcome, StepEvidence
from pilothouse.operations.rollouts.log_splits import without, wrongly_split
from pilothouse.operations.rollouts.trial_folding import (
    ARM_ANSWERS,
    ARM_LOSS,
    ARMS,
    OF_KIND,
    PAIR_LOSS,
    PAIRS,
    judged_in,
    requests_in,
    rows_of,
)
from pilothouse.statistics.sequential import (
    arm_answers,
    arm_errors,
    decisions,
    latency_ratio,
    paired_answers,
    paired_errors,
    paired_losses,
    two_arms,
)
from pilothouse.statistics.sequential.arm_answers import ArmAnswers
from pilothouse.statistics.sequential.arm_errors import ArmErrors
from pilothouse.statistics.sequential.combination import Combined, combine, equal_weights
from pilothouse.statistics.sequential.decisions import Decisions
from pilothouse.statistics.sequential.latency_ratio import TwoLatencies
from pilothouse.statistics.sequential.paired_answers import PairedAnswers
from pilothouse.statistics.sequential.paired_errors import PairedErrors
from pilothouse.statistics.sequential.paired_losses import PairedLosses
from pilothouse.statistics.sequential.records import from_plain
from pilothouse.statistics.sequential.two_arms import TwoArms
from pilothouse.statistics.sequential.verdicts import Outcome as Found
from pilothouse.statistics.sequential.verdicts import Settings, Verdict
from pilothouse.store.promotion.rollouts import EvidenceRow

_LOSS, _CHANGED, _FAILURES, _LATENCY = "losses", "changed decisions", "failed requests", "p95"
_MOVED = "moved answers"
Key = tuple[int, str]
"""Wave, and name of a test in it."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What all tests say: of the step at which the roll-out is, and of harm anywhere; the same of each version that shares the
    requests of its canaries, ``arms`` with the roll-out's own first."""

    step: StepEvidence
    harm: Breach | None
    arms: tuple[ArmEvidence, ...] = ()
    harm_of_arms: Mapping[int, Breach] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _All:
    """Tests of one version: what each found, by its key, and what they say together."""

    found: Mapping[Key, Verdict]
    combined: Combined | None
    rows: Mapping[int, list[EvidenceRow]]
    """Rows by wave."""
    no_evidence: Mapping[str, str] = field(default_factory=dict)
    """What is said of targets whose logs are not split as stated, by target."""


def judge(rollout: Rollout, rows: Sequence[EvidenceRow], before: tuple[int, int] = (0, 0)) -> Judged:
    """The verdict from the folded rows of a roll-out. ``before``: requests of steps before, and those with outcomes, which are
    none of this one's."""
    own = _judged(rollout, rollout.version, rows)
    if own.combined is None:
        return Judged(StepEvidence(), None)
    harm = _harm(own) if own.combined.outcome is Found.HARM else None
    arms, harm_of_arms = [], {}
    if rollout.arms:
        arms.append(_arm(rollout, rollout.version, own))
    for arm in rollout.tried:
        judged = _judged(rollout, arm.version, rows)
        arms.append(_arm(rollout, arm.version, judged))
        if judged.combined is not None and judged.combined.outcome is Found.HARM:
            harm_of_arms[arm.version] = _harm(judged)
    required = _required(rollout)
    if required is None:
        return Judged(StepEvidence(), harm, tuple(arms), harm_of_arms)
    assert rollout.current is not None
    step = rollout.current[1]
    of_wave = own.rows.get(required[0], [])
    requests = max(requests_in(of_wave, step) - before[0], 0)
    outcome = Outcome(own.combined.outcome) if requests else Outcome.NO_TRAFFIC
    words = _words(own.combined, own.found.get(required), step.kind, requests, _left_out(of_wave))
    words = "; ".join([words, *own.no_evidence.values()])
    known = max(judged_in(rollout, of_wave, step) - before[1], 0)
    return Judged(StepEvidence(requests, outcome, words, known), harm, tuple(arms), harm_of_arms)


def _judged(rollout: Rollout, version: int, rows: Sequence[EvidenceRow]) -> _All:
    """All tests of one version, under its part of the promised rate."""
    plan, is_own = rollout.plan, version == rollout.version
    names = [
        key for key in dict.fromkeys(_tests(rollout)) if is_own or key[1].startswith(StepKind.CANARY)
    ]  # two canaries of one share have one test of their p95
    of_waves: dict[int, list[EvidenceRow]] = {}
    mine = rows_of(rollout, version, rows)
    for row in mine:
        of_waves.setdefault(row.wave, []).append(row)
    if not names:
        return _All({}, None, of_waves)
    level = plan.false_rollbacks / (1 + len(rollout.arms))
    no_evidence = wrongly_split(mine, version)
    usable = {wave: without(listed, no_evidence) for wave, listed in of_waves.items()}
    found = {key: verdict for key in names if (verdict := _verdict(plan, level, key, usable.get(key[0], [])))}
    required = _required(rollout)
    combined = combine(
        {_named(key): verdict for key, verdict in found.items()},
        level,
        equal_weights([_named(key) for key in names]),
        [_named(required)] if required in names and required is not None else [],
    )
    return _All(found, combined, of_waves, no_evidence)


def _arm(rollout: Rollout, version: int, judged: _All) -> ArmEvidence:
    """What is said of one of several versions: requests, losses beside those of the live version, and evidence of harm."""
    requests = sum(
        sum(row.statistics.get("answered", {}).values())
        for rows in judged.rows.values()
        for row in rows
        if row.test == ARMS
    )
    if not requests or judged.combined is None:
        return ArmEvidence(version, "no traffic")
    losses = [
        verdict
        for (_, test), verdict in judged.found.items()
        if test == f"{StepKind.CANARY} {_LOSS}" and verdict.observations
    ]
    last = losses[-1] if losses else None
    parts = [f"{requests:,} requests"]
    if last is None or last.estimate is None:
        parts.append("no outcome has come")
    else:
        parts.append(f"losses {_estimate(last)} in {last.observations:,} with outcomes of both")
    parts.append(f"e-value of harm {judged.combined.e_value:.3g} of {judged.combined.needed:.3g}")
    is_better = last is not None and last.high is not None and last.high < 0
    return ArmEvidence(version, "; ".join(parts), is_better, last.estimate if last else None)


def _tests(rollout: Rollout) -> Iterator[Key]:
    """Every test that the plan has on waves with targets on which something was live, fixed when the roll-out is made."""
    for number, wave in enumerate(rollout.plan.waves):
        if not any(one.before is not None for one in rollout.of_wave(number)):
            continue
        kinds = [step.kind for step in wave.steps]
        if StepKind.SHADOW in kinds:
            yield number, f"{StepKind.SHADOW} {_LOSS}"
            if rollout.plan.changed is not None:
                yield number, f"{StepKind.SHADOW} {_CHANGED}"
            if rollout.plan.moved is not None:
                yield number, f"{StepKind.SHADOW} {_MOVED}"
        if StepKind.CANARY in kinds:
            yield number, f"{StepKind.CANARY} {_LOSS}"
            yield number, f"{StepKind.CANARY} {_FAILURES}"
            if rollout.plan.moved is not None:
                yield number, f"{StepKind.CANARY} {_MOVED}"
        for step in wave.steps:
            if step.kind is StepKind.CANARY:
                yield number, f"{StepKind.CANARY} {_LATENCY} at {step.share:g}"


def _named(key: Key) -> str:
    return f"wave {key[0] + 1}: {key[1]}"


def _required(rollout: Rollout) -> Key | None:
    """Test by which the step at which a roll-out is goes on; None where that is no trial."""
    if rollout.current is None or rollout.current[1].kind is StepKind.LIVE:
        return None
    return rollout.wave, f"{rollout.current[1].kind} {_LOSS}"


def _verdict(plan: Plan, level: float, key: Key, rows: list[EvidenceRow]) -> Verdict | None:
    kind, _, test = key[1].partition(" ")
    of = {name: [row.statistics for row in rows if row.test == name] for name in OF_KIND[StepKind(kind)]}
    if test == _CHANGED:
        parts = [held["decisions"] for held in of[PAIRS] if "decisions" in held]
    elif test == _MOVED:
        held_by = PAIRS if kind == StepKind.SHADOW else ARM_ANSWERS
        parts = [held["answers"] for held in of[held_by] if "counts" in held.get("answers", {})]
    elif test == _FAILURES:
        parts = [held["errors"] for held in of[ARMS] if "errors" in held]
    elif test == _LOSS:
        losses = of[PAIR_LOSS if kind == StepKind.SHADOW else ARM_LOSS]
        parts = [held for held in losses if "loss" in held]
    else:
        share = test.rpartition(" ")[2]
        parts = [held["latencies"][share] for held in of[ARMS] if share in held.get("latencies", {})]
    if not parts:
        return None
    return _computed(
        kind, test.partition(" at ")[0], canonical_json(parts), canonical_json(_limits(plan, level))
    )


def _limits(plan: Plan, level: float) -> dict[str, Any]:
    return {
        "level": level,
        "margin": plan.margin,
        "slower": plan.slower,
        "changed": plan.changed,
        "moved": plan.moved,
    }


@lru_cache(maxsize=1_024)
def _computed(kind: str, test: str, parts_text: str, limits_text: str) -> Verdict:
    """Verdict from the pooled statistics of a wave's targets; the same statistics are asked about at every look."""
    parts, limits = json.loads(parts_text), json.loads(limits_text)
    level = limits["level"]
    usual = Settings(level=level, margin=limits["margin"])
    if test == _CHANGED:
        at_most = limits["changed"]
        decided = _pooled(Decisions, parts)
        return decisions.verdict(decided, Settings(level=level, margin=at_most, harm_above=at_most))
    if test == _MOVED:
        apart = Settings(level=level, margin=limits["moved"], harm_above=limits["moved"])
        counts = [part["counts"] for part in parts]
        if kind == StepKind.SHADOW:
            return paired_answers.verdict(_pooled(PairedAnswers, counts), apart)
        centres = [sum(each) / len(parts) for each in zip(*(part["centres"] for part in parts), strict=True)]
        return arm_answers.verdict(_pooled(ArmAnswers, counts), apart, centres)
    if test == _FAILURES:
        return arm_errors.verdict(
            _pooled(ArmErrors, parts), Settings(level=level, margin=1.5, harm_above=1.0)
        )
    if test == _LATENCY:
        slower = limits["slower"]
        pooled = _pooled(TwoLatencies, parts)
        return latency_ratio.verdict(pooled, Settings(level=level, margin=slower, harm_above=slower))
    losses = [part["loss"] for part in parts]
    if kind == StepKind.CANARY:
        centre = sum(part["centre"] for part in parts) / len(parts)
        return two_arms.verdict(_pooled(TwoArms, losses), usual, centre)
    if parts[0]["scale"] is None:
        return paired_errors.verdict(_pooled(PairedErrors, losses), usual)
    return paired_losses.verdict(_pooled(PairedLosses, losses), usual)


def _pooled(kind: Any, parts: list[Any]) -> Any:
    state = from_plain(kind, parts[0])
    for part in parts[1:]:
        state = state.plus(from_plain(kind, part))
    return state


def _harm(judged: _All) -> Breach:
    combined = judged.combined
    assert combined is not None
    key, leading = next((k, verdict) for k, verdict in judged.found.items() if _named(k) == combined.leading)
    figures = {
        "e_value": combined.e_value,
        "needed": combined.needed,
        "test": combined.leading,
        "observations": leading.observations,
        **{
            name: value
            for name in ("estimate", "low", "high")
            if (value := getattr(leading, name)) is not None
        },
    }
    estimate = f", {_estimate(leading)}" if leading.estimate is not None else ""
    why = (
        f"harm in {combined.leading}{estimate}{_unit(key, judged.rows)} in {leading.observations:,} observations "
        f"(e-value {combined.e_value:.3g} of {combined.needed:.3g})"
    )
    return Breach("harm", why, "", figures)


def _unit(key: Key, rows: Mapping[int, list[EvidenceRow]]) -> str:
    """What a loss of 1 is, for whoever reads the figure; nothing of other tests."""
    wave, (kind, _, test) = key[0], key[1].partition(" ")
    if test != _LOSS:
        return ""
    of = PAIR_LOSS if kind == StepKind.SHADOW else ARM_LOSS
    scale = next((row.statistics.get("scale") for row in rows.get(wave, ()) if row.test == of), None)
    return (
        ", where 1 is a wrong label," if scale is None else f", where 1 is an error of {scale:.3g} or more,"
    )


def _estimate(verdict: Verdict) -> str:
    bounds = [
        f"{value:+.3g}" if value is not None else "?"
        for value in (verdict.estimate, verdict.low, verdict.high)
    ]
    return f"{bounds[0]} ({bounds[1]} to {bounds[2]})"


def _words(combined: Combined, verdict: Verdict | None, kind: StepKind, requests: int, left_out: str) -> str:
    what = "pairs" if kind is StepKind.SHADOW else "requests"
    if not requests:
        return f"no traffic: no {what} have come"
    parts = [f"{requests:,} {what}{left_out}"]
    if verdict is None or not verdict.observations:
        parts.append("no outcome has come")
    else:
        parts.append(f"losses {_estimate(verdict)} in {verdict.observations:,} with outcomes")
    parts.append(f"e-value of harm {combined.e_value:.3g} of {combined.needed:.3g}")
    if combined.outcome is not Found.NOT_WORSE and combined.more:
        parts.append(f"about {combined.more:,} more")
    return "; ".join(parts)


def _left_out(rows: list[EvidenceRow]) -> str:
    """Requests that the champion alone answered."""
    counts = {
        name: sum(row.statistics.get(name, 0) for row in rows if row.test == PAIRS)
        for name in ("dropped", "failed", "unfit")
    }
    said = [f"{count:,} {name}" for name, count in counts.items() if count]
    return f" ({', '.join(said)})" if said else ""
