"""Silence: a live target that sends nothing opens an alert. It is judged by the wall clock, since no window closes without
events."""

from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.domain.monitoring.alert_rules import Flow, flowing_since, next_look_us, silent_for
from pilothouse.domain.records import Alert
from pilothouse.operations.alerts.alerting import AlertChanges, Deployed, new_alert, try_to_resolve
from pilothouse.operations.alerts.alerts import open_alert
from pilothouse.operations.alerts.explanations import silence as silence_text
from pilothouse.operations.model_files import spec_in_force
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import alerts as alert_store
from pilothouse.store.deployed import deployments, processes
from pilothouse.telemetry.intake.streams import arrivals_after, list_streams
from pilothouse.telemetry.windows import worklist
from pilothouse.telemetry.windows.worklist import NEVER_US, Moved

KIND = "silence"
_AT_MOST = 5_000
"""Deployments that are looked at in one round; the others are in the next."""


def watch(services: Services) -> AlertChanges:
    """Open an alert for each live deployment whose target has fallen silent, resolve those whose events flow again.

    A target that has never sent anything is not silent but unused; one that replays history is silent when that is over.
    Only deployments are looked at whose time has come.
    """
    now_us = to_us(services.now())
    with services.telemetry.read() as telemetry:
        candidates = worklist.to_look_at(telemetry, now_us, _AT_MOST)
    with services.registry.read() as connection:
        daemon = processes.find_process(connection, "daemon")
        since_us = to_us(daemon.started_at) if daemon and daemon.stopped_at is None else 0
        live = deployments.live_versions(connection, [(c.model, c.target) for c in candidates])
        specs = {c.model: spec_in_force(connection, c.model) for c in candidates}
        unresolved = alert_store.unresolved_of_kind(connection, KIND)
    opened: list[Alert] = []
    later: list[tuple[Moved, int]] = []
    for candidate in candidates:
        spec, deployed = specs[candidate.model], live.get((candidate.model, candidate.target))
        if spec is None or deployed is None:
            later.append((candidate, NEVER_US))
            continue
        version, deployed_at = deployed
        flow = Flow(candidate.event_us, candidate.arrived_us, max(since_us, to_us(deployed_at)))
        silence = spec.monitoring.silence
        quiet = silent_for(flow, now_us, silence)
        if quiet is not None:
            text = silence_text(candidate.target, flow, quiet, silence)
            source = Deployed(candidate.model, version, candidate.target)
            alert, new = open_alert(services, new_alert(source, KIND, from_us(flow.event_us), text))
            opened += [alert] if new else []
        later.append((candidate, NEVER_US if quiet is not None else next_look_us(flow, silence)))
    if later:
        with services.telemetry.transaction() as telemetry:
            worklist.look_later(telemetry, later)
    return AlertChanges(opened, _resolved(services, unresolved, now_us))


def _resolved(services: Services, unresolved: list[Alert], now_us: int) -> list[Alert]:
    resolved = []
    for alert in unresolved:
        with services.registry.read() as connection:
            spec = spec_in_force(connection, alert.model)
        if spec is None:
            continue
        with services.telemetry.read() as telemetry:
            arrivals = _arrivals(telemetry, alert)
        since = flowing_since(arrivals, now_us, spec.monitoring.silence)
        if since is not None:
            reason = f"events have arrived again since {from_us(since):%Y-%m-%d %H:%M}"
            resolved += [alert] if try_to_resolve(services, alert, reason) else []
    return resolved


def _arrivals(telemetry: Connection, alert: Alert) -> list[int]:
    """Arrival times of batches since the alert opened, of whichever version."""
    return sorted(
        arrived
        for stream in list_streams(telemetry, alert.model, alert.target)
        for arrived in arrivals_after(
            telemetry, stream.id, to_us(alert.effective_at), to_us(alert.recorded_at)
        )
    )
