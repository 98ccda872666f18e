"""Telemetry as earlier releases left it."""

from typing import Any


def make_form_5(connection: Any) -> None:
    """Take back what the steps after the fifth have changed."""
    for table in ("hour_rows", "hours", "logs", "keys", "outcomes", "batches", "arms", "links", "pairs"):
        connection.execute(f"DROP TABLE trial_{table}")
    connection.execute("DROP TABLE trials")
    for table in (
        "kept_rejections",
        "rejected_ids",
        "earlier_readings",
        "late_days",
        "erased_rows",
        "erasures",
        "producer_targets",
        "traces",
        "window_packs",
        "log_keys",
    ):
        connection.execute(f"DROP TABLE {table}")
    for index in ("clocks_moved", "clocks_to_look_at", "retrainings_paused"):
        connection.execute(f"DROP INDEX {index}")
    connection.execute("DROP INDEX readings_judged_again")
    for column in ("revision", "late"):
        connection.execute(f"ALTER TABLE readings DROP COLUMN {column}")
    for column in ("moved", "look_at"):
        connection.execute(f"ALTER TABLE clocks DROP COLUMN {column}")
    connection.execute("ALTER TABLE outcomes RENAME TO truths")
    connection.execute("PRAGMA user_version = 5")
