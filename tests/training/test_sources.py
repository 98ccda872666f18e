"""Rows are the same rows whatever file they come from."""

import gzip
import sqlite3
from pathlib import Path

import pandas as pd
import pytest
from steps_support import rows, spec

from pilothouse.domain.errors import InvalidInputError, NotFoundError
from pilothouse.domain.models.model_file import spec_from_plain
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.tables.digests import content_digest
from pilothouse.training.data.sources import read_source, source_digest


def data(**changes: object) -> ModelSpec:
    return spec_from_plain(spec(**{f"data__{key}": value for key, value in changes.items()}))


def digest(path: Path, of: ModelSpec) -> str:
    return content_digest(read_source(path, of)[0])


@pytest.fixture
def frame() -> pd.DataFrame:
    return rows(days=6, per_day=10)


def test_every_kind_of_source_gives_the_same_rows(tmp_path: Path, frame: pd.DataFrame) -> None:
    parquet, csv, packed = (tmp_path / name for name in ("rows.parquet", "rows.csv", "rows.csv.gz"))
    frame.to_parquet(parquet, index=False, compression="gzip")
    frame.to_csv(csv, index=False)
    packed.write_bytes(gzip.compress(csv.read_bytes()))
    folder = tmp_path / "dated"
    folder.mkdir()
    (folder / "README.md").write_text("what is here")
    for day, part in frame.groupby(frame["at"].dt.date):
        part.to_csv(folder / f"{day}.csv", index=False)
    database = tmp_path / "rows.db"
    with sqlite3.connect(database) as connection:
        frame.assign(at=frame["at"].astype(str)).to_sql("arrivals", connection, index=False)
    connection.close()
    expected = digest(parquet, data())
    assert [digest(path, data()) for path in (csv, packed, folder)] == [expected] * 3
    assert (
        digest(database, data(source="sqlite:rows.db", query="SELECT * FROM arrivals ORDER BY at"))
        == expected
    )


def test_the_digest_sees_names_types_values_and_order(tmp_path: Path, frame: pd.DataFrame) -> None:
    variants = {
        "as it is": frame,
        "another value": frame.assign(rain=frame["rain"].where(frame.index != 3, 0.5)),
        "a missing value": frame.assign(port=frame["port"].where(frame.index != 3)),
        "another name": frame.rename(columns={"rain": "showers"}),
        "a row less": frame.iloc[1:],
        "another order": frame.iloc[::-1],
    }
    found = set()
    for number, variant in enumerate(variants.values()):
        variant.to_parquet(tmp_path / f"{number}.parquet", index=False)
        found.add(digest(tmp_path / f"{number}.parquet", data()))
    assert len(found) == len(variants)


def test_text_cannot_move_from_one_value_to_the_next(tmp_path: Path) -> None:
    digests = []
    for number, ports in enumerate((["ab", "c"], ["a", "bc"])):
        pd.DataFrame({"port": ports}).to_parquet(tmp_path / f"{number}.parquet")
        digests.append(content_digest(read_source(tmp_path / f"{number}.parquet", data())[0]))
    assert digests[0] != digests[1]


def test_the_source_digest_follows_bytes_and_file_names(tmp_path: Path) -> None:
    (tmp_path / "2024-01-01.csv").write_text("at,late\n2024-01-01T00:00Z,1\n")
    first = source_digest(tmp_path)
    (tmp_path / "2024-01-02.csv").write_text("at,late\n2024-01-02T00:00Z,1\n")
    second = source_digest(tmp_path)
    (tmp_path / "2024-01-02.csv").rename(tmp_path / "2024-01-03.csv")
    assert len({first, second, source_digest(tmp_path)}) == 3


def test_files_of_a_folder_must_have_the_same_columns(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("at,late\n2024-01-01,1\n")
    (tmp_path / "2.csv").write_text("at\n2024-01-01\n")
    with pytest.raises(InvalidInputError, match=r"2\.csv: has no column 'late', which other files"):
        read_source(tmp_path, data())


def test_an_absent_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"absent\.parquet does not exist; expected a file or a folder"):
        read_source(tmp_path / "absent.parquet", data())


def test_a_damaged_file_gives_one_line(tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 this is not it")
    with pytest.raises(InvalidInputError, match=r"rows\.parquet cannot be read"):
        read_source(tmp_path / "rows.parquet", data())


SQLITE = {"source": "sqlite:rows.db"}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "rows.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE arrivals (at TEXT, late INTEGER, wind, port TEXT)")
        connection.executemany(
            "INSERT INTO arrivals VALUES (?, ?, ?, ?)",
            [("2024-01-01T00:00:00Z", 1, 2, "N"), ("x", None, 2.5, None)],
        )
    connection.close()
    return path


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("DELETE FROM arrivals", "not authorized"),
        ("ATTACH 'other.db' AS other", "not authorized"),
        ("PRAGMA journal_mode = wal", "not authorized"),
        ("SELECT * FROM departures", "no such table: departures"),
        ("SELECT 1; SELECT 2", "one statement at a time"),
        ("SELECT late, late FROM arrivals", "the same name"),
    ],
)
def test_a_query_only_selects(database: Path, query: str, said: str) -> None:
    before = database.read_bytes()
    with pytest.raises(InvalidInputError, match=said):
        read_source(database, data(**SQLITE, query=query))
    assert database.read_bytes() == before


def test_reading_a_database_leaves_nothing_beside_it(database: Path) -> None:
    database.parent.chmod(0o500)
    try:
        table, _ = read_source(database, data(**SQLITE, query="SELECT wind, port FROM arrivals"))
    finally:
        database.parent.chmod(0o700)
    assert table.to_pydict() == {"wind": [2.0, 2.5], "port": ["N", None]}
    assert [file.name for file in database.parent.iterdir()] == ["rows.db"]


def test_changes_that_wait_in_a_log_are_not_overlooked(tmp_path: Path) -> None:
    path = tmp_path / "rows.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = wal")
    connection.execute("CREATE TABLE arrivals (late)")
    connection.commit()
    with pytest.raises(InvalidInputError, match=r"rows\.db-wal holds changes that are not in rows\.db yet"):
        read_source(path, data(**SQLITE, query="SELECT * FROM arrivals"))
    connection.close()


@pytest.mark.parametrize("name", ["state/registry.db", "models/../state/registry.db", "data/link.db"])
def test_a_workspace_is_no_source_for_its_own_models(tmp_path: Path, name: str) -> None:
    for folder in ("state", "models", "data"):
        (tmp_path / folder).mkdir()
    sqlite3.connect(tmp_path / "state/registry.db").close()
    (tmp_path / "data/link.db").symlink_to(tmp_path / "state/registry.db")
    with pytest.raises(InvalidInputError, match="lies in the workspace's state folder"):
        read_source(tmp_path / name, data(**SQLITE, query="SELECT 1"))
