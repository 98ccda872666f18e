"""Words of the command line as a table that answers without an import of any command: ``words.json``.

``docs/tables.py`` writes it; a test fails where it is behind the commands.
"""

from typing import Any

import click

from pilothouse.cli.groups import first_sentence

FILES = "files"
"""Kind of a word that is a path."""
_VERSION = {"reference", "first", "second", "others", "version", "against"}
_NUMBERS = {
    "job": ("job", "logs", "cancel", "retry", "trials"),
    "request": (
        "evidence", "statement", "approve", "attach", "document", "reject", "withdraw", "comment", "break-glass review",
    ),
    "alert": ("alert", "ack", "resolve"),
    "incident": ("incident",),
    "rollout": ("rollout",),
    "schedule": ("schedule",),
}  # fmt: skip
"""What the argument ``number`` of a command is."""
_USERS = ("grant", "can", "revoke", "users", "persons", "teams", "passphrase")
"""Commands whose ``name`` is a person's."""


def words_of(command: click.Command, path: tuple[str, ...] = ()) -> dict[str, Any]:
    """Words of a command: ``line`` of help; ``commands`` below it; ``options``, each with the kind of its value (none for a
    flag); ``arguments``, each with its kind, the last one repeated where ``more`` is true.

    A kind is ``files``, a kind of ``store.completed_words``, a list of choices, or the empty text.
    """
    context = click.Context(command)
    answer: dict[str, Any] = {"line": first_sentence(command)}
    options: dict[str, Any] = {}
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            has_value = not (parameter.is_flag or parameter.count)
            for name in (*parameter.opts, *parameter.secondary_opts):
                options[name] = _kind(parameter, path) if has_value else None
    answer["options"] = {**options, "--help": None}
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    if arguments:
        answer["arguments"] = [_kind(one, path) for one in arguments]
        answer["more"] = arguments[-1].nargs == -1
    if isinstance(command, click.Group):
        below = {name: command.get_command(context, name) for name in command.list_commands(context)}
        lines = getattr(command, "lines", {})
        answer["commands"] = {
            name: words_of(one, (*path, name)) | ({"line": lines[name]} if name in lines else {})
            for name, one in below.items()
            if one is not None
        }
    return answer


def _kind(parameter: click.Parameter, path: tuple[str, ...]) -> str | list[str]:
    name, words = parameter.name or "", " ".join(path)
    if isinstance(parameter.type, click.Choice):
        return [str(choice) for choice in parameter.type.choices]
    if isinstance(parameter.type, click.Path | click.File) or parameter.metavar == "FILE":
        return FILES
    if path[:1] == ("drift",):
        return FILES if isinstance(parameter, click.Argument) else ""
    if isinstance(parameter, click.Argument):
        return _argument(name, words)
    if name in ("model", "models"):
        return "model"
    if parameter.metavar == "TARGET":
        return "target"
    return {"against": "version", "after": "job", "actor": "user", "plan": "plan"}.get(name, "")


def _argument(name: str, words: str) -> str:
    if name == "model":
        return "model" if words != "new" else ""
    if name == "number":
        found = [
            kind for kind, known in _NUMBERS.items() for one in known if f"{words} ".startswith(f"{one} ")
        ]
        return found[0] if found else ""
    if name == "name":
        return "user" if words.split(" ")[0] in _USERS else ""
    if name in _VERSION and not words.startswith("import"):
        return "version"
    return "target" if name == "target" else ""
