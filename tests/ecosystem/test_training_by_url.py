"""Trainings on a database and on a Delta Lake table, through the command line, a real daemon and its confined steps."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from support.source_servers import PASSWORD, PATIENCE_S, postgres

pytestmark = pytest.mark.skipif(
    os.environ.get("PILOTHOUSE_ECOSYSTEM") != "1", reason="a long form: make test-ecosystem"
)
MODEL = """
name = "late"
task = "binary"
owner = "somebody"

[data]
{source}
target = "late"
timestamp = "at"
features = ["wind", "port"]
categoricals = ["port"]
private = ["passenger"]
outcome_delay = "1d"
holdout = "10d"

[data.connection]
{connection}

[training]
estimator = "sklearn.linear_model.LogisticRegression"

[[targets]]
name = "north"
"""
_WRITE_DELTA = """
import sys, pyarrow as pa, deltalake
from datetime import datetime, timedelta, UTC
import random
random.seed(int(sys.argv[2]))
n = 3000
wind = [random.gammavariate(2, 3) for _ in range(n)]
deltalake.write_deltalake(sys.argv[1], pa.table({
    "at": pa.array([datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=30 * i) for i in range(n)], pa.timestamp("us", "UTC")),
    "wind": wind, "port": [random.choice("NS") for _ in wind], "late": [int(x + random.gauss(0, 3) > 6) for x in wind],
    "passenger": [f"person-{i}" for i in range(n)],
}), mode="append")
"""


class Workspace:
    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *words: str, code: int = 0, **environment: str) -> str:
        command = [sys.executable, "-m", "pilothouse.cli.main", *words]
        said = subprocess.run(
            command,
            cwd=self.root,
            text=True,
            capture_output=True,
            env={**os.environ, **environment},
            timeout=PATIENCE_S,
        )
        assert said.returncode == code, said.stdout + said.stderr
        return said.stdout + said.stderr

    def model(self, source: str, connection: str) -> None:
        folder = self.root / "models" / "late"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.toml").write_text(MODEL.format(source=source, connection=connection))
        self.run("apply")


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    made = Workspace(tmp_path)
    made.run("init")
    yield made
    made.run("daemon", "stop")


def _holds(root: Path, word: bytes) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and word in path.read_bytes()]


def test_a_model_is_trained_on_a_database_and_its_password_is_nowhere(workspace: Workspace) -> None:
    psycopg = pytest.importorskip("psycopg")
    pytest.importorskip("sqlalchemy")
    with postgres() as port:
        with psycopg.connect(
            host="127.0.0.1", port=port, user="reader", password=PASSWORD, dbname="postgres"
        ) as connection:
            connection.execute(
                "CREATE TABLE arrivals AS SELECT timestamptz '2024-01-01' + i * interval '30 minutes' AS at, "
                "random() * 20 AS wind, CASE WHEN random() < 0.5 THEN 'N' ELSE 'S' END AS port, "
                "0 AS late, 'person-' || i AS passenger FROM generate_series(1, 3000) i"
            )
            connection.execute("UPDATE arrivals SET late = (wind + random() * 20 > 20)::int")
        url = f"postgresql+psycopg://127.0.0.1:{port}/postgres"
        source = f'source = "{url}"\nquery = "SELECT * FROM arrivals"'
        secret = f"postgresql://reader:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/postgres"
        workspace.model(source, 'credentials = "env:FLIGHTS_DB"')
        workspace.run("daemon", "start", FLIGHTS_DB=secret)
        said = workspace.run("train", "late", "--wait", code=1)
        assert "its host has a loopback address" in said
        (workspace.root / "integrations.toml").write_text('[sources]\nallow = ["127.0.0.1"]\n')
        workspace.run("apply")
        workspace.run("train", "late", "--wait")
        assert "not pinned: the kept rows are what reproduces" in workspace.run("lineage", "late/1")
        workspace.run("daemon", "stop")
        wrong = secret.replace("@127", "-wrong@127")
        workspace.run("daemon", "start", FLIGHTS_DB=wrong)
        said = workspace.run("train", "late", "--wait", "--fresh", code=1)
        assert "password authentication failed" in said
    assert "identical" in workspace.run("reproduce", "late/1", "--wait")  # the server has gone
    for word in (PASSWORD, quote(PASSWORD, safe=""), quote(PASSWORD)):
        assert word not in said
        assert _holds(workspace.root, word.encode()) == []
    assert _holds(workspace.root, b"person-17") == []


def test_a_table_of_a_lake_is_read_again_at_the_version_on_record(workspace: Workspace) -> None:
    pytest.importorskip("deltalake")
    table = workspace.root / "lake" / "arrivals"
    for seed in ("1", "2"):
        subprocess.run([sys.executable, "-c", _WRITE_DELTA, str(table), seed], check=True)
    workspace.model(f'source = "delta:{table}"', "version = 0")
    workspace.run("daemon", "start")
    workspace.run("train", "late", "--wait")
    first = workspace.run("lineage", "late/1")
    workspace.model(f'source = "delta:{table}"', "")
    workspace.run("train", "late", "--wait")
    second = workspace.run("lineage", "late/2")
    workspace.model(f'source = "delta:{table}"', "version = 0")
    workspace.run("train", "late", "--wait", "--fresh")
    third = workspace.run("lineage", "late/3")

    def rows(text: str) -> str:
        return next(line for line in text.splitlines() if "snapshot" in line)

    assert ", version 0" in first
    assert ", version 1" in second
    assert rows(first) == rows(third)
    assert rows(first) != rows(second)
