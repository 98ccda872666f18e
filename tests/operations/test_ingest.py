"""Batches, outcomes and files of predictions reach telemetry through the operations, with words for what does not fit."""

import dataclasses
import json
from pathlib import Path

import pandas as pd
import pytest

from pilothouse.domain.errors import InvalidInputError, NotAllowedError, NotFoundError
from pilothouse.domain.formats.wire import BatchReceipt, Outcome
from pilothouse.operations.ingest import ingest
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import apply_models, audits, workspaces
from pilothouse.presentation.receipts import Receipt, predictions_line
from pilothouse.telemetry.intake.streams import find_stream
from support.flight_batches import CATEGORICAL, NOW_US, NUMERIC, batch_of
from support.monitored_flights import MODEL, admin, make_watched, traffic, write_model


@pytest.fixture
def services(tmp_path: Path):
    services = make_watched(tmp_path)
    yield services
    services.close()


def log_of(rows: pd.DataFrame) -> pd.DataFrame:
    log = rows[["scheduled_at", "score", "late", *NUMERIC, *CATEGORICAL]].rename(columns={"late": "truth"})
    return log.assign(latency_ms=4.0, prediction_id=[f"old/{i}" for i in range(len(log))])


def stored_rows(services: Services) -> tuple[int, int]:
    with services.telemetry.read() as connection:
        stream = find_stream(connection, "flight-delay", 1, "ewr")
        return (stream.rows, stream.labelled) if stream else (0, 0)


def test_a_batch_is_taken_once_and_an_unknown_version_is_shown(services: Services) -> None:
    batch = batch_of(traffic("ewr", 0, 1), 1)
    assert ingest.ingest_batch(services, batch) == BatchReceipt(batch.rows, 0)
    assert ingest.ingest_batch(services, batch).duplicate
    ingest.ingest_batch(services, dataclasses.replace(batch, sequence=2, version=7))
    (shown,) = ingest.rejected(services, admin(services))
    assert (shown.reason, shown.count) == ("unknown version", batch.rows)
    assert ingest.ingest_outcomes(services, [Outcome("ewr-1.1.0", "1")]).joined == 1


def test_a_column_made_private_is_dropped_from_the_next_batch_on(services: Services) -> None:
    batch = batch_of(traffic("ewr", 0, 1), 1)
    secret = {**batch.categorical, "tailnum": ["N1"] * batch.rows}
    ingest.ingest_batch(services, dataclasses.replace(batch, categorical=secret))
    write_model(services.paths.root, MODEL.replace("outcome_delay", 'private = ["tailnum"]\noutcome_delay'))
    source = services.paths.root / "data" / "flights.parquet"
    pd.read_parquet(source).assign(tailnum="N1").to_parquet(source)
    apply_models.apply(services, admin(services))
    ingest.ingest_batch(services, dataclasses.replace(batch, sequence=2, categorical=secret))
    reasons = {shown.reason for shown in ingest.rejected(services, admin(services))}
    assert reasons == {"unknown column dropped", "private column dropped"}


@pytest.mark.parametrize("suffix", ["parquet", "csv", "csv.gz", "jsonl"])
def test_a_log_of_a_model_served_elsewhere_is_taken_with_its_outcomes_once(
    services: Services, tmp_path: Path, suffix: str
) -> None:
    log = log_of(traffic("ewr", 0, 2))
    path = tmp_path / f"log.{suffix}"
    if suffix == "parquet":
        log.to_parquet(path)
    elif suffix == "jsonl":
        log.to_json(path, orient="records", lines=True, date_format="iso")
    else:
        log.to_csv(path, index=False)
    receipt = ingest.ingest_file(services, admin(services), path, "flight-delay", 1, "ewr")
    assert (receipt.rows, receipt.accepted, receipt.rejected) == (len(log), len(log), 0)
    assert receipt.outcomes.joined == len(log)
    assert stored_rows(services) == (len(log), len(log))
    again = ingest.ingest_file(services, admin(services), path, "flight-delay", 1, "ewr")
    assert (again.accepted, again.duplicates) == (0, len(log))
    assert stored_rows(services) == (len(log), len(log))
    newest = audits.show(services, admin(services), limit=1)[0]
    assert (newest.action, newest.detail["file"]) == ("telemetry.ingested", path.name)


