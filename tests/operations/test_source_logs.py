"""A database whose log holds changes: refused where the log can be seen, since the step that reads sees the file alone."""

from pathlib import Path

import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.operations.automation import job_handlers
from pilothouse.operations.workspace import apply_models
from pilothouse.sqlite.connection import driver
from support.job_workspace import MODEL, SCIENTIST, actor, claim, make_workspace, queue, write_model


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_a_training_does_not_overlook_changes_in_a_log(kind: str, tmp_path: Path) -> None:
    services = make_workspace(tmp_path)
    path = tmp_path / "data" / "rows.db"
    writer = driver.connect(path)
    writer.execute("CREATE TABLE arrivals (at, distance, carrier, late)")
    writer.execute("PRAGMA journal_mode = wal")
    writer.execute("INSERT INTO arrivals VALUES ('2026-01-01', 1, 'AA', 0)")
    writer.commit()
    if kind == "duckdb":
        (tmp_path / "data" / "rows.db.wal").write_bytes(b"\1")
    named = f'source = "{kind}:../../data/rows.db"\nquery = "SELECT * FROM arrivals"'
    write_model(tmp_path, MODEL.replace('source = "../../data/rows.parquet"', named))
    apply_models.apply(services, actor(services, SCIENTIST))
    queue(services)
    held = claim(services)
    with pytest.raises(InvalidInputError, match=r"rows\.db.wal holds changes that are not in rows\.db yet"):
        job_handlers.prepare(services, held)
    writer.close()
    (tmp_path / "data" / "rows.db.wal").unlink(missing_ok=True)
    assert job_handlers.prepare(services, held).requests[0].inputs["source"] == str(path)
