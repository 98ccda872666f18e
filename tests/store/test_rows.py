"""Every row that decides is accounted for: what is changed, put in or deleted past Pilothouse is found, and named."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from fixtures.registries import make_example, raised
from pilothouse.composition import open_workspace
from pilothouse.domain.errors import IntegrityError, NotAllowedError
from pilothouse.domain.identity.roles import DAEMON, Actor, Permission, Role
from pilothouse.domain.identity.ssh_keys import read_key
from pilothouse.domain.outbox.settings import AlertSettings, Receiver, ReceiverKind
from pilothouse.domain.promotion.break_glass import Review
from pilothouse.domain.records import AuditHead
from pilothouse.operations import automation_switch
from pilothouse.operations.authorisation import changing
from pilothouse.operations.identity import passphrases, proposals, users
from pilothouse.operations.outbox import silences
from pilothouse.operations.plans import plans_in_force
from pilothouse.operations.promotion import break_glass, freezes, promotions, statements, teams
from pilothouse.operations.promotion.components import Passphrase
from pilothouse.operations.services import Services
from pilothouse.operations.upkeep import retention
from pilothouse.operations.workspace import audits, doctor, person_records, sessions, workspaces
from pilothouse.store.log import audit, row_agreement, row_digests
from pilothouse.store.log.deciding_tables import DECIDING, EXEMPT
from pilothouse.store.log.row_agreement import Difference, Tampering
from pilothouse.store.outbox import settings as alert_settings
from pilothouse.store.promotion import rollouts
from support import raw_writes
from support.rollout_plans import TRIALS
from support.ssh_keys import ED25519_KEYS
from support.templates import copy_of

_PASSPHRASE = "a long enough one"


def build(root: Path) -> None:
    """A workspace with rows in many tables."""
    example = make_example(
        root, automation={"schedule": [{"name": "nightly", "action": "train", "cron": "0 3 * * *"}]}
    )
    services, ada = example.services, example.actor("ada")
    workspaces.set_workspace_policy(
        services, ada, approvals=1, four_eyes=True, allow_automatic=True, reason="a bank"
    )
    automation_switch.pause(services, ada, "a storm")
    automation_switch.resume(services, ada)
    users.add_user(services, ada, "pat", keys=[read_key(ED25519_KEYS[0])])
    passphrases.set_passphrase(services, example.actor("pat"), _PASSPHRASE)
    for number in range(1, 4):
        example.add_version()
        request = promotions.request_promotion(
            services, example.actor("sam"), f"delay/{number}", reason="better", targets=["ewr", "jfk"]
        )
        example.pass_time(minutes=1)
        promotions.comment(services, example.actor("oscar"), request.id, f"look at slice {number}")
        statements.print_statement(services, example.actor("pat"), request.id, "approve")
        with suppress(NotAllowedError):
            passphrases.prove(services, example.actor("pat"), "a wrong one")
        promotions.approve(
            services,
            example.actor("pat"),
            request.id,
            request.evidence_digest,
            component=Passphrase(_PASSPHRASE),
        )
        example.pass_time(minutes=1)
    promotions.request_promotion(services, example.actor("sam"), "delay/2", ["ewr"], reason="it was better")
    raised(example, "performance")
    sessions.open_session(services, example.actor("pat"), "xterm")
    person_records.join(services, ada, "aud", "vera", "one person")
    workspaces.set_break_glass(services, ada, allowed=True)
    example.add_version()
    glass = break_glass.break_glass(
        services, example.actor("oscar"), "delay/4", ["jfk"], reason="night", lasts=timedelta(hours=2)
    )
    break_glass.review(services, example.actor("pat"), glass.id, Review.TAKE_BACK, "seen")
    freezes.set_freeze(services, ada, "nights", "22:00", "06:00", "UTC", reason="few are there")
    teams.add_member(services, ada, "risk", "pat", "hired for it")
    proposals.propose(services, ada, ["revoke", "vera", "viewer"], "left")
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        rollouts.put_plan(change.connection, "careful", TRIALS, by="ada", at=example.time)
        change.record("plans.described", "plans.toml")
    plans_in_force.set_floor_plan(services, ada, "careful", "a bank")
    example.add_version()
    example.add_version()
    request = promotions.request_promotion(services, example.actor("sam"), "delay/5", ["jfk"], beside=[6])
    promotions.approve(services, example.actor("pat"), request.id, request.evidence_digest)
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        hook = Receiver("hook", ReceiverKind.WEBHOOK, "https://hooks.example.org", secret_env="HOOK")
        alert_settings.put(change.connection, AlertSettings((hook,)), by="ada", at=example.time)
        change.record("alerts.described", "alerts.toml")
    silences.add_silence(
        services, example.actor("oscar"), {"model": ["delay"]}, timedelta(hours=1), "works on the sensors"
    )
    retention.place_hold(services, ada, reason="a lawsuit", model="delay", target="")
    with services.registry.transaction() as connection:
        connection.execute(
            "INSERT INTO approval_conditions (request_id, approver, text, by, due, recorded_at) "
            "SELECT request_id, actor, 'reviewed', 'vera', recorded_at + 9, recorded_at FROM decisions WHERE id = 1"
        )
        connection.execute(
            "INSERT INTO broken_glass_signatures (request_id, actor, kind, statement, verified_at) "
            "VALUES (4, 'oscar', 'passphrase', json_object('model', 'delay', 'version', 2, 'name', 'oscar', 'key', ''), 1)"
        )
        connection.execute(
            "INSERT INTO request_documents VALUES (1, 4, 'report', 'r.pdf', 5, ?, 'sam', 1)", ("e" * 64,)
        )
        connection.execute(
            "INSERT INTO target_tokens (target_id, digest, issued_by, recorded_at) VALUES (1, ?, 'ada', 1)",
            ("a" * 64,),
        )
        connection.execute("INSERT INTO run_artifacts VALUES (1, 'log', ?, 5)", ("b" * 64,))
        connection.execute("INSERT INTO latency_baselines VALUES (1, 1, 900, 1)")
        connection.execute("INSERT INTO target_serving VALUES (1, 8103, 'c.pem', 'k.pem', 'tokens')")
        connection.execute("INSERT INTO target_places VALUES (1, 'remote', '', '{}')")
        connection.execute("INSERT INTO hub_door VALUES (1, '0.0.0.0:8443', 'c.pem', 'k.pem', '{}')")
        connection.execute(
            "INSERT INTO remote_tokens (target_id, digest, issued_by, recorded_at, ends_at) VALUES (1, ?, 'ada', 1, 9)",
            ("f" * 64,),
        )
        connection.execute(
            "INSERT INTO model_reviews VALUES (1, 1, 1, 'fit', 'looked at', 'pat', 1, '2027-03-31')"
        )
        connection.execute("INSERT INTO portable_models VALUES (1, 1, 1, ?, 5, '', 9, '{}', 1)", ("d" * 64,))
        connection.execute("INSERT INTO step_results VALUES (1, ?, 1, 1, 'fit', '{}', '{}', 1)", ("c" * 64,))
        connection.execute(
            "INSERT INTO job_steps VALUES (1, 1, 0, 'fit', 1, 'ended', 0, NULL, 1.5, 90.0, '')"
        )
        connection.execute("INSERT INTO job_dependencies VALUES (2, 1, 'ended')")
        connection.execute(
            "INSERT INTO schedule_fires (id, schedule_id, nominal_at, recorded_at, outcome, decision) VALUES "
            "(1, 1, 7, 8, 'due', 'run'), (2, 1, 9, 10, 'due', 'run')"
        )
        connection.execute(
            "INSERT INTO schedule_outcomes (fire_id, outcome, recorded_at) VALUES (1, 'job 1', 9)"
        )
        connection.execute("INSERT INTO schedule_open_runs VALUES (2)")
        connection.execute(
            "INSERT INTO log_anchors (name, kind, place, key, added_by, recorded_at) "
            "VALUES ('vault', 'file', '/a', '', 'ada', 1)"
        )
        connection.execute(
            "INSERT INTO followed_sites (name, place, key, stale_after_s, added_by, recorded_at) "
            "VALUES ('eu', '/a', 'k', 900, 'ada', 1)"
        )
        connection.execute(
            "INSERT INTO erasures VALUES (1, '{}', ?, 'ticket 7', 'ada', '', '', 1)", ("e" * 64,)
        )
        said = '{"erasure":1,"ordered_by":"ada","plan":"' + "e" * 64 + '","reason":"ticket 7"}'
        connection.execute("INSERT INTO tombstones VALUES (1, ?, 'ff', 'PEM', 2)", (said,))
        connection.execute(
            "INSERT INTO erased_files VALUES (1, ?, ?, 'train of delay/1', 2, 9)", ("f" * 64, "1" * 64)
        )
        connection.execute("INSERT INTO trigger_cursors VALUES (1, 'rows', '{}', 1)")
        connection.execute(
            "INSERT INTO trigger_events (model_id, trigger, key, what, status, reason, seen_at, recorded_at) "
            "VALUES (1, 'rows', 'k', 'new rows', 'waiting', '', 1, 1)"
        )
    services.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    copy_of("rows", build, tmp_path / "workspace")
    return tmp_path / "workspace"


@pytest.fixture
def owned(root: Path) -> Iterator[sqlite3.Connection]:
    """The file as whoever owns it can write it: plain SQLite, without triggers, foreign keys and checks."""
    connection = sqlite3.connect(root / "state" / "registry.db", isolation_level=None)
    connection.execute("PRAGMA ignore_check_constraints = ON")
    for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    yield connection
    connection.close()


def other(value: object, kind: str, draw: random.Random) -> object:
    """Another value of a column's type."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        return value + draw.choice((" ", "  "))  # an index reads it as JSON
    if isinstance(value, str) or (value is None and kind == "TEXT"):
        return f"{value or ''}{draw.choice('xyz')}"
    if value is None:
        return draw.randrange(1, 1_000_000)
    assert isinstance(value, int | float)
    return value + draw.randrange(100_003, 1_000_003)


