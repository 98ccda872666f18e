"""One incident: what it is and costs, its alerts, what to do next, its story."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from textual.app import ComposeResult

from pilothouse.console.screens.monitoring import incident_actions
from pilothouse.console.screens.page import PageView
from pilothouse.console.session.actions import Action
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.pager import Pager
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.models.version_stage import Standing
from pilothouse.domain.monitoring.incidents import Incident
from pilothouse.domain.records import Alert, Job
from pilothouse.operations.services import Services
from pilothouse.presentation.tables.incidents import incident_head, incident_story, member_table

_MEMBERS = 6
"""Alerts that are visible at once; the list scrolls."""


@dataclass(frozen=True)
class IncidentData:
    """The incident, the trainings that it started, and where the versions that these made stand, by number."""

    incident: Incident
    jobs: tuple[Job, ...]
    standings: Mapping[int, Standing]


class IncidentView(PageView[IncidentData]):
    """Head, a list of its alerts with a cursor, the story. Enter or ``w`` explains an alert."""

    SCOPE = "incident"
    TOP = "alerts"
    RECORD_NAME = "an incident"

    def body(self) -> ComposeResult:
        """The cursor is in the list; the texts fit 80×24 without one (Tab goes to the longer one)."""
        head = Pager(id="head")
        head.can_focus = False
        yield head
        yield Grid(id="members")
        yield Pager(id="story")

    def crumbs(self) -> Sequence[str]:
        if self.data is None:
            return ("alerts", f"incident {self.number}")
        return ("alerts", f"incident {self.number} {self.data.incident.model}")

    def load(self, services: Services, actor: Actor) -> IncidentData:
        from pilothouse.operations import catalogue
        from pilothouse.operations.alerts import incidents

        incident = incidents.get_incident(services, actor, self.record_number())
        jobs = tuple(incidents.retrainings(services, actor, incident))
        numbers = [job.version for job in jobs if job.version is not None]
        return IncidentData(incident, jobs, catalogue.standings(services, actor, incident.model, numbers))

    def show(self, data: IncidentData) -> None:
        self.query_one("#head", Pager).put(incident_head(data.incident))
        members = member_table(data.incident)
        grid = self.query_one("#members", Grid)
        grid.styles.height = min(len(members.rows), _MEMBERS) + 2
        grid.put(members)
        self.query_one("#story", Pager).put(incident_story(data.incident, data.jobs, data.standings))
        if self.focused is None:
            grid.focus()

    @property
    def selected(self) -> Alert | None:
        key = self.query_one("#members", Grid).key
        return next((a for a in self.data.incident.alerts if str(a.id) == key), None) if self.data else None

    def subject_model(self) -> str:
        return self.data.incident.model if self.data else ""

    def refusal(self, action: Action) -> str:
        return incident_actions.refusal(action.name, self.data.incident if self.data else None)

    def do_open(self) -> None:
        if alert := self.selected:
            self.open_view("alert", alert.id)

    def do_acknowledge(self) -> None:
        if self.data:
            incident_actions.acknowledge(self, [self.data.incident])

    def do_resolve(self) -> None:
        if self.data:
            incident_actions.resolve(self, [self.data.incident])

    def do_assign(self) -> None:
        if self.data:
            incident_actions.assign(self, [self.data.incident])

    def do_monitor(self) -> None:
        if alert := self.selected:
            self.open_view("monitor", alert.model, alert.target)

    def do_job(self) -> None:
        if self.data and self.data.incident.retrainings:
            self.open_view("job", self.data.incident.retrainings[-1])
