"""Stored predictions as a data set of files: what is unchanged is left, late outcomes come, erased rows go, the rest stays."""

import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from pilothouse.domain.errors import (
    ConflictError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)
from pilothouse.domain.formats.wire import Outcome
from pilothouse.domain.identity.roles import DAEMON
from pilothouse.operations.ingest import ingest
from pilothouse.operations.services import Services
from pilothouse.operations.upkeep import retention, telemetry_export
from pilothouse.operations.upkeep.telemetry_export import Exported, Selected
from pilothouse.operations.workspace import audits
from support.flight_batches import CATEGORICAL, NUMERIC, batch_of
from support.monitored_flights import admin, make_watched, traffic

DAYS = 3


@pytest.fixture
def services(tmp_path: Path):
    services = make_watched(tmp_path / "work space")
    yield services
    services.close()


def send(services: Services, target: str = "ewr", first: int = 0) -> int:
    rows = traffic(target, first, DAYS)
    for number, start in enumerate(range(0, len(rows), 40)):
        ingest.ingest_batch(
            services, batch_of(rows.iloc[start : start + 40], number, producer=f"{target}-1", target=target)
        )
    return len(rows)


def export(services: Services, folder: Path, **selected: object) -> Exported:
    return telemetry_export.export(services, admin(services), folder, Selected(**selected))  # type: ignore[arg-type]


def table_of(folder: Path) -> pa.Table:
    types = pa.schema([("model", pa.string()), ("target", pa.string()), ("date", pa.date32())])
    partitioning = ds.partitioning(types, flavor="hive")
    return ds.dataset(folder / "predictions", format="parquet", partitioning=partitioning).to_table()


def test_the_rows_are_those_that_were_served(services: Services, tmp_path: Path) -> None:
    count = send(services)
    ingest.ingest_outcomes(services, [Outcome("ewr-1.0.3", "1")])
    made = export(services, tmp_path / "out")
    assert (made.written, made.left, made.rows) == (DAYS, 0, count)
    table = table_of(tmp_path / "out").sort_by([("sequence", "ascending"), ("batch_row", "ascending")])
    served = traffic("ewr", 0, DAYS)
    assert set(table["model"].to_pylist()) == {"flight-delay"}
    assert (
        table["event_time"].to_numpy().astype("datetime64[us]").astype(int).tolist()
        == served["at_us"].tolist()
    )
    assert table["score"].to_pylist() == served["score"].tolist()
    assert table["label"].to_pylist() == served["label"].tolist()
    days = {time.date() for time in table["event_time"].to_pylist()}
    assert [row.date() for row in table["event_time"].to_pylist()] == table["date"].to_pylist()
    assert len(days) == DAYS
    for name in NUMERIC:
        wanted = [None if np.isnan(value) else float(value) for value in served[name].to_numpy(float)]
        assert table[name].to_pylist() == wanted
    for name in CATEGORICAL:
        assert table[name].to_pylist() == [str(value) for value in served[name]]
    known = table.filter(pa.compute.is_valid(table["outcome"]))
    assert known["prediction_id"].to_pylist() == ["ewr-1.0.3"]
    assert known["outcome"].to_pylist() == ["1"]


def test_a_repeat_leaves_what_is_unchanged_and_writes_a_day_with_late_outcomes(
    services: Services, tmp_path: Path
) -> None:
    send(services)
    out = tmp_path / "out"
    first = export(services, out)
    stamps = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    retention.apply(services, DAEMON)  # small segments become large ones
    again = export(services, out)
    assert (again.written, again.left, again.manifest) == (0, DAYS, first.manifest)
    ingest.ingest_outcomes(services, [Outcome("ewr-1.0.0", "1")])
    late = export(services, out)
    assert (late.written, late.left) == (1, DAYS - 1)
    changed = [path for path, stamp in stamps.items() if path.stat().st_mtime_ns != stamp]
    assert len(changed) == 1
    manifest = json.loads((out / "manifest.json").read_text())
    assert sum(entry["rows"] for entry in manifest["partitions"].values()) == late.rows
    assert late.manifest != first.manifest


