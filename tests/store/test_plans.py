"""Queries of tables that grow with the fleet use an index: SQLite says so itself."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pilothouse
from pilothouse.domain.formats.time_units import from_us
from pilothouse.domain.identifiers import VersionReference
from pilothouse.domain.jobs.jobs import JobStatus, ProcessName
from pilothouse.domain.records import AlertStatus, RequestStatus
from pilothouse.sqlite import Connection
from pilothouse.sqlite.conditions import where
from pilothouse.store.connection import Registry
from pilothouse.store.deployed import alerts, deployments, incidents
from pilothouse.store.log import audit
from pilothouse.store.models import inventory, remote_targets, targets, versions
from pilothouse.store.outbox import deliveries
from pilothouse.store.promotion import requests, trials
from pilothouse.store.work import jobs, notebook_runs

PACKAGE = Path(pilothouse.__file__).parent
QUERIES: dict[str, Callable[[Connection], object]] = {
    "what is live of a model": lambda c: deployments.live(c, model="demo"),
    "what is live on a target": lambda c: deployments.live(c, target="ewr"),
    "what is live of a model on a target": lambda c: deployments.live(c, model="demo", target="ewr"),
    "the deployments of a model": lambda c: deployments.history(c, model="demo"),
    "the deployments on a target": lambda c: deployments.history(c, target="ewr"),
    "the versions before": lambda c: deployments.versions_before(c, "demo"),
    "a version": lambda c: versions.find(c, VersionReference("demo", 3)),
    "the newest version": lambda c: versions.find(c, VersionReference("demo", None)),
    "open alerts": lambda c: alerts.listed(c, status=AlertStatus.OPEN),
    "unresolved alerts": lambda c: alerts.listed(c, unresolved=True),
    "the alerts of a model": lambda c: alerts.listed(c, model="demo"),
    "the alerts on a target": lambda c: alerts.listed(c, target="ewr"),
    "the incidents of a model": lambda c: incidents.listed(c, model="demo"),
    "queued jobs": lambda c: jobs.listed(c, status=JobStatus.QUEUED),
    "the jobs of a model": lambda c: jobs.listed(c, model="demo"),
    "open requests": lambda c: requests.listed(c, status=RequestStatus.OPEN),
    "targets by name": lambda c: targets.target_ids(c, ["ewr", "jfk"]),
    "the request that went live before": lambda c: requests.deployed_before(c, "demo", 2, from_us(0)),
    "models with something open in the inventory": lambda c: inventory.said_where_open(c, "2026-05-03"),
    "what the inventory says of a model": lambda c: inventory.said_of(c, "demo"),
    "the newest review of a model": lambda c: inventory.newest_review(c, "demo"),
    "a part of the log by its subjects": lambda c: audit.matching(c, 0, 10, subject="request 1*"),
    "the notebook runs of a model": lambda c: notebook_runs.listed(c, "demo"),
    "the notebook runs of a process": lambda c: notebook_runs.of_process(c, ProcessName("boot", 1, 2)),
    "the newest message of a group": lambda c: deliveries.last_message(c, "ops", "all", ("demo",)),
    "the remote tokens of a target": lambda c: remote_targets.tokens(c, "ewr"),
    "the page after an audit row": lambda c: audit.entries(c, limit=10, before=500),
}


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    registry = Registry.create(tmp_path / "registry.db")
    yield registry
    registry.close()


@pytest.mark.parametrize("name", QUERIES)
def test_no_table_is_read_whole(registry: Registry, name: str) -> None:
    statements: list[str] = []
    with registry.read() as connection:
        connection.set_trace_callback(statements.append)
        QUERIES[name](connection)
        connection.set_trace_callback(None)
        assert statements
        for statement in statements:
            plan = [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
            scans = [step for step in plan if step.startswith("SCAN") and "json_each" not in step]
            assert not scans, (statement, plan)


def test_the_trials_of_a_target_read_no_table_whole(registry: Registry) -> None:
    """Every serving process asks for them again and again; what is found first is its own few."""
    statements: list[str] = []
    with registry.read() as connection:
        connection.set_trace_callback(statements.append)
        trials.trials_on(connection, "ewr")
        connection.set_trace_callback(None)
        plan = [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {statements[0]}")]
    assert [step for step in plan if step.startswith("SCAN") and step.split()[1] != "one"] == [], plan


def test_conditions_are_those_that_are_given() -> None:
    assert where({}) == ("", ())
    assert where({"a = ?": None}) == ("", ())
    assert where({"a = ?": 0, "b = ?": None, "c < ?": ""}, "d IS NULL") == (
        "WHERE d IS NULL AND a = ? AND c < ?",
        (0, ""),
    )


def test_no_query_asks_whether_something_was_asked() -> None:
    """``? IS NULL OR x = ?`` holds for every row as far as SQLite knows: it reads the table."""
    sources = [*PACKAGE.glob("store/**/*.py"), *PACKAGE.glob("telemetry/**/*.py")]
    assert sources
    assert [
        path.name for path in sources if re.search(r"\?\d* (IS NULL|= 0|= '') OR", path.read_text())
    ] == []
