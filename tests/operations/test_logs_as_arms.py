"""Logs of a platform that a command serves as arms of a canary: hours are counted whole and once, whatever comes when."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from pilothouse.domain.models.target_file import Deployer
from pilothouse.domain.rollouts.rollout import Rollout, RolloutState
from pilothouse.domain.rollouts.view import LogReading
from pilothouse.operations.fleet.deployers import TargetDeployer
from pilothouse.operations.fleet.processes import Pulse
from pilothouse.operations.ingest import ingest
from pilothouse.operations.promotion import promotions
from pilothouse.operations.rollouts import keeper, log_arms, views
from pilothouse.operations.workspace import apply_models
from pilothouse.presentation.documents import plain_text
from pilothouse.presentation.pages.rollout_page import rollout_lines
from pilothouse.store.promotion import canary_spans, rollouts
from pilothouse.system.processes import own_name
from pilothouse.telemetry.rows import erasing
from support.log_canaries import BEGAN, Platform, history, written
from support.registered_versions import promote, register
from support.small_workspace import SmallWorkspace, make_small_workspace

TARGETS = """
[[target]]
name = "ewr"
[target.deployer]
command = ["true"]
"""
PLAN = """
[[plan]]
name = "out"
margin = 0.1
false_rollbacks = 0.05
[[plan.wave]]
name = "all"
[[plan.wave.step]]
kind = "canary"
share = 0.5
clock = "event"
outcomes_within = "6h"
{more}
[[plan.wave.step]]
kind = "live"
go_on = "hand"
"""
GOOD, WORSE = Platform(0.5, 60, (0.05, 0.05)), Platform(0.5, 60, (0.05, 0.4))


class Shop:
    """A workspace in which version 2 is a canary by a command beside version 1, of which a history is known."""

    def __init__(self, root: Path, more: str = "") -> None:
        self.folder = root
        self.made: SmallWorkspace = make_small_workspace(root / "w")
        made = self.made
        (made.root / "targets.toml").write_text(TARGETS)
        (made.root / "plans.toml").write_text(PLAN.format(more=more))
        for version in (1, 2):
            register(made, version)
        made.write_model()
        promote(made, 1)
        self.turn()
        self.ingest(history(), 1)
        file = made.root / "models" / "delay" / "model.toml"
        file.write_text(file.read_text().replace("approvals = 1", 'approvals = 1\nplan = "out"'))
        apply_models.apply(made.services, made.admin)
        asked = promotions.request_promotion(made.services, made.scientist, "delay/2", ["ewr"], "a test")
        promotions.approve(made.services, made.approver, asked.id, asked.evidence_digest)
        self.keep()
        self.turn()

    def turn(self) -> None:
        """Let the platform be asked for what it should run, and answer with it."""
        services = self.made.services
        platform = TargetDeployer(services, Pulse(services, own_name()), "ewr", lambda: False)
        for _ in range(2):
            platform.turn(Deployer(command=("true",)))

    def ingest(self, frame: pd.DataFrame, version: int, name: str = "log.csv") -> ingest.FileReceipt:
        log = written(frame, self.folder / name)
        return ingest.ingest_file(self.made.services, self.made.admin, log, "delay", version, "ewr")

    def hand_in(self, platform: Platform, first: int, count: int) -> None:
        """Logs of both versions with their outcomes, that of the live one as Parquet."""
        for version, frame in platform.hours(first, count).items():
            self.ingest(frame, version, "log.parquet" if version == 1 else "log.csv")

    def keep(self) -> None:
        done = keeper.keep(self.made.services)
        assert not [one.fault for one in done if one.fault]

    def later(self, **by: float) -> None:
        """Let time pass by the wall clock."""
        now = datetime.now(UTC) + timedelta(**by)
        self.made.services.now = lambda: now

    @property
    def rollout(self) -> Rollout:
        with self.made.services.registry.read() as connection:
            found = rollouts.find(connection, 1)
        assert found is not None
        return found

    @property
    def evidence(self) -> list[tuple[str, object]]:
        """Statistics of the canary's tests."""
        with self.made.services.registry.read() as connection:
            return [(row.test, row.statistics) for row in rollouts.evidence(connection, 1)]

    @property
    def log(self) -> LogReading:
        (found,) = self.view.logs
        return found

    @property
    def view(self) -> views.RolloutView:
        return views.show_rollout(self.made.services, self.made.admin, 1)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_a_version_as_good_goes_live_by_the_evidence_of_logs(shop: Shop) -> None:
    with shop.made.services.registry.read() as connection:
        (span,) = canary_spans.spans(connection, 1)
    assert (span.share, span.since_event, span.until) == (0.5, BEGAN.timestamp() * 1e6, None)
    shop.hand_in(GOOD, 0, 60)
    shop.keep()
    assert shop.rollout.step_name == "1.2"
    log = shop.log
    assert (log.hours, log.rows, log.judged) == (59, 59 * 60, 59 * 60)
    assert log.text.startswith(
        "from logs, up to 2025-06-04 18:00 UTC: 59 hours, 3,540 of 3,540 rows with an outcome"
    )
    assert "independent draws" in log.text
    page = plain_text(rollout_lines(shop.view, datetime.now(UTC)))
    assert [line for line in page.splitlines() if line.split(None, 1) == ["ewr", log.text]], page
    passed = next(event for event in shop.view.events if event.what == "passed")
    assert "not worse: " in passed.text
    shop.turn()
    with shop.made.services.registry.read() as connection:
        assert [one.until is None for one in canary_spans.spans(connection, 1)] == [False]


