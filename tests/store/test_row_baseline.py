"""A registry of an earlier release is sealed as it is found, and again by every later release that changes it."""

from pathlib import Path

import pytest

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.records import AuditEntry
from pilothouse.sqlite import driver
from pilothouse.store import connection, migrations
from pilothouse.store.connection import Registry
from pilothouse.store.log import audit, audit_agreement, row_agreement
from pilothouse.store.migrations import MIGRATIONS, Migration

CREATED = {"admin": "ada", "demo": False, "open_reading": True}


def make_form_14(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry of the release before, with an admin, and a log in which time ran back once."""
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", dict(list(MIGRATIONS.items())[:14]))
        connection = driver.connect(":memory:", isolation_level=None)
        connection.execute("BEGIN")
        migrations.apply_migrations(connection)
        connection.execute("PRAGMA user_version = 14")
        connection.execute("COMMIT")
    connection.executemany(
        "INSERT INTO settings VALUES (?, ?)", [("created_by", "ada"), ("demo", "no"), ("open_reading", "yes")]
    )
    connection.execute(
        "INSERT INTO grants (actor, role, granted_by, recorded_at) VALUES ('ada', 'admin', 'ada', 5)"
    )
    previous = audit.FIRST_PREVIOUS
    entries = [(9, "workspace.created", CREATED), (8, "job.queued", {}), (10, "job.queued", {})]
    for seq, (at, action, detail) in enumerate(entries, 1):
        digest = audit.entry_hash(seq, at, "ada", action, "workspace", detail, previous)
        connection.execute(
            "INSERT INTO audit VALUES (?, ?, 'ada', ?, 'workspace', ?, ?, ?)",
            (seq, at, action, canonical_json(detail), previous, digest),
        )
        previous = digest
    connection.execute(f"PRAGMA application_id = {migrations.SCHEMA.application_id}")
    connection.execute(f"VACUUM INTO '{path}'")
    connection.close()
    path.chmod(0o600)


def newest(registry: Registry) -> AuditEntry:
    with registry.read() as connection:
        return audit.entries(connection, limit=1)[0]


def verify(registry: Registry) -> list[str]:
    with registry.read() as connection:
        audit.verify(connection)
        return [str(one) for one in row_agreement.differences(connection)]


def test_rows_of_an_earlier_release_are_sealed_by_an_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "old.db"
    make_form_14(path, monkeypatch)
    registry = Registry.upgrade(path)
    sealed = newest(registry)
    assert (sealed.seq, sealed.action, sealed.actor) == (4, audit.SEALED, "pilothouse")
    assert sealed.detail == {"rows": 6, "disagreements": [], "disagreeing": 0, "ran_back": [2]}
    assert sealed.rows is not None
    assert verify(registry) == []
    registry.close()

    raw = driver.connect(str(path), isolation_level=None)
    raw.execute("UPDATE settings SET value = 'no' WHERE name = 'open_reading'")
    raw.close()
    registry = Registry.upgrade(path)  # nothing to migrate: nothing is sealed anew
    assert newest(registry) == sealed
    assert verify(registry) == ["the setting open_reading was changed"]
    registry.close()


def test_what_disagreed_before_is_named_in_the_entry_and_stays_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "old.db"
    make_form_14(path, monkeypatch)
    raw = driver.connect(str(path), isolation_level=None)
    raw.execute("INSERT INTO grants (actor, role, granted_by, recorded_at) VALUES ('eve', 'admin', 'ada', 6)")
    raw.close()
    registry = Registry.upgrade(path)
    assert newest(registry).detail["disagreements"] == ["the role admin of eve for all models"]
    with registry.read() as connection:
        assert list(audit_agreement.disagreements(connection)) == ["the role admin of eve for all models"]
    registry.close()


def test_time_that_runs_back_after_the_seal_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "old.db"
    make_form_14(path, monkeypatch)
    registry = Registry.upgrade(path)
    last = newest(registry)
    raw = driver.connect(str(path), isolation_level=None)
    raw.execute("DROP TRIGGER audit_times_run_on")
    digest = audit.entry_hash(5, 7, "eve", "x", "y", {}, last.hash)
    raw.execute(
        "INSERT INTO audit (seq, recorded_at, actor, action, subject, detail, previous, hash) "
        "VALUES (5, 7, 'eve', 'x', 'y', '{}', ?, ?)",
        (last.hash, digest),
    )
    raw.close()
    with pytest.raises(IntegrityError, match="audit row 5 is earlier than row 4"):
        verify(registry)
    registry.close()


def test_a_later_release_that_changes_rows_seals_them_anew_and_names_what_was_wrong_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "old.db"
    make_form_14(path, monkeypatch)
    Registry.upgrade(path).close()
    raw = driver.connect(str(path), isolation_level=None)
    raw.execute("UPDATE settings SET value = 'no' WHERE name = 'open_reading'")
    raw.close()

    def change(opened: connection.Connection) -> None:
        opened.execute("ALTER TABLE settings ADD COLUMN note TEXT NOT NULL DEFAULT 'none'")

    count = len(MIGRATIONS) + 1
    monkeypatch.setattr(
        migrations, "MIGRATIONS", {**MIGRATIONS, f"registry_{count}": Migration(change=change)}
    )
    raw = driver.connect(str(path), isolation_level=None)
    raw.execute("BEGIN IMMEDIATE")
    migrations.apply_migrations(raw)
    raw.execute("COMMIT")
    raw.row_factory = driver.Row
    sealed = audit.entries(raw, limit=1)[0]
    assert (sealed.action, sealed.detail["rows"]) == (audit.SEALED, 2)
    assert sealed.detail["disagreements"] == ["the setting open_reading was changed"]
    assert [str(one) for one in row_agreement.differences(raw)] == ["the setting open_reading was changed"]
    audit.verify(raw)
    raw.close()
