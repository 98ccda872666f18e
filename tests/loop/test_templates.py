"""Every template all the way round: trained, past its gates, live, sent its later days, and found to have moved."""

import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pilothouse.cli import failures, main
from pilothouse.composition import open_workspace
from pilothouse.daemon import control
from pilothouse.domain.models.evaluation import GateOutcome
from pilothouse.operations import catalogue
from pilothouse.operations.fleet import readiness, request_examples
from pilothouse.operations.jobs import jobs, trainings
from pilothouse.operations.monitoring import monitor_views
from pilothouse.operations.promotion import promotions
from pilothouse.operations.templates.catalogue import TEMPLATES, Template
from pilothouse.operations.workspace import apply_models, workspaces
from pilothouse.operations.workspace.workspaces import initialise
from pilothouse.system.workspace_place import os_user
from support import wait_until

pytestmark = pytest.mark.loop
MOVED = datetime(2025, 4, 15, tzinfo=UTC)


@pytest.fixture
def root(tmp_path: Path):
    """The files of all templates in one workspace of one person, with a daemon."""
    root = tmp_path / "all of them"
    for name in TEMPLATES:
        one = tmp_path / name
        assert failures.run(lambda one=one, name=name: main.run(["init", str(one), "--template", name])) == 0
        for folder in ("models", "data"):
            shutil.copytree(one / folder, root / folder, dirs_exist_ok=True)
        shutil.copy(one / "plans.toml", root)
    initialise(root, os_user(), solo=True)
    control.start_in_background(root)
    yield root
    control.stop(root)
    control.stop_serving(root)


def test_every_template_goes_all_the_way_round(root: Path) -> None:
    services = open_workspace(root)
    ada = workspaces.identify(services, os_user())
    try:
        apply_models.apply(services, ada)
        queued = {name: trainings.start_training(services, ada, name).id for name in TEMPLATES}
        for name, number in queued.items():
            wait_until(lambda number=number: jobs.get_job(services, ada, number).status.ended, timeout=120)
            assert jobs.get_job(services, ada, number).error == "", name
            version = catalogue.get_version(services, ada, f"{name}/1")
            assert [gate for gate in version.gates if gate.outcome is GateOutcome.FAILED] == [], name
            request = promotions.request_promotion(services, ada, name)
            promotions.approve(services, ada, request.id, request.evidence_digest)
        for template in TEMPLATES.values():
            readiness.wait_until_ready(services, ada, template.name, template.target, 60)
            lived_through(root, services, ada, template)
        for template in TEMPLATES.values():
            check_monitored(services, ada, template)
    finally:
        services.close()


def lived_through(root: Path, services, actor, template: Template) -> None:
    """Its later days, sent by the program that lies in the workspace; then their outcomes."""
    example = request_examples.request_example(services, actor, template.name, template.target)
    sent = subprocess.run(
        [sys.executable, "-I", "data/send.py", f"data/{template.name}-later.csv", template.outcome],
        input=json.dumps(asdict(example)),
        text=True,
        capture_output=True,
        cwd=root,
        timeout=120,
        check=False,
    )
    assert sent.returncode == 0, sent.stderr
    (root / "outcomes.csv").write_text(sent.stdout)
    assert failures.run(lambda: main.run(["-w", str(root), "labels", str(root / "outcomes.csv")])) == 0


def check_monitored(services, actor, template: Template) -> None:
    """What moved is found; the first week, in which nothing had moved, is as it was learnt."""

    def view():
        return monitor_views.monitor_view(services, actor, template.name, template.target)

    def is_found() -> bool:
        seen = view()
        return bool(seen.performance) and seen.performance[-1].window.start >= MOVED and bool(seen.alerts)

    wait_until(is_found, timeout=60)
    first, *_, newest = view().performance
    assert not first.finding.significant, template.name
    assert newest.finding.significant, template.name
    assert newest.window.start >= MOVED, template.name
    assert any(
        one.finding.significant and one.window.end > MOVED for found in view().drift.values() for one in found
    )
