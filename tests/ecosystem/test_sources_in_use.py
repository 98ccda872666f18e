"""What is done with sources by URL beside trainings: a first model, columns at ``apply``, prediction logs, triggers."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import servers as programs

from pilothouse.cli.session import os_user
from pilothouse.composition import open_workspace
from pilothouse.domain.identity.roles import Role
from pilothouse.operations.automation import network_marks, triggers
from pilothouse.operations.workspace import workspaces
from support import wait_until
from support.small_workspace import make_small_workspace
from support.source_servers import PASSWORD, PATIENCE_S, postgres

pytestmark = pytest.mark.skipif(
    os.environ.get("PILOTHOUSE_ECOSYSTEM") != "1", reason="a long form: make test-ecosystem"
)
TABLE = """
CREATE TABLE arrivals AS SELECT timestamptz '2024-01-01' + i * interval '30 minutes' AS at, random() * 20 AS wind,
(array['N', 'S'])[1 + i % 2] AS port, i % 2 AS late FROM generate_series(1, 3000) i
"""
QUERY = "SELECT * FROM arrivals"


def allow_loopback(root: Path) -> None:
    (root / "integrations.toml").write_text('[sources]\nallow = ["127.0.0.1"]\n')


@pytest.fixture(scope="module")
def database() -> Iterator[tuple[str, str, int]]:
    """URL, credentials and port of a PostgreSQL with arrivals."""
    psycopg = pytest.importorskip("psycopg")
    with postgres() as port:
        with psycopg.connect(
            f"postgresql://reader:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/postgres"
        ) as made:
            made.execute(TABLE)
        url = f"postgresql+psycopg://127.0.0.1:{port}/postgres"
        yield url, f"postgresql://reader:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/postgres", port


def run(root: Path, *words: str, code: int = 0, **environment: str) -> str:
    command = [sys.executable, "-m", "pilothouse.cli.main", *words]
    said = subprocess.run(
        command,
        cwd=root,
        text=True,
        capture_output=True,
        env={**os.environ, **environment},
        timeout=PATIENCE_S,
    )
    text = said.stdout + said.stderr
    assert said.returncode == code, text
    assert PASSWORD not in text
    assert "Traceback" not in text
    return text


def test_a_first_model_comes_of_a_database_and_apply_looks_at_its_columns(
    database: tuple[str, str, int], tmp_path: Path
) -> None:
    url, secret, _ = database
    reached = ("--query", QUERY, "--credentials", "env:THE_DATABASE")
    run(tmp_path, "init")
    allow_loopback(tmp_path)
    run(tmp_path, "new", "late", "--from", url, *reached, "--target", "late", "--yes", THE_DATABASE=secret)
    file = tmp_path / "models" / "late" / "model.toml"
    text = file.read_text()
    assert f'query = "{QUERY}"' in text
    assert 'credentials = "env:THE_DATABASE"' in text
    assert "task: binary" in run(tmp_path, "apply", THE_DATABASE=secret)
    file.write_text(text.replace('"wind"', '"winds"'))
    said = run(tmp_path, "apply", code=2, THE_DATABASE=secret)
    assert "found 'winds', which is no column of the source; it has at, wind, port, late" in said
    file.write_text(text.replace("FROM arrivals", "FROM nowhere"))
    assert 'relation "nowhere" does not exist' in run(tmp_path, "apply", code=2, THE_DATABASE=secret)
    # where the secret is not, nothing is known, and a daemon that has it may train
    assert "its columns were not looked at" in run(tmp_path, "apply")


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv", "rows.csv.gz"])
def test_columns_of_files_on_a_web_server_are_looked_at(name: str, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    import gzip

    import pyarrow.csv

    made = make_small_workspace(tmp_path / "w")
    files = tmp_path / "files"
    files.mkdir()
    table = pa.table({"wind": [1.0] * 99, "load": [2.0] * 99, "later": [1] * 99})
    pq.write_table(table, files / "rows.parquet")
    pyarrow.csv.write_csv(table, files / "rows.csv")
    (files / "rows.csv.gz").write_bytes(gzip.compress((files / "rows.csv").read_bytes()))
    with programs.nginx(files) as address:
        allow_loopback(made.root)
        made.write_model()
        file = made.root / "models" / "delay" / "model.toml"
        old = next(line for line in file.read_text().splitlines() if line.startswith("source"))
        file.write_text(file.read_text().replace(old, f'source = "{address}/{name}"'))
        said = run(made.root, "apply", code=2)
    assert "is no column of the source; it has wind, load, later" in said
    made.services.close()


def test_a_log_of_predictions_comes_from_a_database(database: tuple[str, str, int], tmp_path: Path) -> None:
    psycopg = pytest.importorskip("psycopg")
    url, secret, _ = database
    made = make_small_workspace(tmp_path / "w")
    made.write_model()
    workspaces.grant_role(made.services, made.admin, os_user(), Role.ADMIN)
    made.services.close()
    run(made.root, "daemon", "start")
    try:
        run(made.root, "train", "delay", "--wait")
    finally:
        run(made.root, "daemon", "stop")
    with psycopg.connect(secret) as connection:
        connection.execute("DROP TABLE IF EXISTS log")
        connection.execute(
            "CREATE TABLE log AS SELECT timestamptz '2025-01-01' + i * interval '1 minute' AS event_time, random() AS wind, "
            "random()::numeric(9,4) AS load, random() AS score, 'p' || i AS prediction_id FROM generate_series(1, 200) i"
        )
    words = ("ingest", url, "--query", "SELECT * FROM log", "--credentials", "env:THE_DATABASE")
    where = ("--model", "delay", "--version", "1", "--on", "ewr", "--history")
    assert "200" in run(made.root, *words, *where, THE_DATABASE=secret)
    assert "200 " in run(made.root, *words, *where, THE_DATABASE=secret)  # known by now


def test_a_trigger_sees_new_rows_and_says_when_it_cannot_look(
    database: tuple[str, str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    psycopg = pytest.importorskip("psycopg")
    url, secret, _ = database
    monkeypatch.setenv("THE_DATABASE", secret)
    run(tmp_path, "init")
    allow_loopback(tmp_path)
    folder = tmp_path / "models" / "late"
    folder.mkdir(parents=True)
    (folder / "model.toml").write_text(
        f"""