def test_rows_that_retention_deletes_stay_in_their_partition(services: Services, tmp_path: Path) -> None:
    count = send(services)
    out = tmp_path / "out"
    export(services, out)
    retention.keep_rows(services, admin(services), 30, "the policy of the house")
    later = services.now() + timedelta(days=31)
    services.now = lambda: later
    retention.apply(services, DAEMON)
    again = export(services, out)
    assert (again.written, again.left, again.rows) == (0, DAYS, count)
    rows = traffic("ewr", 0, DAYS)
    ingest.ingest_batch(services, batch_of(rows.iloc[:5], 900))  # late rows of the first day
    more = export(services, out)
    assert (more.written, more.rows) == (1, count + 5)
    assert export(services, out).written == 0
    ids = table_of(out)["prediction_id"].to_pylist()
    assert len(set(ids)) == len(ids) == count + 5


def test_days_and_targets_are_selected(services: Services, tmp_path: Path) -> None:
    send(services)
    send(services, "jfk")
    out = tmp_path / "out"
    whole = export(services, tmp_path / "all")
    assert [(target, days) for _, target, days, _ in whole.shares] == [("ewr", DAYS), ("jfk", DAYS)]
    day = sorted(path.name for path in (tmp_path / "all").rglob("date=*"))[0][5:]
    since = date.fromisoformat(day) + timedelta(days=1)
    made = export(services, out, targets=("jfk",), since=since, until=since + timedelta(days=1))
    assert made.written == 1
    assert [path.parent.relative_to(out).as_posix() for path in out.rglob("*.parquet")] == [
        f"predictions/model=flight-delay/target=jfk/date={since}"
    ]
    with pytest.raises(NotFoundError, match="no target 'lga'"):
        export(services, out, targets=("lga",))
    with pytest.raises(NotFoundError, match="no model"):
        export(services, out, model="nothing")


