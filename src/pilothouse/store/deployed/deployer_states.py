"""How far the command of a target is with each model there."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.domain.jobs.jobs import ProcessName
from pilothouse.sqlite import Connection
from pilothouse.store.values import from_json


@dataclass(frozen=True, slots=True)
class DeployerState:
    """``wanted``: what the command was last asked for; ``state``: running, deployed (and not known to answer yet), ready or
    failed; ``process``: the run that goes on, or went on when the daemon ended."""

    wanted: Mapping[str, Any]
    action: str
    state: str
    attempts: int
    message: str
    process: ProcessName | None
    began_at: datetime
    changed_at: datetime


def states(connection: Connection, target: str) -> dict[str, DeployerState]:
    """States of a target by model."""
    rows = connection.execute(
        "SELECT m.name AS model, s.* FROM deployer_states s JOIN models m ON m.id = s.model_id "
        "JOIN targets t ON t.id = s.target_id WHERE t.name = ?",
        (target,),
    )
    return {
        row["model"]: DeployerState(
            from_json(row["wanted"]),
            row["action"],
            row["state"],
            row["attempts"],
            row["message"],
            ProcessName(**from_json(row["process"])) if row["process"] else None,
            from_us(row["began_at"]),
            from_us(row["changed_at"]),
        )
        for row in rows
    }


def put(connection: Connection, target: str, model: str, state: DeployerState) -> None:
    """Record a state in place of the one before."""
    process = state.process
    named = {"boot_id": process.boot_id, "pid": process.pid, "started": process.started} if process else None
    connection.execute(
        "INSERT OR REPLACE INTO deployer_states SELECT t.id, m.id, ?, ?, ?, ?, ?, ?, ?, ? FROM targets t, models m "
        "WHERE t.name = ? AND m.name = ?",
        (
            canonical_json(dict(state.wanted)),
            state.action,
            state.state,
            state.attempts,
            state.message,
            canonical_json(named) if named else "",
            to_us(state.began_at),
            to_us(state.changed_at),
            target,
            model,
        ),
    )


def command_targets(connection: Connection) -> dict[str, Mapping[str, Any]]:
    """Targets to which a command brings versions, with how."""
    rows = connection.execute(
        "SELECT t.name, p.deployer FROM target_places p JOIN targets t ON t.id = p.target_id "
        "WHERE p.place = 'command' ORDER BY t.name"
    )
    return {row["name"]: from_json(row["deployer"]) for row in rows}


def last_kind(connection: Connection, model: str, target: str) -> str:
    """Kind of the deployment that is live: ``rollback`` and others; empty where none is."""
    row = connection.execute(
        "SELECT d.kind FROM deployments d JOIN models m ON m.id = d.model_id JOIN targets t ON t.id = d.target_id "
        "WHERE m.name = ? AND t.name = ? AND d.ended_at IS NULL",
        (model, target),
    ).fetchone()
    return row[0] if row else ""
