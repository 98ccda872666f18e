"""Views by name: parsing and completing ``:`` commands, and the history of views."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pilothouse.domain.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class ViewName:
    """A view: its class, the top view that it opens below, its arguments."""

    name: str
    implementation: str
    """``module:Class`` below ``console.screens``."""
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
        ViewName("models", "models.models:ModelsView", "models"),
        ViewName("inventory", "models.inventory:InventoryView", "models", aliases=("reviews",)),
        ViewName("versions", "models.versions:VersionsView", "models", ("MODEL",)),
        ViewName("version", "models.version:VersionView", "models", ("MODEL/NUMBER",), ("PAGE",)),
        ViewName(
            "compare",
            "models.compare:CompareView",
            "models",
            ("MODEL/NUMBER", "MODEL/NUMBER"),
            aliases=("diff",),
        ),
        ViewName("lineage", "models.lineage:LineageView", "models", ("MODEL/NUMBER",), aliases=("xray",)),
        ViewName(
            "approvals", "promotion.approvals:ApprovalsView", "approvals", aliases=("inbox", "requests")
        ),
        ViewName(
            "evidence", "promotion.evidence:EvidenceView", "approvals", ("REQUEST",), aliases=("request",)
        ),
        ViewName(
            "monitor",
            "monitoring.monitor:MonitorScreen",
            "monitor",
            (),
            ("MODEL", "TARGET", "BESIDE"),
            ("mon",),
        ),
        ViewName("rejected", "monitoring.rejected:RejectedView", "monitor"),
        ViewName(
            "prediction",
            "monitoring.prediction:PredictionView",
            "monitor",
            ("ID|TRACE",),
            aliases=("event", "trace"),
        ),
        ViewName("outcomes", "monitoring.outcomes:OutcomesView", "monitor", (), ("WHICH",)),
        ViewName("jobs", "work.jobs:JobsView", "jobs", (), ("STATUS",)),
        ViewName("job", "work.job:JobView", "jobs", ("JOB",), aliases=("logs",)),
        ViewName("trials", "models.trials:TrialsView", "jobs", (), ("JOB",), ("search",)),
        ViewName("runs", "models.notebook_runs:NotebookRunsView", "jobs", (), ("MODEL",)),
        ViewName("run", "models.notebook_runs:NotebookRunView", "jobs", ("RUN",)),
        ViewName("replay", "models.replay:ReplayView", "jobs", ("JOB",)),
        ViewName("train", "models.train:TrainView", "train", (), ("MODEL",)),
        ViewName(
            "deployments",
            "monitoring.deployments:DeploymentsView",
            "deployments",
            (),
            ("MODEL",),
            ("deploy",),
        ),
        ViewName("history", "monitoring.history:HistoryView", "deployments", (), ("MODEL",)),
        ViewName("fleet", "monitoring.fleet:FleetView", "deployments"),
        ViewName("rollouts", "promotion.rollouts:RolloutsView", "deployments", (), ("MODEL",)),
        ViewName("rollout", "promotion.rollout:RolloutPage", "deployments", ("ROLL-OUT",)),
        ViewName("alerts", "monitoring.alerts:AlertsView", "alerts", (), ("MODEL",), ("incidents",)),
        ViewName("outbox", "monitoring.outbox:OutboxView", "alerts", aliases=("messages",)),
        ViewName("silences", "monitoring.silences:SilencesView", "alerts"),
        ViewName("incident", "monitoring.incident:IncidentView", "alerts", ("INCIDENT",)),
        ViewName("alert", "monitoring.alert:AlertView", "alerts", ("ALERT",), aliases=("why",)),
        ViewName("schedules", "work.schedules:SchedulesView", "schedules"),
        ViewName("triggers", "work.triggers:TriggersView", "schedules", (), ("MODEL",), ("automation",)),
        ViewName("audit", "auditing.audit:AuditView", "audit", (), ("TEXT",)),
        ViewName("entry", "auditing.entry:EntryView", "audit", ("SEQ",)),
        ViewName(
            "log",
            "auditing.transparency_log:TransparencyLogView",
            "audit",
            aliases=("transparency", "anchors"),
        ),
        ViewName("legal-holds", "auditing.legal_holds:HoldsView", "audit", aliases=("holds",)),
        ViewName("affected", "monitoring.affected:AffectedView", "models", ("MODEL/NUMBER|DIGEST",)),
    )
}
COMMANDS = ("help", "pause", "resume", "quit", "at", "now")
"""Commands that are no view."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A view with its arguments."""

    view: str
    arguments: tuple[str, ...] = ()


