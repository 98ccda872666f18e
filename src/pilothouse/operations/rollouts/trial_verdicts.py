"""Verdict of all tests of a roll-out together, under the rate of roll-backs without cause that its plan promises.

The tests are those of the plan: for each wave with a shadow its losses in pairs (and changed decisions, where the plan bounds
them), for each wave with a canary losses and failures of two arms, for each canary its latency. They weigh the same, and one
that has not begun counts with an e-value of 1. A wave's targets are pooled. A step goes on by the losses of its own wave.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.rollouts.plan import Plan, StepKind
from pilothouse.domain.rollouts.rollout import Rollout
from pilothouse.domain.rollouts.rules import Breach, Outcome, StepEvidence
from pilothouse.operations.rollouts.trial_folding import (
    ARM_LOSS,
    ARMS,
    OF_KIND,
    PAIR_LOSS,
    PAIRS,
    requests_in,
)
from pilothouse.statistics.sequential import (
    arm_errors,
    decisions,
    latency_ratio,
    paired_errors,
    paired_losses,
    two_arms,
)
from pilothouse.statistics.sequential.arm_errors import ArmErrors
from pilothouse.statistics.sequential.combination import Combined, combine, equal_weights
from pilothouse.statistics.sequential.decisions import Decisions
from pilothouse.statistics.sequential.latency_ratio import TwoLatencies
from pilothouse.statistics.sequential.paired_errors import PairedErrors
from pilothouse.statistics.sequential.paired_losses import PairedLosses
from pilothouse.statistics.sequential.records import from_plain
from pilothouse.statistics.sequential.two_arms import TwoArms
from pilothouse.statistics.sequential.verdicts import Outcome as Found
from pilothouse.statistics.sequential.verdicts import Settings, Verdict
from pilothouse.store.promotion.rollouts import EvidenceRow

_LOSS, _CHANGED, _FAILURES, _LATENCY = "losses", "changed decisions", "failed requests", "p95"
Key = tuple[int, str]
"""Wave, and name of a test in it."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What all tests say: of the step at which the roll-out is, and of harm anywhere."""

    step: StepEvidence
    harm: Breach | None


def judge(rollout: Rollout, rows: list[EvidenceRow]) -> Judged:
    """The verdict from the folded rows of a roll-out."""
    plan = rollout.plan
    names = list(dict.fromkeys(_tests(rollout)))  # two canaries of one share have one test of their p95
    if not names:
        return Judged(StepEvidence(), None)
    of_waves = {
        wave: [row for row in rows if row.wave == wave]
        for wave, _ in dict.fromkeys((w, "") for w, _ in names)
    }
    found = {_named(key): verdict for key in names if (verdict := _verdict(plan, key, of_waves[key[0]]))}
    required = _required(rollout)
    combined = combine(
        found,
        plan.false_rollbacks,
        equal_weights([_named(key) for key in names]),
        [_named(required)] if required else [],
    )
    harm = _harm(rollout, combined, found) if combined.outcome is Found.HARM else None
    if required is None:
        return Judged(StepEvidence(), harm)
    assert rollout.current is not None
    step = rollout.current[1]
    requests = requests_in(of_waves[required[0]], step)
    outcome = Outcome(combined.outcome) if requests else Outcome.NO_TRAFFIC
    words = _words(
        combined, found.get(_named(required)), step.kind, requests, _left_out(of_waves[required[0]])
    )
    return Judged(StepEvidence(requests, outcome, words), harm)


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
        if StepKind.CANARY in kinds:
            yield number, f"{StepKind.CANARY} {_LOSS}"
            yield number, f"{StepKind.CANARY} {_FAILURES}"
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


def _verdict(plan: Plan, key: Key, rows: list[EvidenceRow]) -> Verdict | None:
    kind, _, test = key[1].partition(" ")
    of = {name: [row.statistics for row in rows if row.test == name] for name in OF_KIND[StepKind(kind)]}
    if test == _CHANGED:
        parts = [held["decisions"] for held in of[PAIRS] if "decisions" in held]
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
    return _computed(kind, test.partition(" at ")[0], canonical_json(parts), canonical_json(_limits(plan)))


def _limits(plan: Plan) -> dict[str, Any]:
    return {
        "level": plan.false_rollbacks,
        "margin": plan.margin,
        "slower": plan.slower,
        "changed": plan.changed,
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


def _harm(rollout: Rollout, combined: Combined, found: dict[str, Verdict]) -> Breach:
    leading = found[combined.leading]
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
        f"harm in {combined.leading}{estimate} in {leading.observations:,} observations "
        f"(e-value {combined.e_value:.3g} of {combined.needed:.3g})"
    )
    return Breach("harm", why, "", figures)


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
