"""What the doctor finds: a healthy workspace, and each fault by its name."""

import shlex
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fixtures.registries import START, Example, raised
from pilothouse.domain.confinement import Promise
from pilothouse.domain.doctor import Finding
from pilothouse.domain.errors import NotAllowedError
from pilothouse.domain.formats.time_units import DAY_US
from pilothouse.domain.formats.wire import ServingReport
from pilothouse.domain.identity.roles import Role
from pilothouse.domain.monitoring.monitoring import Health
from pilothouse.operations.fleet import health, processes
from pilothouse.operations.jobs import jobs, trainings
from pilothouse.operations.promotion import promotions
from pilothouse.operations.upkeep import compaction, retention
from pilothouse.operations.workspace import doctor, stored_row_checks, workspaces, write_state
from pilothouse.sqlite import driver
from pilothouse.sqlite.connection import connect
from pilothouse.store.log import audit_agreement, seals
from pilothouse.system.processes import own_name
from pilothouse.telemetry import VersionFacts
from support import flight_batches as flights
from support.daemons import stand_for_daemon


def wrong(example: Example) -> dict[str, str]:
    """The checks that failed, each with what was found."""
    found = doctor.diagnose(example.services, example.actor("ada"))
    return {finding.check: finding.finding for finding in found if not finding.ok}


def deploy(example: Example) -> None:
    example.apply()
    example.add_version()
    request = promotions.request_promotion(example.services, example.actor("sam"), "delay")
    promotions.approve(example.services, example.actor("pat"), request.id, request.evidence_digest)


def report(example: Example, target: str, failed: dict[str, str] | None = None) -> None:
    content = ServingReport(target, 8_080, 1, {"delay": 1}, failed or {}, 0, {"delay": 4_000})
    processes.Pulse(example.services, own_name()).take_report(content)


@pytest.fixture(autouse=True)
def now(example: Example) -> None:
    """The workspace was initialised by the real clock, and the doctor looks at the clock."""
    example.time = datetime.now(UTC)


def test_a_clock_that_lies_before_the_log_is_told(example: Example) -> None:
    stand_for_daemon(example.services)
    example.time = START - timedelta(hours=3)
    assert "set the clock" in wrong(example)["clock"]


def test_a_workspace_that_may_not_be_written_is_told(example: Example) -> None:
    stand_for_daemon(example.services)
    write_state.make_read_only(example.services, example.actor("ada"), "the disk is being changed")
    assert wrong(example)["writing"].endswith("the disk is being changed; pilothouse writable lifts it")


def test_an_artifact_of_work_that_was_cut_off_is_told_and_no_fault(example: Example) -> None:
    stand_for_daemon(example.services)
    example.services.artifacts.put_bytes(b"left over")
    found = {f.check: f for f in doctor.diagnose(example.services, example.actor("ada"))}
    assert found["orphans"].ok
    assert found["orphans"].finding == "1 artifacts (9 bytes) belong to no run: pilothouse gc lists them"


def test_a_healthy_workspace_has_nothing_wrong(example: Example) -> None:
    deploy(example)
    stand_for_daemon(example.services)
    for target in ("ewr", "jfk"):
        report(example, target)
    found = doctor.diagnose(example.services, example.actor("ada"))
    assert [finding for finding in found if not finding.ok] == []
    words = {finding.check: finding.finding for finding in found}
    assert words["serving"] == "2 answering"
    assert words["telemetry"] == "nothing has arrived yet"
    assert words["daemon"].startswith("runs, pid ")


def test_a_flipped_byte_in_an_artifact_is_named(example: Example) -> None:
    example.apply()
    path = example.services.artifacts.path(example.add_version().model_digest)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    stand_for_daemon(example.services)
    found = wrong(example)
    assert list(found) == ["artifacts"]
    assert path.name in found["artifacts"]


def test_a_tampered_audit_row_is_named(example: Example) -> None:
    connection = driver.connect(str(example.services.paths.registry), isolation_level=None)
    connection.execute("DROP TRIGGER audit_refuses_update")
    connection.execute("UPDATE audit SET actor = 'mallory' WHERE seq = 2")
    connection.close()
    example.reopen()
    found = wrong(example)
    assert list(found) == ["registry", "audit chain"]  # the trigger is missing too
    assert "2" in found["audit chain"]


