"""Samples of the daemon's page of metrics, read from what is on record: nothing is judged while it is scraped."""

import shutil
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from pilothouse import __version__
from pilothouse.domain.formats.openmetrics import Labels, label_text
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.integrations.integration_file import MetricsSettings
from pilothouse.domain.integrations.metric_table import METRICS
from pilothouse.operations.authorisation import reading
from pilothouse.operations.fleet.processes import daemon_state
from pilothouse.operations.integrations import integration_files
from pilothouse.operations.integrations.outbox import MONITORING
from pilothouse.operations.outbox import views as outbox_views
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import workspace
from pilothouse.store.deployed import deployment_states
from pilothouse.store.exports import cursors, figures
from pilothouse.store.log import audit, log_anchors, log_heads

BACKED_UP = "workspace.backed_up"
_LABELS = {metric.name.removeprefix("pilothouse_"): metric.labels for metric in METRICS}

Gathered = dict[str, list[tuple[Labels, float]]]


class Samples:
    """Samples by metric, as they are gathered."""

    def __init__(self) -> None:
        self.found: Gathered = defaultdict(list)

    def one(self, name: str, value: float | None) -> None:
        """A metric without labels; nothing where the value is not known."""
        if value is not None:
            self.found[name].append(("", value))

    def time(self, name: str, at: datetime | None) -> None:
        """A time as seconds since 1970; nothing where there is none."""
        self.one(name, at.timestamp() if at else None)

    def many(self, name: str, samples: Iterable[tuple[tuple[str, ...], float]]) -> None:
        """Samples by the values of their labels."""
        names = _LABELS[name]
        self.found[name] += [
            (label_text(dict(zip(names, values, strict=True))), value) for values, value in samples
        ]


def gather(services: Services, actor: Actor) -> Gathered:
    """Samples of everything that the databases and the system know. Raises NotAllowedError."""
    samples = Samples()
    samples.many("build", [((__version__,), 1)])
    state = daemon_state(services)
    samples.one("daemon_running", int(state.running))
    samples.time("daemon_start_timestamp_seconds", state.started_at if state.running else None)
    samples.one("workspace_read_only", int(services.write_guard.state() is not None))
    samples.one("disk_free_bytes", shutil.disk_usage(services.paths.state).free)
    with reading(services, actor) as connection:
        settings = integration_files.in_force(connection)
        most = (settings.metrics or MetricsSettings()).deployments
        shown = list(figures.worst_deployments(connection, most))
        _of_fleet(connection, samples, most, len(shown))
        _of_work(services, connection, samples)
        _of_log(connection, samples)
        _of_outbox(connection, samples, services.now())
    _of_deployments(samples, shown)
    _of_telemetry(services, samples, shown)
    return samples.found


def _of_fleet(connection: Connection, samples: Samples, most: int, shown: int) -> None:
    by_health = deployment_states.count_by_health(connection)
    samples.many("deployments", [((str(health),), number) for health, number in by_health.items()])
    samples.many("model_deployments", figures.by_model_and_health(connection, most))
    live = sum(number for health, number in by_health.items() if str(health) != "not deployed")
    samples.one("deployments_left_out", live - shown)
    samples.one("automation_paused", int(workspace.automation(connection).paused))


def _of_deployments(samples: Samples, shown: list[figures.Deployed]) -> None:
    """Samples of one deployment each. The labels are written once for all of its metrics."""
    found = samples.found
    for one in shown:
        place, known = label_text({"model": one.model, "target": one.target}), one.figures
        found["deployment_health"].append((f'{place},health="{one.health}"', 1))
        found["deployment_alerts"].append((place, one.alerts))
        if one.version is not None:
            found["deployment_version"].append((place, one.version))
        if known.last_event is not None:
            found["deployment_last_event_timestamp_seconds"].append((place, known.last_event.timestamp()))
        if known.drift_window is not None:
            found["drifted_features"].append((place, known.drifted))
            found["judged_features"].append((place, known.features))
            found["blind_features"].append((place, known.blind))
            found["drift_window_end_timestamp_seconds"].append((place, known.drift_window.end.timestamp()))
            found["window_rows"].append((place, known.rows_last_window))
        if known.p95_ms is not None:
            found["latency_p95_seconds"].append((place, known.p95_ms / 1_000))
        finding, window = known.performance, known.performance_window
        if finding is not None and window is not None:
            figure = f"{place},{label_text({'metric': finding.metric})}"
            _put(found, "performance", figure, finding.value, finding.low, finding.high)
            if finding.reference is not None:
                found["performance_reference"].append((figure, finding.reference))
            found["performance_window_end_timestamp_seconds"].append((figure, window.end.timestamp()))


