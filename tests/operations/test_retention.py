"""Rows of predictions go after their time, unless a legal hold stands; what is known of them stays, and the log says so."""

from datetime import timedelta

import pytest

from pilothouse.domain.errors import InvalidInputError, NotAllowedError, NotFoundError
from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.formats.wire import Outcome
from pilothouse.domain.identity.roles import DAEMON, Role
from pilothouse.domain.retention import kept_for
from pilothouse.operations.ingest import ingest
from pilothouse.operations.jobs import exports
from pilothouse.operations.services import Services
from pilothouse.operations.upkeep import compaction, retention
from pilothouse.operations.workspace import audits, workspaces
from pilothouse.telemetry.past import wall_clocks
from support.flight_batches import batch_of, outcome_days
from support.monitored_flights import admin, make_watched, traffic

STREAM = ("flight-delay", 1, "ewr")


@pytest.fixture
def services(tmp_path):
    services = make_watched(tmp_path)
    yield services
    services.close()


def send(services: Services, days: int = 6, size: int = 17, *, live: bool = False) -> int:
    """Small batches of some days, with the outcome of the first row of each; ``live``: each comes when its last row is made."""
    rows = traffic("ewr", 0, days)
    for number, first in enumerate(range(0, len(rows), size)):
        part = rows.iloc[first : first + size]
        if live:
            came = part["scheduled_at"].max().to_pydatetime()
            services.now = lambda came=came: came
        ingest.ingest_batch(services, batch_of(part, number))
        ingest.ingest_outcomes(services, [Outcome(f"ewr-1.{number}.0", str(part["late"].iloc[0]))])
    return len(rows)


def later(services: Services, days: float) -> None:
    """Let the wall clock go on."""
    now = services.now() + timedelta(days=days)
    services.now = lambda: now


def windows(services: Services):
    return services.telemetry.windows("flight-delay", 1, "ewr", 86_400, 0, 1 << 62)


def test_rows_go_after_their_days_and_profiles_stay(services: Services) -> None:
    rows = send(services)
    before = [(w.start_us, w.rows, w.profile.counts.tolist()) for w in windows(services)]
    retention.keep_rows(services, admin(services), 30, "the policy of the house")
    later(services, 31)
    (share,) = retention.preview(services, admin(services)).shares
    assert (share.rows, share.stored_rows, share.held) == (rows, rows, "")
    (again,) = retention.preview(services, admin(services)).shares
    assert again == share  # a look changes nothing
    retention.apply(services, DAEMON)
    (left,) = retention.preview(services, admin(services)).shares
    assert (left.rows, left.stored_rows) == (0, 0)
    assert [(w.start_us, w.rows, w.profile.counts.tolist()) for w in windows(services)] == before
    (entry,) = [e for e in audits.show(services, admin(services)) if e.action == "telemetry.deleted"]
    assert (entry.actor, entry.detail["rows"], entry.detail["target"]) == ("daemon", rows, "ewr")
    retention.apply(services, DAEMON)
    assert len([e for e in audits.show(services, admin(services)) if e.action == "telemetry.deleted"]) == 1
    services.telemetry.check()


def test_what_came_after_the_deletion_is_told_so(services: Services) -> None:
    send(services)
    retention.keep_rows(services, admin(services), 30, "the policy of the house")
    later(services, 31)
    retention.apply(services, admin(services))
    assert ingest.ingest_outcomes(services, [Outcome("ewr-1.0.1", "1")]).joined == 0
    (shown,) = ingest.rejected(services, admin(services))
    assert (shown.reason, shown.count) == ("outcome of a prediction that was deleted", 1)
    first = batch_of(traffic("ewr", 0, 6).iloc[:17], 0)
    assert ingest.ingest_batch(services, first).duplicate
    with pytest.raises(NotFoundError, match="were deleted by retention"):
        exports.labelled_rows(services, "flight-delay")


def test_a_legal_hold_stops_it_until_it_is_lifted(services: Services) -> None:
    rows = send(services)
    someone = admin(services)
    retention.keep_rows(services, someone, 1, "the policy of the house")
    later(services, 60)
    hold = retention.place_hold(services, someone, "case 12/2026", target="ewr")
    (share,) = retention.apply(services, DAEMON).shares
    assert (share.rows, share.held) == (rows, "target ewr")
    assert retention.preview(services, someone).shares[0].stored_rows == rows
    retention.lift_hold(services, someone, hold.id, "the case is closed")
    retention.apply(services, DAEMON)
    assert retention.preview(services, someone).shares[0].stored_rows == 0
    with pytest.raises(NotFoundError, match="no legal hold 1 stands"):
        retention.lift_hold(services, someone, hold.id, "again")
    actions = {entry.action for entry in audits.show(services, someone)}
    assert {"retention.set", "legal_hold.placed", "legal_hold.lifted", "telemetry.deleted"} <= actions


