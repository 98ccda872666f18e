"""Evidence of a roll-out's step: how many requests the version has answered since the step began.

Statistics and watermark are written together, so that a daemon that was killed goes on from the same numbers.
"""

from collections.abc import Iterable

from pilothouse.domain.rollouts.plan import StepKind
from pilothouse.domain.rollouts.rollout import Rollout
from pilothouse.domain.rollouts.rules import Outcome, StepEvidence
from pilothouse.operations.authorisation import Change
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import rollouts

TRAFFIC = "traffic"
"""Name of the count of rows that the version had answered on a target when the step began there."""


def note_traffic(services: Services, change: Change, rollout: Rollout, targets: Iterable[str]) -> None:
    """Keep how many rows the version had answered on targets, at the begin of a step there."""
    answered = _answered(services, rollout)
    rows = [
        rollouts.EvidenceRow(
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


def evidence_of(services: Services, connection: Connection, rollout: Rollout) -> StepEvidence:
    """What the tests of the step at which a roll-out is say so far."""
    if rollout.current is None:
        return StepEvidence()
    _, step = rollout.current
    rows = [
        row
        for row in rollouts.evidence(connection, rollout.id)
        if (row.wave, row.step, row.test) == (rollout.wave, rollout.step, TRAFFIC)
    ]
    answered = _answered(services, rollout)
    requests = sum(max(0, answered.get(row.target, 0) - row.statistics["before"]) for row in rows)
    outcome = Outcome.UNDECIDED if requests else Outcome.NO_TRAFFIC
    words = f"{requests:,} requests" if requests and step.kind is StepKind.LIVE else ""
    return StepEvidence(requests, outcome, words)


def _answered(services: Services, rollout: Rollout) -> dict[str, int]:
    """Rows that the version has answered on each target so far."""
    with services.reading_telemetry() as connection:
        if connection is None:
            return {}
        from pilothouse.telemetry.streams import list_streams

        return {
            stream.target: stream.rows
            for stream in list_streams(connection, rollout.model)
            if stream.version == rollout.version
        }
