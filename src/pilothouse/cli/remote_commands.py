"""Commands that somebody who comes by SSH may run: the one table of them, and what is refused whatever it says.

A command that is not in the table is refused, and so is every argument that is a file or folder on the server, but ``-`` for
what comes or goes through the connection. Roles decide about the rest, as everywhere.

Words are compared whole, never read as options: ``--json`` may stand once before the command, and nothing else may.
"""

import copy

import click

from pilothouse.domain.errors import NotAllowedError

REMOTE = {
    "looking": (
        "status", "doctor", "models", "versions", "show", "compare", "lineage", "jobs", "job", "logs", "trials", "requests",
        "evidence", "deployments", "deployed", "targets", "curl", "monitor", "multivariate", "incidents", "performance",
        "alerts", "alert", "rejected", "schedules", "triggers", "audit", "roles", "can", "sessions", "whoami", "users",
        "persons", "inventory", "dossier", "console", "document", "plans", "report", "runs", "metrics", "site", "explain",
        "prediction",
    ),
    "acting": (
        "train", "reproduce", "cancel", "retry", "backfill", "request", "statement", "approve", "reject", "withdraw", "comment",
        "rollback", "lift-hold", "incident", "ack", "resolve", "schedule", "pause", "resume", "retention", "legal-hold",
        "read-only", "writable", "token", "grant", "revoke", "policy", "wrapper", "break-glass", "freeze", "teams", "review",
        "passphrase", "propose", "proposals", "attach", "conditions", "rollout", "erase", "replay", "gc",
    ),
}  # fmt: skip
"""Commands by what they are for. Left out: those that read or write files by path (init, apply, diff, check, new, contract,
import, backup, restore, ingest, labels, profile, drift, upgrade), start programs (daemon, serve, demo), and those of sshd
itself (ssh, shell)."""

_NAMES = frozenset(name for names in REMOTE.values() for name in names)
_PROGRAM = "pilothouse"
_JSON = "--json"
_PATHS = frozenset({"FILE", "FOLDER", "DIR", "PATH"})
"""What a text is called in the help that is a path, though its type does not say so."""


class _NoPath(click.ParamType[object]):
    """Type of an argument that would be a path on the server."""

    name = "no path"

    def __init__(self, given: "click.ParamType[object]") -> None:
        self._given = given
        self._takes_stream = isinstance(given, click.File) or getattr(given, "allow_dash", False)

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """Take what goes through the connection where the command has a stream for it, and no path. Raises NotAllowedError."""
        if value == "-" and self._takes_stream:
            return self._given.convert(value, param, ctx)
        stream = "; - stands for the input or output" if self._takes_stream else ""
        raise NotAllowedError(f"files and folders of the server are refused over SSH{stream}")


def checked(words: list[str]) -> list[str]:
    """Arguments of the command line from the words that were asked for: ``--json`` at most, and a command of the table.

    Raises NotAllowedError for everything else.
    """
    words = words[1:] if words[:1] == [_PROGRAM] else words
    options = words[:1] if words[:1] == [_JSON] else []
    command = words[len(options) :]
    check_name(command[0] if command else "")
    return words


def check_name(name: str) -> None:
    """Raise NotAllowedError for a command that is not in the table."""
    if name not in _NAMES:
        raise NotAllowedError(
            f"{name or 'this'!r} is refused over SSH; pilothouse status and others are allowed: see docs/ssh.md"
        )


def without_paths(command: click.Command, context: click.Context) -> click.Command:
    """The command, or group of commands, with every path in it refused; the one given stays as it is."""
    command = copy.copy(command)
    command.params = [_without_path(parameter) for parameter in command.params]
    if isinstance(command, click.Group):
        below = {name: command.get_command(context, name) for name in command.list_commands(context)}
        command.commands = {
            name: without_paths(one, context) for name, one in below.items() if one is not None
        }
    return command


def _without_path(parameter: click.Parameter) -> click.Parameter:
    if isinstance(parameter.type, click.Path | click.File) or parameter.metavar in _PATHS:
        parameter = copy.copy(parameter)
        parameter.type = _NoPath(parameter.type)
    return parameter
