"""The record of a version on a target: how it was when it was last live there, and what that means when it is live again."""

from collections.abc import Sequence

from pilothouse.domain.identifiers import VersionReference
from pilothouse.domain.monitoring.deployment_state import as_known
from pilothouse.domain.monitoring.monitoring import Health
from pilothouse.domain.records import Alert, Deployment, RollBackStep
from pilothouse.operations.authorisation import Change
from pilothouse.operations.promotion.rules_in_force import judged_looser
from pilothouse.operations.services import Services
from pilothouse.operations.states import states
from pilothouse.operations.states.watching import unwatched
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import alerts, deployment_states
from pilothouse.store.deployed.alerts import NewAlert
from pilothouse.store.models import versions


def reopen_alerts(change: Change, live: Sequence[Deployment]) -> None:
    """Open the alerts again that ended only because their version was replaced, now that it is live again, and with them
    their incidents. A new alert repeats each, in its incident: what was resolved stays on record."""
    by_version: dict[tuple[str, int], dict[str, Deployment]] = {}
    for deployment in live:
        by_version.setdefault((deployment.model, deployment.version), {})[deployment.target] = deployment
    for (model, version), on_target in by_version.items():
        for before in alerts.cut_off(change.connection, model, version, on_target):
            _reopen(change, before, on_target[before.target])


def _reopen(change: Change, before: Alert, live: Deployment) -> None:
    again = f"v{live.version} is live again on {live.target}"
    new = NewAlert(
        model=before.model,
        version=before.version,
        target=before.target,
        kind=before.kind,
        subject=before.subject,
        severity=before.severity,
        effective_at=live.effective_at,
        summary=before.summary,
        explanation=f"{again}: alert {before.id} of {before.effective_at:%Y-%m-%d} was open when another version took its "
        f"place, and stands until newer windows say otherwise.\n{before.explanation}",
        figures=before.figures,
        features=before.features,
        diagnosis=alerts.diagnosis_of(change.connection, before.id),
    )
    if alerts.same_finding(change.connection, new) is not None:
        return
    number = alerts.add(change.connection, new, at=change.at)
    assert number is not None
    if before.incident is not None:
        because = f"{again}, with which alert {before.id} had ended"
        alerts.put_into_incident(change.connection, number, before.incident, because)
    change.record(
        alerts.REOPENED,
        f"alert {number}",
        {"model": before.model, "target": before.target, "version": before.version, "before": before.id},
    )


def with_records(
    services: Services, connection: Connection, steps: Sequence[RollBackStep]
) -> list[RollBackStep]:
    """Steps with the state of what is live now, and the record of what they go back to."""
    recorded = []
    watched = not unwatched(services, connection)
    looser = {then: _looser(connection, *then) for then in {(step.model, step.then) for step in steps}}
    for step in steps:
        now = deployment_states.states_of(connection, step.model, step.target).get(step.target)
        health, then = states.record_of(services, connection, step.model, step.then, step.target)
        cut_off = alerts.cut_off(connection, step.model, step.then, [step.target])
        if cut_off:
            worst = min(cut_off, key=lambda alert: alert.severity != "critical")
            health = Health.CRITICAL if worst.severity == "critical" else Health.DEGRADED
            then = f"{worst.summary} (alert {worst.id} of {worst.effective_at:%Y-%m-%d})"
        recorded.append(
            RollBackStep(
                step.model,
                step.target,
                step.now,
                step.then,
                now_record=": ".join(as_known(now.health, now.why, watched=watched)) if now else "",
                then_record=f"{health}: {then}{looser[step.model, step.then]}",
                then_was_bad=health.rank <= Health.DEGRADED.rank,
            )
        )
    return recorded


def _looser(connection: Connection, model: str, number: int) -> str:
    """Gates in force that the version before has not passed; a roll-back goes there all the same."""
    version = versions.find(connection, VersionReference(model, number))
    lines = judged_looser(connection, version) if version else ()
    return f"; judged before the gates were tightened: {'; '.join(lines)}" if lines else ""
