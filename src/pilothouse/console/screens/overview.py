"""Every model at a glance, one by one or in groups: health, figures against their reference, waiting requests; below it the
deployments of what the cursor is on, and the reason."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from textual import events
from textual.app import ComposeResult
from textual.widgets import Static

from pilothouse.console.screens.base import View
from pilothouse.console.session.actions import Action
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.tones import line, paragraph
from pilothouse.domain.audit.inventory import open_items_text
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.listing import Query
from pilothouse.domain.monitoring.deployment_groups import DeploymentGroup
from pilothouse.domain.monitoring.monitoring import Health, ModelOverview, TargetState
from pilothouse.operations.services import Services
from pilothouse.presentation.cells import HEALTH, Cell, Tone
from pilothouse.presentation.pages.feed import feed_table, late_text, open_item_cells, waiting_texts
from pilothouse.presentation.tables.fleet_rows import overview_tiles
from pilothouse.presentation.tables.log_rows import contradiction_cells
from pilothouse.presentation.tables.outbox_rows import dead_cells
from pilothouse.presentation.tables.registry_rows import (
    counts_text,
    group_key,
    grouped_table,
    overview_table,
    target_table,
)
from pilothouse.presentation.tables.table import Table
from pilothouse.presentation.texts import counted, place_once

_LOOKED_AT = 150
"""Entries of the log from which the feed is made."""
_SHOWN = 200
"""Deployments that are listed below at most."""


@dataclass(frozen=True)
class Chosen:
    """What the cursor is on: a group, a model, or a model's part in a group."""

    group: str | None = None
    model: str = ""


@dataclass(frozen=True)
class OverviewData:
    """The models, the feed and the requests that wait."""

    models: tuple[ModelOverview, ...]
    lately: Table
    counts: tuple[tuple[Health, int], ...]
    """Number of deployments by health, the worst first."""
    waiting: tuple[str, ...] = ()
    """The requests that wait for the user's signature."""
    reviews: str = ""
    late: str = ""
    """What is open in the inventory of models."""
    contradictions: tuple[str, ...] = ()
    """What anchors and witnesses hold against the audit log."""
    dead: str = ""
    """Receivers of alerts that take nothing for long."""
    groupings: tuple[str, ...] = ()
    """What the models can be grouped by."""
    by: str = ""
    groups: tuple[DeploymentGroup, ...] = ()
    chosen: Chosen = Chosen()
    targets: tuple[TargetState, ...] = ()
    """The worst deployments of what is chosen."""
    total: int = 0
    """Number of all of them."""