def test_outcomes_of_rejected_predictions_are_not_taken_and_history_is_named(
    services: Services, tmp_path: Path
) -> None:
    new, old = log_of(traffic("ewr", 20, 2)), log_of(traffic("ewr", 0, 2))
    times = old["scheduled_at"] - pd.Timedelta(days=300)
    files = {"new": new, "old": old.assign(scheduled_at=times, prediction_id=[f"x/{i}" for i in old.index])}
    for name, rows in files.items():
        rows.to_parquet(tmp_path / f"{name}.parquet")
        got = ingest.ingest_file(
            services, admin(services), tmp_path / f"{name}.parquet", "flight-delay", 1, "ewr"
        )
    assert (got.rejected, got.accepted, got.outcomes.joined) == (len(old), 0, 0)
    line = predictions_line(Receipt(got.accepted, got.duplicates, got.rejected, got.reasons))
    assert "far behind its target's clock" in line
    assert line.endswith("; their outcomes are not taken either; --history takes older rows")


def test_outcomes_come_in_a_file_of_their_own(services: Services, tmp_path: Path) -> None:
    rows = traffic("ewr", 0, 1)
    ingest.ingest_batch(services, batch_of(rows, 1))
    lines = [{"prediction_id": f"ewr-1.1.{i}", "outcome": int(v)} for i, v in enumerate(rows["late"])]
    path = tmp_path / "labels.jsonl"
    path.write_text(
        "\n".join(json.dumps(line) for line in [*lines, {"prediction_id": "x.1.1", "outcome": 1}])
    )
    receipt = ingest.ingest_labels_file(services, admin(services), path)
    assert (receipt.joined, receipt.waiting) == (len(rows), 1)


def test_an_empty_field_of_a_csv_is_no_outcome(services: Services, tmp_path: Path) -> None:
    rows = traffic("ewr", 0, 1)
    ingest.ingest_batch(services, batch_of(rows, 1))
    path = tmp_path / "labels.csv"
    path.write_text("prediction_id,outcome\newr-1.1.0,1\newr-1.1.1,\n,1\newr-1.1.2,maybe\n")
    receipt = ingest.ingest_labels_file(services, admin(services), path)
    assert (receipt.joined, receipt.waiting) == (1, 0)
    assert [(shown.reason, shown.count) for shown in ingest.rejected(services, admin(services))] == [
        ("outcome of a wrong kind", 1)
    ]


def test_rows_without_a_time_are_counted(services: Services, tmp_path: Path) -> None:
    log = log_of(traffic("ewr", 0, 1))
    log.loc[3, "scheduled_at"] = pd.NaT
    log.to_parquet(tmp_path / "log.parquet")
    receipt = ingest.ingest_file(
        services, admin(services), tmp_path / "log.parquet", "flight-delay", 1, "ewr"
    )
    assert (receipt.accepted, receipt.rejected) == (len(log) - 1, 1)
    assert ingest.rejected(services, admin(services))[0].reason in (
        "no event time",
        "outcome of a prediction that was rejected",
    )


def test_times_in_json_lines_keep_their_offset(services: Services, tmp_path: Path) -> None:
    log = log_of(traffic("ewr", 0, 1))
    path = tmp_path / "log.jsonl"
    local = log["scheduled_at"].dt.tz_convert("Etc/GMT+5")
    log.assign(scheduled_at=local.astype(str)).to_json(path, orient="records", lines=True)
    assert "-05:00" in path.read_text()
    receipt = ingest.ingest_file(services, admin(services), path, "flight-delay", 1, "ewr")
    assert (receipt.accepted, receipt.rejected) == (len(log), 0)
    assert services.telemetry.clock("ewr") == log["scheduled_at"].max().to_pydatetime()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda log: log.drop(columns=["temp", "score"]), "columns score, temp missing; expected"),
        (lambda log: log.assign(temp="warm"), "row 1, column 'temp': found 'warm'; expected a number"),
        (lambda log: log.assign(temp=log["scheduled_at"]), "column 'temp': found a time; expected numbers"),
        (
            lambda log: log.assign(scheduled_at=[*log["scheduled_at"].astype(str)[:-1], "soon"]),
            "row [0-9]+, column 'scheduled_at': found 'soon'; expected a time as 2013-05-03",
        ),
        (
            lambda log: log.assign(scheduled_at=5),
            "column 'scheduled_at': found int64; expected dates with times",
        ),
        (
            lambda log: log.assign(scheduled_at=log["scheduled_at"].dt.tz_localize(None)),
            "column 'scheduled_at': found times without a zone",
        ),
    ],
)
def test_a_log_that_does_not_fit_is_refused_in_one_line(
    services: Services, tmp_path: Path, change, words: str
) -> None:
    path = tmp_path / "log.parquet"
    change(log_of(traffic("ewr", 0, 1))).to_parquet(path)
    with pytest.raises(InvalidInputError, match=words) as caught:
        ingest.ingest_file(services, admin(services), path, "flight-delay", 1, "ewr")
    assert "\n" not in str(caught.value)
    assert stored_rows(services) == (0, 0)


