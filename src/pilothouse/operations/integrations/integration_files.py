"""``integrations.toml``: read, compared with what is in force, and put in force."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pilothouse.domain.errors import InvalidInputError, ModelFileError, PilothouseError, UnavailableError
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
from pilothouse.sending.addresses import refused_literal
from pilothouse.sqlite import Connection
from pilothouse.store import workspace
from pilothouse.system.files import read_plain_file
from pilothouse.system.paths import WorkspacePaths

_LARGEST_FILE = 1 << 20
_SHORTEST_TOKEN, _LONGEST_TOKEN = 16, 256


DESCRIBED = "integrations.described"
"""Action of the entry with which the file came into force."""


@dataclass(frozen=True, slots=True)
class IntegrationChanges:
    """What the file changes. ``put``: what is to be in force; None where nothing changes. ``action``: as of the plans' file."""

    put: Integrations | None
    action: str
    differences: tuple[str, ...] = ()
    loosens: tuple[str, ...] = ()


def read_integrations_file(services: Services, problems: list[str]) -> Integrations | None:
    """Content of the file; None without one or with faults, which are added to ``problems``."""
    return read_settings(services, INTEGRATIONS_FILE, load, problems)


def load(text: str, file: str = INTEGRATIONS_FILE) -> Integrations:
    """Content of a text; an address in it that will not be sent to is a fault at once. Raises ModelFileError."""
    found = load_integrations(text, file)
    faults = [
        f"{file}: {name}.url: {fault}"
        for name, table in (("lineage", found.lineage), ("traces", found.traces))
        if table is not None and (fault := refused_literal(urlsplit(table.url).hostname or "", table.allow))
    ]
    if faults:
        raise ModelFileError(faults)
    return found


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
    change.record(DESCRIBED, INTEGRATIONS_FILE, detail)


def named_file(paths: WorkspacePaths, name: str) -> Path:
    """Path of a file that ``integrations.toml`` names. Raises UnavailableError where it leads, by a link, into the state."""
    path = paths.root / name
    if path.resolve().is_relative_to(paths.state.resolve()):
        raise UnavailableError(
            f"{path}: leads into the workspace's state; name another file in {INTEGRATIONS_FILE}"
        )
    return path


def read_token(paths: WorkspacePaths, name: str) -> str:
    """Token in a file that ``integrations.toml`` names; empty without one. Raises as ``token_in``, or UnavailableError."""
    return token_in(named_file(paths, name)) if name else ""


def token_in(path: Path) -> str:
    """Token in a file. Raises InvalidInputError, which never shows it."""
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
