"""Every model at a glance: health, figures against their reference, waiting requests; below it the targets and the reason."""

from dataclasses import dataclass

from textual.app import ComposeResult
from textual.widgets import Static

from pilothouse.console.screens.base import View
from pilothouse.console.session.actions import Action
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.tones import line
from pilothouse.domain.monitoring import Health, ModelOverview, TargetState
from pilothouse.domain.roles import Actor
from pilothouse.domain.safe_text import safe
from pilothouse.operations.services import Services
from pilothouse.presentation.cells import HEALTH, Cell, Tone
from pilothouse.presentation.pages.feed import feed_table, waiting_text
from pilothouse.presentation.tables.registry_rows import overview_table, target_table
from pilothouse.presentation.tables.table import Table

_LOOKED_AT = 150
"""Entries of the log from which the feed is made."""


@dataclass(frozen=True)
class OverviewData:
    """The models, the feed and the requests that wait."""

    models: tuple[ModelOverview, ...]
    lately: Table
    waiting: tuple[str, ...] = ()
    """The requests that wait for the user's signature."""
    model: str = ""
    """The model whose deployments are shown below."""
    targets: tuple[TargetState, ...] = ()
    unwatched: str = ""


class OverviewView(View[OverviewData]):
    SCOPE = TOP = "overview"
    REGISTRY_ALONE = True

    def __init__(self) -> None:
        super().__init__()
        self._chosen = ""
        """The model under the cursor, whose deployments are loaded with the next data."""

    def body(self) -> ComposeResult:
        yield Static(markup=False, id="tiles")
        yield Static(markup=False, id="waiting")
        yield Grid(id="models")
        yield Static(markup=False, id="why")
        yield Grid(id="targets")
        feed = Grid(id="feed")
        feed.can_focus = False
        yield feed

    def load(self, services: Services, actor: Actor) -> OverviewData:
        from pilothouse.operations.fleet import health
        from pilothouse.operations.promotion import promotions
        from pilothouse.operations.workspace import audits

        lately = audits.show(services, actor, limit=_LOOKED_AT)
        now = services.now()
        waiting = tuple(waiting_text(request, now) for request in promotions.waiting_for(services, actor))
        models = tuple(health.overview(services, actor))
        names = [model.model for model in models]
        chosen = self._chosen if self._chosen in names else next(iter(names), "")
        return OverviewData(
            models,
            feed_table(lately, now),
            waiting,
            chosen,
            tuple(health.target_states(services, actor, chosen)) if chosen else (),
            health.watch(services, actor).unwatched,
        )

    def show(self, data: OverviewData) -> None:
        self.query_one("#feed", Grid).put(data.lately)
        self.query_one("#tiles", Static).update(line(*_tiles(data.models)))
        self.query_one("#models", Grid).put(overview_table(data.models))
        box = self.query_one("#waiting", Static)
        box.display = bool(data.waiting)
        box.update(line(Cell("◆ waits for you (i): ", "strong"), Cell(" · ".join(data.waiting))))
        self.show_selected()
        self.focus_body()

    def show_selected(self) -> None:
        model = self.selected
        if model is None:
            self.query_one("#why", Static).update("")
            return
        glyph, tone = HEALTH[model.health]
        hold = "   ‖ automatic deployment is held" if model.holds else ""
        self.query_one("#why", Static).update(
            line(
                Cell(f"{glyph} {safe(model.model)}: ", tone),
                Cell(safe(model.why) or "nothing to say"),
                Cell(hold, "warn"),
            )
        )
        assert self.data is not None
        self.query_one("#targets", Grid).put(
            target_table(self.data.targets if self.data.model == model.model else ())
        )
        if self._chosen != model.model:
            self._chosen = model.model
            if self.data.model != model.model:
                self.reload()

    @property
    def selected(self) -> ModelOverview | None:
        key = self.query_one("#models", Grid).key
        return next((m for m in self.data.models if m.model == key), None) if self.data else None

    def subject_model(self) -> str:
        model = self.selected
        return model.model if model else ""

    def refusal(self, action: Action) -> str:
        if action.name not in ("inbox", "fleet") and self.selected is None:
            return "there is no model yet"
        return ""

    def do_open(self) -> None:
        self.open_view("monitor", self.subject_model())

    def do_versions(self) -> None:
        self.open_view("versions", self.subject_model())

    def do_train(self) -> None:
        self.open_view("train", self.subject_model())

    def do_alerts(self) -> None:
        self.open_view("alerts", self.subject_model())

    def do_fleet(self) -> None:
        self.open_view("fleet")

    def do_inbox(self) -> None:
        self.open_view("approvals")


def _tiles(models: tuple[ModelOverview, ...]) -> list[Cell]:
    """``2 models   ✖ 1 critical   ● 1 healthy   waiting for you 1   alerts 3   jobs 1``: the most important first, since it
    may be cut."""
    cells = [Cell(f"{len(models)} model{'' if len(models) == 1 else 's'}", "strong")]
    for health in Health:
        count = sum(m.health is health for m in models)
        if count:
            glyph, tone = HEALTH[health]
            cells += [Cell("   "), Cell(f"{glyph} {count} {health}", tone)]
    counts: tuple[tuple[str, int, Tone], ...] = (
        ("waiting for you", sum(m.waiting_for_me for m in models), "strong"),
        ("alerts", sum(m.open_alerts for m in models), "warn"),
        ("jobs", sum(m.unfinished_jobs for m in models), "info"),
    )
    for name, count, tone in counts:
        cells += [Cell("   "), Cell(f"{name} ", "dim"), Cell(str(count), tone if count else "dim")]
    return cells
