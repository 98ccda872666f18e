"""Commands that somebody who comes by SSH may run: the one table of them, and what is refused whatever it says.

A command that is not in the table is refused, and so is every argument that is a file or folder on the server, but ``-`` for
what comes through the connection. Roles decide about the rest, as everywhere.
"""

import click

from pilothouse.domain.errors import NotAllowedError

REMOTE = {
    "looking": (
        "status", "doctor", "models", "versions", "show", "compare", "lineage", "jobs", "job", "logs", "trials", "requests",
        "evidence", "deployments", "deployed", "targets", "curl", "monitor", "multivariate", "incidents", "performance",
        "alerts", "alert", "rejected", "schedules", "triggers", "audit", "roles", "can", "sessions", "whoami", "users",
        "persons", "inventory", "dossier",
    ),
    "acting": (
        "train", "reproduce", "cancel", "retry", "backfill", "request", "statement", "approve", "reject", "withdraw", "comment",
        "rollback", "lift-hold", "incident", "ack", "resolve", "schedule", "pause", "resume", "retention", "legal-hold",
        "read-only", "writable", "token", "grant", "revoke", "policy", "wrapper", "break-glass", "freeze", "teams", "review",
        "passphrase", "propose", "proposals",
    ),
}  # fmt: skip
"""Commands by what they are for. Left out: those that read or write files by path (init, apply, new, backup, restore, ingest,
labels, drift, upgrade), start programs (daemon, serve, demo), and those of sshd itself (ssh, shell)."""

_NAMES = frozenset(name for names in REMOTE.values() for name in names)
_PROGRAM = "pilothouse"
_PATHS = frozenset({"FILE", "FOLDER", "DIR", "PATH"})
"""What a text is called in the help that is a path, though its type does not say so."""


class _NoPath(click.ParamType[object]):
    """Type of an argument that would be a path on the server."""

    name = "no path"

    def __init__(self, given: "click.ParamType[object]") -> None:
        self._given = given

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """Take what comes through the connection, and no path. Raises NotAllowedError."""
        if value == "-":
            return self._given.convert(value, param, ctx)
        raise NotAllowedError("files and folders of the server are refused over SSH; - stands for the input")


def checked(group: click.Group, words: list[str]) -> list[str]:
    """Arguments for ``group`` from the words that were asked for, with every path in it refused.

    Raises NotAllowedError for a command that is not in the table.
    """
    words = words[1:] if words[:1] == [_PROGRAM] else words
    name = next((word for word in words if not word.startswith("-")), "")
    # an option before the command that takes a value would hide which word is the command
    if name not in _NAMES or words[0] not in (name, "--json"):
        raise NotAllowedError(
            f"{name or 'this'!r} is refused over SSH; pilothouse status and others are allowed: see docs/ssh.md"
        )
    context = click.Context(group)
    command = group.get_command(context, name)
    if command is not None:
        _refuse_paths(command, context)
    return words


def _refuse_paths(command: click.Command, context: click.Context) -> None:
    for parameter in command.params:
        if isinstance(parameter.type, click.Path | click.File) or parameter.metavar in _PATHS:
            parameter.type = _NoPath(parameter.type)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                _refuse_paths(below, context)
