"""Every metric of the daemon's page: name, kind, labels, unit and meaning. Documents and dashboards are checked against it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pilothouse.domain.formats.openmetrics import Family, Labels

DEPLOYMENT = ("model", "target")
FIGURE = (*DEPLOYMENT, "metric")


@dataclass(frozen=True, slots=True)
class Metric:
    """Metric of the page. ``name``: without ``_total`` of counters and ``_info`` of infos."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    of_daemon: bool = False
    """Known to the running daemon alone: not on the page that the command line writes."""

    @property
    def series(self) -> str:
        """Name of its samples."""
        return self.name + _ENDINGS.get(self.kind, "")


_ENDINGS = {"counter": "_total", "info": "_info"}


def _gauge(name: str, text: str, labels: tuple[str, ...] = (), *, of_daemon: bool = False) -> Metric:
    unit = next((unit for unit in ("seconds", "bytes") if name.endswith(f"_{unit}")), "")
    return Metric(f"pilothouse_{name}", "gauge", text, labels, unit, of_daemon)


def _counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Metric:
    return Metric(f"pilothouse_{name}", "counter", text, labels)


METRICS: tuple[Metric, ...] = (
    Metric("pilothouse_build", "info", "Release.", ("version",)),
    _gauge("daemon_running", "1 while a daemon leads the workspace."),
    _gauge("daemon_start_timestamp_seconds", "Time at which the daemon started."),
    _gauge("workspace_read_only", "1 while nothing may be written."),
    _gauge("automation_paused", "1 while automation is paused."),
    _gauge("disk_free_bytes", "Bytes that are free where the workspace lies."),
    _gauge("deployments", "Deployments by health.", ("health",)),
    _gauge(
        "model_deployments", "Deployments of a model by health; of the worst models.", ("model", "health")
    ),
    _gauge(
        "deployments_left_out", "Deployments without series of their own: the page has only the worst ones."
    ),
    _gauge("deployment_health", "1 for the health that a deployment has now.", (*DEPLOYMENT, "health")),
    _gauge("deployment_version", "Number of the version that is live.", DEPLOYMENT),
    _gauge("deployment_alerts", "Alerts of a deployment that are not resolved.", DEPLOYMENT),
    _gauge(
        "deployment_last_event_timestamp_seconds",
        "Event time of the newest prediction, as of when the state was written.",
        DEPLOYMENT,
    ),
    _gauge("drifted_features", "Features that drifted in the newest window that was judged.", DEPLOYMENT),
    _gauge("judged_features", "Features that were looked at in that window.", DEPLOYMENT),
    _gauge("blind_features", "Features of it that cannot be judged.", DEPLOYMENT),
    _gauge("drift_window_end_timestamp_seconds", "Event time at which that window ended.", DEPLOYMENT),
    _gauge("window_rows", "Predictions of the newest window.", DEPLOYMENT),
    _gauge("performance", "Metric by the outcomes of the newest window that has any.", FIGURE),
    _gauge("performance_low", "Lower bound of its 95 % interval.", FIGURE),
    _gauge("performance_high", "Upper bound of its 95 % interval.", FIGURE),
    _gauge("performance_reference", "The version's metric on its reference.", FIGURE),
    _gauge("performance_window_end_timestamp_seconds", "Event time at which that window ended.", FIGURE),
    _gauge("estimated_performance", "Metric of the newest window as estimated without outcomes.", FIGURE),
    _gauge("estimated_performance_low", "Lower bound of the estimate's band.", FIGURE),
    _gauge("estimated_performance_high", "Upper bound of the estimate's band.", FIGURE),
    _gauge("estimate_window_end_timestamp_seconds", "Event time at which that window ended.", FIGURE),
    _gauge("latency_p95_seconds", "95th percentile of the latency in the newest window.", DEPLOYMENT),
    _gauge("alerts", "Alerts that are not resolved.", ("kind", "severity", "status")),
    _counter("alerts_opened", "Alerts that were ever opened."),
    _gauge("incidents", "Incidents that go on.", ("state", "severity")),
    _counter("incidents_opened", "Incidents that ever began."),
    _gauge("jobs", "Jobs that wait or run.", ("kind", "status")),
    _gauge("oldest_job_age_seconds", "Age of the oldest job of a status.", ("status",)),
    _counter("jobs_queued", "Jobs that were ever queued."),
    _counter("jobs_ended", "Jobs that have ended, by how.", ("status",)),
    _gauge("requests_open", "Promotion requests that wait for a decision."),
    _gauge("rollouts", "Roll-outs that are on their way.", ("state",)),
    _gauge("oldest_rollout_age_seconds", "Age of the oldest roll-out that is on its way."),
    _counter("rollouts_ended", "Roll-outs that have ended, by how.", ("state",)),
    _counter("deployments_made", "Times that a version went live on a target.", ("kind",)),
    _gauge("last_backup_timestamp_seconds", "Time of the last backup; absent before the first."),
    _counter("log_entries", "Entries of the audit log."),
    _gauge("log_signed_entries", "Entries that the newest signed head covers."),
    _gauge("log_signed_timestamp_seconds", "Time of the newest signed head."),
    _gauge("log_anchor_entries", "Entries of the head that an anchor has taken.", ("anchor",)),
    _gauge("log_anchor_failing", "1 while an anchor does not take heads.", ("anchor",)),
    _counter("telemetry_batches", "Batches of predictions that were committed."),
    _gauge("counted_predictions", "Predictions counted for the versions on record; erasures take some away."),
    _counter("rejected_rows", "Rows of telemetry that were not taken."),
    _gauge("last_arrival_timestamp_seconds", "Time at which the newest prediction arrived."),
    _gauge("spooled_batches", "Batches that serving processes say they hold back."),
    _gauge(
        "export_waiting_entries", "Entries of the audit log that an export has not delivered.", ("export",)
    ),
    _gauge("export_failing", "1 while an export's receiver does not take events.", ("export",)),
    _gauge(
        "outbox_waiting_messages",
        "Messages about alerts that a receiver is due and has not taken.",
        ("receiver",),
    ),
    _gauge("outbox_oldest_age_seconds", "Time for which the oldest of them is due.", ("receiver",)),
    _gauge(
        "outbox_receiver_failing",
        "1 while a receiver of alerts takes nothing for long, or nothing is sent to it.",
        ("receiver",),
    ),
    _gauge("outbox_given_up_messages", "Messages about alerts that were given up within a day."),
    _gauge("hub_waiting_batches", "Batches that wait for the hub's writer.", of_daemon=True),
    _gauge("hub_oldest_waiting_seconds", "Age of the oldest of them.", of_daemon=True),
    _gauge(
        "hub_commit_seconds", "Longest time from a batch to its commit in the last minute.", of_daemon=True
    ),
    _gauge("daemon_loop_lag_seconds", "Time that the loop of this page took to come round.", of_daemon=True),
    _gauge("daemon_turn_age_seconds", "Time since a part's last turn began.", ("part",), of_daemon=True),
    _gauge("daemon_part_stuck", "1 while a part's turn takes longer than it may.", ("part",), of_daemon=True),
    _gauge("page_seconds", "Time that this page took to gather.", of_daemon=True),
)
"""In the order of the page. Names are stable: one that goes is said in the changelog a release before."""

Samples = Mapping[str, Sequence[tuple[Labels, float]]]
"""Samples by the name of their metric, without ``pilothouse_``."""


def families(samples: Samples) -> Iterator[Family]:
    """Families of the page, in its order; a metric without samples is left out."""
    for metric in METRICS:
        found = samples.get(metric.name.removeprefix("pilothouse_"))
        if found:
            ending = _ENDINGS.get(metric.kind, "")
            yield Family(
                metric.name,
                metric.kind,
                metric.help,
                tuple((ending, labels, value) for labels, value in found),
                metric.unit,
            )
