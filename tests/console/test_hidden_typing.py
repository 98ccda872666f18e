"""A secret that is typed into a terminal, also before somebody asks for it, is not shown."""

from pathlib import Path

from support import PATIENCE_S, wait_until
from support.terminals import Terminal

CODE = """
from pilothouse.console.terminal_app import wait_to_be_read, without_echo
with without_echo():
    print("hidden", flush=True)
    input()
    wait_to_be_read()
print("shown", flush=True)
input()
"""


def test_nothing_that_is_typed_is_shown_until_the_command_is_over_and_was_read(tmp_path: Path) -> None:
    with Terminal(tmp_path, code=CODE) as terminal:
        wait_until(lambda: b"hidden" in terminal.output(), PATIENCE_S)
        terminal.write(b"correct horse\n")
        wait_until(lambda: b"Enter goes back" in terminal.output(), PATIENCE_S)
        terminal.write(b"battery\n")
        wait_until(lambda: b"shown" in terminal.output(), PATIENCE_S)
        terminal.write(b"plain\n")
        wait_until(lambda: b"plain" in terminal.output(), PATIENCE_S)
        assert b"horse" not in terminal.output()
        assert b"battery" not in terminal.output()