@dataclass
class History:
    """The history of views. ``position`` is the one on the screen, ``before`` the view that was there before."""

    destinations: list[Destination] = field(default_factory=list)
    position: int = -1
    before: Destination | None = None
    KEPT = 100

    @property
    def now(self) -> Destination | None:
        """The view on the screen."""
        return self.destinations[self.position] if self.destinations else None

    def visit(self, destination: Destination) -> None:
        """Append a destination; those ahead of the present one are dropped, as in a browser."""
        if destination == self.now:
            return
        self.before = self.now
        self.destinations = [*self.destinations[: self.position + 1], destination][-self.KEPT :]
        self.position = len(self.destinations) - 1

    def step(self, steps: int) -> Destination | None:
        """Go back or forward; None where there is nothing."""
        if not 0 <= self.position + steps < len(self.destinations):
            return None
        self.before = self.now
        self.position += steps
        return self.now


def parse_command(
    text: str,
    aliases: Mapping[str, str] | None = None,
    models: tuple[str, ...] = (),
    targets: tuple[str, ...] = (),
) -> Destination | str:
    """A destination, or one of COMMANDS. Names of views, models, targets and states may be abbreviated; ``aliases`` are the
    user's.

    Raises InvalidInputError with the usage, or with the candidates where an abbreviation is ambiguous.
    """
    name, *arguments = text.split() or [""]
    if aliases and name in aliases:
        name, *arguments = [*aliases[name].split(), *arguments]
    name = name.casefold()
    if name in COMMANDS or name in ("q", "q!"):
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
    names = (*view.required, *view.optional)
    options = _options(models, targets)
    return Destination(
        view.name,
        tuple(_completed(text, options.get(name, ())) for name, text in zip(names, arguments, strict=False)),
    )


def _options(models: tuple[str, ...], targets: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The known values of each argument."""
    from pilothouse.domain.jobs.jobs import JobStatus

    versions = tuple(f"{model}/" for model in models)
    return {
        "MODEL": models,
        "MODEL/NUMBER": versions,
        "MODEL/NUMBER|DIGEST": versions,
        "TARGET": targets,
        "WHICH": ("waiting", "conflicts"),
        "STATUS": tuple(status.replace(" ", "-") for status in JobStatus),
    }


def _completed(text: str, names: tuple[str, ...]) -> str:
    """The one of ``names`` that ``text`` abbreviates, else ``text``; of ``flight/3`` the model is completed. Raises
    InvalidInputError where several match."""
    versions = any(name.endswith("/") for name in names)
    if text == "all" or (versions and "/" not in text):
        return text
    begun, slash, number = text.partition("/") if versions else (text, "", "")
    names = tuple(name.removesuffix("/") for name in names)
    matches = [name for name in names if name.startswith(begun)]
    if begun in names or not matches:
        return text
    if len(matches) > 1:
        raise InvalidInputError(f"{begun!r} is the beginning of {', '.join(matches)}: type more of it")
    return f"{matches[0]}{slash}{number}"


def completions(
    text: str, models: tuple[str, ...], targets: tuple[str, ...], aliases: tuple[str, ...] = ()
) -> list[str]:
    """Every whole command that begins with ``text``, in the order of views, models, targets, states."""
    *before, last = text.split(" ")
    if not before:
        names = (*VIEWS, *COMMANDS, *aliases)
        return [name for name in names if name.startswith(last.casefold()) and name != last]
    name = before[0].casefold()
    view = VIEWS.get(name) or next((v for v in VIEWS.values() if name in v.aliases), None)
    if view is None:
        return []
    names = (*view.required, *view.optional)
    position = len(before) - 1
    if position >= len(names):
        return []
    options = _options(models, targets).get(names[position], ())
    return [" ".join([*before, option]) for option in options if option.startswith(last) and option != last]
