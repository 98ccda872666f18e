"""What the database itself refuses, whoever asks."""

from collections.abc import Iterator

import pytest

from fixtures.registries import Example, make_example
from pilothouse.domain.errors import ConflictError
from pilothouse.domain.formats.wire import ServingReport
from pilothouse.operations import automation_switch
from pilothouse.operations.automation import schedules
from pilothouse.operations.promotion import deployments, promotions
from pilothouse.operations.workspace import workspaces
from pilothouse.sqlite import driver
from pilothouse.store.connection import Registry
from pilothouse.store.deployed import processes
from pilothouse.store.migrations import APPEND_ONLY, NEVER_DELETED


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    """A row at least in every table; shared, because nothing here changes anything."""
    example = make_example(tmp_path_factory.mktemp("invariants") / "workspace")
    services = example.services
    example.apply(
        promotion={"approvals": 2},
        automation={"schedule": [{"name": "hourly", "every": "1h", "action": "monitor"}]},
    )
    for number in (1, 2):
        example.add_version()
        request = promotions.request_promotion(services, example.actor("sam"), f"delay/{number}")
        promotions.comment(services, example.actor("pat"), request.id, "looked at it")
        for name in ("pat", "pia"):
            promotions.approve(services, example.actor(name), request.id, request.evidence_digest)
    deployments.roll_back(services, example.actor("oscar"), "delay", reason="slow")
    example.add_version(passed=False)
    example.add_version()
    promotions.request_promotion(services, example.actor("sam"), "delay/4")
    workspaces.set_workspace_policy(services, example.actor("ada"), approvals=1)
    automation_switch.pause(services, example.actor("ada"), "maintenance")
    example.pass_time(hours=2)
    for item in schedules.due(services):
        schedules.fire(services, item, lambda schedule: f"did {schedule.action}")
    with services.registry.transaction() as connection:
        connection.execute(
            "INSERT INTO job_steps VALUES (1, 1, 0, 'fit', 1, 'exited', 0, NULL, 1.0, 90.0, '')"
        )
        connection.execute("INSERT INTO run_artifacts VALUES (1, 'log', printf('%064d', 1), 5)")
        report = ServingReport("ewr", 8080, 7, {"delay": 1}, {}, 0, {"delay": 4_100})
        processes.put_report(connection, report, at=example.time)
    yield example
    services.close()


def refused(registry: Registry, statement: str, *values: object) -> str:
    with pytest.raises(ConflictError) as error, registry.transaction() as connection:
        connection.execute(statement, values)
    return str(error.value)


def rows(registry: Registry, table: str) -> list[tuple[object, ...]]:
    with registry.read() as connection:
        return [tuple(row) for row in connection.execute(f"SELECT * FROM {table}")]


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_permanent_rows_are_neither_changed_nor_deleted(filled: Example, table: str) -> None:
    registry = filled.services.registry
    with registry.read() as connection:
        column = connection.execute(f"SELECT name FROM pragma_table_info('{table}') LIMIT 1").fetchone()[0]
    before = rows(registry, table)
    assert before

    assert "permanent" in refused(registry, f"UPDATE {table} SET {column} = {column}")
    assert "permanent" in refused(registry, f"DELETE FROM {table}")
    assert rows(registry, table) == before


@pytest.mark.parametrize("table", ["audit", "versions", "runs", "snapshots", "decisions", "model_specs"])
def test_insert_or_replace_is_no_way_round(filled: Example, table: str) -> None:
    registry = filled.services.registry
    before = rows(registry, table)

    refused(registry, f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}")

    assert rows(registry, table) == before


@pytest.mark.parametrize(
    "table", ["grants", "deployments", "promotion_requests", "holds", "jobs", "request_targets"]
)
def test_rows_with_states_are_not_deleted(filled: Example, table: str) -> None:
    assert table in NEVER_DELETED
    assert "permanent" in refused(filled.services.registry, f"DELETE FROM {table}")


