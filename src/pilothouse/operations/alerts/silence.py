"""Silence: a live target that sends nothing opens an alert. It is judged by the wall clock, since no window closes without
events."""

from pilothouse.domain.alert_rules import Flow, flowing_since, silent_for
from pilothouse.domain.records import Alert, Deployment
from pilothouse.domain.time_units import from_us, to_us
from pilothouse.operations.alerts.alerting import AlertChanges, new_alert, try_to_resolve
from pilothouse.operations.alerts.alerts import open_alert
from pilothouse.operations.alerts.explanations import silence as silence_text
from pilothouse.operations.monitoring.baselines import spec_in_force
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import alerts as alert_store
from pilothouse.store import processes
from pilothouse.telemetry.streams import arrivals_after, list_streams

KIND = "silence"


def watch(services: Services, live: list[Deployment]) -> AlertChanges:
    """Open an alert for each live deployment whose target has fallen silent, resolve those whose events flow again.

    A target that has never sent anything is not silent but unused; one that replays history is silent when that is over.
    """
    opened: list[Alert] = []
    resolved: list[Alert] = []
    now_us = to_us(services.now())
    with services.registry.read() as connection:
        daemon = processes.find_process(connection, "daemon")
        since_us = to_us(daemon.started_at) if daemon and daemon.stopped_at is None else 0
        unresolved = {
            (a.model, a.target): a
            for a in alert_store.listed(connection, unresolved=True, limit=10_000)
            if a.kind == KIND
        }
        limits = {d.model: spec_in_force(connection, d.model) for d in live}
    for deployment in live:
        spec = limits[deployment.model]
        if spec is None:
            continue
        alert = unresolved.get((deployment.model, deployment.target))
        with services.telemetry.read() as telemetry:
            flow = _flow(telemetry, deployment, since_us)
            if flow is None:
                continue
            arrivals = _arrivals(telemetry, alert) if alert else []
        silence = spec.monitoring.silence
        quiet = silent_for(flow, now_us, silence)
        if alert is None and quiet is not None:
            alert, new = _open(services, deployment, flow, quiet, silence)
            opened += [alert] if new else []
        elif alert is not None and (since := flowing_since(arrivals, now_us, silence)) is not None:
            reason = f"events have arrived again since {from_us(since):%Y-%m-%d %H:%M}"
            resolved += [alert] if try_to_resolve(services, alert, reason) else []
    return AlertChanges(opened, resolved)


def _flow(telemetry: Connection, deployment: Deployment, since_us: int) -> Flow | None:
    """The newest events of a model at a target, of whichever version."""
    streams = list_streams(telemetry, deployment.model, deployment.target)
    if not streams:
        return None
    newest = max(streams, key=lambda stream: stream.last_arrival_us)
    return Flow(newest.last_event_us, newest.last_arrival_us, max(since_us, to_us(deployment.recorded_at)))


def _arrivals(telemetry: Connection, alert: Alert) -> list[int]:
    """Arrival times of batches since the alert opened, of whichever version."""
    return sorted(
        arrived
        for stream in list_streams(telemetry, alert.model, alert.target)
        for arrived in arrivals_after(
            telemetry, stream.id, to_us(alert.effective_at), to_us(alert.recorded_at)
        )
    )


def _open(
    services: Services, deployment: Deployment, flow: Flow, quiet: int, silence: int
) -> tuple[Alert, bool]:
    text = silence_text(deployment.target, flow, quiet, silence)
    return open_alert(services, new_alert(deployment, KIND, from_us(flow.event_us), text))