name = "late"
task = "binary"
owner = "somebody"
[data]
source = "{url}"
query = "{QUERY}"
target = "late"
timestamp = "at"
features = ["wind"]
outcome_delay = "1d"
holdout = "10d"
[data.connection]
credentials = "env:THE_DATABASE"
[training]
estimator = "sklearn.linear_model.LogisticRegression"
[[automation.trigger]]
name = "rows"
on = "data"
quiet = "1m"
[[targets]]
name = "north"
"""
    )
    run(tmp_path, "apply")
    clock, ahead = network_marks._clock, [0.0]
    monkeypatch.setattr(network_marks, "_clock", lambda: clock() + ahead[0])
    services = replace(open_workspace(tmp_path), now=lambda: datetime.now(UTC) + timedelta(seconds=ahead[0]))

    def cursor() -> dict[str, object]:
        from pilothouse.store.work import triggers as stored

        with services.registry.read() as connection:
            return stored.cursor(connection, "late", "rows") or {}

    def looked(before: dict[str, object]) -> bool:
        triggers.check_triggers(services)
        return cursor() != before

    def fault() -> str:
        from pilothouse.store.work import trigger_looks

        triggers.check_triggers(services)
        with services.registry.read() as connection:
            return trigger_looks.newest(connection)["late", "rows"].fault

    def events() -> int:
        triggers.check_triggers(services)
        with services.registry.read() as connection:
            return int(connection.execute("SELECT count(*) FROM trigger_events").fetchone()[0])

    try:
        wait_until(lambda: looked({}), PATIENCE_S)
        first = cursor()
        with psycopg.connect(secret) as connection:
            connection.execute("INSERT INTO arrivals VALUES ('2025-06-01', 3, 'N', 1)")
        ahead[0] += 3_700
        wait_until(lambda: looked(first), PATIENCE_S)
        assert events() == 0  # it has to rest first
        ahead[0] += 100
        wait_until(lambda: events() == 1, PATIENCE_S)
        monkeypatch.setenv("THE_DATABASE", secret.replace("@127", "-wrong@127"))
        ahead[0] += 3_700
        wait_until(lambda: fault() != "", PATIENCE_S)
        assert "password authentication failed" in fault()
        assert PASSWORD not in fault()
        monkeypatch.setenv("THE_DATABASE", secret)
        ahead[0] += 3_700
        wait_until(lambda: fault() == "", PATIENCE_S)
        assert events() == 1
    finally:
        network_marks.end_looks(services.registry)
        services.close()