def ways(connection: sqlite3.Connection, draw: random.Random) -> Iterator[tuple[str, str, str, list[object]]]:
    """(table, what is done, statement, values) for each table that decides and each of its columns, on a row drawn."""
    for table, declared in DECIDING.items():
        described = connection.execute(f"PRAGMA table_info({table})").fetchall()
        columns = {row[1]: row[2] for row in described}
        where = f"WHERE {declared.only}" if declared.only else ""
        rows = connection.execute(f"SELECT {', '.join(columns)} FROM {table} x {where}").fetchall()
        assert rows, f"the workspace has no row of {table}"
        keys = " AND ".join(f"{key} = ?" for key in declared.key)
        for column, kind in columns.items():
            row = dict(zip(columns, draw.choice(rows), strict=True))
            at = [row[key] for key in declared.key]
            if column not in declared.left_out:
                change = f"UPDATE {table} SET {column} = ? WHERE {keys}"
                yield table, "changed", change, [other(row[column], kind, draw), *at]
        row = dict(zip(columns, draw.choice(rows), strict=True))
        yield table, "deleted", f"DELETE FROM {table} WHERE {keys}", [row[key] for key in declared.key]
        planted = [other(row[column], kind, draw) for column, kind in columns.items()]
        yield table, "inserted", f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})", planted


