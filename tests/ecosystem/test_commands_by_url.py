"""``drift`` and ``ingest`` on sources by URL, where the library is installed."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.source_servers import PATIENCE_S

_WRITE = """
import sys, duckdb, deltalake, pyarrow.parquet as pq
table = pq.read_table(sys.argv[1])
with duckdb.connect(sys.argv[2]) as connection:
    connection.register("given", table)
    connection.execute("CREATE TABLE flights AS SELECT * FROM given")
deltalake.write_deltalake(sys.argv[3], table)
"""


def pilothouse(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pilothouse.cli.main", *words]
    return subprocess.run(
        command,
        cwd=cwd,
        text=True,
        capture_output=True,
        env={**os.environ, **environment},
        timeout=PATIENCE_S,
    )


def test_two_sources_are_compared_as_two_files_are(tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    pytest.importorskip("deltalake")
    file, database, table = (tmp_path / name for name in ("rows.parquet", "rows.duckdb", "lake"))
    pq.write_table(
        pa.table({"wind": [float(i % 17) for i in range(900)], "port": ["N", "S", "W"] * 300}), file
    )
    subprocess.run([sys.executable, "-c", _WRITE, str(file), str(database), str(table)], check=True)
    query = ("--query", "SELECT * FROM flights")
    of_files = pilothouse("drift", str(file), str(file), "--json", cwd=tmp_path)
    by_url = pilothouse("drift", f"duckdb:{database}", f"delta:{table}", *query, "--json", cwd=tmp_path)
    assert by_url.returncode == of_files.returncode == 0, by_url.stderr
    assert by_url.stdout.count("wind") == of_files.stdout.count("wind") > 0
    lacking = pilothouse("drift", f"duckdb:{database}", str(file), cwd=tmp_path)
    assert lacking.returncode == 2
    assert "--query: expected with a database or DuckDB" in lacking.stderr


def test_what_is_wrong_is_one_line_without_the_secret(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("a\n1\n")
    secret = "postgresql://reader:hunter22@127.0.0.1:9/x"
    for source, words in {
        "postgresql+psycopg://127.0.0.1:9/x": ("--query", "SELECT 1", "--credentials", "env:THE_DATABASE"),
        "postgresql+psycopg://reader:hunter22@127.0.0.1:9/x": ("--query", "SELECT 1"),
        "s3://bucket/x.csv": ("--credentials", "hunter22"),
    }.items():
        said = pilothouse("drift", str(file), source, *words, cwd=tmp_path, THE_DATABASE=secret)
        assert said.returncode != 0
        assert "hunter22" not in said.stdout + said.stderr, said.stderr
        assert "Traceback" not in said.stderr
        assert len(said.stderr.strip().splitlines()) == 1, said.stderr
    assert pilothouse("drift", str(file), "nothing.csv", cwd=tmp_path).returncode == 2