class OverviewView(View[OverviewData]):
    """``b`` groups the models, ``z`` folds the group under the cursor."""

    SCOPE = TOP = "overview"
    REGISTRY_ALONE = True

    def __init__(self) -> None:
        super().__init__()
        self.by = ""
        self._folds: dict[tuple[str, str], bool] = {}
        """Whether a group, by grouping and name, was folded (True) or unfolded by the user."""
        self._chosen = Chosen()
        """What the cursor is on; its deployments are loaded with the next data."""
        self._stale = True
        """False where only the cursor has moved since the last load: the models are as they were read."""
        self._read: OverviewData | None = None
        self._seek: Chosen | None = None
        """What the cursor goes to once the next table is shown."""

    def body(self) -> ComposeResult:
        yield Static(markup=False, id="grave", classes="text")
        yield Static(markup=False, id="tiles")
        yield Static(markup=False, id="waiting")
        yield Grid(id="models")
        yield Static(markup=False, id="why")
        yield Grid(id="targets")
        feed = Grid(id="feed")
        feed.can_focus = False
        yield feed

    def crumbs(self) -> tuple[str, ...]:
        return ("overview", f"by {self.by.removeprefix('labels.')}") if self.by else ("overview",)

    # ---- loading

    def load(self, services: Services, actor: Actor) -> OverviewData:
        stale, self._stale = self._stale, False
        if stale or self._read is None:
            self._read = self._load_models(services, actor)
        return self._load_chosen(services, actor, self._read)

    def reload(self) -> None:
        """Load everything again."""
        self._stale = True
        super().reload()

    def _load_models(self, services: Services, actor: Actor) -> OverviewData:
        from pilothouse.operations.dossier import inventory
        from pilothouse.operations.fleet import groups, health
        from pilothouse.operations.outbox import views as outbox
        from pilothouse.operations.promotion import request_lists
        from pilothouse.operations.transparency import contradictions
        from pilothouse.operations.workspace import audits

        now = services.now()
        models = tuple(health.overview(services, actor))
        items = request_lists.waiting_items(services, actor)
        wanted = None if self._shows_all(len(models)) else self._unfolded_by_hand
        return OverviewData(
            models=models,
            lately=feed_table(audits.show(services, actor, limit=_LOOKED_AT), now),
            counts=tuple(health.watch(services, actor).counts.items()),
            contradictions=tuple(contradictions.on_record(services, actor)),
            dead=outbox.dead_channels(services, actor).text,
            reviews=open_items_text(inventory.open_items(services, actor)),
            waiting=waiting_texts(items, now),
            late=late_text(items.late),
            groupings=groups.groupings(services, actor),
            by=self.by,
            groups=tuple(groups.groups(services, actor, self.by, wanted)) if self.by else (),
        )

    def _load_chosen(self, services: Services, actor: Actor, data: OverviewData) -> OverviewData:
        from pilothouse.operations.fleet import health

        chosen = self._chosen
        first = Chosen(data.groups[0].name) if data.by and data.groups else Chosen(None, _first(data.models))
        known = {None, *(group.name for group in data.groups)}
        if (chosen.group is None) is bool(data.by) or chosen.group not in known or chosen == Chosen():
            chosen = first
        where = [(data.by, chosen.group)] if chosen.group is not None else []
        where += [("model", chosen.model)] if chosen.model else []
        if not where:
            return data
        page = health.states_page(services, actor, Query(where=tuple(where), after=_SHOWN))
        return replace(data, chosen=chosen, targets=page.rows, total=page.total or 0)

    @property
    def _unfolded_by_hand(self) -> Collection[str]:
        return {name for (by, name), folded in self._folds.items() if by == self.by and not folded}

    def _shows_all(self, models: int) -> bool:
        """True where all groups' models are needed: to be filtered, or because few are folded at first."""
        return bool(self.filter_text) or self._grid.unhealthy or models <= self.size.height

    def _unfolded(self, data: OverviewData) -> set[str]:
        """Groups that are shown with their models. At first all are folded where there are more models than rows."""
        if self.filter_text or self._grid.unhealthy:
            return {group.name for group in data.groups}
        folded = len(data.models) > self.size.height
        return {g.name for g in data.groups if not self._folds.get((data.by, g.name), folded)}

    # ---- showing

    @property
    def _grid(self) -> Grid:
        return self.query_one("#models", Grid)

    def show(self, data: OverviewData) -> None:
        feed = self.query_one("#feed", Grid)
        feed.begin_at_top()  # no key moves its cursor, which another time may have left on a row further down
        feed.put(data.lately)
        self.query_one("#tiles", Static).update(line(*self._tiles(data, self.size.width)))
        if data.by:
            table = grouped_table(data.groups, data.models, self._unfolded(data), data.by)
        else:
            table = overview_table(data.models)
        self._grid.put(table)
        self._go_to_sought(table)
        grave = self.query_one("#grave", Static)
        grave.display = bool(data.contradictions or data.dead)
        grave.update(
            paragraph(*contradiction_cells(data.contradictions, more="  (:log)  "), *dead_cells(data.dead))
        )
        box = self.query_one("#waiting", Static)
        box.display = bool(data.waiting or data.reviews or data.late)
        box.update(line(*open_item_cells(data.waiting, data.late, data.reviews)))
        self.show_selected()
        self.focus_body()

    def on_resize(self, event: events.Resize) -> None:
        super().on_resize(event)
        if self.data is not None:
            self.query_one("#tiles", Static).update(line(*self._tiles(self.data, event.size.width)))

    def _tiles(self, data: OverviewData, width: int) -> list[Cell]:
        counts: tuple[tuple[str, int, Tone], ...] = (
            ("waiting for you", sum(m.waiting_for_me for m in data.models), "strong"),
            ("alerts", sum(m.open_alerts for m in data.models), "warn"),
            ("jobs", sum(m.unfinished_jobs for m in data.models), "info"),
        )
        return overview_tiles(len(data.models), dict(data.counts), counts, width - 2)

    def _go_to_sought(self, table: Table) -> None:
        """Put the cursor where it is to be after the table was grouped or folded: on the same model, else on
        its group, else on the first row."""
        sought, self._seek = self._seek, None
        if sought is None:
            return
        keys = [row.key for row in table.rows]
        wanted = [_key(sought), *(k for k in keys if sought.model and k.endswith(f"/{sought.model}"))]
        if sought.group is not None:
            wanted.append(group_key(sought.group))
        key = next((key for key in [*wanted, *keys] if key in keys), None)
        if key is not None:
            self._grid.select(key)

    def show_selected(self) -> None:
        data, chosen = self.data, self._under_cursor
        if data is None or chosen is None:
            self.query_one("#why", Static).update("")
            return
        self.query_one("#why", Static).update(line(*self._why(data, chosen)))
        if data.chosen == chosen:  # else the rows before stay until those of this one are there
            self.query_one("#targets", Grid).put(
                target_table(data.targets, with_model=chosen.group is not None and not chosen.model)
            )
        if self._chosen != chosen:
            self._chosen = chosen
            if data.chosen != chosen:
                super().reload()

    def _why(self, data: OverviewData, chosen: Chosen) -> list[Cell]:
        more = f"   (the worst {_SHOWN} of {data.total:,})" if data.total > _SHOWN else ""
        after = Cell(more if data.chosen == chosen else "", "dim")
        model = self.selected
        if chosen.group is not None:
            group = next(group for group in data.groups if group.name == chosen.group)
            if model is None:
                glyph, tone = HEALTH[group.health]
                name = safe(group.name) or f"no {data.by}"
                targets = f"{counted(group.targets, 'target')}, {counts_text(group.counts)}"
                return [
                    Cell(f"{glyph} {name} ({targets}): ", tone),
                    Cell(safe(place_once(group.why)) or "nothing to say"),
                    after,
                ]
        if model is None:
            return []
        health, why = model.health, place_once(model.why)
        if chosen.group is not None and data.chosen == chosen and data.targets:
            health, why = (
                data.targets[0].health,
                place_once(f"{data.targets[0].target}: {data.targets[0].why}"),
            )
        glyph, tone = HEALTH[health]
        hold = "   ‖ automatic deployment is held" if model.holds else ""
        return [
            Cell(f"{glyph} {safe(model.model)}: ", tone),
            Cell(safe(why) or "nothing to say"),
            Cell(hold, "warn"),
            after,
        ]

    @property
    def _under_cursor(self) -> Chosen | None:
        key = self._grid.key
        if self.data is None or key is None:
            return None
        if not self.data.by:
            return Chosen(None, key)
        for group in self.data.groups:
            if key == group_key(group.name):
                return Chosen(group.name)
            if key.startswith(f"{group_key(group.name)}/"):
                return Chosen(group.name, key.removeprefix(f"{group_key(group.name)}/"))
        return None

    @property
    def selected(self) -> ModelOverview | None:
        chosen = self._under_cursor
        if self.data is None or chosen is None:
            return None
        return next((m for m in self.data.models if m.model == chosen.model), None)

    @property
    def record(self) -> ModelOverview | DeploymentGroup | None:
        """The model or the group under the cursor."""
        chosen = self._under_cursor
        if self.data is None or chosen is None or chosen.model:
            return self.selected
        return next((group for group in self.data.groups if group.name == chosen.group), None)

    def copy_text(self) -> str:
        model = self.subject_model()
        return model if model and not self._grid.marked else super().copy_text()

    def subject_model(self) -> str:
        model = self.selected
        return model.model if model else ""

    def refusal(self, action: Action) -> str:
        chosen = self._under_cursor
        if action.name in ("inbox", "fleet"):
            return ""
        if action.name == "group":
            known = self.data is None or self.data.groupings
            return "" if known else "no target has a region, product, business unit, environment or label"
        if chosen is None:
            return "there is no model yet"
        if action.name == "fold":
            return "" if chosen.group is not None else "the models are not grouped: b groups them"
        if self.selected is None and action.name != "open":
            return "this is a group: choose a model"
        return ""

    def do_group(self) -> None:
        """Group the models by the next property of their targets, or not at all; the cursor stays on its model."""
        ways = ("", *(self.data.groupings if self.data else ()))
        self.by = ways[(ways.index(self.by) + 1) % len(ways)] if self.by in ways else ""
        self._seek = Chosen(None, self.subject_model())
        self._chosen = Chosen()
        self._grid.forget_sort()
        self.invalidate()

    def do_fold(self) -> None:
        """Fold or unfold the group that the cursor is in."""
        chosen = self._under_cursor
        if self.data is None or chosen is None or chosen.group is None:
            return
        folds = chosen.group in self._unfolded(self.data)
        self._folds[self.by, chosen.group] = folds
        self._seek = Chosen(chosen.group)
        group = next(group for group in self.data.groups if group.name == chosen.group)
        if folds or group.members is not None:
            self.show(self.data)
        else:
            self.reload()

    def _apply_filter(self) -> None:
        """Filter; with a filter every group shows its models."""
        super()._apply_filter()
        if self.by:
            self.reload()

    def do_unhealthy(self) -> None:
        super().do_unhealthy()
        if self.by:
            self.reload()

    def do_open(self) -> None:
        if self.selected is None:
            self.do_fold()
        else:
            shown = self.data.targets if self.data and self.data.chosen == self._under_cursor else ()
            self.open_view("monitor", self.subject_model(), *(state.target for state in shown[:1]))

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


def _first(models: tuple[ModelOverview, ...]) -> str:
    return models[0].model if models else ""


def _key(chosen: Chosen) -> str:
    if chosen.group is None:
        return chosen.model
    return group_key(chosen.group) + (f"/{chosen.model}" if chosen.model else "")
