"""``audit verify`` on rows that somebody changed past Pilothouse: exit code 6, the first by name, all with ``--json``."""

import sqlite3
from pathlib import Path


def test_rows_changed_past_pilothouse_are_named_and_listed(workspace, root: Path) -> None:
    assert workspace("audit", "verify", "--json").json["rows"] == []
    connection = sqlite3.connect(root / "state" / "registry.db", isolation_level=None)
    connection.execute(
        "INSERT INTO grants (actor, role, granted_by, recorded_at) "
        "VALUES ('eve', 'admin', 'ada', 1), ('eve', 'approver', 'ada', 1)"
    )
    connection.close()

    answer = workspace("audit", "verify")
    assert answer.code == 6
    assert "the role admin of eve was inserted (and 1 more): somebody changed the database past" in answer.err

    answer = workspace("audit", "verify", "--json")
    assert answer.code == 6
    assert answer.json["verified"] is False
    assert [(row["row"], row["difference"]) for row in answer.json["rows"]] == [
        ("the role admin of eve", "inserted"),
        ("the role approver of eve", "inserted"),
    ]
