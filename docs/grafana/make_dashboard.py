"""Writes ``pilothouse.json``, the dashboard for Grafana: ``python docs/grafana/make_dashboard.py``."""

import json
import sys
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("pilothouse.json")
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_CHOSEN = 'model=~"$model",target=~"$target"'

Panel = dict[str, Any]


def stat(title: str, *queries: tuple[str, str], unit: str = "short") -> Panel:
    """Panel of figures as they are now."""
    options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "textMode": "auto"}
    return {**_panel("stat", title, queries, unit), "options": options}


def lines(title: str, *queries: tuple[str, str], unit: str = "short") -> Panel:
    """Panel of courses over time."""
    options = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
    return {**_panel("timeseries", title, queries, unit), "options": options}


def table(title: str, query: str) -> Panel:
    """Panel with one row a series."""
    panel = _panel("table", title, [(query, "")], "short")
    panel["targets"][0] |= {"format": "table", "instant": True}
    hidden = {"Time": True, "__name__": True, "instance": True, "job": True, "Value": True}
    return panel | {
        "transformations": [{"id": "organize", "options": {"excludeByName": hidden}}],
        "options": {"showHeader": True},
    }


def _panel(kind: str, title: str, queries: Any, unit: str) -> Panel:
    return {
        "type": kind,
        "title": title,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + i),
                "datasource": _SOURCE,
                "expr": query,
                "legendFormat": legend or "__auto",
            }
            for i, (query, legend) in enumerate(queries)
        ],
    }


ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "Fleet",
        (
            stat("Deployments by health", ("pilothouse_deployments", "{{health}}")),
            stat("Open alerts", ("sum by (severity) (pilothouse_alerts)", "{{severity}}")),
            stat("Incidents", ("sum by (state) (pilothouse_incidents)", "{{state}}")),
            table("Not healthy", f'pilothouse_deployment_health{{health!="healthy",{_CHOSEN}}} == 1'),
        ),
    ),
    (
        "Models",
        (
            lines(
                "Performance, with its interval and reference",
                (f"pilothouse_performance{{{_CHOSEN}}}", "{{model}} {{target}} {{metric}}"),
                (f"pilothouse_performance_low{{{_CHOSEN}}}", "low {{model}} {{target}}"),
                (f"pilothouse_performance_high{{{_CHOSEN}}}", "high {{model}} {{target}}"),
                (f"pilothouse_performance_reference{{{_CHOSEN}}}", "reference {{model}} {{target}}"),
            ),
            lines(
                "Estimated performance",
                (f"pilothouse_estimated_performance{{{_CHOSEN}}}", "{{model}} {{target}} {{metric}}"),
                (f"pilothouse_estimated_performance_low{{{_CHOSEN}}}", "low {{model}} {{target}}"),
                (f"pilothouse_estimated_performance_high{{{_CHOSEN}}}", "high {{model}} {{target}}"),
            ),
            lines("Drifted features", (f"pilothouse_drifted_features{{{_CHOSEN}}}", "{{model}} {{target}}")),
            lines(
                "p95 latency of a window",
                (f"pilothouse_latency_p95_seconds{{{_CHOSEN}}}", "{{model}} {{target}}"),
                unit="s",
            ),
        ),
    ),
    (
        "Serving",
        (
            lines(
                "Requests a second",
                ("sum by (model, version) (rate(pilothouse_requests_total[5m]))", "{{model}}/{{version}}"),
            ),
            lines(
                "Errors a second",
                ("sum by (model, status) (rate(pilothouse_errors_total[5m]))", "{{model}} {{status}}"),
            ),
            lines(
                "p95 of requests",
                (
                    "histogram_quantile(0.95, sum by (model, le) (rate(pilothouse_request_duration_seconds_bucket[5m])))",
                    "{{model}}",
                ),
                unit="s",
            ),
        ),
    ),
    (
        "Work",
        (
            lines("Jobs", ("sum by (status) (pilothouse_jobs)", "{{status}}")),
            lines("Oldest job", ("pilothouse_oldest_job_age_seconds", "{{status}}"), unit="s"),
            lines(
                "Jobs ended in an hour",
                ("sum by (status) (increase(pilothouse_jobs_ended_total[1h]))", "{{status}}"),
            ),
            stat("Roll-outs", ("pilothouse_rollouts", "{{state}}")),
            stat("Open requests", ("pilothouse_requests_open", "requests")),
        ),
    ),
    (
        "Operation",
        (
            stat("Last backup", ("time() - pilothouse_last_backup_timestamp_seconds", "ago"), unit="s"),
            stat(
                "Log rows without a signed head",
                ("pilothouse_log_entries_total - pilothouse_log_signed_entries", "rows"),
            ),
            lines(
                "Batches a second",
                ("rate(pilothouse_telemetry_batches_total[5m])", "committed"),
                ("pilothouse_hub_waiting_batches", "waiting"),
            ),
            lines("Time to a commit", ("pilothouse_hub_commit_seconds", "longest of a minute"), unit="s"),
            lines("Turns of the daemon", ("pilothouse_daemon_turn_age_seconds", "{{part}}"), unit="s"),
            lines("Lag of the daemon's loop", ("pilothouse_daemon_loop_lag_seconds", "lag"), unit="s"),
        ),
    ),
)


def dashboard() -> dict[str, Any]:
    """Dashboard as Grafana imports it."""
    panels: list[Panel] = []
    y = 0
    for title, of_row in ROWS:
        panels.append(
            {
                "type": "row",
                "title": title,
                "collapsed": False,
                "gridPos": {"h": 1, "w": 24, "x": 0, "y": y},
                "panels": [],
            }
        )
        y += 1
        for i, panel in enumerate(of_row):
            place = {"h": 8, "w": 8, "x": 8 * (i % 3), "y": y + 8 * (i // 3)}
            panels.append({**panel, "gridPos": place})
        y += 8 * ((len(of_row) + 2) // 3)
    for number, panel in enumerate(panels, 1):
        panel["id"] = number
    return {
        "uid": "pilothouse",
        "title": "Pilothouse",
        "tags": ["pilothouse", "mlops"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-24h", "to": "now"},
        "timezone": "utc",
        "annotations": {"list": []},
        "links": [],
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "label": "Prometheus",
                    "type": "datasource",
                    "query": "prometheus",
                    "refresh": 1,
                },
                _variable("model", "label_values(pilothouse_deployment_health, model)"),
                _variable("target", 'label_values(pilothouse_deployment_health{model=~"$model"}, target)'),
            ]
        },
        "panels": panels,
    }


def _variable(name: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": name,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": f"variable-{name}"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }


def text() -> str:
    """Text of the file."""
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
    sys.stdout.write(f"{FILE}: written\n")