def test_of_a_long_log_and_a_large_file_a_part_is_examined_and_the_finding_says_so(
    example: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_for_daemon(example.services)
    monkeypatch.setattr(doctor, "_NEWEST_ENTRIES", 3)
    monkeypatch.setattr(doctor, "_INDEXES_UP_TO", 0)
    forge(example, "UPDATE audit SET actor = 'mallory' WHERE seq = 2")

    found = {one.check: one for one in doctor.diagnose(example.services, example.actor("ada"))}
    assert found["audit chain"].finding.startswith("the newest 3 of ")
    assert found["audit chain"].finding.endswith("; --full verifies all")
    assert found["registry"].finding.endswith("; its indexes were not compared: --full does it")
    assert found["audit chain"].ok

    full = {one.check: one for one in doctor.diagnose(example.services, example.actor("ada"), full=True)}
    assert "audit row 2 was changed" in full["audit chain"].finding
    assert full["registry"].finding.endswith("sound")


def test_of_a_very_large_workspace_the_rest_is_left_out_and_each_finding_says_what(
    example: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(example)
    for bound in ("_PAGES_UP_TO", "_INDEXES_UP_TO", "_ROWS_UP_TO", "_BYTES_READ"):
        monkeypatch.setattr(doctor, bound, 0)
    monkeypatch.setattr(doctor, "_NEWEST_ROWS", 2)
    told: list[str] = []
    found = {
        one.check: one for one in doctor.diagnose(example.services, example.actor("ada"), tell=told.append)
    }
    assert "pages, references and indexes were not looked at: --full" in found["registry"].finding
    assert "the newest 2 of each table" in found["records"].finding
    assert "drawn at random" in found["artifacts"].finding
    assert all(found[check].ok for check in ("registry", "records", "artifacts"))
    assert told[:2] == [f"check 1 of {len(told)}: sqlite", f"check 2 of {len(told)}: registry"]
    full = {one.check: one for one in doctor.diagnose(example.services, example.actor("ada"), full=True)}
    assert not [one for one in full.values() if "--full" in one.finding]


def forge(example: Example, *statements: str) -> None:
    """What the owner of the file can do: past the triggers, and without a trace of that."""
    connection = driver.connect(str(example.services.paths.registry), isolation_level=None)
    triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        assert connection.execute(statement).rowcount > 0
    for _, text in triggers:
        connection.execute(text)
    connection.close()
    example.reopen()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE decisions SET actor = 'oscar'", "request 1: the decision of oscar to approve"),
        ("DELETE FROM decisions", "request 1: the decision of pat to approve"),
        (
            "UPDATE promotion_requests SET evidence = replace(evidence, 'passed', 'failed')",
            "request 1: its evidence",
        ),
        ("UPDATE request_targets SET incumbent_id = 1", "request 1: the versions that it compares with"),
        ("UPDATE promotion_requests SET policy = '{\"approvals\":0}'", "request 1: its policy"),
        ("UPDATE deployments SET actor = 'vera' WHERE id = 2", "what was live of delay on jfk"),
        ("DELETE FROM deployments WHERE id = 1", "what was live of delay on ewr"),
        (
            "UPDATE deployments SET ended_at = 1, ended_effective_at = 1 WHERE id = 1",
            "what was live of delay on ewr",
        ),
        (
            "INSERT INTO deployments (model_id, version_id, target_id, kind, actor, reason, request_id, recorded_at, "
            "effective_at, ended_at, ended_effective_at) SELECT model_id, version_id, target_id, kind, actor, reason, "
            "request_id, 1, 1, 2, 2 FROM deployments WHERE id = 1",
            "what was live of delay on ewr",
        ),
        (f"UPDATE versions SET model_digest = '{'0' * 64}'", "models:/delay/1: its model file"),
        ("UPDATE grants SET role = 'admin' WHERE actor = 'vera'", "the role admin of vera for all models"),
        ("UPDATE aliases SET set_by = 'xat'", "the alias delay@champion"),
        ("UPDATE settings SET value = 'ye' WHERE name = 'open_reading'", "the setting open_reading"),
        ("DELETE FROM settings WHERE name = 'trusted_wrappers'", "the setting trusted_wrappers"),
    ],
)
def test_a_row_that_is_not_what_the_log_says_is_named(example: Example, statement: str, said: str) -> None:
    deploy(example)
    stand_for_daemon(example.services)
    admin = example.actor("ada")
    workspaces.trust_wrapper(example.services, admin, "gate")
    workspaces.trust_wrapper(example.services, admin, "door")
    workspaces.trust_wrapper(example.services, admin, "gate", trusted=False)
    workspaces.set_plugins(example.services, admin, allowed=False)
    workspaces.set_open_reading(example.services, admin, allowed=False)
    retention.keep_rows(example.services, admin, 30, "as agreed")
    for target in ("ewr", "jfk"):
        report(example, target)
    assert wrong(example) == {}
    forge(example, statement)
    found = wrong(example)
    assert "audit chain" not in found
    assert "somebody changed the database past Pilothouse" in found["records"]
    with example.services.registry.read() as connection:  # also without digests of rows, as before they began
        assert next(audit_agreement.disagreements(connection)).startswith(said)