def test_a_worse_version_comes_back_by_logs_with_its_figures(shop: Shop) -> None:
    shop.hand_in(WORSE, 0, 20)
    shop.keep()
    assert shop.rollout.state is RolloutState.ROLLED_BACK
    assert shop.rollout.why.startswith("harm in wave 1: canary losses, +0.")


def test_an_hour_is_counted_when_both_logs_and_every_outcome_are_in(shop: Shop) -> None:
    both = GOOD.hours(0, 4)
    unknown = both[1].copy()
    unknown.loc[unknown["event_time"] < pd.Timestamp(BEGAN) + pd.Timedelta(hours=1), "truth"] = None
    shop.ingest(unknown, 1)
    shop.keep()
    assert (shop.log.hours, shop.log.waiting_logs) == (0, (1, 2))
    shop.ingest(both[2], 2)
    shop.keep()
    log = shop.log
    assert (log.hours, log.waiting, log.waiting_logs) == (2, 2, (1, 2)), "the last hour may go on"
    assert log.waiting_outcomes == len(unknown[unknown["truth"].isna()])
    assert f"2 hours wait for {log.waiting_outcomes} outcomes and the log of v1 to go on" in log.text

    known = shop.folder / "known.csv"
    both[1].rename(columns={"truth": "outcome"})[["prediction_id", "outcome"]].to_csv(known, index=False)
    ingest.ingest_labels_file(shop.made.services, shop.made.admin, known)
    shop.keep()
    assert (shop.log.hours, shop.log.waiting, shop.log.up_to) == (
        3,
        1,
        BEGAN + timedelta(hours=3, minutes=30),
    )


