"""Views by name: what ``:`` understands, what it completes, and how to get there."""

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pilothouse.domain.errors import InvalidInputError

if TYPE_CHECKING:
    from pilothouse.console.app import Console
    from pilothouse.console.screens.base import View


@dataclass(frozen=True, slots=True)
class ViewName:
    """A view: where its class is, below which top view it opens, and which arguments it takes."""

    name: str
    place: str
    top: str
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """``monitor [MODEL] [TARGET]``."""
        return " ".join([self.name, *self.required, *(f"[{name}]" for name in self.optional)])


VIEWS: dict[str, ViewName] = {
    view.name: view
    for view in (
        ViewName("overview", "overview:OverviewView", "overview", aliases=("pulse", "home")),
        ViewName("models", "models:ModelsView", "models"),
        ViewName("versions", "versions:VersionsView", "models", ("MODEL",)),
        ViewName("version", "version:VersionView", "models", ("MODEL/NUMBER",), ("PAGE",)),
        ViewName(
            "compare", "compare:CompareView", "models", ("MODEL/NUMBER", "MODEL/NUMBER"), aliases=("diff",)
        ),
        ViewName("lineage", "lineage:LineageView", "models", ("MODEL/NUMBER",), aliases=("xray",)),
        ViewName("approvals", "approvals:ApprovalsView", "approvals", aliases=("inbox", "requests")),
        ViewName("evidence", "evidence:EvidenceView", "approvals", ("REQUEST",), aliases=("request",)),
        ViewName("monitor", "monitor:MonitorView_", "monitor", (), ("MODEL", "TARGET", "BESIDE"), ("mon",)),
        ViewName("rejected", "rejected:RejectedView", "monitor"),
        ViewName("jobs", "jobs:JobsView", "jobs", (), ("STATUS",)),
        ViewName("job", "job:JobView", "jobs", ("JOB",), aliases=("log",)),
        ViewName("train", "train:TrainView", "train", (), ("MODEL",)),
        ViewName("deployments", "deployments:DeploymentsView", "deployments", (), ("MODEL",), ("deploy",)),
        ViewName("fleet", "fleet:FleetView", "deployments"),
        ViewName("alerts", "alerts:AlertsView", "alerts", (), ("MODEL",)),
        ViewName("alert", "alert:AlertView", "alerts", ("ALERT",)),
        ViewName("schedules", "schedules:SchedulesView", "schedules"),
        ViewName("audit", "audit:AuditView", "audit", (), ("TEXT",)),
        ViewName("entry", "entry:EntryView", "audit", ("SEQ",)),
        ViewName("affected", "affected:AffectedView", "models", ("MODEL/NUMBER|DIGEST",)),
    )
}
WORDS = ("help", "pause", "resume", "quit", "at", "now")
"""Commands that are no view."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A view with its arguments."""

    view: str
    arguments: tuple[str, ...] = ()


def parse_command(text: str) -> Destination | str:
    """A destination, or one of WORDS. Raises InvalidInputError with the usage."""
    name, *arguments = text.split() or [""]
    name = name.casefold()
    if name in WORDS or name in ("q", "q!"):
        return "quit" if name.startswith("q") else name
    view = next((v for v in VIEWS.values() if name == v.name or name in v.aliases), None)
    if view is None:
        candidates = [v for v in VIEWS.values() if name and v.name.startswith(name)]
        if not candidates:
            shown = name if len(name) <= 20 else f"{name[:19]}…"
            raise InvalidInputError(f"there is no view {shown!r}: try {', '.join(VIEWS)}")
        view = candidates[0]
    if not len(view.required) <= len(arguments) <= len(view.required) + len(view.optional):
        raise InvalidInputError(f"expected :{view.usage}")
    return Destination(view.name, tuple(arguments))


def complete(text: str, models: tuple[str, ...], targets: tuple[str, ...]) -> str | None:
    """The whole command that ``text`` is the beginning of, or None."""
    *before, last = text.split(" ")
    if not before:
        return next(
            (name for name in (*VIEWS, *WORDS) if name.startswith(last.casefold()) and name != last), None
        )
    view = VIEWS.get(before[0].casefold())
    if view is None:
        return None
    names = (*view.required, *view.optional)
    position = len(before) - 1
    if position >= len(names):
        return None
    options = {"MODEL": models, "MODEL/NUMBER": tuple(f"{m}/" for m in models), "TARGET": targets}.get(
        names[position], ()
    )
    found = next((option for option in options if option.startswith(last) and option != last), None)
    return " ".join([*before, found]) if found else None


def make(destination: Destination) -> "View[Any]":
    """The screen of a destination. Its module is imported here, not before."""
    module, _, name = VIEWS[destination.view].place.partition(":")
    screen: View[Any] = getattr(importlib.import_module(f"pilothouse.console.screens.{module}"), name)(
        *destination.arguments
    )
    return screen


async def go(app: "Console", to: Destination | str) -> None:
    """Show a destination: its top view's mode, and the view above it where it is not the top view itself."""
    if isinstance(to, str):
        if app.time_travel.understands(to):
            app.time_travel.command(to)
            return
        {"help": app.view.do_help, "quit": app.do_leave}.get(to, app.do_pause)()
        return
    top = VIEWS[to.view].top
    if app.current_mode != top:
        await app.switch_mode(top)
    while len(app.screen_stack) > 1:
        await app.pop_screen()
    if to.view != top:
        await app.push_screen(make(to))
    elif to.arguments:
        app.view.set_arguments(*to.arguments)
