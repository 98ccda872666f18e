"""Taking predictions in, with roll-ups in the same transaction, against rows in a plain table."""

import tempfile
from pathlib import Path

import msgspec
from bench import median_s, show
from sqlite_utils import Database

import flight_batches as flights
from pilothouse.domain.wire import Outcome, PredictionBatch
from pilothouse.sqlite import driver
from pilothouse.telemetry import TelemetryStore, VersionFacts

ROWS = 20_000


def run() -> None:
    """Rows a second and bytes a row, each way into a file of its own."""
    rows = flights.flights().head(ROWS)
    facts = VersionFacts(flights.specification())
    with tempfile.TemporaryDirectory() as folder:
        for size in (1_000, 17):
            batches = [flights.batch_of(rows.iloc[i : i + size], i) for i in range(0, ROWS, size)]
            taken, path = _ours(Path(folder), batches, facts)
            width = path.stat().st_size / ROWS
            show(
                f"ingest: batches of {size} rows, 12 features, with roll-ups",
                f"{ROWS / taken:,.0f} rows/s",
                f"{width:.0f} B/row",
            )
        records = rows[[*flights.NUMERIC, *flights.CATEGORICAL, "at_us", "score", "label"]].to_dict("records")
        plain, path = _insert_all(Path(folder), records)
        show(
            "ingest: sqlite-utils insert_all, no roll-ups",
            f"{ROWS / plain:,.0f} rows/s",
            f"{path.stat().st_size / ROWS:.0f} B/row",
        )
        bare, path = _executemany(Path(folder), records)
        show(
            "ingest: executemany with an index, no roll-ups",
            f"{ROWS / bare:,.0f} rows/s",
            f"{path.stat().st_size / ROWS:.0f} B/row",
        )
        _outcomes(Path(folder), rows, facts)


def _show(way: str, taken: float, path: Path) -> None:
    show(f"ingest: {way}", f"{ROWS / taken:,.0f} rows/s", f"{path.stat().st_size / ROWS:.0f} B/row")


def _ours(folder: Path, batches: list[PredictionBatch], facts: VersionFacts) -> tuple[float, Path]:
    paths: list[Path] = []

    def take_in() -> None:
        paths.append(folder / f"ours-{len(batches)}-{len(paths)}.db")
        store = TelemetryStore(paths[-1])
        for batch in batches:
            store.append(batch, lambda model, version: facts, flights.NOW_US)
        store.close()

    return median_s(take_in, 3), paths[-1]


def _insert_all(folder: Path, records: list[dict[str, object]]) -> tuple[float, Path]:
    paths: list[Path] = []

    def insert() -> None:
        paths.append(folder / f"all-{len(paths)}.db")
        database = Database(paths[-1])
        database.conn.execute("PRAGMA journal_mode=WAL")
        for i in range(0, len(records), 1_000):
            database.table("events").insert_all(records[i : i + 1_000])
        database.table("events").create_index(["at_us"], if_not_exists=True)
        database.close()

    return median_s(insert, 3), paths[-1]


def _executemany(folder: Path, records: list[dict[str, object]]) -> tuple[float, Path]:
    paths: list[Path] = []
    names = list(records[0])
    rows = [tuple(record.values()) for record in records]

    def insert() -> None:
        paths.append(folder / f"many-{len(paths)}.db")
        connection = driver.connect(str(paths[-1]))
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"CREATE TABLE events ({', '.join(names)})")
        connection.execute("CREATE INDEX events_at ON events (at_us)")
        for i in range(0, len(rows), 1_000):
            with connection:
                connection.executemany(
                    f"INSERT INTO events VALUES ({','.join('?' * len(names))})", rows[i : i + 1_000]
                )
        connection.close()

    return median_s(insert, 3), paths[-1]


def _outcomes(folder: Path, rows: object, facts: VersionFacts) -> None:
    frame = rows
    store = TelemetryStore(folder / "outcomes.db")
    ids: list[Outcome] = []
    for i in range(0, ROWS, 17):
        part = frame.iloc[i : i + 17]  # type: ignore[attr-defined]
        store.append(flights.batch_of(part, i), lambda model, version: facts, flights.NOW_US)
        ids += [Outcome(f"ewr-1.{i}.{k}", str(late)) for k, late in enumerate(part["late"])]
    size = len(msgspec.msgpack.encode(ids))
    parts = iter([ids[i : i + 4_000] for i in range(0, len(ids), 4_000)])
    taken = median_s(lambda: store.add_outcomes(next(parts), flights.NOW_US), 4)
    show(
        "outcomes: 4,000 at a time, over batches of 17",
        f"{4_000 / taken:,.0f} rows/s",
        f"{size / ROWS:.0f} B/row on the wire",
    )
    store.close()