def test_a_target_never_has_two_live_versions_of_a_model(filled: Example) -> None:
    said = refused(
        filled.services.registry,
        "INSERT INTO deployments (model_id, version_id, target_id, kind, actor, reason, recorded_at, effective_at) "
        "SELECT model_id, 2, target_id, 'rollback', 'eve', 'more', 1, 1 FROM deployments WHERE ended_at IS NULL LIMIT 1",
    )

    assert "UNIQUE" in said


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE deployments SET version_id = 1", "never changes"),
        ("UPDATE deployments SET ended_at = NULL, ended_effective_at = NULL", "never changes"),
        ("UPDATE promotion_requests SET evidence = '{}' WHERE status = 'open'", "frozen"),
        ("UPDATE promotion_requests SET policy = '{}' WHERE status = 'open'", "frozen"),
        ("UPDATE promotion_requests SET status = 'open', closed_at = NULL WHERE status <> 'open'", "closed once"),
        ("UPDATE request_targets SET target_id = target_id + 1", "frozen"),
        ("UPDATE request_targets SET open = 0 WHERE open = 1", "frozen"),
        ("UPDATE grants SET role = 'admin' WHERE actor = 'sam'", "never changes"),
        ("INSERT INTO grants (actor, role, granted_by, recorded_at) VALUES ('eve', 'daemon', 'eve', 1)", "CHECK"),
        ("INSERT INTO grants (actor, role, granted_by, recorded_at) VALUES ('daemon', 'admin', 'eve', 1)", "CHECK"),
        (
            "INSERT INTO deployments (model_id, version_id, target_id, kind, actor, reason, recorded_at, effective_at) "
            "VALUES (1, 3, 1, 'rollback', 'eve', 'x', 1, 1)",
            "failed a gate",
        ),
        (
            "INSERT INTO promotion_requests (model_id, version_id, requested_by, trained_by, reason, recorded_at, expires_at, "
            "policy, policy_digest, evidence, evidence_digest) SELECT model_id, 3, 'eve', 'eve', '', 1, 2, policy, "
            "policy_digest, evidence, evidence_digest FROM promotion_requests LIMIT 1",
            "failed a gate",
        ),
        (
            "INSERT INTO decisions (request_id, actor, verdict, reason, evidence_digest, policy_digest, recorded_at) "
            "SELECT id, 'eve', 'approve', '', 'other', policy_digest, 1 FROM promotion_requests WHERE status = 'open'",
            "binds to the evidence",
        ),
        (
            "INSERT INTO decisions (request_id, actor, verdict, reason, evidence_digest, policy_digest, recorded_at) "
            "SELECT id, 'eve', 'approve', '', evidence_digest, policy_digest, 1 FROM promotion_requests "
            "WHERE status = 'deployed'",
            "open request",
        ),
        ("INSERT INTO aliases (model_id, alias, version_id, set_by, recorded_at) VALUES (1, 'x', 99, 'eve', 1)", "FOREIGN KEY"),
        (
            "INSERT INTO audit (seq, recorded_at, actor, action, subject, detail, previous, hash) "
            "SELECT 9999, 9000000000000000000, 'e', 'x', 'y', '{}', previous, hash || '0' FROM audit LIMIT 1",
            "end of the chain",
        ),
        (
            "INSERT INTO audit (seq, recorded_at, actor, action, subject, detail, previous, hash) "
            "SELECT seq + 1, recorded_at - 1, 'e', 'x', 'y', '{}', hash, printf('%064d', 1) FROM audit "
            "ORDER BY seq DESC LIMIT 1",
            "never earlier",
        ),
        ("UPDATE row_digests SET digest = NULL", "permanent"),
        ("DELETE FROM row_digests", "permanent"),
        ("UPDATE versions SET model_bytes = 'many'", "cannot store TEXT"),
    ],
)  # fmt: skip
def test_the_database_refuses(filled: Example, statement: str, why: str) -> None:
    assert why in refused(filled.services.registry, statement)


def test_a_candidate_cannot_have_a_failed_gate(filled: Example) -> None:
    said = refused(
        filled.services.registry,
        "INSERT INTO version_gates (version_id, position, gate, outcome, reason, figures, bound) "
        "VALUES (1, 9, 'auc', 'failed', 'low', '{}', '')",
    )

    assert "cannot be a candidate" in said


def test_columns_are_typed_and_not_a_number_is_refused(filled: Example) -> None:
    registry = filled.services.registry
    refused(registry, "INSERT INTO settings (name, value) VALUES ('x', ?)", b"\x00")
    refused(
        registry,
        "INSERT INTO version_metrics (version_id, position, metric, value, low, high, rows) VALUES (1, 9, 'mae', ?, 0, 0, 1)",
        float("nan"),
    )


def test_the_temporary_file_of_a_test_is_what_the_product_opens(filled: Example) -> None:
    with filled.services.registry.read() as connection:
        settings = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "recursive_triggers")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "recursive_triggers": 1}
    assert driver.sqlite_version_info >= (3, 44, 6)