def test_small_segments_of_past_days_become_one_and_ids_mean_the_same(services: Services) -> None:
    rows = send(services)
    labelled = exports.labelled_rows(services, "flight-delay")
    with services.telemetry.read() as connection:
        (many,) = connection.execute("SELECT count(*) FROM segments").fetchone()
    report = retention.apply(services, DAEMON)
    with services.telemetry.read() as connection:
        (few,) = connection.execute("SELECT count(*) FROM segments").fetchone()
    assert few == many - report.merged + report.into < many / 4
    assert exports.labelled_rows(services, "flight-delay") == labelled
    table = traffic("ewr", 0, 6)
    for row in (1, 20, 500, rows - 1):
        wanted = str(table["late"].iloc[row])
        receipt = ingest.ingest_outcomes(services, [Outcome(f"ewr-1.{row // 17}.{row % 17}", wanted)])
        assert receipt.joined + receipt.duplicates == 1
    assert sum(day.rows for _, day in outcome_days(services.telemetry)) > 3
    services.telemetry.check()
    assert retention.apply(services, DAEMON).merged == 0


def test_outcomes_that_wait_for_half_a_year_are_let_go(services: Services) -> None:
    ingest.ingest_outcomes(services, [Outcome("never/1", "1")])
    later(services, 181)
    assert retention.apply(services, DAEMON).outcomes_expired == 1
    (shown,) = ingest.rejected(services, admin(services))
    assert shown.reason == "outcome whose prediction never came"


def test_nobody_else_may_and_nothing_goes_without_a_rule(services: Services) -> None:
    rows = send(services, days=2)
    olga = workspaces.identify(services, "olga")
    assert any(grant.role is Role.OPERATOR for grant in olga.grants)
    for act in (
        lambda: retention.apply(services, olga),
        lambda: retention.keep_rows(services, olga, 1, "no"),
        lambda: retention.place_hold(services, olga, "no"),
        lambda: retention.lift_hold(services, olga, 1, "no"),
    ):
        with pytest.raises(NotAllowedError):
            act()
    with pytest.raises(InvalidInputError, match="needs a reason"):
        retention.place_hold(services, admin(services), " ")
    with pytest.raises(NotFoundError, match="no model"):
        retention.place_hold(services, admin(services), "why", model="nothing")
    later(services, 10_000)
    assert retention.apply(services, DAEMON).shares[0].rows == 0
    assert retention.preview(services, admin(services)).shares[0].stored_rows == rows


@pytest.mark.parametrize(
    ("workspace", "model", "delay", "kept"),
    [
        (None, None, 0, None),
        (30, None, 0, 30),
        (30, 7, 0, 7),
        (None, 7, 0, 7),
        (30, 7, 20, 30),  # outcomes take twenty days, and half as long again is waited for them
        (1, None, 0, 1),
    ],
)
def test_rows_are_kept_for_as_long_as_outcomes_come(workspace, model, delay, kept) -> None:
    day = 86_400
    found = kept_for(workspace and workspace * day, model and model * day, delay * day)
    assert found == (kept and kept * day)


def test_at_rest_small_segments_and_hours_are_packed_a_moment_at_a_time(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(services, days=24, live=True)

    def answers() -> list[object]:
        return [
            [(w.start_us, w.rows, w.profile.counts.tolist()) for w in services.telemetry.windows(*STREAM, level, 0, 1 << 62)]
            for level in (3_600, 86_400)
        ]  # fmt: skip

    def stored() -> list[tuple[int, int, int]]:
        with services.telemetry.read() as connection:
            return connection.execute(
                "SELECT (SELECT count(*) FROM segments), (SELECT count(*) FROM windows), (SELECT count(*) FROM window_packs)"
            ).fetchall()

    services.telemetry.fold_windows()
    before, ((segments, windows, packs),) = answers(), stored()
    assert packs == 0
    monkeypatch.setattr(compaction, "_TURN_S", -1.0)
    turns = 1
    while compaction.at_rest(services):
        turns += 1
        assert answers() == before, "a turn that ends in the middle leaves a whole"
    assert turns > 3
    ((fewer, few, some),) = at_rest = stored()
    assert fewer < segments / 4
    assert few < windows / 2
    assert some
    assert answers() == before
    assert not compaction.at_rest(services)
    assert stored() == at_rest


def test_at_rest_a_replayed_history_keeps_when_its_rows_came(services: Services) -> None:
    send(services)

    def moments() -> list[object]:
        with services.telemetry.read() as connection:
            ((first, last),) = connection.execute("SELECT min(first_event), max(last_event) FROM segments")
            now_us = to_us(services.now())
            return [wall_clocks(connection, at, now_us) for at in range(first, last, (last - first) // 50)]

    before = moments()
    while compaction.at_rest(services):
        continue
    assert moments() == before
