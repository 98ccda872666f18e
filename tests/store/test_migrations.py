"""A registry of every released form is brought to the current one, with all that is in it."""

import hashlib
import json
import time
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import pytest

from pilothouse.domain.errors import ConflictError
from pilothouse.domain.monitoring.change_diagnosis import Change, Diagnosis
from pilothouse.domain.records import Target
from pilothouse.sqlite import driver
from pilothouse.store import migrations, workspace
from pilothouse.store.connection import Registry
from pilothouse.store.deployed import alerts, incidents
from pilothouse.store.migrations import MIGRATIONS, SCHEMA
from pilothouse.store.models import targets
from pilothouse.store.work import schedules
from pilothouse.store.work.schedules import RunState


def schema_of(registry: Registry) -> dict[str, str]:
    """Every table, index and trigger by name; white space folded."""
    with registry.read() as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall()
    return {row["name"]: " ".join(row["sql"].split()) for row in rows}


def make_form(path: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry as the release with the first ``count`` migrations made it, with one job in it."""
    older = dict(list(MIGRATIONS.items())[:count])
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", older)
        Registry.create(path).close()
    connection = driver.connect(str(path))
    with connection:
        connection.execute(f"PRAGMA user_version = {count}")
        connection.execute("INSERT INTO models (id, name, created_at, created_by) VALUES (1, 'm', 1, 'ada')")
    connection.close()


def test_incidents_of_an_older_form_are_listed_by_their_alerts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_form(tmp_path / "old.db", 8, monkeypatch)
    connection = driver.connect(str(tmp_path / "old.db"))
    with connection:
        connection.executescript(
            "INSERT INTO targets (id, name, created_at) VALUES (1, 'ewr', 1), (2, 'jfk', 1);"
            "INSERT INTO incidents (id, model_id, recorded_at, merged_into) VALUES (1, 1, 1, NULL), (2, 1, 1, 1);"
        )
        connection.executemany(
            "INSERT INTO alerts (model_id, version_id, target_id, kind, subject, severity, status, effective_at, recorded_at, "
            "summary, explanation, figures, incident_id, resolved_at) VALUES (1, 1, ?, ?, 's', ?, ?, ?, 1, '', '', '{}', 1, ?)",
            [
                (2, "latency", "critical", "resolved", 50, 60),
                (1, "errors", "warning", "acknowledged", 90, None),
            ],
        )
    connection.close()
    registry = Registry.upgrade(tmp_path / "old.db")
    with registry.read() as connection:
        row = connection.execute(
            "SELECT state, severity, since, inside, place, judged_at FROM incidents WHERE id = 1"
        ).fetchone()
        assert tuple(row) == ("acknowledged", "warning", 50, 2, "ewr", None)
        assert [row.id for row in incidents.to_judge(connection, 10, going_on=False)] == [1]
    registry.close()


def test_cron_lines_that_fire_on_more_days_than_they_did_catch_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_form(tmp_path / "old.db", 9, monkeypatch)
    connection = driver.connect(str(tmp_path / "old.db"))
    lines = ("0 0 13 * fri", "0 0 * * fri", "0 0 13 * *", "0 0 */2 * fri", None)
    with connection:
        connection.executemany(
            "INSERT INTO schedules (model_id, name, action, cron, every_s, timezone, recorded_at) "
            "VALUES (1, ?, 'train', ?, ?, 'UTC', 7)",
            [(str(line), line, None if line else 60) for line in lines],
        )
    connection.close()
    begun = time.time_ns() // 1_000
    registry = Registry.upgrade(tmp_path / "old.db")
    with registry.read() as connection:
        since = [row[0] for row in connection.execute("SELECT recorded_at FROM schedules ORDER BY id")]
    registry.close()
    assert begun <= since[0] <= time.time_ns() // 1_000
    assert since[1:] == [7] * 4


def test_runs_of_an_older_form_that_failed_are_told_from_those_that_did_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_form(tmp_path / "old.db", 10, monkeypatch)
    connection = driver.connect(str(tmp_path / "old.db"))
    said = ("job 3", "failed: the disk is full", "failed", "windows are evaluated")
    with connection:
        connection.execute(
            "INSERT INTO schedules (id, model_id, name, action, every_s, timezone, recorded_at) "
            "VALUES (1, 1, 'often', 'train', 60, 'UTC', 1)"
        )
        for number, outcome in enumerate(said, 1):
            connection.execute(
                "INSERT INTO schedule_fires (id, schedule_id, nominal_at, decision, outcome, recorded_at) "
                "VALUES (?, 1, ?, 'run', 'on time', 1)",
                (number, number),
            )
            connection.execute(
                "INSERT INTO schedule_outcomes (fire_id, outcome, recorded_at) VALUES (?, ?, 1)",
                (number, outcome),
            )
    connection.close()
    registry = Registry.upgrade(tmp_path / "old.db")
    with registry.read() as connection:
        fires = schedules.fires(connection, 1, 10)
    assert [(fire.outcome, fire.ended) for fire in reversed(fires)] == [
        (outcome, RunState.FAILED if outcome.startswith("failed: ") else RunState.DONE) for outcome in said
    ]
    with pytest.raises(ConflictError, match="permanent"), registry.transaction() as connection:
        connection.execute("UPDATE schedule_outcomes SET state = 'done'")
    registry.close()


def test_requests_of_an_older_form_compare_with_what_their_evidence_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_form(tmp_path / "old.db", 13, monkeypatch)
    connection = driver.connect(str(tmp_path / "old.db"))
    digest = "d" * 64
    with connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.executescript(
            "INSERT INTO targets (id, name, created_at) VALUES (1, 'ewr', 1), (2, 'a \"b\".c', 1);"
            "DROP TRIGGER versions_are_numbered_in_order;"
            "INSERT INTO versions (id, model_id, number, run_id, status, model_digest, model_bytes, schema_digest, "
            f"profile_spec_digest, reference_digest, predictions_digest, created_at) SELECT 10 + value, 1, value, value, "
            f"'candidate', '{digest}', 1, '{digest}', '{digest}', '{digest}', '{digest}', 1 FROM json_each('[1, 2, 3]');"
            + migrations_text("versions_are_numbered_in_order")
        )
        evidence = json.dumps({"incumbents": {"ewr": None, 'a "b".c': 2}})
        connection.execute(
            "INSERT INTO promotion_requests (id, model_id, version_id, requested_by, trained_by, reason, recorded_at, "
            "expires_at, policy, policy_digest, evidence, evidence_digest) "
            "VALUES (7, 1, 13, 'sam', 'sam', '', 1, 2, '{}', ?, ?, ?)",
            (digest, evidence, digest),
        )
        connection.execute(
            "INSERT INTO request_targets (request_id, model_id, target_id) VALUES (7, 1, 1), (7, 1, 2)"
        )
    connection.close()
    registry = Registry.upgrade(tmp_path / "old.db")
    with registry.read() as connection:
        rows = connection.execute("SELECT incumbent_id FROM request_targets ORDER BY target_id").fetchall()
    registry.close()
    assert [row[0] for row in rows] == [None, 12]


def migrations_text(trigger: str) -> str:
    """The statement that makes a trigger of the first form."""
    script = resources.files("pilothouse.store").joinpath("schema", "0001_lineage.sql").read_text()
    start = script.index(f"CREATE TRIGGER {trigger}")
    return script[start : script.index("END;", start) + 4]


def make_alerts(path: Path, rows: list[tuple[str, str, str | None]]) -> None:
    """Alerts with these explanations, figures and diagnoses, in a registry of an older form."""
    connection = driver.connect(str(path))
    with connection:
        connection.executescript(
            "INSERT INTO targets (id, name, created_at) VALUES (1, 'ewr', 1);"
            "INSERT INTO incidents (id, model_id, recorded_at, merged_into) VALUES (1, 1, 1, NULL);"
        )
        column = "" if all(diagnosis is None for *_, diagnosis in rows) else ", diagnosis"
        connection.executemany(
            "INSERT INTO alerts (model_id, version_id, target_id, kind, subject, severity, status, effective_at, recorded_at, "
            f"summary, incident_id, explanation, figures{column}) "
            f"VALUES (1, 1, 1, 'data_drift', ?, 'warning', 'open', 1, 1, '', 1, ?, ?{', ?' if column else ''})",
            [(str(i), *(row if column else row[:2])) for i, row in enumerate(rows)],
        )
    connection.close()


OLD_DIAGNOSES = (
    ("inputs moved", "Inputs drift (truth). The realised auc is 0.6; whether truth has moved is not known."),
    ("truth moved", "No input drifts. The realised auc 0.5 lies beyond what the inputs explain, 0.7."),
    ("both: inputs and truth moved", "Inputs drift (wind)."),
    (
        "only volume or quality",
        "There is neither truth nor an estimate, so whether truth has moved is not known.",
    ),
    ("not enough evidence", "No truth has come: 0.7. Whether truth has moved shows once it comes."),
)
DIAGNOSES = [
    Diagnosis(
        Change.INPUTS,
        "Inputs drift (truth). The measured auc is 0.6; whether outcomes have moved is not known.",
    ),
    Diagnosis(
        Change.OUTCOMES, "No input drifts. The measured auc 0.5 lies beyond what the inputs explain, 0.7."
    ),
    Diagnosis(Change.BOTH, "Inputs drift (wind)."),
    Diagnosis(
        Change.QUALITY,
        "There are neither outcomes nor an estimate, so whether outcomes have moved is not known.",
    ),
    Diagnosis(Change.UNKNOWN, "No outcome has come: 0.7. Whether outcomes have moved shows once they come."),
]


def test_what_the_explanation_of_an_older_alert_said_had_changed_is_its_diagnosis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_form(tmp_path / "old.db", 11, monkeypatch)
    old = [f"psi 0.3. What changed: {change}. {evidence}" for change, evidence in OLD_DIAGNOSES]
    explanations = [*old, "psi 0.3", "What changed: all."]
    make_alerts(tmp_path / "old.db", [(text, "{}", None) for text in explanations])
    registry = Registry.upgrade(tmp_path / "old.db")
    with registry.read() as connection:
        diagnoses = [alerts.diagnosis_of(connection, number) for number in range(1, len(explanations) + 2)]
    registry.close()
    assert diagnoses == [*DIAGNOSES, None, None, None]


def test_alerts_of_an_older_form_read_in_the_words_of_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_form(tmp_path / "old.db", 12, monkeypatch)
    figures = '{"rows":5.0,"truth known":1.0}'
    rows: list[tuple[str, str, str | None]] = [
        (
            f"psi 0.3. What changed: {change}. {evidence}",
            figures,
            json.dumps({"change": change, "evidence": evidence}),
        )
        for change, evidence in OLD_DIAGNOSES
    ]
    make_alerts(tmp_path / "old.db", [*rows, ("the truth", figures, None)])
    registry = Registry.upgrade(tmp_path / "old.db")
    with registry.read() as connection:
        stored = connection.execute("SELECT explanation, figures FROM alerts ORDER BY id").fetchall()
        diagnoses = [alerts.diagnosis_of(connection, number) for number in range(1, len(rows) + 2)]
    registry.close()
    assert diagnoses == [*DIAGNOSES, None]
    assert [row["explanation"] for row in stored] == [
        *(f"psi 0.3. {diagnosis.sentence}" for diagnosis in DIAGNOSES),
        "the truth",
    ]
    assert {row["figures"] for row in stored} == {'{"rows":5.0,"outcomes known":1.0}'}


@pytest.mark.parametrize("was_set", [False, True])
def test_a_workspace_of_an_older_form_keeps_the_policy_that_it_had(
    was_set: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_form(tmp_path / "old.db", 14, monkeypatch)
    connection = driver.connect(str(tmp_path / "old.db"))
    with connection:
        connection.execute("INSERT INTO settings (name, value) VALUES ('created_by', 'ada')")
        digest = "d" * 64
        connection.execute(
            "INSERT INTO audit (seq, recorded_at, actor, action, subject, detail, previous, hash) "
            "VALUES (1, 77, 'ada', 'workspace.created', 'workspace', '{}', ?, ?)",
            ("0" * 64, digest),
        )
        if was_set:
            connection.execute(
                "INSERT INTO workspace_policies (approvals, four_eyes, allow_automatic, set_by, recorded_at) "
                "VALUES (2, 0, 1, 'ada', 99)"
            )
    connection.close()
    registry = Registry.upgrade(tmp_path / "old.db")
    with registry.read() as connection:
        rows = [tuple(row)[1:] for row in connection.execute("SELECT * FROM workspace_policies")]
        policy = workspace.policy(connection)
    registry.close()

    assert (
        rows == [(2, 0, 1, "ada", 99, "none", "{}", "[]", "", None)]
        if was_set
        else [(0, 0, 1, "upgrade", 77, "none", "{}", "[]", "", None)]
    )
    assert (policy.approvals, policy.four_eyes, policy.allow_automatic) == (2 if was_set else 0, False, True)


def test_a_workspace_that_is_made_now_has_the_default_policy(tmp_path: Path) -> None:
    registry = Registry.create(tmp_path / "new.db")
    with registry.read() as connection:
        policy = workspace.policy(connection)
    registry.close()

    assert (policy.approvals, policy.four_eyes, policy.allow_automatic) == (1, True, False)


RELEASED = 19
"""Step of the newest release: its files and those before stay as workspaces have been made by them."""


def test_the_files_of_released_steps_are_those_that_workspaces_were_made_by() -> None:
    folder = resources.files("pilothouse.store").joinpath("schema")
    files = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))
    released = [name for name in files if int(name[:4]) <= RELEASED]
    together = hashlib.sha256()
    for name in released:
        together.update(name.encode() + b"\0" + folder.joinpath(name).read_bytes())
    assert len(released) == 38
    assert together.hexdigest() == "a4afb3f54c2acd52aa77a2959cef9a0dbdc34845e7f14c9977132052e69840c8", (
        "a released step was edited: workspaces of today keep the old form, so write the change into a step of its own"
    )


def test_a_target_of_the_form_before_can_be_served_by_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_form(tmp_path / "old.db", 19, monkeypatch)
    connection = driver.connect(str(tmp_path / "old.db"))
    with connection:
        connection.executescript(
            "INSERT INTO targets (id, name, created_at) VALUES (1, 'edge', 1), (2, 'nightly', 1);"
            "INSERT INTO target_places (target_id, place) VALUES (1, 'remote'), (2, 'remote');"
        )
    connection.close()
    registry = Registry.upgrade(tmp_path / "old.db")
    nightly = Target("nightly", "", "", "", place="elsewhere")
    with registry.transaction() as connection:
        targets.put_target(connection, nightly, at=datetime.now(UTC))
    with registry.read() as connection:
        places = {one.name: one.place for one in targets.all_targets(connection)}
    registry.close()
    assert places == {"edge": "remote", "nightly": "elsewhere"}


@pytest.mark.parametrize("count", range(1, SCHEMA.version))
def test_an_older_form_becomes_the_current_one(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_form(tmp_path / "old.db", count, monkeypatch)
    upgraded, fresh = Registry.upgrade(tmp_path / "old.db"), Registry.create(tmp_path / "new.db")
    try:
        assert schema_of(upgraded) == schema_of(fresh)
        with upgraded.read() as connection:
            assert connection.execute("SELECT name FROM models").fetchone()["name"] == "m"
            assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            assert connection.execute("PRAGMA user_version").fetchone()[0] == SCHEMA.version
    finally:
        upgraded.close()
        fresh.close()
