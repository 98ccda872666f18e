"""Outbox: messages to receivers, newest first, and how each receiver takes them."""

from dataclasses import dataclass

from textual.app import ComposeResult
from textual.widgets import Static

from pilothouse.console.dialogs import Ask
from pilothouse.console.screens.lists import WINDOW, ListData, TableView
from pilothouse.console.session.actions import Action
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.tones import paragraph
from pilothouse.domain.formats.safe_text import LINE_LIMIT, safe
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.outbox.deliveries import DeliveryState, Outgoing
from pilothouse.operations.services import Services
from pilothouse.presentation.cells import Cell
from pilothouse.presentation.tables.outbox_rows import error_text, health_text, outbox_table
from pilothouse.presentation.texts import counted

_FIRST = {"bad": 0, "warn": 1}


@dataclass(frozen=True)
class OutboxData(ListData[Outgoing]):
    """Messages by number; how receivers take them, in words; what the message under the cursor last met, by number."""

    receivers: tuple[Cell, ...] = ()
    waiting: int = 0
    errors: dict[str, str] | None = None
    names: tuple[str, ...] = ()


class OutboxView(TableView[Outgoing]):
    """``t`` sends a test to every receiver, ``r`` tries a message again that was given up, ``s`` shows silences."""

    SCOPE = "outbox"
    TOP = "alerts"
    REGISTRY_ALONE = True

    def body(self) -> ComposeResult:
        yield Static(markup=False, id="receivers", classes="text")
        yield Grid(id="grid")
        yield Static(markup=False, id="whole", classes="text")

    def crumbs(self) -> tuple[str, ...]:
        return ("alerts", "outbox")

    def load(self, services: Services, actor: Actor) -> OutboxData:
        from pilothouse.operations.outbox import views

        box = views.outbox(services, actor, limit=WINDOW)
        receivers = [
            health_text(one.name, box.health.get(one.name), box.now, box.unsent.get(one.name, ""))
            for one in box.receivers
        ]
        receivers.sort(
            key=lambda cell: _FIRST.get(cell.tone, len(_FIRST))
        )  # the bad ones: there may not be room for all
        parted = [
            cell
            for number, one in enumerate(receivers)
            for cell in ((Cell("  ·  ", "dim"), one) if number else (one,))
        ]
        return OutboxData(
            {str(one.id): one for one in box.messages},
            outbox_table(box.messages, box.now),
            tuple(parted) or (Cell(views.NO_RECEIVERS, "dim"),),
            len(box.lines),
            {str(one.id): error_text(one, box.now) for one in box.messages},
            tuple(one.name for one in box.receivers),
        )

    def show(self, data: ListData[Outgoing]) -> None:
        super().show(data)
        assert isinstance(data, OutboxData)
        self.query_one("#receivers", Static).update(paragraph(*data.receivers))
        self.show_selected()

    def show_selected(self) -> None:
        one, data = self.record, self.data
        cells = []
        if one is not None and isinstance(data, OutboxData):
            cells.append(Cell(safe(str(one.message.get("title", "")), LINE_LIMIT)))
            if error := (data.errors or {}).get(str(one.id)):
                cells.append(Cell(f"  {safe(error, LINE_LIMIT)}", "bad"))
        self.query_one("#whole", Static).update(paragraph(*cells))

    def notes(self) -> list[str]:
        waiting = self.data.waiting if isinstance(self.data, OutboxData) else 0
        return [*super().notes(), *([f"{waiting:,} to be told later"] if waiting else [])]

    def refusal(self, action: Action) -> str:
        if action.name == "silences":
            return ""
        if action.name == "test":
            described = isinstance(self.data, OutboxData) and self.data.names
            return "" if described else "no receivers are described in alerts.toml"
        if self.record is None:
            return "there is no message"
        is_dead = self.record.state is DeliveryState.DEAD
        return (
            ""
            if is_dead
            else f"message {self.record.id} is {self.record.state}: only a dead one is tried again"
        )

    def do_test(self) -> None:
        names = ", ".join(self.data.names) if isinstance(self.data, OutboxData) else ""
        question = Ask(
            "Send a test to every receiver?",
            [f"To {safe(names, LINE_LIMIT)}: nothing has happened."],
            confirm="send",
        )

        def operation(services: Services, actor: Actor, _: str) -> str:
            from pilothouse.operations.outbox import views

            return f"on their way: {counted(len(views.add_test(services, actor)), 'test message')}"

        self.confirm(question, operation)

    def do_again(self) -> None:
        one = self.record
        assert one is not None
        question = Ask(
            f"Send message {one.id} to {one.receiver} again?",
            [
                safe(str(one.message.get("title", "")), LINE_LIMIT),
                f"It was given up: {safe(one.error, LINE_LIMIT)}",
            ],
            confirm="send",
        )

        def operation(services: Services, actor: Actor, _: str) -> str:
            from pilothouse.operations.outbox import views

            views.send_again(services, actor, one.id)
            return f"message {one.id} is on its way again"

        self.confirm(question, operation)

    def do_silences(self) -> None:
        self.open_view("silences")
