"""The chain of the audit log: what it shows of changed, missing, added and recomputed rows."""

import json
from pathlib import Path
from typing import Any

import pytest

from fixtures.registries import Example
from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.records import AuditHead
from pilothouse.operations.dossier import audit_export
from pilothouse.operations.workspace import audits
from pilothouse.sqlite import driver
from pilothouse.store.log import audit


@pytest.fixture
def log(example: Example) -> Example:
    for number in range(5):
        with example.services.registry.transaction() as connection:
            audit.append(
                connection,
                at=example.time,
                actor="ann",
                action="thing.done",
                subject=f"thing {number}",
                detail={"number": number, "share": 0.25, "old": None},
            )
    return example


def tamper(example: Example, statement: str, *values: object) -> None:
    """What somebody with the file can do: take the triggers off and write."""
    path = example.services.paths.registry
    connection = driver.connect(str(path), isolation_level=None)
    for row in connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit'"
    ).fetchall():
        connection.execute(f"DROP TRIGGER {row[0]}")
    connection.execute(statement, values)
    connection.close()


def verify(example: Example, anchor: AuditHead | None = None) -> AuditHead:
    with example.services.registry.read() as connection:
        return audit.verify(connection, anchor)


def head(example: Example) -> AuditHead:
    with example.services.registry.read() as connection:
        return audit.head(connection)


def test_an_untouched_log_is_verified_up_to_its_head(log: Example) -> None:
    assert verify(log) == head(log)
    assert verify(log, head(log)) == head(log)


@pytest.mark.parametrize(
    ("column", "value"),
    [("recorded_at", 5), ("actor", "eve"), ("action", "thing.undone"), ("subject", "thing 9"), ("detail", '{"number": 3}'),
     ("detail", '{"share":0.250000001,"number":1,"old":null}')],
)  # fmt: skip
def test_a_changed_row_is_named(log: Example, column: str, value: object) -> None:
    seq = head(log).count - 2
    tamper(log, f"UPDATE audit SET {column} = ? WHERE seq = ?", value, seq)

    with pytest.raises(IntegrityError, match=f"audit row {seq} was changed"):
        verify(log)


def test_a_missing_row_is_named(log: Example) -> None:
    seq = head(log).count - 1
    tamper(log, "DELETE FROM audit WHERE seq = ?", seq)

    with pytest.raises(IntegrityError, match=f"audit row {seq} is missing"):
        verify(log)


def test_a_row_whose_hash_was_computed_again_breaks_the_next(log: Example) -> None:
    seq = head(log).count - 2
    with log.services.registry.read() as connection:
        entry = next(e for e in audit.iterate(connection) if e.seq == seq)
    forged = audit.entry_hash(
        seq, to_us(entry.recorded_at), "eve", entry.action, entry.subject, entry.detail, entry.previous
    )
    tamper(log, "UPDATE audit SET actor = 'eve', hash = ? WHERE seq = ?", forged, seq)

    with pytest.raises(IntegrityError, match=f"audit row {seq + 1} does not follow"):
        verify(log)


def test_a_log_that_was_cut_is_found_out_with_a_head_kept_elsewhere(log: Example) -> None:
    kept = head(log)
    tamper(log, "DELETE FROM audit WHERE seq > ?", kept.count - 2)

    assert verify(log).count == kept.count - 2
    with pytest.raises(IntegrityError, match=f"rows {kept.count - 1} to {kept.count} are missing"):
        verify(log, kept)


def test_a_log_that_was_written_anew_is_found_out_with_a_head_kept_elsewhere(log: Example) -> None:
    kept = head(log)
    with log.services.registry.read() as connection:
        last = audit.entries(connection, limit=1)[0]
    forged = audit.entry_hash(
        last.seq, to_us(last.recorded_at), "eve", last.action, last.subject, last.detail, last.previous
    )
    tamper(log, "UPDATE audit SET actor = 'eve', hash = ? WHERE seq = ?", forged, last.seq)

    assert verify(log).count == kept.count
    with pytest.raises(IntegrityError, match="not the one that was anchored"):
        verify(log, kept)


