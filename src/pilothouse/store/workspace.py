"""Settings of the workspace, its policy, and the state of automation."""

import secrets
from datetime import datetime

from pilothouse.domain.promotion.workspace_rules import Automation, WorkspacePolicy
from pilothouse.sqlite import Connection
from pilothouse.store.values import columns_of, from_row, insert

_SOLO = "solo"


def setting(connection: Connection, name: str) -> str | None:
    """Value of a setting, or None where it was never set."""
    row = connection.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
    return row["value"] if row else None


def set_setting(connection: Connection, name: str, value: str) -> None:
    """Set or replace a setting."""
    connection.execute(
        "INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )


def identity(connection: Connection) -> str:
    """The workspace's identity, 32 hexadecimal digits; empty in a registry that was never initialised."""
    row = connection.execute("SELECT identity FROM workspace_identities ORDER BY id DESC LIMIT 1").fetchone()
    return row["identity"] if row else ""


def add_identity(connection: Connection, *, by: str, at: datetime) -> str:
    """Give the workspace a new identity, at random; returns it."""
    made = secrets.token_hex(16)
    insert(connection, "workspace_identities", {"identity": made, "made_by": by, "recorded_at": at})
    return made


def policy(connection: Connection) -> WorkspacePolicy:
    """Policy in force; the default where none was set, in a workspace of one person without four eyes."""
    row = connection.execute("SELECT * FROM workspace_policies ORDER BY id DESC LIMIT 1").fetchone()
    solo = setting(connection, _SOLO) or ""
    default = WorkspacePolicy(four_eyes=not solo, solo=solo)
    return from_row(WorkspacePolicy, row, solo=solo) if row else default


def policies(connection: Connection) -> list[tuple[datetime, WorkspacePolicy]]:
    """Every policy with the time since which it was in force, oldest first; who ran the workspace alone is left out."""
    rows = connection.execute("SELECT * FROM workspace_policies ORDER BY id")
    return [
        (policy.recorded_at, policy)
        for row in rows
        if (policy := from_row(WorkspacePolicy, row, solo="")).recorded_at is not None
    ]


def set_solo(connection: Connection, name: str) -> None:
    """Name the one person who runs the workspace; an empty name ends that."""
    set_setting(connection, _SOLO, name)


def add_policy(connection: Connection, policy: WorkspacePolicy, *, by: str, at: datetime) -> None:
    """Put a policy in force."""
    columns = columns_of(policy, "solo") | {"set_by": by, "recorded_at": at}
    insert(connection, "workspace_policies", columns)


def automation(connection: Connection) -> Automation:
    """State of automation: paused or not, since when and why."""
    row = connection.execute("SELECT * FROM automation_changes ORDER BY id DESC LIMIT 1").fetchone()
    return from_row(Automation, row) if row else Automation(paused=False)


def add_automation_change(
    connection: Connection, *, paused: bool, reason: str, actor: str, at: datetime
) -> None:
    """Pause or resume automation."""
    columns = {"paused": paused, "reason": reason, "actor": actor, "recorded_at": at}
    insert(connection, "automation_changes", columns)
