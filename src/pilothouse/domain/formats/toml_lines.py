"""Lines on which the keys of a TOML text stand, so that a fault can be found in an editor."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from pilothouse.domain.errors import ModelFileError

_Read = TypeVar("_Read")

_HEADER = re.compile(r"\s*(\[\[?)([^\[\]]+)\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"\s*([\w-]+(?:\s*\.\s*[\w-]+)*|\"[^\"]*\"|'[^']*')\s*=(.*)$")
_STRINGS = re.compile(r"\"(?:\\.|[^\"\\])*\"|'[^']*'|#.*$")
_PATH = re.compile(r"^([\w.\[\]-]+): ")


def key_lines(text: str) -> dict[str, int]:
    """Line of each key and table by its path, as faults name it: ``data.target``, ``gates.metric[0].minimum``."""
    lines: dict[str, int] = {}
    numbers: dict[str, int] = {}
    table, depth = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if depth == 0 and (header := _HEADER.match(line)):
            table = _plain(header[2])
            if header[1] == "[[":
                numbers[table] = numbers.get(table, -1) + 1
                table = f"{table}[{numbers[table]}]"
            lines.setdefault(table, number)
            continue
        value = line
        if depth == 0 and (key := _KEY.match(line)):
            path = _plain(key[1])
            lines.setdefault(f"{table}.{path}" if table else path, number)
            value = key[2]
        bare = _STRINGS.sub("", value)
        depth = max(0, depth + bare.count("[") + bare.count("{") - bare.count("]") - bare.count("}"))
    return lines


def with_lines(problems: Iterable[str], text: str, name: str) -> Iterator[str]:
    """Faults ``NAME: data.target: …`` as ``NAME:12: data.target: …``. A key that is not there has the line of its table."""
    lines = key_lines(text)
    for problem in problems:
        rest = problem.removeprefix(f"{name}: ")
        path = match[1] if rest != problem and (match := _PATH.match(rest)) else ""
        while path and path not in lines:
            path = path.rpartition(".")[0] if not path.endswith("]") else path.rpartition("[")[0]
        yield f"{name}:{lines[path]}: {rest}" if path else problem


def load_with_lines(load: Callable[[str, str], _Read], text: str, name: str) -> _Read:
    """What ``load`` reads of the text of the file ``name``. Raises ModelFileError: each fault with its line."""
    try:
        return load(text, name)
    except ModelFileError as error:
        raise ModelFileError(list(with_lines(error.problems, text, name))) from None


def _plain(path: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in path.split("."))
