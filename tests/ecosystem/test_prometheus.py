"""promtool on the text page and on the alert rules; a real Prometheus scrapes the OpenMetrics page of a real daemon."""

import json
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from installed import program_of_debian

from pilothouse.daemon import control
from pilothouse.domain.integrations.metric_table import METRICS
from pilothouse.operations.workspace import apply_models
from support import wait_until
from support.small_workspace import SmallWorkspace, make_small_workspace
from support.source_servers import PATIENCE_S

RULES = Path(__file__).parents[2] / "docs" / "prometheus" / "alerts.yml"
TOKEN = "a-token-of-some-length"


@pytest.fixture(scope="module")
def promtool() -> Path:
    return program_of_debian("prometheus", "promtool")


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SmallWorkspace, int]]:
    """A daemon with its page on a port, behind a token."""
    made = make_small_workspace(tmp_path_factory.mktemp("scraped") / "w")
    made.write_model()
    port = free_port()
    (made.root / "metrics.token").write_text(TOKEN)
    (made.root / "integrations.toml").write_text(
        f'[metrics]\nlisten = "127.0.0.1:{port}"\ntoken_file = "metrics.token"\n'
    )
    apply_models.apply(made.services, made.admin)
    try:
        control.start_in_background(made.root, serve_targets=False)
        wait_until(lambda: reachable(port), PATIENCE_S)
        yield made, port
    finally:
        control.stop(made.root)
        made.services.close()


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def reachable(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_promtool_finds_nothing_in_the_text_page(promtool: Path, scraped) -> None:
    _, port = scraped
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    text = urllib.request.urlopen(request, timeout=PATIENCE_S).read()
    told = subprocess.run([str(promtool), "check", "metrics"], input=text, capture_output=True, check=False)
    assert (told.returncode, told.stdout.decode(), told.stderr.decode()) == (0, "", "")


def test_promtool_takes_the_alert_rules(promtool: Path) -> None:
    told = subprocess.run(
        [str(promtool), "check", "rules", str(RULES)], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr


def test_an_alert_rule_fires_on_what_the_page_says(promtool: Path, tmp_path: Path) -> None:
    series = 'pilothouse_deployment_health{model="delay",target="ewr",health="down"}'
    (tmp_path / "test.yml").write_text(
        json.dumps(
            {
                "rule_files": [str(RULES)],
                "evaluation_interval": "1m",
                "tests": [
                    {
                        "interval": "1m",
                        "input_series": [{"series": series, "values": "1x5"}],
                        "alert_rule_test": [
                            {
                                "eval_time": "3m",
                                "alertname": "PilothouseDeploymentDown",
                                "exp_alerts": [
                                    {
                                        "exp_labels": {
                                            "severity": "critical", "model": "delay", "target": "ewr", "health": "down",
                                        },
                                        "exp_annotations": {"summary": "delay answers nothing on ewr"},
                                    }
                                ],
                            }
                        ],
                    }
                ],
            }
        )
    )  # fmt: skip
    told = subprocess.run(
        [str(promtool), "test", "rules", str(tmp_path / "test.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr


def test_prometheus_scrapes_the_openmetrics_page(scraped, tmp_path: Path) -> None:
    program = program_of_debian("prometheus", "prometheus")
    made, port = scraped
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "prometheus.yml").write_text(
        "global: { scrape_interval: 1s }\n"
        f"rule_files: ['{RULES}']\n"
        "scrape_configs:\n  - job_name: pilothouse\n"
        f"    authorization: {{ credentials_file: {tmp_path / 'token'} }}\n"
        f"    static_configs: [{{ targets: ['127.0.0.1:{port}'] }}]\n"
    )
    own = free_port()
    with (tmp_path / "log").open("wb") as log:
        running = subprocess.Popen(
            [
                str(program), f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}",
                f"--web.listen-address=127.0.0.1:{own}",
            ],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        wait_until(lambda: query(own, 'up{job="pilothouse"} == 1'), PATIENCE_S)
        found = {one["metric"]["__name__"] for one in query(own, '{job="pilothouse"}')}
        expected = {m.series for m in METRICS if not m.labels} - {
            "pilothouse_last_backup_timestamp_seconds", "pilothouse_oldest_rollout_age_seconds",
            "pilothouse_telemetry_batches_total", "pilothouse_counted_predictions", "pilothouse_rejected_rows_total",
            "pilothouse_last_arrival_timestamp_seconds", "pilothouse_log_signed_timestamp_seconds",
        }  # fmt: skip
        assert expected <= found, expected - found
        (entries,) = query(own, "pilothouse_log_entries_total")
        with made.services.registry.read() as connection:
            (count,) = connection.execute("SELECT max(seq) FROM audit").fetchone()
        assert 0 < float(entries["value"][1]) <= count
        kinds = metadata(own)
        for metric in METRICS:
            name = metric.name if metric.kind != "info" else metric.series.removesuffix("_info")
            if metric.series in found and metric.name in kinds:
                assert kinds[name][0]["type"] == metric.kind, metric
    finally:
        running.terminate()
        running.wait(PATIENCE_S)


def query(port: int, text: str) -> list[Any]:
    asked = urllib.parse.urlencode({"query": text})
    return list(get(port, f"/api/v1/query?{asked}").get("data", {}).get("result", []))


def metadata(port: int) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := get(port, "/api/v1/metadata").get("data")) and time.monotonic() < deadline:
        time.sleep(0.2)
    return dict(found or {})


def get(port: int, path: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return dict(json.load(answer))
    except OSError:
        return {}