@pytest.mark.parametrize("change", ["state = 'resolved'", "place = 'jfk'", "cause = 'nothing'"])
def test_an_incident_that_is_listed_otherwise_than_its_alerts_say_is_named(
    example: Example, change: str
) -> None:
    deploy(example)
    stand_for_daemon(example.services)
    raised(example, "performance")
    assert "incidents" not in wrong(example)
    forge(example, f"UPDATE incidents SET {change}")
    assert "incident 1 is listed otherwise than its alerts say" in wrong(example)["incidents"]


def test_a_version_that_is_listed_otherwise_than_what_has_become_of_it_is_named(example: Example) -> None:
    deploy(example)
    assert "versions" not in wrong(example)
    forge(example, "UPDATE version_rows SET stage = 'rejected'")
    assert "version delay/1 is listed otherwise" in wrong(example)["versions"]


def test_what_is_written_once_is_sealed_and_what_goes_through_states_may_go_on(example: Example) -> None:
    deploy(example)
    job = trainings.start_training(example.services, example.actor("sam"), "delay", reason="first")
    write_state.verify(example.services)
    jobs.cancel_job(example.services, example.actor("sam"), job.id)
    workspaces.revoke_role(example.services, example.actor("ada"), "vera", Role.VIEWER)
    assert "seal" not in wrong(example)
    forge(example, "UPDATE jobs SET reason = 'First'")
    assert "the table jobs is not what it was" in wrong(example)["seal"]


