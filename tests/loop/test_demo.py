"""The whole loop, with real processes on real flights: once undisturbed, once with processes killed in its middle.

In the suite the story ends with the spring, when the bike model has been retrained and the flights' not yet: its last promises
are kept by the long form (``make soak``), and by ``make demo``.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pilothouse.composition import open_workspace
from pilothouse.daemon import control
from pilothouse.daemon.serving_supervisor import running_servers
from pilothouse.demo import workspace
from pilothouse.operations import catalogue
from pilothouse.operations.fleet import processes
from pilothouse.operations.ingest import ingest
from pilothouse.operations.promotion import deployments, promotions
from pilothouse.operations.rollouts import views as rollouts
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import audits, workspaces
from pilothouse.system.processes import is_alive
from support import wait_until
from support.soak_plan import LONG

pytestmark = pytest.mark.loop


@contextmanager
def demo(root: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """``pilothouse demo`` as a newcomer starts it without a terminal; its processes are gone afterwards."""
    command = [
        sys.executable,
        "-m",
        "pilothouse.cli.main",
        "-w",
        str(root),
        "demo",
        "--headless",
        "--json",
    ]
    process = subprocess.Popen(
        [*command, *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        workspace.remove(root)


def finished(process: subprocess.Popen[str], *codes: int, timeout: float = 900) -> dict[str, Any]:
    out, err = process.communicate(timeout=timeout)
    assert process.returncode in codes, f"{out}\n{err}"
    report: dict[str, Any] = json.loads(out)
    return report


def test_the_story_happens_and_its_report_is_what_the_store_holds(tmp_path: Path) -> None:
    root = tmp_path / "demo"
    with demo(root, "--until", "2013-11-01" if LONG else "2013-06-04") as process:
        report = finished(process, 0 if LONG else 1)
    services = open_workspace(root)
    reader = workspaces.identify(services, workspace.os_user(), workspace.APPROVER)
    totals = ingest.totals(services, reader)
    assert report["events_stored"] == report["requests_sent"] == totals.events > 50_000
    assert report["labels_joined"] == report["outcomes_sent"] == totals.labels > 50_000
    versions = [
        v
        for m in catalogue.list_models(services, reader)
        for v in catalogue.list_versions(services, reader, m.name)
    ]
    assert report["versions_registered"] == len(versions)
    assert report["candidates_refused"] == sum(v.status == "refused" for v in versions) >= 1
    asked = promotions.list_requests(services, reader, status=None)
    approved = sum(r.status in ("approved", "deployed") for r in asked)
    assert report["promotions_approved"] == approved >= (5 if LONG else 4)
    assert report["alerts_opened"] >= 2
    assert report["retrainings"] >= 1
    assert report["audit_verified"] is True
    assert report["audit_entries"] <= audits.verify(services, reader).count
    assert report["reproduced"] == ["models:/flight-delay/1"]
    assert report["replays"] == (3 if LONG else 2)
    staged = rollouts.list_rollouts(services, reader)
    assert (
        report["rollouts_completed"] == sum(one.state == "completed" for one in staged) == (2 if LONG else 1)
    )
    assert report["rollouts_rolled_back"] == sum(one.state == "rolled back" for one in staged) == 1
    kept = {check["promise"]: check["kept"] for check in report["checks"]}
    assert kept["a version that was made worse on purpose came back by itself, and was live nowhere"]
    assert kept["a retrained version was replayed, tried in the shadow, and went live in waves"] is LONG
    retrained = {"ewr", "jfk", "lga", "dc"} if LONG else {"dc"}
    assert set(report["targets"]) == retrained
    for name in sorted(retrained - {"dc"}):
        figures = report["targets"][name]
        assert 0.5 < figures["auc_old_version"] < 0.9
        assert 0.5 < figures["auc_new_version"] < 0.9
        assert figures["auc_reference"] == pytest.approx(0.7, abs=0.06)
    assert report["targets"]["dc"]["mae_new_version"] < report["targets"]["dc"]["mae_old_version"]
    live = deployments.list_deployments(services, reader, live_only=True)
    assert {d.target for d in live} == {"ewr", "jfk", "lga", "dc"}
    assert {d.target for d in live if d.version > 1} == retrained
    assert not running_servers(services.paths)


def test_killing_server_and_daemon_in_mid_replay_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    root = tmp_path / "demo"
    with demo(root, "--until", "2013-05-08" if LONG else "2013-04-23") as process:
        wait_until(lambda: (root / "state" / "telemetry.db").exists(), 120)
        services = open_workspace(root)
        events_beyond(services, process, 6_000)
        victim = running_servers(services.paths)["jfk"].process
        os.kill(victim.pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(victim))
        events_beyond(services, process, 12_000)
        daemon = processes.daemon_state(services)
        assert daemon.pid is not None
        os.kill(daemon.pid, signal.SIGKILL)
        wait_until(lambda: not processes.daemon_state(services).running)
        control.start_in_background(root)
        report = finished(process, 1)  # it ends before the flights are retrained, and says so
    assert report["requests_sent"] <= report["events_stored"]
    assert report["events_stored"] <= report["requests_sent"] + report["rows_asked_again"]
    assert report["labels_joined"] == report["outcomes_sent"]
    assert report["audit_verified"] is True


def events_beyond(services: Services, process: subprocess.Popen[str], count: int) -> None:
    """Wait until so many events are stored, or the demo has ended."""
    reader = workspaces.identify(services, workspace.os_user(), workspace.APPROVER)

    def enough() -> bool:
        assert process.poll() is None, process.communicate()
        return ingest.totals(services, reader).events > count

    wait_until(enough, 600)