def differing(connection: sqlite3.Connection) -> list[Difference]:
    return list(row_agreement.differences(connection))


def test_every_way_of_changing_putting_in_and_deleting_a_row_is_found_and_named(
    owned: sqlite3.Connection,
) -> None:
    draw, tried = random.Random(16), 0
    assert differing(owned) == []
    for table, act, statement, values in ways(owned, draw):
        owned.execute("BEGIN")
        assert owned.execute(statement, values).rowcount == 1
        found = differing(owned)
        owned.execute("ROLLBACK")
        tried += 1
        assert {one.table for one in found} == {table}, (statement, values, found)
        is_key = act == "changed" and any(f"SET {key} = " in statement for key in DECIDING[table].key)
        assert {str(one.tampering) for one in found} == ({"deleted", "inserted"} if is_key else {act}), (
            statement
        )
        assert all(one.name for one in found)
        assert all("?" not in one.name for one in found if one.tampering is not Tampering.INSERTED), found
    assert tried > 300
    assert differing(owned) == []


def test_ten_rows_at_once_are_each_found(owned: sqlite3.Connection) -> None:
    for seed in range(20):
        draw = random.Random(seed)
        drawn = draw.sample(list(ways(owned, draw)), 10)
        owned.execute("BEGIN")
        done = set()
        for table, _, statement, values in drawn:
            try:
                done |= {table} if owned.execute(statement, values).rowcount else set()
            except sqlite3.IntegrityError:  # two of them made the same row
                continue
        assert {one.table for one in differing(owned)} == done, seed
        newest = {one.table for one in row_agreement.newest_differences(owned, 10_000)}
        assert newest == done, "all rows are among the newest"
        owned.execute("ROLLBACK")