def test_a_seal_is_taken_while_others_may_write(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy(example)
    walk, wrote = seals.walk, []

    def walk_while_another_writes(*of: Any, **how: Any) -> tuple[int, seals.Seal]:
        with closing(connect(example.services.paths.registry)) as other:
            other.execute("PRAGMA busy_timeout = 0")
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
        wrote.append(1)
        return walk(*of, **how)

    monkeypatch.setattr(seals, "walk", walk_while_another_writes)
    assert "sound" in write_state.verify(example.services)
    assert wrote
    assert "seal" not in wrong(example)


def test_a_trigger_that_was_taken_out_is_named(example: Example) -> None:
    connection = driver.connect(str(example.services.paths.registry), isolation_level=None)
    connection.execute("DROP TRIGGER audit_refuses_update")
    connection.close()
    example.reopen()
    assert "the trigger audit_refuses_update was taken out" in wrong(example)["registry"]


def test_an_artifact_that_is_gone_is_named(example: Example) -> None:
    example.apply()
    path = example.services.artifacts.path(example.add_version().model_digest)
    path.unlink()
    stand_for_daemon(example.services)
    found = wrong(example)
    assert list(found) == ["artifacts"]
    assert path.name in found["artifacts"]


def test_a_folder_open_to_others_is_named_with_what_to_run(example: Example) -> None:
    example.services.paths.state.chmod(0o755)
    assert wrong(example) == {
        "rights": f"open to other users: run chmod go-rwx {example.services.paths.state}"
    }


def test_a_daemon_that_is_away_is_a_fault_once_something_waits_for_it(example: Example) -> None:
    example.apply()
    assert wrong(example) == {}
    trainings.start_training(example.services, example.actor("sam"), "delay")
    assert ": 1 queued job waits for it" in wrong(example)["daemon"]


def test_a_state_that_does_not_follow_from_the_facts_is_found_and_repaired(example: Example) -> None:
    deploy(example)
    stand_for_daemon(example.services)
    for target in ("ewr", "jfk"):
        report(example, target)
    with example.services.registry.transaction() as connection:
        connection.execute(
            f"UPDATE deployment_states SET health = 'healthy', severity = {Health.HEALTHY.rank}, why = 'within its reference' "
            "WHERE target_id = (SELECT id FROM targets WHERE name = 'jfk')"
        )
    assert wrong(example)["states"].startswith("the state of delay on jfk, delay on all targets is not")
    assert doctor.repair_states(example.services, example.actor("ada")) == 2
    assert "states" not in wrong(example)
    states = health.target_states(example.services, example.actor("vera"))
    assert {state.health for state in states} == {Health.NO_DATA}
    with pytest.raises(NotAllowedError):
        doctor.repair_states(example.services, example.actor("vera"))


@pytest.mark.parametrize(
    "change",
    [
        "figures = '[]'",
        "figures = replace(figures, 'events', 'evenxs')",
        "severity = 6",
        "grounds = replace(grounds, 'text', 'tezt')",
    ],
)
def test_a_state_of_another_form_is_found_and_repaired(example: Example, change: str) -> None:
    deploy(example)
    with example.services.registry.transaction() as connection:
        connection.execute(f"UPDATE deployment_states SET {change} WHERE id = 1")
    assert "is not what follows" in wrong(example)["states"]
    assert doctor.repair_states(example.services, example.actor("ada")) >= 1
    assert "states" not in wrong(example)


def test_a_target_that_does_not_serve_is_named(example: Example) -> None:
    deploy(example)
    stand_for_daemon(example.services)
    report(example, "jfk", {"delay": "version 1: no memory"})
    folder = example.services.paths.serving_folder("jfk")
    folder.mkdir(parents=True)
    (folder / "serving.log").write_text("no memory\n")
    assert wrong(example) == {
        "serving": "delay on ewr is no report yet; delay on jfk is failed: version 1: no memory: "
        "see state/serving/jfk/serving.log"
    }


def test_without_a_daemon_what_cannot_be_told_is_part_of_its_finding(example: Example) -> None:
    example.apply()
    found = {f.check: f for f in doctor.diagnose(example.services, example.actor("ada"))}
    assert found["daemon"].finding.startswith("does not run, and none has run yet; start it with")
    assert found["serving"].finding == "nothing is deployed"
    deploy(example)
    trainings.start_training(example.services, example.actor("sam"), "delay")
    processes.announce_daemon(example.services, "none")

    found = {f.check: f for f in doctor.diagnose(example.services, example.actor("ada"))}

    assert "serving" not in found
    assert "UTC or soon after: it was killed, or its machine was: " in found["daemon"].finding
    assert (
        "2 deployments and 2 queued jobs wait for it; whether targets answer cannot be told"
        in found["daemon"].finding
    )
    isolation = [f for f in doctor.diagnose(example.services, example.actor("ada")) if f.check == "isolation"]
    assert isolation[0].finding.endswith("see docs/security.md, Which layer holds what")
    assert [f.finding.partition(":")[0] for f in isolation[1:]] == [str(promise) for promise in Promise]


def test_a_secret_that_is_open_to_others_is_a_fault_with_the_command_that_mends_it(example: Example) -> None:
    paths, ada = example.services.paths, example.actor("ada")

    def finding() -> Finding:
        return next(one for one in doctor.diagnose(example.services, ada) if one.check == "secrets")

    token = paths.serving_folder("ewr") / "token"
    token.parent.mkdir(parents=True)
    for path in (paths.signing_key, paths.log_key, token):
        path.write_text("secret")
        path.chmod(0o600)
    assert finding() == Finding("secrets", True, "3 files with a secret, each its owner's alone")
    paths.log_key.chmod(0o640)
    token.chmod(0o604)
    found = finding()
    assert not found.ok
    assert (
        f"state/log.key is open to others (640): run chmod 600 {shlex.quote(str(paths.log_key))}"
        in found.finding
    )
    assert "state/serving/ewr/token is open to others (604)" in found.finding
    for path in (paths.log_key, token):
        path.chmod(0o600)
    assert finding().ok


@pytest.mark.parametrize(
    ("table", "column", "named"),
    [
        ("segments", "predictions", "rows from 2026-08-"),
        ("segments", "features", "rows from 2026-08-"),
        ("windows", "latency", "the hour from 2026-08-"),
        ("windows", "profile", "the hour from 2026-08-"),
        ("window_packs", "profiles", "the packed hours from 2026-08-"),
        ("window_packs", "counts", "the packed hours from 2026-08-"),
        ("specifications", "data", "the specification of its profiles"),
    ],
)
def test_a_bit_that_has_turned_in_stored_rows_is_told_by_stream_and_time(
    example: Example, table: str, column: str, named: str
) -> None:
    store = example.services.telemetry
    facts = VersionFacts(flights.specification())
    first_us = flights.NOW_US - flights.NOW_US % DAY_US - 40 * DAY_US
    rows = flights.flights()
    sent = [
        flights.batch_of(rows.iloc[hour : hour + 1].assign(at_us=first_us + hour * 3_600_000_000), hour)
        for hour in range(52)
    ]
    store.append_many(sent, lambda model, version: facts, flights.NOW_US)
    while store.fold_windows():
        continue
    compaction.compact(example.services, [1])
    found = stored_row_checks.examine(example.services, full=True)
    assert found == "rows, windows and packs are as they were written; streams: 1"
    key = {"windows": "start", "window_packs": "first"}.get(table, "rowid")
    with store.transaction() as connection:
        place, data = connection.execute(
            f"SELECT {key}, {column} FROM {table} WHERE {column} IS NOT NULL LIMIT 1"
        ).fetchone()
        turned = bytearray(data)
        turned[len(data) // 2] ^= 4
        connection.execute(f"UPDATE {table} SET {column}=? WHERE {key}=?", (bytes(turned), place))
    assert f"damaged: models:/flight-delay/1 on ewr: {named}" in wrong(example)["stored rows"]
