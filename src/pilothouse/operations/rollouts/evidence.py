"""Evidence of a roll-out's steps: begun with a step, folded from telemetry, judged.

The statistics are loaded only once a roll-out has a trial: commands and consoles that show others do not wait for them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pilothouse.domain.rollouts.plan import StepKind
from pilothouse.domain.rollouts.rollout import Rollout
from pilothouse.domain.rollouts.rules import ArmEvidence, Breach, Outcome, StepEvidence
from pilothouse.operations.authorisation import Change
from pilothouse.operations.services import Services
from pilothouse.store.deployed import deployments
from pilothouse.store.promotion import rollouts
from pilothouse.store.promotion.rollouts import EvidenceRow

TRAFFIC = "traffic"
"""Name of the count of requests that the version had answered on a target when a step began there, and the version that was
live."""


def begin(
    services: Services, change: Change, rollout: Rollout, targets: Sequence[str], kind: StepKind
) -> None:
    """Keep what the evidence of a step that begins on targets is counted from."""
    trials: list[EvidenceRow] = []
    before = _answered(services, rollout) if kind is StepKind.LIVE else {}
    live: dict[str, int] = {}
    if kind is not StepKind.LIVE:
        trials, before = _begun_trials(change, rollout, targets)
        live = {one.target: one.version for one in deployments.live(change.connection, model=rollout.model)}
    rows = [
        EvidenceRow(
            wave=rollout.wave,
            step=rollout.step,
            target=target,
            test=TRAFFIC,
            statistics={
                "before": before.get(target, (0, 0))[0],
                "judged_before": before.get(target, (0, 0))[1],
                **({"champion": live[target]} if target in live else {}),
            },
            watermark={},
            folded_at=change.at,
        )
        for target in targets
    ]
    rollouts.put_evidence(change.connection, rollout.id, [*trials, *rows])


def _begun_trials(
    change: Change, rollout: Rollout, targets: Sequence[str]
) -> tuple[list[EvidenceRow], dict[str, tuple[int, int]]]:
    """Empty rows of trials that begin, and the requests that a step before of the same kind and share has had on each target,
    with those of known outcomes: they are no requests of this one."""
    from pilothouse.operations.rollouts.trial_folding import first_rows, judged_in, requests_in

    assert rollout.current is not None
    _, step = rollout.current
    known = [row for row in rollouts.evidence(change.connection, rollout.id) if row.wave == rollout.wave]
    there = {(row.target, row.test) for row in known}
    rows = [
        row
        for target in targets
        for row in first_rows(change.connection, rollout, target, change.at)
        if (row.target, row.test) not in there
    ]
    before = {}
    for target in targets:
        mine = [row for row in known if row.target == target]
        before[target] = requests_in(mine, step), judged_in(rollout, mine, step)
    return rows, before


def fold(services: Services, rollout: Rollout) -> None:
    """Fold what has come of a roll-out's trials; nothing is written where nothing has. It decides nothing: whatever follows
    from it is an act of its own."""
    with services.registry.read() as connection:
        rows = [row for row in rollouts.evidence(connection, rollout.id) if row.test != TRAFFIC]
    if not rows:
        return
    from pilothouse.operations.rollouts import log_arms, trial_folding

    if not services.paths.telemetry.exists():
        return
    log_arms.take_in(services, rollout)
    with services.telemetry.read() as telemetry:
        changed = trial_folding.fold(telemetry, rollout, rows, services.now())
    if changed:
        with services.registry.transaction() as connection:
            rollouts.put_evidence(connection, rollout.id, changed)


@dataclass(frozen=True, slots=True)
class Found:
    """What the tests say so far: of the step at which a roll-out is, harm of its version, and the same of each version that is
    tried beside it."""

    step: StepEvidence = field(default_factory=StepEvidence)
    harm: Breach | None = None
    arms: tuple[ArmEvidence, ...] = ()
    harm_of_arms: Mapping[int, Breach] = field(default_factory=dict)


def judged(services: Services, rollout: Rollout, rows: Sequence[EvidenceRow]) -> Found:
    """What the tests say of the evidence of a roll-out that is folded."""
    trials = [row for row in rows if row.test != TRAFFIC]
    found = Found()
    if trials:
        from pilothouse.operations.rollouts.trial_verdicts import judge

        judgement = judge(rollout, trials, _before_step(rollout, rows))
        found = Found(judgement.step, judgement.harm, judgement.arms, judgement.harm_of_arms)
        if rollout.current is not None and rollout.current[1].kind is not StepKind.LIVE:
            return found
    if rollout.current is None or rollout.entered_at is None:
        return replace(found, step=StepEvidence())
    return replace(found, step=_traffic(services, rollout, rows))


def champions(rollout: Rollout, rows: Sequence[EvidenceRow]) -> dict[str, int]:
    """Version that was live on each target when its trial began, by target."""
    begun = sorted((row for row in rows if row.test == TRAFFIC), key=lambda row: (row.wave, row.step))
    return {row.target: row.statistics["champion"] for row in begun if "champion" in row.statistics}


def _before_step(rollout: Rollout, rows: Sequence[EvidenceRow]) -> tuple[int, int]:
    """Requests that steps before the one at which a roll-out is have had at its kind and share, and those with outcomes."""
    place = (rollout.wave, rollout.step, TRAFFIC)
    mine = [row.statistics for row in rows if (row.wave, row.step, row.test) == place]
    return sum(held["before"] for held in mine), sum(held.get("judged_before", 0) for held in mine)


def _traffic(services: Services, rollout: Rollout, rows: Sequence[EvidenceRow]) -> StepEvidence:
    """Rows that the version has answered since a live step began."""
    answered = _answered(services, rollout)
    of_wave = {one.target for one in rollout.of_wave(rollout.wave)}  # others catch up meanwhile
    here = [
        row
        for row in rows
        if (row.wave, row.step, row.test) == (rollout.wave, rollout.step, TRAFFIC) and row.target in of_wave
    ]
    count = known = 0
    for row in here:
        rows_now, judged_now = answered.get(row.target, (0, 0))
        count += max(0, rows_now - row.statistics["before"])
        known += max(0, judged_now - row.statistics.get("judged_before", judged_now))
    outcome = Outcome.UNDECIDED if count else Outcome.NO_TRAFFIC
    words = f"{count:,} requests, {known:,} of them with an outcome" if count else ""
    return StepEvidence(count, outcome, words, min(known, count))


def _answered(services: Services, rollout: Rollout) -> dict[str, tuple[int, int]]:
    """Rows that the version has answered on each target so far, and those whose outcome is known."""
    with services.reading_telemetry() as connection:
        if connection is None:
            return {}
        from pilothouse.telemetry.intake.streams import list_streams

        return {
            stream.target: (stream.rows, stream.labelled)
            for stream in list_streams(connection, rollout.model)
            if stream.version == rollout.version
        }
