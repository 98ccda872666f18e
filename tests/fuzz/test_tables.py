"""Fuzzing of files of tables: csv of any dialect, jsonl and parquet, whatever their bytes and their names."""

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pilothouse.domain.models.model_spec import CsvSpec
from pilothouse.domain.tables.table_form import ColumnKind, TableForm
from pilothouse.operations.ingest.prediction_files import read_outcomes
from pilothouse.tables.reader import folder_files, open_table, read_folder
from support.fuzzing import TOKENS, bytes_like, fuzz, json_of, text_like

KINDS = {"at": ColumnKind.TIME, "x": ColumnKind.NUMBER, "c": ColumnKind.TEXT}
FORMS = (
    TableForm(timezone="UTC"),
    TableForm(KINDS, timezone="UTC"),
    TableForm(KINDS, timezone="Europe/Berlin", only=True),
    TableForm(KINDS),
)
CSV = (
    "at,x,c\n2013-06-01T05:00:00Z,1.5,a\n2013-06-01T06:00:00Z,,b\n2013-06-01T07:00:00Z,3,\n",
    'at;x;c\n2013-06-01 05:00;1,5;"a ""b"""\n2013-06-01 06:00;2,5;"x\ny"\n',
    "prediction_id,outcome\newr-1.1.0,1\newr-1.1.1,inf\n",
    "sep=|\nat|x|c\n2013-06-01T05:00:00+02:00|1e3|é\n",
)
RECORDS = [
    {"at": "2013-06-01T05:00:00Z", "x": 1.5, "c": "a"},
    {"x": None, "c": "b"},
    {"prediction_id": "a.1.1", "outcome": 1},
]


def outcomes_reader(path: Path) -> Callable[[tuple[bytes, TableForm]], None]:
    def read(given: tuple[bytes, TableForm]) -> None:
        path.write_bytes(given[0])
        for part, without in read_outcomes(path):
            assert without >= 0
            assert all(outcome.prediction_id for outcome in part)

    return read


def table_reader(path: Path) -> Callable[[tuple[bytes, TableForm]], None]:
    def read(given: tuple[bytes, TableForm]) -> None:
        path.write_bytes(given[0])
        rows = sum(batch.num_rows for batch in open_table(path, given[1]).batches())
        try:
            assert open_table(path, given[1]).read().num_rows == rows
        except Exception as error:
            if "is empty" not in str(error) or rows:
                raise

    return read


def csv_bytes(random: Random) -> bytes:
    text = text_like(random, CSV)
    if random.random() < 0.3:
        text = text.replace(",", random.choice((";", "\t", "|")))
    data = text.encode(random.choice(("utf-8", "utf-8-sig", "latin-1", "utf-16")), "replace")
    return bytes_like(random, (data,)) if random.random() < 0.3 else data


def dialect(random: Random) -> CsvSpec:
    odd = ("", "", ",", ";", ".", "'", '"', " ", "\0", "é", "ab", "\n", "|", "_")
    encodings = (
        "",
        "utf-8",
        "latin-1",
        "utf-16",
        "utf-7",
        "idna",
        "punycode",
        "hex",
        "rot13",
        "zlib",
        "cp037",
        "undefined",
    )
    parts = [random.choice(odd) for _ in range(4)]
    return CsvSpec(parts[0], parts[1], parts[2], random.choice((*encodings, *TOKENS[:6])), parts[3])


def with_form(random: Random, data: bytes) -> tuple[bytes, TableForm]:
    return data, random.choice(FORMS)


def parquet_bytes() -> list[bytes]:
    tables = (
        pa.table({"at": pa.array([0, 1], pa.timestamp("us", "UTC")), "x": [1.5, None], "c": ["a", "b"]}),
        pa.table({"prediction_id": ["a.1.1", "a.1.2"], "outcome": [float("inf"), 1.0]}),
        pa.table(
            {
                "c": pa.array(["a", "b", "a"]).dictionary_encode(),
                "x": pa.array([2**64 - 1, 0, 1], pa.uint64()),
            }
        ),
    )
    files = []
    for table in tables:
        out = io.BytesIO()
        pq.write_table(table, out, compression="none")
        files.append(out.getvalue())
    return files


def test_csv(tmp_path: Path) -> None:
    fuzz("csv", lambda random: with_form(random, csv_bytes(random)), table_reader(tmp_path / "a.csv"))
    fuzz(
        "csv outcomes",
        lambda random: with_form(random, csv_bytes(random)),
        outcomes_reader(tmp_path / "b.csv"),
    )


def test_packed_csv(tmp_path: Path) -> None:
    def draw(random: Random) -> tuple[bytes, TableForm]:
        data = gzip.compress(csv_bytes(random), 1)
        return with_form(random, bytes_like(random, (data,)) if random.random() < 0.7 else data)

    fuzz("csv.gz", draw, table_reader(tmp_path / "a.csv.gz"))


def test_dialects(tmp_path: Path) -> None:
    def draw(random: Random) -> tuple[bytes, TableForm]:
        return csv_bytes(random), TableForm(random.choice(({}, KINDS)), csv=dialect(random), timezone="UTC")

    fuzz("dialect", draw, table_reader(tmp_path / "a.csv"))


def test_jsonl(tmp_path: Path) -> None:
    def draw(random: Random) -> tuple[bytes, TableForm]:
        lines = [
            json_of(random, record) if random.random() < 0.5 else json.dumps(record).encode()
            for record in RECORDS
        ]
        return with_form(random, random.choice((b"\n", b"\r\n", b"\n\n")).join(lines))

    fuzz("jsonl", draw, table_reader(tmp_path / "a.jsonl"))
    fuzz("jsonl outcomes", draw, outcomes_reader(tmp_path / "b.ndjson"))


def test_parquet(tmp_path: Path) -> None:
    files = parquet_bytes()
    fuzz(
        "parquet",
        lambda random: with_form(random, bytes_like(random, files)),
        table_reader(tmp_path / "a.parquet"),
    )


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_names_of_files_and_folders(tmp_path: Path, ending: str) -> None:
    """Folders give columns by their names."""
    count = 0

    def read(names: list[str]) -> None:
        nonlocal count
        count += 1
        root = tmp_path / f"{ending[1:]}{count}"
        root.mkdir()
        place = root
        for name in names:
            name = name.replace("/", "_").replace("\0", "_").encode()[:80].decode(errors="ignore")
            place = place / (name if name not in ("", ".", "..") and name.isprintable() else "x")
        place.mkdir(parents=True, exist_ok=True)
        (place / f"a{ending}").write_bytes(b"x,c\n1,a\n" if ending == ".csv" else b'{"x": 1, "c": "a"}\n')
        folder_files(root)
        read_folder(root, TableForm(KINDS, timezone="UTC"))

    fuzz(
        f"names {ending}",
        lambda random: [text_like(random, ("day=2013-06-01", "x=1", "c=%61", "_x", "a")) for _ in range(2)],
        read,
    )
