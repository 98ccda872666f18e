"""Queries of telemetry about one model or one target use an index: SQLite says so itself."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pilothouse.sqlite import Connection
from pilothouse.telemetry import TelemetryStore
from pilothouse.telemetry.intake import streams
from pilothouse.telemetry.rows import retention
from pilothouse.telemetry.trial_answers import answered_arms
from pilothouse.telemetry.trial_pairs import TrialName
from pilothouse.telemetry.windows import readings

QUERIES: dict[str, Callable[[Connection], object]] = {
    "the streams of a model": lambda c: streams.list_streams(c, "demo"),
    "the streams of a model on a target": lambda c: streams.list_streams(c, "demo", "ewr"),
    "the clocks of a model": lambda c: streams.clocks_us(c, "demo"),
    "the clock of a target": lambda c: streams.newest_clock_us(c, "ewr"),
    "the retrainings of a model": lambda c: readings.retraining_notes(c, "demo"),
    "the retrainings of an alert": lambda c: readings.retraining_notes(c, "demo", 3),
    "what was deleted of a model": lambda c: retention.deleted_before_us(c, "demo", None),
    "what a trial's arms answered": lambda c: answered_arms(c, TrialName(7, "demo", "ewr")),
}
_SMALL = ("deletions", "sqlite_sequence")
"""Tables that hold a row for each time that somebody deleted something, or for each table."""


@pytest.mark.parametrize("name", QUERIES)
def test_no_table_is_read_whole(tmp_path: Path, name: str) -> None:
    store = TelemetryStore(tmp_path / "telemetry.db")
    statements: list[str] = []
    with store.read() as connection:
        connection.set_trace_callback(statements.append)
        QUERIES[name](connection)
        connection.set_trace_callback(None)
        assert statements
        for statement in statements:
            plan = [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
            scans = [step for step in plan if step.startswith("SCAN") and step.split()[1] not in _SMALL]
            assert not scans, (statement, plan)
    store.close()
