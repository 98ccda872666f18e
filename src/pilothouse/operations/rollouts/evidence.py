"""Evidence of a roll-out's steps: begun with a step, folded from telemetry, judged.

The statistics are loaded only once a roll-out has a trial: commands and consoles that show others do not wait for them.
"""

from collections.abc import Sequence

from pilothouse.domain.rollouts.plan import StepKind
from pilothouse.domain.rollouts.rollout import Rollout
from pilothouse.domain.rollouts.rules import Breach, Outcome, StepEvidence
from pilothouse.operations.authorisation import Change
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.promotion import rollouts
from pilothouse.store.promotion.rollouts import EvidenceRow

TRAFFIC = "traffic"
"""Name of the count of rows that the version had answered on a target when a live step began there."""


def begin(
    services: Services, change: Change, rollout: Rollout, targets: Sequence[str], kind: StepKind
) -> None:
    """Keep what the evidence of a step that begins on targets is counted from."""
    if kind is not StepKind.LIVE:
        _begin_trials(change, rollout, targets)
        return
    answered = _answered(services, rollout)
    rows = [
        EvidenceRow(
            wave=rollout.wave,
            step=rollout.step,
            target=target,
            test=TRAFFIC,
            statistics={"before": answered.get(target, 0)},
            watermark={},
            folded_at=change.at,
        )
        for target in targets
    ]
    rollouts.put_evidence(change.connection, rollout.id, rows)


def _begin_trials(change: Change, rollout: Rollout, targets: Sequence[str]) -> None:
    from pilothouse.operations.rollouts.trial_folding import first_rows

    there = {(row.wave, row.target, row.test) for row in rollouts.evidence(change.connection, rollout.id)}
    rows = [
        row
        for target in targets
        for row in first_rows(change.connection, rollout, target, change.at)
        if (row.wave, row.target, row.test) not in there
    ]
    rollouts.put_evidence(change.connection, rollout.id, rows)


def fold(services: Services, rollout: Rollout) -> None:
    """Fold what has come of a roll-out's trials; nothing is written where nothing has. It decides nothing: whatever follows
    from it is an act of its own."""
    with services.registry.read() as connection:
        rows = [row for row in rollouts.evidence(connection, rollout.id) if row.test != TRAFFIC]
    if not rows:
        return
    from pilothouse.operations.rollouts import trial_folding

    with services.reading_telemetry() as telemetry:
        if telemetry is None:
            return
        changed = trial_folding.fold(telemetry, rollout, rows, services.now())
    if changed:
        with services.registry.transaction() as connection:
            rollouts.put_evidence(connection, rollout.id, changed)


def judged(
    services: Services, connection: Connection, rollout: Rollout
) -> tuple[StepEvidence, Breach | None]:
    """What the tests of the step at which a roll-out is say so far, and harm that the tests of any step have found."""
    rows = rollouts.evidence(connection, rollout.id)
    trials = [row for row in rows if row.test != TRAFFIC]
    harm: Breach | None = None
    if trials:
        from pilothouse.operations.rollouts.trial_verdicts import judge

        found = judge(rollout, trials)
        if rollout.current is not None and rollout.current[1].kind is not StepKind.LIVE:
            return found.step, found.harm
        harm = found.harm
    if rollout.current is None or rollout.entered_at is None:
        return StepEvidence(), harm
    return _traffic(services, rollout, rows), harm


def _traffic(services: Services, rollout: Rollout, rows: Sequence[EvidenceRow]) -> StepEvidence:
    """Rows that the version has answered since a live step began."""
    answered = _answered(services, rollout)
    of_wave = {one.target for one in rollout.of_wave(rollout.wave)}  # others catch up meanwhile
    here = [
        row
        for row in rows
        if (row.wave, row.step, row.test) == (rollout.wave, rollout.step, TRAFFIC) and row.target in of_wave
    ]
    count = sum(max(0, answered.get(row.target, 0) - row.statistics["before"]) for row in here)
    outcome = Outcome.UNDECIDED if count else Outcome.NO_TRAFFIC
    return StepEvidence(count, outcome, f"{count:,} requests" if count else "")


def _answered(services: Services, rollout: Rollout) -> dict[str, int]:
    """Rows that the version has answered on each target so far."""
    with services.reading_telemetry() as connection:
        if connection is None:
            return {}
        from pilothouse.telemetry.intake.streams import list_streams

        return {
            stream.target: stream.rows
            for stream in list_streams(connection, rollout.model)
            if stream.version == rollout.version
        }
