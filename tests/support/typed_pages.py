"""Pages of the documents as a reader types them: files saved, model files edited, lines of a console.

A comment before a block says what it is: ``file: PATH`` is saved there, ``add: PATH`` stands at its end, ``edit: PATH`` takes
the place of the tables of the same name, ``exit: N`` names the exit code of its lines, ``last`` is typed when all pages are
done. A console without one is typed.
"""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"(?:^<!-- ([a-z]+)(?:: (\S+))? -->\n)?^```([a-z]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_TABLE = re.compile(r"^\[+([^\]]+)\]+.*$", re.MULTILINE)
STATUS = (0, 10, 11, 12, 13, 14, 20)
"""Exit codes of ``pilothouse status`` for models that answer."""


@dataclass(frozen=True, slots=True)
class Block:
    """Block of a page. ``what``: file, add, edit, exit, last, or empty; ``argument`` is what follows it."""

    what: str
    argument: str
    language: str
    text: str

    @property
    def lines(self) -> list[str]:
        """Lines that are typed."""
        return [line.removeprefix("$ ") for line in self.text.splitlines() if line.startswith("$ ")]


def blocks_of(page: Path) -> list[Block]:
    """Blocks of a page in their order."""
    return [Block(*found) for found in _BLOCK.findall(page.read_text("utf-8"))]


def with_tables(text: str, tables: str) -> str:
    """A TOML file with ``tables`` in place of its own of these names and, of ``training``, of those below it."""
    names = set(_TABLE.findall(tables))
    starts = [found.start() for found in _TABLE.finditer(text)]
    parts = [text[: starts[0]]]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        part = text[start:end]
        name = _TABLE.match(part)[1]  # type: ignore[index]
        if name not in names and not ("training" in names and name.startswith("training.")):
            parts.append(part)
    return "".join(parts).rstrip() + "\n\n" + tables


def script_of(pages: Sequence[Path], folder: Path) -> str:
    """One script that does what the pages say, in ``folder``; it names the first line that ends
    otherwise than the page says, and ends with exit code 9."""
    written: list[str] = []
    last: list[str] = []
    for number, block in enumerate(block for page in pages for block in blocks_of(page)):
        if block.what in ("file", "edit", "add"):
            source = folder / f".block-{number}"
            source.write_text(block.text, "utf-8")
            target = folder / block.argument
            if block.what == "file":
                written.append(f"cp '{source}' '{target}'")
            elif block.what == "add":
                written.append(f"cat '{source}' >> '{target}'")
            else:
                written.append(f"'{sys.executable}' '{__file__}' '{target}' '{source}'")
        elif block.language == "console":
            expected = block.argument if block.what == "exit" else "0"
            for line in block.lines:
                codes = "|".join(map(str, STATUS)) if line == "pilothouse status" else expected
                step = f'{line}\ncase $? in {codes}) ;; *) echo "ENDED OTHERWISE: {_quoted(line)}"; exit 9;; esac'
                (last if block.what == "last" else written).append(step)
    return "\n".join([*written, *last])


def run(script: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """A script of bash in ``folder``, typed by one person; daemons of workspaces right below it are stopped at the end."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "EDITOR": "true",
        "XDG_RUNTIME_DIR": str(folder),
    }
    environment.pop("PILOTHOUSE_WORKSPACE", None)

    def ran(command: list[str], typed: str, limit_s: int) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command,
            input=typed,
            text=True,
            capture_output=True,
            cwd=folder,
            env=environment,
            timeout=limit_s,
            check=False,
        )

    try:
        return ran(["bash", "-s"], script, 420)
    finally:
        for state in folder.glob("*/state"):
            ran(["pilothouse", "-w", str(state.parent), "daemon", "stop", "--serving"], "", 60)


def _quoted(line: str) -> str:
    return re.sub(r"[\"$`\\]", "'", line)


if __name__ == "__main__":
    path, tables = map(Path, sys.argv[1:])
    path.write_text(with_tables(path.read_text("utf-8"), tables.read_text("utf-8")), "utf-8")