def test_of_a_part_the_last_rows_and_the_rows_that_changed_last_are_compared(
    owned: sqlite3.Connection,
) -> None:
    (versions,) = owned.execute("SELECT count(*) FROM versions").fetchone()
    assert versions > 2
    owned.execute("UPDATE versions SET status = status || 'x' WHERE id IN (SELECT min(id) FROM versions)")
    assert [one.table for one in differing(owned)] == ["versions"]
    assert list(row_agreement.newest_differences(owned, 1)) == []
    owned.execute("UPDATE versions SET status = status || 'x' WHERE id IN (SELECT max(id) FROM versions)")
    assert [one.table for one in row_agreement.newest_differences(owned, 1)] == ["versions"]


SPECIAL = {
    "a policy that is the newest": (
        "INSERT INTO workspace_policies (approvals, four_eyes, allow_automatic, set_by, recorded_at) "
        "VALUES (0, 0, 1, 'ada', 1790000000000000)",
        "the workspace's policy of 2026-09-21 was inserted",
    ),
    "the policy loosened": (
        "UPDATE workspace_policies SET approvals = 0, four_eyes = 0 WHERE id = 1",
        "the workspace's policy of 2026-05-03 was changed",
    ),
    "dates swapped": (
        "UPDATE deployments SET recorded_at = effective_at - 7, effective_at = recorded_at + 7 WHERE id = 1",
        "the deployment of delay/1 on ewr of 2026-05-03 was changed",
    ),
    "another reason": ("UPDATE deployments SET reason = 'asked by pia' WHERE id = 2",
        "the deployment of delay/1 on jfk of 2026-05-03 was changed"),
    "a decision of somebody else": (
        "UPDATE decisions SET actor = 'pia' WHERE request_id = 1",
        "request 1: its decision by pat was changed",
    ),
    "a comment that was never made": (
        "INSERT INTO comments (request_id, actor, text, recorded_at) VALUES (1, 'oscar', 'fine by me', 1)",
        "request 1: comment 4, by oscar was inserted",
    ),
    "a token": (
        "INSERT INTO target_tokens (target_id, digest, issued_by, recorded_at, revoked_at) "
        "VALUES (2, printf('%064d', 7), 'ada', 1790000000000000, 2)",
        "the token of the target jfk that ada issued on 2026-09-21 was inserted",
    ),
    "a pause undone": (
        "DELETE FROM automation_changes WHERE paused = 1",
        "the pause of automation by ada of 2026-05-03 was deleted",
    ),
    "a spec in force": (
        "UPDATE model_specs SET spec = json_set(spec, '$.promotion.approvals', 0)",
        "the model file of delay that sam applied on 2026-05-03 was changed",
    ),
    "a gate passed": (
        "UPDATE version_gates SET outcome = 'passed', reason = 'fine' WHERE version_id = 3 AND position = 0",
        "version delay/3: its gate auc at least 0.6 was changed",
    ),
    "a role": (
        "INSERT INTO grants (actor, role, model, granted_by, recorded_at) VALUES ('eve', 'admin', '', 'ada', 1)",
        "the role admin of eve was inserted",
    ),
    "a role given back": (
        "DELETE FROM grants WHERE actor = 'aud'",
        "the role auditor of aud was deleted",
    ),
    "another floor for solo": ("INSERT INTO settings VALUES ('solo', 'eve')", "the setting solo was inserted"),
    "an expiry put off": (
        "UPDATE promotion_requests SET expires_at = expires_at * 2 WHERE status = 'open'",
        "request 4 was changed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", SPECIAL)
def test_a_tampering_is_named_by_verify_and_by_the_doctor_in_peoples_words(
    root: Path, owned: sqlite3.Connection, way: str
) -> None:
    statement, named = SPECIAL[way]
    owned.execute(statement)
    owned.close()
    services = open_workspace(root)
    ada = Actor("ada")

    with pytest.raises(IntegrityError, match="past Pilothouse") as refused:
        audits.verify(services, ada)
    assert str(refused.value).startswith(f"{named}: ")
    assert [one.text for one in audits.differing_rows(services, ada)] == [named]
    record = next(one for one in doctor.diagnose(services, ada) if one.check == "records")
    assert not record.ok
    assert named in record.finding
    services.close()


def test_a_whole_planted_version_with_its_run_and_gates_is_found(
    root: Path, owned: sqlite3.Connection
) -> None:
    for table, key, values in (
        ("jobs", "id", {"id": 90}),
        ("snapshots", "id", {"id": 90}),
        ("runs", "id", {"id": 90, "job_id": 90, "snapshot_id": 90}),
        ("versions", "id", {"id": 90, "run_id": 90, "number": 9}),
        ("version_gates", "version_id", {"version_id": 90}),
        ("version_metrics", "version_id", {"version_id": 90}),
    ):
        columns = [row[1] for row in owned.execute(f"PRAGMA table_info({table})")]
        shown = ", ".join(str(values.get(column, column)) for column in columns)
        owned.execute(f"INSERT INTO {table} SELECT {shown} FROM {table} WHERE {key} = 3")
    owned.close()

    services = open_workspace(root)
    found = {one.row: one.difference for one in audits.differing_rows(services, Actor("ada"))}
    services.close()
    assert found["version delay/9"] == found["job 90"] == found["run 90 of delay"] == "inserted"
    assert found["version delay/9: its gate comparison.v1"] == "inserted"
    assert len(found) == 8


def test_a_row_changed_together_with_its_digest_is_found_by_the_log(owned: sqlite3.Connection) -> None:
    owned.execute("UPDATE deployments SET reason = 'none' WHERE id = 1")
    (forged,) = [row for row in row_digests.present(owned, "deployments") if row.key == "[1]"]
    owned.execute(
        "UPDATE row_digests SET digest = ? WHERE id = "
        "(SELECT max(id) FROM row_digests WHERE tbl = 'deployments' AND key = '[1]')",
        (forged.digest,),
    )
    named = [one for one in differing(owned) if one.key == "[1]" and one.table == "deployments"]
    assert [one.tampering for one in named] == [Tampering.DIGEST]
    assert str(named[0]).startswith(
        "the deployment of delay/1 on ewr of 2026-05-03: its digest is not the one that audit row"
    )


@pytest.mark.parametrize("seed", range(12))
def test_digests_that_are_put_in_changed_or_deleted_are_found(owned: sqlite3.Connection, seed: int) -> None:
    draw = random.Random(seed)
    (number,) = draw.choice(owned.execute("SELECT id FROM row_digests").fetchall())
    statement = draw.choice((
        "DELETE FROM row_digests WHERE id = ?",
        "UPDATE row_digests SET name = name || '!' WHERE id = ?",
        "UPDATE row_digests SET seq = seq + 1 WHERE id = ?",
        "INSERT INTO row_digests (seq, tbl, key, name) SELECT seq, tbl, key, name FROM row_digests WHERE id = ?",
        "DELETE FROM row_digests WHERE seq = (SELECT seq FROM row_digests WHERE id = ?)",
    ))  # fmt: skip
    owned.execute(statement, (number,))
    assert any(one.tampering is Tampering.DIGEST for one in differing(owned))


def test_an_entry_whose_digest_of_rows_was_changed_breaks_the_chain(
    root: Path, owned: sqlite3.Connection
) -> None:
    owned.execute(
        "UPDATE audit SET rows = printf('%064d', 3) WHERE seq = (SELECT max(seq) FROM audit WHERE rows IS NOT NULL)"
    )
    owned.close()
    services = open_workspace(root)
    with pytest.raises(IntegrityError, match="was changed: its content does not have its hash"):
        audits.verify(services, Actor("ada"))
    services.close()


def test_triggers_that_were_taken_out_are_named(root: Path, owned: sqlite3.Connection) -> None:
    owned.close()
    services = open_workspace(root)
    record = next(one for one in doctor.diagnose(services, Actor("ada")) if one.check == "registry")
    services.close()
    assert not record.ok
    assert "was taken out or changed" in record.finding


def test_every_table_of_the_schema_decides_or_is_exempt_with_a_reason(owned: sqlite3.Connection) -> None:
    existing = {row[0] for row in owned.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert existing - {"sqlite_sequence"} == DECIDING.keys() | EXEMPT.keys()
    assert not DECIDING.keys() & EXEMPT.keys()
    assert all(EXEMPT.values())
    for table, declared in DECIDING.items():
        described = owned.execute(f"PRAGMA table_info({table})").fetchall()
        assert declared.left_out.keys() <= {row[1] for row in described}
        assert all(declared.left_out.values())
        primary = [row[1] for row in sorted(described, key=lambda row: row[5]) if row[5]]
        assert sorted(declared.key) == sorted(primary), table


def write_unrecorded(services: Services) -> None:
    with services.registry.transaction() as connection:
        connection.execute("UPDATE targets SET port = 8080")


def test_a_transaction_that_changes_rows_without_an_entry_is_undone(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_digests, "refuse_unrecorded", raw_writes.REFUSE)
    services = open_workspace(root)
    with pytest.raises(RuntimeError, match="the target ewr and 1 more: changed without an audit entry"):
        write_unrecorded(services)
    with services.registry.transaction() as connection:
        connection.execute("UPDATE jobs SET progress = 0.5, message = 'half'")  # decides nothing
        connection.execute("UPDATE targets SET port = port")  # changes nothing
    assert audits.differing_rows(services, Actor("ada")) == []
    services.close()


def test_one_entry_for_each_change_covers_the_rows_of_the_whole_transaction(root: Path) -> None:
    services = open_workspace(root)
    ada = Actor("ada")
    with services.registry.transaction() as connection:
        before = audit.head(connection)
        workspaces.grant_role(services, ada, "eve", Role.VIEWER)
        workspaces.grant_role(services, ada, "zoe", Role.VIEWER)
    with services.registry.read() as connection:
        first, last = audit.following(connection, before.count, 10)
        covered = connection.execute(
            "SELECT seq, name FROM row_digests WHERE seq > ?", (before.count,)
        ).fetchall()
    assert (first.rows, last.rows is not None) == (None, True)
    assert [tuple(row) for row in covered] == [
        (last.seq, "the role viewer of eve"), (last.seq, "the role viewer of zoe")
    ]  # fmt: skip
    with suppress(ZeroDivisionError), services.registry.transaction() as connection:
        workspaces.grant_role(services, ada, "ida", Role.VIEWER)
        with suppress(ZeroDivisionError), services.registry.transaction():
            workspaces.grant_role(services, ada, "ole", Role.VIEWER)
            1 / 0  # noqa: B018
        workspaces.grant_role(services, ada, "una", Role.VIEWER)
        1 / 0  # noqa: B018
    assert audits.verify(services, ada) == AuditHead(last.seq, last.hash)
    services.close()


def test_digests_that_belong_to_no_entry_are_found(owned: sqlite3.Connection) -> None:
    owned.execute("UPDATE targets SET port = 9 WHERE id = 1")
    (forged,) = [row for row in row_digests.present(owned, "targets") if row.key == "[1]"]
    for seq in (0, -1):
        owned.execute("BEGIN")
        owned.execute(
            "INSERT INTO row_digests (seq, tbl, key, name, digest) VALUES (?, ?, ?, ?, ?)", (seq, *forged)
        )
        assert [str(one) for one in differing(owned)] == [
            f"the target ewr: its digest is not the one that audit row {seq} covers"
        ]
        owned.execute("ROLLBACK")


def with_triggers_put_back(root: Path, *statements: str) -> None:
    """Change rows as the file's owner, and leave its definitions as they were."""
    connection = sqlite3.connect(root / "state" / "registry.db", isolation_level=None)
    triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        assert connection.execute(statement).rowcount
    for _, definition in triggers:
        connection.execute(definition)
    connection.close()


LAUNDERED = {
    "changed": (
        "UPDATE grants SET role = 'approver' WHERE actor = 'aud'",
        "the role auditor of aud was changed",
    ),
    "inserted": (
        "INSERT INTO grants (actor, role, model, granted_by, recorded_at) VALUES ('aud', 'admin', '', 'ada', 1)",
        "the role admin of aud was inserted",
    ),
}


@pytest.mark.parametrize("way", LAUNDERED)
def test_a_row_that_pilothouse_itself_changes_after_a_tampering_goes_on_being_named(
    root: Path, way: str
) -> None:
    statement, named = LAUNDERED[way]
    with_triggers_put_back(root, statement)
    services = open_workspace(root)
    ada = Actor("ada")
    role = Role.APPROVER if way == "changed" else Role.ADMIN

    workspaces.revoke_role(services, ada, "aud", role)
    texts = [one.text for one in audits.differing_rows(services, ada)]
    with services.registry.read() as connection:
        (entry,) = audit.of_actions(connection, audit.DISAGREED)
    workspaces.grant_role(services, ada, "aud", Role.VIEWER)
    again = [one.text for one in audits.differing_rows(services, ada)]
    services.close()
    assert texts == again == [named]
    assert (entry.actor, entry.rows is not None) == ("pilothouse", True)