def test_a_file_of_another_kind_is_refused(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "log.xlsx"
    path.write_bytes(b"PK")
    with pytest.raises(InvalidInputError, match=r"ends in \.parquet"):
        ingest.ingest_file(services, admin(services), path, "flight-delay", 1, "ewr")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(InvalidInputError, match="cannot be read"):
        ingest.ingest_file(services, admin(services), tmp_path / "broken.parquet", "flight-delay", 1, "ewr")


def test_names_that_do_not_exist_and_people_who_may_not_are_told_so(
    services: Services, tmp_path: Path
) -> None:
    path = tmp_path / "log.parquet"
    log_of(traffic("ewr", 0, 1)).to_parquet(path)
    with pytest.raises(NotFoundError, match="no version 9"):
        ingest.ingest_file(services, admin(services), path, "flight-delay", 9, "ewr")
    with pytest.raises(NotFoundError, match="no target 'bos'"):
        ingest.ingest_file(services, admin(services), path, "flight-delay", 1, "bos")
    stranger = workspaces.identify(services, "nobody")
    with pytest.raises(NotAllowedError, match="hand in predictions"):
        ingest.ingest_file(services, stranger, path, "flight-delay", 1, "ewr")


def test_event_times_of_the_log_are_kept_to_the_microsecond(services: Services, tmp_path: Path) -> None:
    rows = traffic("ewr", 0, 1)
    path = tmp_path / "log.csv"
    log_of(rows).to_csv(path, index=False)
    ingest.ingest_file(services, admin(services), path, "flight-delay", 1, "ewr")
    ((_, predictions, _, _, _),) = services.telemetry.labelled_batches("flight-delay", None, 0, NOW_US)
    assert predictions.times.tolist() == rows["at_us"].tolist()


def test_rows_without_an_id_or_a_label_are_taken_as_in_a_log_without_the_column(
    services: Services, tmp_path: Path
) -> None:
    log = log_of(traffic("ewr", 0, 1)).assign(label=None, prediction_id=None)
    log.loc[0, "prediction_id"], log.loc[1, "label"] = "mine", "1"
    path = tmp_path / "log.parquet"
    log.to_parquet(path)
    for known in (0, len(log)):
        receipt = ingest.ingest_file(services, admin(services), path, "flight-delay", 1, "ewr")
        assert (receipt.accepted, receipt.duplicates, receipt.rejected) == (len(log) - known, known, 0)


def test_rows_without_an_outcome_are_counted_and_a_word_for_missing_is_none(
    services: Services, tmp_path: Path
) -> None:
    log = (
        log_of(traffic("ewr", 0, 1))
        .drop(columns=["truth"], errors="ignore")
        .assign(prediction_id=lambda rows: [f"p{i}" for i in range(len(rows))])
    )
    log.to_parquet(tmp_path / "log.parquet")
    ingest.ingest_file(services, admin(services), tmp_path / "log.parquet", "flight-delay", 1, "ewr")
    (tmp_path / "outcomes.csv").write_text("prediction_id,outcome\np0,1\np1,NA\np2,\n,0\np3,seven\n")
    receipt = ingest.ingest_labels_file(services, admin(services), tmp_path / "outcomes.csv")
    assert (receipt.joined, receipt.without, receipt.rejected, receipt.waiting) == (1, 3, 1, 0)
