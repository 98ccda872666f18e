"""``integrations.toml``: read, compared with what is in force, and put in force."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import InvalidInputError, PilothouseError
from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.identity.roles import Permission
from pilothouse.domain.integrations.integration_file import (
    INTEGRATIONS_FILE,
    SETTING,
    Integrations,
    differences,
    integrations_from_plain,
    load_integrations,
    opens,
)
from pilothouse.operations.authorisation import Change, check
from pilothouse.operations.services import Services
from pilothouse.operations.workspace_texts import read_settings
from pilothouse.sqlite import Connection
from pilothouse.store import workspace
from pilothouse.system.files import read_plain_file

_LARGEST_FILE = 1 << 20
_SHORTEST_TOKEN, _LONGEST_TOKEN = 16, 256


@dataclass(frozen=True, slots=True)
class IntegrationChanges:
    """What the file changes. ``put``: what is to be in force; None where nothing changes. ``action``: as of the plans' file."""

    put: Integrations | None
    action: str
    differences: tuple[str, ...] = ()
    loosens: tuple[str, ...] = ()


def read_integrations_file(services: Services, problems: list[str]) -> Integrations | None:
    """Content of the file; None without one or with faults, which are added to ``problems``."""
    return read_settings(services, INTEGRATIONS_FILE, load_integrations, problems)


def in_force(connection: Connection) -> Integrations:
    """What is in force."""
    text = workspace.setting(connection, SETTING)
    return integrations_from_plain(json.loads(text)) if text else Integrations()


def planned(connection: Connection, described: Integrations | None) -> IntegrationChanges:
    """What the file changes; without a file what is in force stays."""
    stored, was_there = in_force(connection), workspace.setting(connection, SETTING) is not None
    if described is None:
        return IntegrationChanges(None, "missing: what is in force stays" if was_there else "")
    lines = tuple(differences(stored, described))
    action = "create" if not was_there else "update" if lines else "unchanged"
    changed = action != "unchanged"
    return IntegrationChanges(described if changed else None, action, lines, tuple(filter(opens, lines)))


def put(change: Change, changes: IntegrationChanges, git: Mapping[str, Any]) -> None:
    """Put the file in force. ``git``: the repository that it lies in."""
    if changes.put is None:
        return
    check(change.connection, change.actor, Permission.APPLY)
    workspace.set_setting(change.connection, SETTING, canonical_json(changes.put.to_plain()))
    detail: dict[str, Any] = {"differences": list(changes.differences), "loosens": list(changes.loosens)}
    detail |= {"git": dict(git)} if git else {}
    change.record("integrations.described", INTEGRATIONS_FILE, detail)


def read_token(root: Path, name: str) -> str:
    """Token in a file that ``integrations.toml`` names; empty without one. Raises InvalidInputError, which never shows it."""
    if not name:
        return ""
    path = root / name
    try:
        token = read_plain_file(path, _LARGEST_FILE).decode().strip()
    except UnicodeDecodeError:
        raise InvalidInputError(f"{path}: cannot be read as a token: it is not text") from None
    except PilothouseError as error:
        raise InvalidInputError(f"cannot be read as a token: {error}") from None
    if (
        not _SHORTEST_TOKEN <= len(token) <= _LONGEST_TOKEN
        or not token.isascii()
        or not token.isprintable()
        or " " in token
    ):
        raise InvalidInputError(
            f"{path}: expected one token of {_SHORTEST_TOKEN} to {_LONGEST_TOKEN} printable characters without blanks"
        )
    return token