def test_a_log_is_verified_in_steps_and_tells_how_far_it_is(
    log: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "_STEP", 2)
    told: list[tuple[int, int]] = []
    aud, count = log.actor("aud"), head(log).count

    assert audits.verify(log.services, aud, progress=lambda *far: told.append(far)) == head(log)

    assert told == [(min(done, count), count) for done in range(2, count + 2, 2)]
    assert verify(log) == head(log)
    seq = count - 2
    tamper(log, "UPDATE audit SET actor = 'eve' WHERE seq = ?", seq)
    for known in (None, f"{count}:{head(log).hash}"):
        with pytest.raises(IntegrityError, match=f"audit row {seq} was changed"):
            audits.verify(log.services, aud, known=known)


def test_the_newest_entries_are_verified_from_the_one_before_them(log: Example) -> None:
    aud, count = log.actor("aud"), head(log).count
    tamper(log, "UPDATE audit SET actor = 'eve' WHERE seq = ?", count - 2)

    assert audits.verify_chain(log.services, aud, newest=2) == head(log)
    for newest in (3, count, count + 1, None):
        with pytest.raises(IntegrityError, match=f"audit row {count - 2} was changed"):
            audits.verify_chain(log.services, aud, newest=newest)


def test_a_detail_in_another_spelling_is_the_same_detail(log: Example) -> None:
    """What is hashed is the content: a row whose JSON was written with spaces holds it as well."""
    seq = head(log).count - 2
    with log.services.registry.read() as connection:
        (entry,) = audit.following(connection, seq - 1, 1)
    tamper(log, "UPDATE audit SET detail = ? WHERE seq = ?", json.dumps(entry.detail, indent=1), seq)

    assert verify(log) == head(log)


def test_rows_are_put_into_the_log_together_as_one_by_one(log: Example) -> None:
    changes = [("thing.done", f"thing {i}", {"number": i}) for i in range(7, 10)]
    with log.services.registry.transaction() as connection:
        added = audit.append_all(connection, at=log.time, actor="ann", changes=changes)
        assert audit.append_all(connection, at=log.time, actor="ann", changes=[]) == []

    with log.services.registry.read() as connection:
        assert audit.following(connection, added[0].seq - 1, 10) == added
        assert [e.subject for e in audit.of_actions(connection, "thing.done")][-3:] == [
            s for _, s, _ in changes
        ]
    assert verify(log) == AuditHead(added[-1].seq, added[-1].hash)


def test_pages_go_backwards_and_a_text_narrows_them(log: Example) -> None:
    with log.services.registry.read() as connection:
        newest = audit.entries(connection, limit=2)
        before = audit.entries(connection, limit=2, before=newest[-1].seq)
        found = audit.entries(connection, limit=10, text="THING 3")

    assert [e.subject for e in newest + before] == ["thing 4", "thing 3", "thing 2", "thing 1"]
    assert [e.subject for e in found] == ["thing 3"]


HOSTILE = [
    "[/red]x", "[@click=app.quit]x[/]", "\x1b]52;c;ZXZpbA==\x07", "\x1b[2J", "\u202egnp.exe", "a\x00b", "\x9b31m",
    "'; DROP TABLE audit; --", "\u00e9\u0065\u0301", "\U0001f600" * 50, "line\nbreak\ttab", '"quotes" \\ back',
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_kept_as_it_came_and_the_chain_holds(log: Example, text: str) -> None:
    detail: dict[str, Any] = {"text": text, text: [text]}
    with log.services.registry.transaction() as connection:
        audit.append(connection, at=log.time, actor=text, action=text, subject=text, detail=detail)

    with log.services.registry.read() as connection:
        entry = audit.entries(connection, limit=1)[0]
    assert (entry.actor, entry.action, entry.subject, entry.detail) == (text, text, text, detail)
    assert verify(log).count == entry.seq


def test_not_a_number_cannot_enter_the_log(log: Example) -> None:
    before = head(log)
    with pytest.raises(ValueError), log.services.registry.transaction() as connection:
        audit.append(connection, at=log.time, actor="a", action="b", subject="c", detail={"x": float("nan")})
    assert head(log) == before


def test_anybody_can_compute_the_hash_from_an_export(log: Example, tmp_path: Path) -> None:
    import hashlib

    file = tmp_path / "audit.jsonl"
    with file.open("w") as stream:
        count = audit_export.export(log.services, log.actor("aud"), stream)

    previous = "0" * 64
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(lines) == count == head(log).count
    for line in lines:
        found = line.pop("hash")
        assert line["previous"] == previous
        text = json.dumps(line, sort_keys=True, separators=(",", ":"))
        previous = hashlib.sha256(text.encode()).hexdigest()
        assert found == previous
