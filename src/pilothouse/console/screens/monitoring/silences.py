"""Silences: what is held back, until when, by whom; made and ended here."""

from datetime import timedelta

from textual.app import ComposeResult
from textual.widgets import Static

from pilothouse.console.dialogs import Ask
from pilothouse.console.screens.lists import ListData, TableView, list_data
from pilothouse.console.session.actions import Action
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.tones import line
from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.safe_text import LINE_LIMIT, safe
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.models.dataclass_reader import parse_duration
from pilothouse.domain.outbox.routing import Silence, parse_matchers
from pilothouse.operations.services import Services
from pilothouse.presentation.cells import Cell
from pilothouse.presentation.tables.outbox_rows import silence_table


class SilencesView(TableView[Silence]):
    """``p`` makes a silence, ``ctrl+l`` ends the one under the cursor."""

    SCOPE = "silences"
    TOP = "alerts"
    REGISTRY_ALONE = True

    def body(self) -> ComposeResult:
        yield Grid(id="grid")
        yield Static(markup=False, id="whole", classes="text")

    def crumbs(self) -> tuple[str, ...]:
        return ("alerts", "silences")

    def load(self, services: Services, actor: Actor) -> ListData[Silence]:
        from pilothouse.operations.outbox import silences

        found = silences.list_silences(services, actor)
        return list_data(found, silence_table(found, services.now()), lambda one: one.id)

    def show_selected(self) -> None:
        one = self.record
        text = line(Cell(safe(f"{one.text}: {one.reason}", LINE_LIMIT))) if one else ""
        self.query_one("#whole", Static).update(text)

    def refusal(self, action: Action) -> str:
        return "there is no silence" if action.name == "end" and self.record is None else ""

    def do_place(self) -> None:
        model = next(iter(self.session.models), "flight-delay")
        question = Ask(
            "Hold back which messages?",
            [
                f"Labels and texts, * for any text, then for how long: model={safe(model, 60)} target=us-* 2h",
                "What opens and ends within the silence is told to nobody; what is still open when it ends is told then.",
            ],
            field="what, and how long",
            required=True,
            confirm="say why",
        )
        self.ask(question, self._ask_reason)

    def _ask_reason(self, text: str) -> None:
        *labels, lasts = text.split() or [""]
        try:
            matchers, seconds = parse_matchers(labels), parse_duration(lasts)
        except InvalidInputError as error:
            self.say(str(error), "bad")
            return
        question = Ask(
            f"Hold {safe(' '.join(labels), 200)} back for {safe(lasts, 20)}?",
            ["It is in the audit log, with your reason."],
            field="reason",
            required=True,
            confirm="hold back",
        )

        def operation(services: Services, actor: Actor, reason: str) -> str:
            from pilothouse.operations.outbox import silences

            made = silences.add_silence(services, actor, matchers, timedelta(seconds=seconds), reason)
            fits = silences.reach_of(services, actor, made).text
            return f"silence {made.id} holds {made.text} back until {made.ends_at:%Y-%m-%d %H:%M} UTC; {fits}"

        self.confirm(question, operation)

    def do_end(self) -> None:
        one = self.record
        assert one is not None
        question = Ask(
            f"End silence {one.id} of {one.made_by} now?",
            [safe(f"{one.text}: {one.reason}", LINE_LIMIT), "What it holds is told."],
            field="reason",
            confirm="end it",
            tone="bad",
        )

        def operation(services: Services, actor: Actor, reason: str) -> str:
            from pilothouse.operations.outbox import silences

            silences.end_silence(services, actor, one.id, reason)
            return f"silence {one.id} is ended"

        self.confirm(question, operation)
