"""The answer to a press of Tab: words that may stand where the cursor is. Click and the commands are not imported."""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pilothouse.system.paths import WorkspacePaths
from pilothouse.system.workspace_place import find_workspace

FILES = ":files"
"""Line that has the shell complete a path."""
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+/-]*")
"""Words that mean themselves to every shell. A name of another form is typed by hand."""

Word = tuple[str, str]


def answer(words: Sequence[str]) -> list[Word]:
    """Words with a remark each, for a command line whose last word is being typed. Empty where nothing is known."""
    node, kinds, begin, workspace = _place(list(words))
    if kinds == ["files"]:
        return [(FILES, "")]
    found: list[Word] = []
    for kind in kinds:
        found += (
            [(word, "") for word in kind] if isinstance(kind, list) else _named(kind, node, begin, workspace)
        )
    return [(word, remark) for word, remark in found if word.startswith(begin)]


def main(arguments: Sequence[str]) -> None:
    """Print the answer: a word a line, its remark behind a tab. A fault prints nothing, since the line is being typed."""
    lines = [f"{word}\t{_line(remark)}" for word, remark in answer(arguments)]
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _place(words: list[str]) -> tuple[dict[str, Any], list[Any], str, str]:
    """Command that the words lead to, kinds of word that may come, what is typed of it, and the workspace that was named."""
    table = json.loads(Path(__file__).with_name("words.json").read_bytes())
    node, workspace, given, begin = table, "", 0, words.pop() if words else ""
    options: dict[str, Any] = dict(table["options"])
    waits: str | None = None
    for word in words:
        if waits is not None:
            workspace = word if waits in ("-w", "--workspace") else workspace
            waits = None
        elif word.startswith("-") and word != "-":
            name, has_value, value = word.partition("=")
            if has_value:
                workspace = value if name == "--workspace" else workspace
            elif options.get(name) is not None:
                waits = name
        elif word in node.get("commands", {}) and not given:
            node = node["commands"][word]
            options = dict(node["options"])
        else:
            given += 1
    if waits is not None:
        return node, [options[waits]], begin, workspace
    if begin.startswith("-"):
        return node, ["option"], begin, workspace
    arguments = node.get("arguments", [])
    kinds: list[Any] = ["command"] if "commands" in node and not given else []
    if arguments and (given < len(arguments) or node["more"]):
        kinds.append(arguments[min(given, len(arguments) - 1)])
    return node, kinds, begin, workspace


def _named(kind: str, node: dict[str, Any], begin: str, workspace: str) -> Iterator[Word] | list[Word]:
    if kind == "command":
        return [(name, below["line"]) for name, below in node["commands"].items()]
    if kind == "option":
        return [(name, "") for name in node["options"]]
    if kind in ("", "files"):
        return []
    from pilothouse.store import completed_words

    root = find_workspace(Path(workspace).expanduser() if workspace else None)
    found = completed_words.words(WorkspacePaths(root).registry, kind, begin)
    return [(word, remark) for word, remark in found if _PLAIN.fullmatch(word)]


def _line(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)