def test_an_hour_that_waited_long_enough_counts_without_outcomes_or_is_left_out_without_a_log(
    shop: Shop,
) -> None:
    both = GOOD.hours(0, 3)
    unknown = both[1].copy()
    unknown.iloc[0, unknown.columns.get_loc("truth")] = None
    shop.ingest(unknown, 1)
    shop.ingest(both[2], 2)
    shop.keep()
    assert (shop.log.hours, shop.log.waiting, shop.log.patience) == (1, 2, "6h")
    shop.later(hours=7)
    shop.turn()
    shop.keep()
    log = shop.log
    assert (log.hours, log.rows, log.judged, log.waiting, log.left_out) == (2, 120, 119, 0, 1)

    before = shop.evidence
    known = shop.folder / "known.csv"
    known.write_text(
        f"prediction_id,outcome\n{both[1].iloc[0]['prediction_id']},{both[1].iloc[0]['truth']}\n"
    )
    ingest.ingest_labels_file(shop.made.services, shop.made.admin, known)
    late = both[1].iloc[:5].assign(prediction_id=[f"late-{n}" for n in range(5)])
    shop.ingest(late, 1)
    shop.keep()
    assert (shop.log.late_rows, shop.log.late_outcomes) == (5, 1)
    assert "5 rows and 1 outcome came too late to count" in shop.log.text
    assert shop.evidence == before


def test_a_log_handed_in_again_or_replaced_and_a_fold_that_was_cut_off_come_to_the_same_evidence(
    tmp_path: Path,
) -> None:
    found = []
    for way in ("once", "again", "replaced", "cut off"):
        shop = Shop(tmp_path / way)
        both = GOOD.hours(0, 5)
        for version, frame in both.items():
            if way == "replaced":
                shop.ingest(frame.iloc[: len(frame) // 3], version)
                shop.keep()
            for _ in range(2 if way == "again" else 1):
                shop.ingest(frame, version)
                if way == "cut off":  # the hours are in the trial, and no test has them yet
                    log_arms.take_in(shop.made.services, shop.rollout)
                else:
                    shop.keep()
        shop.keep()
        assert (shop.log.hours, shop.log.late_rows) == (4, 0)
        found.append(shop.evidence)
    assert all(one == found[0] for one in found)


def test_a_key_counts_once_in_a_whole_trial(shop: Shop) -> None:
    for version, frame in GOOD.hours(0, 4).items():
        keys = [f"client-{version}-{n % 7}" for n in range(len(frame))]
        shop.ingest(frame.assign(request_key=keys), version)
    shop.keep()
    statistics = dict(shop.evidence)
    stage = statistics["arm loss"]["loss"]["stages"][0]
    assert (stage["challenger"], stage["champion"]) == (7, 7)
    assert shop.log.rows == 180
    assert "independent draws" not in shop.log.text


def test_rows_without_an_id_of_their_own_cannot_count(shop: Shop) -> None:
    for version, frame in GOOD.hours(0, 3).items():
        shop.ingest(frame.drop(columns="prediction_id"), version)
    shop.keep()
    assert (shop.log.hours, shop.log.nameless) == (0, 180)
    assert "180 rows without a prediction_id cannot count" in shop.log.text


def test_logs_that_are_split_otherwise_than_stated_are_no_evidence(shop: Shop) -> None:
    shop.hand_in(Platform(0.1, 60, (0.05, 0.6)), 0, 20)
    shop.keep()
    assert shop.rollout.state is RolloutState.RUNNING
    words = shop.view.evidence.words
    assert "the logs of ewr are no evidence: " in words
    assert "rows are of v2, whose share is 50 %" in words


def test_an_erased_row_leaves_nothing_of_its_batch_that_waits(shop: Shop) -> None:
    both = GOOD.hours(0, 3)
    shop.ingest(both[1].assign(request_key=[f"client-{n}" for n in range(len(both[1]))]), 1)
    shop.keep()
    telemetry = shop.made.services.telemetry
    with telemetry.transaction() as connection:
        (batch, *_) = erasing.find(connection, "delay", [], [both[1].iloc[0]["prediction_id"]])
        assert connection.execute("SELECT count(*) FROM log_keys").fetchone() == (1,)
        erasing.erase(connection, [batch])
        for table in ("log_keys", "trial_hour_rows"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    shop.ingest(both[2], 2)
    shop.keep()
    assert (shop.log.hours, shop.log.rows) == (
        2,
        len(both[2][both[2]["event_time"] < pd.Timestamp(BEGAN) + pd.Timedelta(hours=2.5)]),
    )