def _put(
    found: Gathered, name: str, labels: str, value: float | None, low: float | None, high: float | None
) -> None:
    for ending, known in (("", value), ("_low", low), ("_high", high)):
        if known is not None:
            found[f"{name}{ending}"].append((labels, known))


def _of_work(services: Services, connection: Connection, samples: Samples) -> None:
    now = services.now()
    samples.many("alerts", figures.alerts(connection))
    samples.one("alerts_opened", figures.newest_number(connection, "alerts"))
    samples.many("incidents", figures.incidents(connection))
    samples.one("incidents_opened", figures.newest_number(connection, "incidents"))
    samples.many("jobs", figures.jobs(connection))
    ages = [((status,), _age(now, at)) for status, at in figures.oldest_jobs(connection)]
    samples.many("oldest_job_age_seconds", ages)
    samples.one("jobs_queued", figures.newest_number(connection, "jobs"))
    samples.many("jobs_ended", figures.ended_jobs(connection))
    samples.one("requests_open", figures.open_requests(connection))
    going, ended, oldest = figures.rollouts(connection)
    samples.many("rollouts", going)
    samples.one("oldest_rollout_age_seconds", _age(now, oldest) if oldest else None)
    samples.many("rollouts_ended", ended)
    samples.many("deployments_made", figures.deployments_made(connection))
    samples.one("spooled_batches", figures.spooled_batches(connection))
    backed_up = audit.newest_of(connection, BACKED_UP)
    samples.time("last_backup_timestamp_seconds", backed_up.recorded_at if backed_up else None)


def _of_log(connection: Connection, samples: Samples) -> None:
    entries, newest = audit.head(connection).count, log_heads.newest(connection)
    samples.one("log_entries", entries)
    samples.one("log_signed_entries", newest.size if newest else 0)
    samples.time("log_signed_timestamp_seconds", newest.recorded_at if newest else None)
    for state in log_anchors.states(connection):
        samples.many("log_anchor_entries", [((state.anchor.name,), state.delivery.sent_size)])
        samples.many("log_anchor_failing", [((state.anchor.name,), int(state.delivery.failures > 0))])
    for name, delivery in cursors.cursors(connection).items():
        if name != MONITORING:  # its cursor counts readings
            samples.many("export_waiting_entries", [((name,), entries - delivery.sent_size)])
        samples.many("export_failing", [((name,), int(delivery.failures > 0))])


def _of_outbox(connection: Connection, samples: Samples, now: datetime) -> None:
    receivers, given_up = outbox_views.figures(connection, now)
    for name, one in receivers.items():
        samples.many("outbox_waiting_messages", [((name,), one.waiting)])
        samples.many("outbox_oldest_age_seconds", [((name,), one.oldest_s)])
        samples.many("outbox_receiver_failing", [((name,), int(one.failing))])
    samples.one("outbox_given_up_messages", given_up)


def _of_telemetry(services: Services, samples: Samples, shown: list[figures.Deployed]) -> None:
    with services.reading_telemetry() as connection:
        if connection is None:
            return
        from pilothouse.telemetry.windows import newest_figures

        totals = newest_figures.totals(connection)
        samples.one("telemetry_batches", totals.batches)
        samples.one("counted_predictions", totals.rows)
        samples.one("rejected_rows", totals.rejected)
        samples.time("last_arrival_timestamp_seconds", totals.last_arrival)
        keys = [(one.model, one.version, one.target) for one in shown if one.version is not None]
        for model, target, end, estimate in newest_figures.newest_estimates(connection, keys):
            labels = label_text({"model": model, "target": target, "metric": estimate.metric})
            found = samples.found
            _put(found, "estimated_performance", labels, estimate.value, estimate.low, estimate.high)
            found["estimate_window_end_timestamp_seconds"].append((labels, end.timestamp()))


def _age(now: datetime, since: datetime) -> float:
    return max(0.0, (now - since).total_seconds())
