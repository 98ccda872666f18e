"""``audit verify`` on rows that somebody changed past Pilothouse: exit code 6, the first by name, all with ``--json``."""

import sqlite3
from pathlib import Path


def tamper(root: Path, *statements: str) -> None:
    """Write to the file as whoever owns it can, without triggers."""
    connection = sqlite3.connect(root / "state" / "registry.db", isolation_level=None)
    triggers = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    for _, definition in triggers:
        connection.execute(definition)
    connection.close()


def test_rows_changed_past_pilothouse_are_named_and_listed(workspace, root: Path) -> None:
    assert workspace("audit", "verify", "--json").json["rows"] == []
    tamper(
        root,
        "INSERT INTO grants (actor, role, granted_by, recorded_at) "
        "VALUES ('eve', 'admin', 'ada', 1), ('eve', 'approver', 'ada', 1)",
    )

    answer = workspace("audit", "verify")
    assert answer.code == 6
    assert answer.err.splitlines()[-3:-1] == [
        "the role admin of eve was inserted past Pilothouse",
        "the role approver of eve was inserted past Pilothouse",
    ]

    answer = workspace("audit", "verify", "--json")
    assert answer.code == 6
    assert (answer.json["verified"], answer.json["fault"]) == (False, "")
    assert [(row["row"], row["difference"]) for row in answer.json["rows"]] == [
        ("the role admin of eve", "inserted"),
        ("the role approver of eve", "inserted"),
    ]


def test_twenty_rows_are_named_and_the_others_counted(workspace, root: Path) -> None:
    planted = ", ".join(f"('eve{number:02}', 'viewer', 'ada', 1)" for number in range(23))
    tamper(root, f"INSERT INTO grants (actor, role, granted_by, recorded_at) VALUES {planted}")

    answer = workspace("audit", "verify")
    assert answer.code == 6
    assert answer.err.count("was inserted past Pilothouse") == 20
    assert "and 3 more: pilothouse audit verify --json lists all" in answer.err
    assert len(workspace("audit", "verify", "--json").json["rows"]) == 23


def test_rows_are_listed_where_the_chain_itself_is_broken(workspace, root: Path) -> None:
    tamper(
        root,
        "UPDATE audit SET actor = 'eve' WHERE seq = 1",
        "DELETE FROM settings WHERE name = 'open_reading'",
    )

    answer = workspace("audit", "verify", "--json")
    assert answer.code == 6
    assert answer.json["verified"] is False
    assert answer.json["count"] is answer.json["hash"] is None
    assert "audit row 1 was changed" in answer.json["fault"]
    assert [row["text"] for row in answer.json["rows"]] == ["the setting open_reading was deleted"]

    answer = workspace("audit", "verify")
    assert answer.code == 6
    assert "audit row 1 was changed" in answer.err
    assert "the setting open_reading was deleted past Pilothouse\n" in answer.err
