"""Shown until the workspace is open, and where it cannot be opened: what is wrong, and what to do."""

from typing import Any

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Static

from pilothouse.console.screens.base import View
from pilothouse.console.widgets.tones import line
from pilothouse.presentation.cells import Cell
from pilothouse.presentation.texts import safe


class OpeningView(View[None]):
    """``trouble`` fills it; the watcher tries again every half second, so that it goes away by itself."""

    SCOPE = "opening"

    def body(self) -> ComposeResult:
        """Words only."""
        yield Static(Text("opening the workspace …"), markup=False, id="trouble", classes="words")

    def load(self, services: Any, actor: Any) -> None:
        """Nothing: the watcher opens."""

    def show(self, data: None) -> None:
        """Nothing."""

    def crumbs(self) -> tuple[str, ...]:
        """The product."""
        return ("pilothouse",)

    def trouble(self, words: str) -> None:
        """Say what is wrong and what to do."""
        self.query_one("#trouble", Static).update(
            Text("\n").join(
                [
                    line(Cell("")),
                    line(Cell("✖ This workspace cannot be opened", "bad")),
                    line(Cell("")),
                    Text(safe(words, 2_000)),
                    line(Cell("")),
                    line(
                        Cell("It is tried again every half second. ", "dim"),
                        Cell("q", "strong"),
                        Cell(" leaves.", "dim"),
                    ),
                ]
            )
        )
