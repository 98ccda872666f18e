"""The screen until the workspace is open: what is wrong, and what to do."""

from typing import Any

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.widgets import Static

from pilothouse.console.screens.base import View
from pilothouse.console.widgets.tones import line
from pilothouse.domain.formats.safe_text import safe, safe_block
from pilothouse.presentation.cell import Cell


class OpeningView(View[None]):
    """``trouble`` fills it. The watcher tries again every half second, so that it goes away by itself."""

    SCOPE = "opening"
    PROMPT_LATER = True

    def body(self) -> ComposeResult:
        yield Static(Text("opening the workspace …"), markup=False, id="trouble", classes="text")

    def on_mount(self) -> None:
        """Show a fault of the user's configuration first."""
        super().on_mount()
        if self.app.fault:
            self._say_fault(self.app.fault)

    def load(self, services: Any, actor: Any) -> None:
        """Nothing: the watcher opens the workspace."""

    def show(self, data: None) -> None:
        """Nothing."""

    def crumbs(self) -> tuple[str, ...]:
        return ("pilothouse",)

    def trouble(self, message: str) -> None:
        if not self.app.fault:
            self._put(
                "✖ This workspace cannot be opened", message,
                [Cell("It is tried again every half second. ", "dim"), Cell("q", "strong"), Cell(" leaves.", "dim")],
            )  # fmt: skip

    def upgrading(self, done: int, total: int) -> None:
        """Show how many rows of how many are brought to this release."""
        from pilothouse.presentation.cells import progress_bar  # the first frame does without it

        if self.app.fault:
            return
        parts = [
            Text("opening the workspace …"),
            line(),
            line(
                Cell(f"{progress_bar(done / max(total, 1), 30)}  ", "info"),
                Cell(f"{done:,} of {total:,} rows"),
            ),
            Text("are brought to this release. It is done once."),
            line(),
            line(
                Cell("q", "strong"),
                Cell(" leaves: the workspace stays as it was, and the next start begins again.", "dim"),
            ),
        ]
        self.query_one("#trouble", Static).update(Text("\n").join(parts))

    def _say_fault(self, message: str) -> None:
        self._put(
            "✖ The console's configuration is not valid", message,
            [Cell("Enter", "strong"), Cell(" opens the console without it.  ", "dim"),
             Cell("q", "strong"), Cell(" leaves.", "dim")],
        )  # fmt: skip

    def _put(self, title: str, message: str, keys: list[Cell]) -> None:
        parts = [line(Cell("")), line(Cell(title, "bad")), line(Cell(""))]
        parts += [Text(safe(part, 400)) for part in safe_block(message, 2_000).split("\n")[:12]]
        self.query_one("#trouble", Static).update(Text("\n").join([*parts, line(Cell("")), line(*keys)]))

    def on_key(self, event: events.Key) -> None:
        """Enter continues without the configuration."""
        super().on_key(event)
        if self.app.fault and event.key == "enter":
            event.stop()
            self.app.fault = ""
            self.query_one("#trouble", Static).update(Text("opening the workspace …"))
            self.app.look()