def test_an_export_that_was_cut_off_goes_on(services: Services, tmp_path: Path, monkeypatch) -> None:
    send(services)
    out = tmp_path / "out"
    real, calls = telemetry_export.telemetry_files.put, []

    def put(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(telemetry_export.telemetry_files, "put", put)
    with pytest.raises(KeyboardInterrupt):
        export(services, out)
    assert len(list(out.rglob("*.parquet"))) == 1
    (out / ".part.tmp").write_bytes(b"PAR1 half of it")
    made = export(services, out)
    assert (made.written, made.left) == (DAYS - 1, 1)
    assert {path.name for path in (out / "predictions").rglob("*") if path.is_file()} == {"part-0.parquet"}
    assert not (out / ".part.tmp").exists()


def test_an_export_that_ended_before_its_manifest_goes_on_and_what_it_left_goes(
    services: Services, tmp_path: Path
) -> None:
    count = send(services)
    out = tmp_path / "out"
    out.mkdir()
    for name in (".lock", ".manifest.json.x1", ".part.tmp"):  # as a full disk or a kill leaves them
        (out / name).write_bytes(b"")
    assert export(services, out).rows == count
    assert sorted(path.name for path in out.iterdir()) == [".lock", "manifest.json", "predictions"]


def test_partitions_of_an_export_that_ended_meanwhile_stay_in_the_manifest(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(services)
    send(services, "jfk")
    out = tmp_path / "out"
    record = telemetry_export.handing_out.record

    def another_first(*given: object) -> None:
        monkeypatch.setattr(telemetry_export.handing_out, "record", record)
        export(services, out, targets=("jfk",))
        record(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(telemetry_export.handing_out, "record", another_first)
    export(services, out, targets=("ewr",))
    assert len(telemetry_export.read_partitions(out)) == 2 * DAYS


def test_a_link_in_the_folder_leads_no_row_elsewhere(services: Services, tmp_path: Path) -> None:
    send(services)
    out, other = tmp_path / "out", tmp_path / "other"
    export(services, out)
    other.write_text("of somebody else")
    next(out.rglob("*.parquet")).unlink()
    (out / ".part.tmp").symlink_to(other)
    assert export(services, out).written == 1
    assert other.read_text() == "of somebody else"
    day = next(out.rglob("*.parquet")).parent
    day.rename(tmp_path / "day")
    day.symlink_to(tmp_path / "day")
    with pytest.raises(ConflictError, match="is a link"):
        export(services, out)


def test_a_folder_of_something_else_and_a_damaged_partition_are_refused(
    services: Services, tmp_path: Path
) -> None:
    send(services)
    out = tmp_path / "out"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(ConflictError, match="is not empty"):
        export(services, tmp_path / "mine")
    export(services, out)
    part = next(out.rglob("*.parquet"))
    table = pq.read_table(part, partitioning=None)
    pq.write_table(table.slice(1), part)
    with pytest.raises(IntegrityError, match="not as it was written"):
        export(services, out)
    part.write_bytes(b"PAR1")
    with pytest.raises(IntegrityError, match="no partition that an export wrote whole"):
        export(services, out)
    part.unlink()
    assert export(services, out).written == 1


def test_who_took_what_where_is_in_the_log_before_and_after(services: Services, tmp_path: Path) -> None:
    send(services)
    made = export(services, tmp_path / "out", model="flight-delay")
    after, before = audits.show(services, admin(services), limit=2)
    assert (before.action, after.action) == ("telemetry.exported", "telemetry.export_completed")
    assert before.detail["folder"] == str(tmp_path / "out")
    assert before.detail["model"] == "flight-delay"
    assert after.detail["manifest"] == made.manifest


def test_what_is_due_is_moved_into_the_folder_before_it_is_deleted(
    services: Services, tmp_path: Path
) -> None:
    count = send(services)
    ingest.ingest_outcomes(services, [Outcome("ewr-1.0.0", "1")])
    kept = tmp_path / "kept"
    with pytest.raises(NotFoundError, match="is not a folder"):
        retention.keep_in(services, admin(services), str(kept), "the policy")
    with pytest.raises(InvalidInputError, match="stores by URL are read, and not written"):
        retention.keep_in(services, admin(services), "s3://bucket/kept", "the policy")
    kept.mkdir()
    retention.keep_in(services, admin(services), str(kept), "the policy of the house")
    retention.keep_rows(services, admin(services), 30, "the policy of the house")
    later = services.now() + timedelta(days=31)
    services.now = lambda: later
    (kept / "notes.txt").write_text("a folder of something else")
    with pytest.raises(UnavailableError, match="rows that are due stay"):
        retention.apply(services, DAEMON)
    assert retention.preview(services, admin(services)).shares[0].stored_rows == count
    (kept / "notes.txt").unlink()
    retention.apply(services, DAEMON)
    assert retention.preview(services, admin(services)).shares[0].stored_rows == 0
    table = table_of(kept)
    assert (table.num_rows, table["outcome"].null_count) == (count, count - 1)
    retention.apply(services, DAEMON)
    assert table_of(kept).num_rows == count


def test_a_segment_whose_outcome_came_while_its_day_was_exported_stays(
    services: Services, tmp_path: Path, monkeypatch
) -> None:
    count = send(services)
    kept = tmp_path / "kept"
    kept.mkdir()
    retention.keep_in(services, admin(services), str(kept), "the policy of the house")
    retention.keep_rows(services, admin(services), 30, "the policy of the house")
    later = services.now() + timedelta(days=31)
    services.now = lambda: later
    real = telemetry_export.ExportFolder.put
    late = iter([Outcome("ewr-1.0.0", "1")])

    def put(*arguments: object, **options: object) -> object:
        done = real(*arguments, **options)  # type: ignore[arg-type]
        ingest.ingest_outcomes(services, list(late))
        return done

    monkeypatch.setattr(telemetry_export.ExportFolder, "put", put)
    retention.apply(services, DAEMON)
    assert 0 < retention.preview(services, admin(services)).shares[0].stored_rows <= 40
    monkeypatch.undo()
    retention.apply(services, DAEMON)
    assert retention.preview(services, admin(services)).shares[0].stored_rows == 0
    table = table_of(kept)
    assert (table.num_rows, table["outcome"].null_count) == (count, count - 1)
