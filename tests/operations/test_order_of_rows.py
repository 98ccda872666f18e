"""A file is taken whole whatever the order of its rows and the gaps between them, and what was rejected can be handed in
again."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pilothouse.cli import failures, main
from pilothouse.domain.formats.time_units import DAY_US, to_us
from pilothouse.domain.formats.wire import Outcome
from pilothouse.operations.ingest import ingest, retries
from pilothouse.operations.ingest.ingest import FileReceipt
from pilothouse.operations.services import Services, wall_clock
from pilothouse.operations.workspace import audits
from pilothouse.telemetry.intake import kept_rejections
from pilothouse.telemetry.intake.streams import find_stream
from support.flight_batches import CATEGORICAL, NUMERIC, batch_of
from support.monitored_flights import admin, make_watched, traffic

AHEAD = "far ahead of its target's clock"


@pytest.fixture
def services(tmp_path: Path):
    services = make_watched(tmp_path / "workspace")
    yield services
    services.close()


def history(rows: int, days: float, first_day: float = 0, *, ids: bool = False) -> pd.DataFrame:
    """A log of so many rows, evenly over some days, with outcomes."""
    flights = traffic("ewr", 0, 30)
    taken = flights.iloc[np.arange(rows) % len(flights)].reset_index(drop=True)
    at = pd.to_timedelta(first_day + np.linspace(0, days, rows), unit="D").round("us")
    log = taken[["score", *NUMERIC, *CATEGORICAL]].assign(
        scheduled_at=pd.Timestamp("2013-04-01", tz="UTC") + at, truth=taken["late"], latency_ms=4.0
    )
    return log.assign(prediction_id=[f"old/{first_day}/{i}" for i in range(rows)]) if ids else log


def hand_in(services: Services, path: Path, log: pd.DataFrame, *, past: bool = False) -> FileReceipt:
    log.to_parquet(path)
    return ingest.ingest_file(services, admin(services), path, "flight-delay", 1, "ewr", history=past)


def stored(services: Services) -> tuple[int, int]:
    """Rows of the stream, and those whose outcome is known."""
    with services.telemetry.read() as connection:
        stream = find_stream(connection, "flight-delay", 1, "ewr")
        return (stream.rows, stream.labelled) if stream else (0, 0)


def requests(services: Services) -> int:
    days = services.telemetry.windows("flight-delay", 1, "ewr", 86_400, 0, to_us(services.now()))
    return sum(day.requests for day in days)


@pytest.mark.parametrize("order", ["as it was", "backwards", "shuffled"])
def test_a_history_of_two_hundred_days_is_taken_whole_in_any_order(
    services: Services, tmp_path: Path, order: str
) -> None:
    log = history(12_000, 200)
    if order == "backwards":
        log = log.iloc[::-1]
    elif order == "shuffled":
        log = log.sample(frac=1, random_state=1)
    receipt = hand_in(services, tmp_path / "log.parquet", log)
    assert (receipt.accepted, receipt.rejected, receipt.outcomes.joined) == (12_000, 0, 12_000)
    assert stored(services) == (12_000, 12_000)
    again = hand_in(services, tmp_path / "log.parquet", log)
    assert (again.accepted, again.duplicates, again.rejected) == (0, 12_000, 0)


def test_one_stray_row_is_rejected_and_moves_no_clock(services: Services, tmp_path: Path) -> None:
    log = pd.concat([history(400, 20), history(1, 0, 3_000), history(1, 0, 70_000)])
    receipt = hand_in(services, tmp_path / "log.parquet", log)
    assert receipt.reasons == {"in the future": 1, AHEAD: 1}
    assert (receipt.accepted, receipt.outcomes.joined) == (400, 400)
    assert hand_in(services, tmp_path / "next.parquet", history(300, 10, 20.1)).rejected == 0


def test_a_target_that_paused_is_not_refused(services: Services, tmp_path: Path) -> None:
    hand_in(services, tmp_path / "log.parquet", history(400, 20))
    assert hand_in(services, tmp_path / "next.parquet", history(300, 10, 90)).accepted == 300


@pytest.mark.parametrize("ids", [True, False])
def test_rejected_rows_are_not_known_and_are_taken_when_the_file_is_handed_in_again(
    services: Services, tmp_path: Path, ids: bool
) -> None:
    hand_in(services, tmp_path / "log.parquet", history(400, 20))
    few = pd.concat([history(5, 1, 19, ids=ids), history(9, 1, 100, ids=ids)])
    path = tmp_path / "few.parquet"
    first = hand_in(services, path, few)
    assert (first.accepted, first.reasons, first.outcomes.joined) == (5, {AHEAD: 9}, 5)
    assert first.outcomes.waiting == 0
    second = hand_in(services, path, few)
    assert (second.accepted, second.duplicates, second.reasons) == (0, 5, {AHEAD: 9})
    third = hand_in(services, path, few, past=True)
    assert (third.accepted, third.duplicates, third.rejected, third.outcomes.joined) == (9, 5, 0, 9)
    fourth = hand_in(services, path, few)
    assert (fourth.accepted, fourth.duplicates, fourth.rejected) == (0, 14, 0)
    assert stored(services) == (414, 414)
    assert requests(services) == 414
    (row,) = ingest.rejected(services, admin(services))
    assert (row.reason, row.count) == (AHEAD, 9)


def test_rows_taken_later_have_the_ids_by_which_their_outcomes_come(
    services: Services, tmp_path: Path
) -> None:
    hand_in(services, tmp_path / "log.parquet", history(400, 20))
    few = pd.concat([history(5, 1, 19), history(9, 1, 100)]).drop(columns="truth")
    hand_in(services, tmp_path / "few.parquet", few)
    with services.telemetry.read() as connection:
        (producer,) = connection.execute("SELECT name FROM producers ORDER BY id DESC LIMIT 1").fetchone()
    outcomes = [Outcome(f"{producer}.0.{row}", "1") for row in range(14)]
    early = ingest.ingest_outcomes(services, outcomes)
    assert (early.joined, early.rejected, early.waiting) == (5, 9, 0)
    hand_in(services, tmp_path / "few.parquet", few, past=True)
    assert ingest.ingest_outcomes(services, outcomes).joined == 9


def test_a_part_of_a_file_is_never_there_without_its_outcomes(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    whole = type(services.telemetry).append_part

    def watched(store, batch, *rest):  # type: ignore[no-untyped-def]
        result = whole(store, batch, *rest)
        seen.append(stored(services))
        return result

    monkeypatch.setattr(type(services.telemetry), "append_part", watched)
    hand_in(services, tmp_path / "log.parquet", history(12_000, 200))
    assert seen == [(5_000, 5_000), (10_000, 10_000), (12_000, 12_000)]


def test_rejected_rows_are_kept_and_taken_by_a_retry(services: Services, tmp_path: Path, run) -> None:
    hand_in(services, tmp_path / "log.parquet", history(400, 20))
    for number, first in enumerate((100, 101)):
        few = history(12, 0.9, first, ids=bool(number)).assign(tailnum="N1")
        assert hand_in(services, tmp_path / f"{number}.parquet", few).reasons == {AHEAD: 12}
    assert "24 rejected rows are kept" in run("rejected")[2]
    # beside each other they are many enough to be believed
    code, out, _ = run("rejected", "retry", "--json")
    found = json.loads(out)
    assert (code, found["taken"], found["rejected"], found["outcomes"]["taken"]) == (0, 24, 0, 24)
    assert (stored(services), requests(services)) == ((424, 424), 424)
    assert "kept" not in run("rejected")[2]
    code, _, err = run("rejected", "retry")
    assert (code, err.splitlines()[-1]) == (0, "0 predictions taken, 0 known already, 0 rejected")
    services.now = wall_clock  # by which the command has written to the log
    again = hand_in(services, tmp_path / "0.parquet", history(12, 0.9, 100).assign(tailnum="N1"))
    assert (again.accepted, again.duplicates) == (0, 12)
    newest = audits.show(services, admin(services), limit=2)[1]
    assert (newest.action, newest.detail["rows"]) == ("telemetry.retried", 24)


def test_a_retry_leaves_what_does_not_fit_yet(services: Services, tmp_path: Path, run) -> None:
    hand_in(services, tmp_path / "log.parquet", history(400, 20))
    hand_in(services, tmp_path / "few.parquet", history(5, 1, 100))
    code, _, err = run("rejected", "retry")
    assert (code, err.splitlines()[-1]) == (
        1,
        f"0 predictions taken, 0 known already, 5 rejected: 5 {AHEAD} (see pilothouse rejected)",
    )
    assert run("rejected", "retry", "--history")[0] == 0
    assert stored(services) == (405, 405)


def test_a_retry_takes_no_stray_row_that_a_file_would_not(services: Services, tmp_path: Path, run) -> None:
    hand_in(services, tmp_path / "log.parquet", history(400, 20))
    one = history(1, 0, 700)
    assert hand_in(services, tmp_path / "one.parquet", one).reasons == {AHEAD: 1}
    assert run("rejected", "retry", "--history")[0] == 1
    assert hand_in(services, tmp_path / "one.parquet", one, past=True).reasons == {AHEAD: 1}
    assert stored(services) == (400, 400)
    assert hand_in(services, tmp_path / "next.parquet", history(30, 10, 25)).accepted == 30


def test_a_retry_knows_of_how_many_rows_a_few_were_rejected(services: Services, tmp_path: Path, run) -> None:
    log = pd.concat([history(400, 20), history(2, 0.1, 700)])
    assert hand_in(services, tmp_path / "log.parquet", log, past=True).reasons == {AHEAD: 2}
    hand_in(services, tmp_path / "few.parquet", history(5, 1, 100))
    code, out, _ = run("rejected", "retry", "--history", "--json")
    found = json.loads(out)
    assert (code, found["taken"], found["reasons"]) == (1, 5, {AHEAD: 2})
    assert stored(services) == (405, 405)


def test_a_file_handed_in_again_leaves_nothing_to_retry(services: Services, tmp_path: Path, run) -> None:
    hand_in(services, tmp_path / "log.parquet", history(400, 20))
    hand_in(services, tmp_path / "few.parquet", history(5, 1, 100))
    hand_in(services, tmp_path / "few.parquet", history(5, 1, 100), past=True)
    assert "kept" not in run("rejected")[2]


def test_rejected_rows_of_a_serving_process_are_taken_by_a_retry(services: Services, run) -> None:
    rows = traffic("ewr", 0, 1)
    ingest.ingest_batch(services, batch_of(rows, 1))
    far = rows.iloc[:7].assign(at_us=rows["at_us"].iloc[:7] + 50 * DAY_US)
    batch = batch_of(far, 2)
    secret = dataclasses.replace(batch, categorical={**batch.categorical, "tailnum": ["N1"] * 7})
    assert ingest.ingest_batch(services, secret).rejected == 7
    with services.telemetry.read() as connection:
        (number,) = kept_rejections.numbers_of(connection, "flight-delay", "ewr")
        kept = kept_rejections.read(connection, number)
    assert kept is not None
    assert "tailnum" not in kept.batch.categorical
    ids = [f"ewr-1.2.{row}" for row in range(7)]
    assert ingest.ingest_outcomes(services, [Outcome(name, "1") for name in ids]).rejected == 7
    assert run("rejected", "retry", "--history")[0] == 0
    assert ingest.ingest_outcomes(services, [Outcome(name, "1") for name in ids]).joined == 7
    assert ingest.ingest_batch(services, batch_of(far, 2)).duplicate


def test_kept_rows_stay_within_a_bound(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_rejections, "_LOOK_EVERY", 1)
    monkeypatch.setattr(kept_rejections, "_KEPT_AT_MOST", 2)
    hand_in(services, tmp_path / "log.parquet", history(400, 20))
    for first in (100, 200, 300):
        hand_in(services, tmp_path / f"{first}.parquet", history(5, 1, first))
    assert retries.count_kept(services, admin(services)) == 10
    monkeypatch.setattr(kept_rejections, "KEPT_BYTES", 0)
    hand_in(services, tmp_path / "last.parquet", history(5, 1, 400))
    assert retries.count_kept(services, admin(services)) == 0


@pytest.mark.parametrize("first", [100, -300])
def test_an_outcome_that_waited_goes_on_waiting_for_a_row_that_is_kept(
    services: Services, tmp_path: Path, run, first: float
) -> None:
    hand_in(services, tmp_path / "log.parquet", history(400, 20))
    log = pd.concat([history(1, 0, 19, ids=True), history(2, 0.1, first, ids=True)]).drop(columns="truth")
    waited = [Outcome(name, "1") for name in log["prediction_id"][:2]]
    assert ingest.ingest_outcomes(services, waited).waiting == 2
    receipt = hand_in(services, tmp_path / "few.parquet", log)
    assert (receipt.accepted, receipt.rejected) == (1, 2)
    assert (receipt.outcomes.joined, receipt.outcomes.rejected) == (1, 0)
    assert ingest.waiting(services, admin(services)).count == 1
    code, out, _ = run("rejected", "retry", "--history", "--json")
    found = json.loads(out)
    assert (code, found["taken"], found["outcomes"]["taken"]) == (0, 2, 1)
    assert stored(services) == (403, 402)
    assert ingest.waiting(services, admin(services)).count == 0


def test_an_outcome_waits_for_a_row_of_a_serving_process_that_is_kept(services: Services, run) -> None:
    rows = traffic("ewr", 0, 1)
    ingest.ingest_batch(services, batch_of(rows, 1))
    ids = [f"ewr-1.{batch}.{row}" for batch, row in ((2, 0), (2, 3), (3, 0), (3, 8))]
    assert ingest.ingest_outcomes(services, [Outcome(name, "1") for name in ids]).waiting == 4
    far = rows.iloc[:7].assign(at_us=rows["at_us"].iloc[:7] + 50 * DAY_US)
    ingest.ingest_batch(services, batch_of(far, 2))
    ingest.ingest_batch(services, batch_of(pd.concat([rows.iloc[7:12], far.iloc[:5]]), 3))
    assert ingest.waiting(services, admin(services)).count == 3
    before = stored(services)
    assert run("rejected", "retry", "--history")[0] == 0
    assert stored(services) == (before[0] + 12, before[1] + 3)
    assert {row.reason for row in ingest.rejected(services, admin(services))} == {AHEAD}


def test_outcomes_of_rejected_rows_do_not_wait(services: Services, tmp_path: Path) -> None:
    hand_in(services, tmp_path / "log.parquet", history(400, 20))
    few = history(6, 1, 100, ids=True).drop(columns="truth")
    hand_in(services, tmp_path / "few.parquet", few)
    late = ingest.ingest_outcomes(services, [Outcome(name, "1") for name in few["prediction_id"]])
    assert (late.joined, late.waiting, late.rejected) == (0, 0, 6)
    assert late.reasons == {"outcome of a prediction that was rejected": 6}


def test_a_file_counts_the_outcomes_that_it_drops(services: Services, tmp_path: Path) -> None:
    log = history(6, 1, ids=True).drop(columns="truth")
    log.loc[2, "score"] = np.nan
    ingest.ingest_outcomes(services, [Outcome(name, "1") for name in log["prediction_id"][:4]])
    receipt = hand_in(services, tmp_path / "log.parquet", log)
    assert (receipt.accepted, receipt.outcomes.joined, receipt.outcomes.rejected) == (5, 3, 1)
    assert receipt.outcomes.reasons == {"outcome of a prediction that was rejected": 1}
    assert ingest.waiting(services, admin(services)).count == 0


@pytest.fixture
def run(services: Services, capsys: pytest.CaptureFixture[str]):
    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = failures.run(
            lambda: main.run(["--workspace", str(services.paths.root), "--as", "ada", *arguments])
        )
        out, err = capsys.readouterr()
        return code, out, err

    return call


TO_EWR = ("--model", "flight-delay", "--version", "1", "--target", "ewr")


def test_what_ingest_rejects_is_in_its_last_line_its_json_and_its_exit_code(run, tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    pd.concat([history(400, 20), history(2, 0, 3_000)]).to_parquet(path)
    code, _, err = run("ingest", str(path), *TO_EWR)
    assert code == 1
    assert err.splitlines()[-1] == (
        f"400 predictions taken, 0 known already, 2 rejected: 2 {AHEAD} (see pilothouse rejected)"
    )
    code, out, _ = run("ingest", str(path), *TO_EWR, "--json")
    found = json.loads(out)
    assert (code, found["taken"], found["known"], found["rejected"]) == (1, 0, 400, 2)
    assert (found["reasons"], found["outcomes"]["known"]) == ({AHEAD: 2}, 400)
    fine = tmp_path / "fine.parquet"
    history(300, 10, 21).to_parquet(fine)
    assert run("ingest", str(fine), *TO_EWR)[0] == 0


def test_an_outcome_of_a_log_that_is_not_finite_is_refused(services: Services, tmp_path: Path) -> None:
    log = history(40, 2)
    log["truth"] = log["truth"].astype(float)
    log.loc[[3, 5], "truth"] = [float("inf"), float("nan")]
    receipt = hand_in(services, tmp_path / "log.parquet", log)
    assert (receipt.accepted, receipt.outcomes.joined, receipt.outcomes.rejected) == (40, 38, 1)
    assert receipt.outcomes.reasons == {"outcome of a wrong kind": 1}


def test_labels_says_what_it_refuses(services: Services, run, tmp_path: Path) -> None:
    ingest.ingest_batch(services, batch_of(traffic("ewr", 0, 1), 1))
    path = tmp_path / "labels.csv"
    path.write_text("prediction_id,outcome\newr-1.1.0,1\newr-1.1.1,maybe\newr-1.1.2,inf\nx/1,1\n")
    code, _, err = run("labels", str(path))
    assert code == 1
    assert err.splitlines()[-1] == (
        "1 outcome taken, 0 known already, 1 waiting for their prediction, 0 in conflict, "
        "2 rejected: 2 outcome of a wrong kind (see pilothouse rejected)"
    )
    code, out, _ = run("labels", str(path), "--json")
    found = json.loads(out)
    assert (code, found["known"], found["rejected"]) == (1, 2, 2)
    assert found["reasons"] == {"outcome of a wrong kind": 2}


def test_a_retry_changes_nothing_in_the_past(services: Services, tmp_path: Path, run) -> None:
    hand_in(services, tmp_path / "log.parquet", history(400, 20))
    hand_in(services, tmp_path / "few.parquet", history(5, 1, 100))
    assert run("--at", "2013-04-15 12:00", "rejected")[0] == 0
    code, _, err = run("--at", "2013-04-15 12:00", "rejected", "retry", "--history")
    assert (code, "this is the past, which nobody changes" in err) == (5, True)
    assert stored(services) == (400, 400)
    assert retries.count_kept(services, admin(services)) == 5
