"""One incident: what it is and costs, its alerts, what to do next, what happened so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.app import ComposeResult

from pilothouse.console.screens import incident_actions
from pilothouse.console.screens.base import View
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.pager import Pager
from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.incidents import Incident
from pilothouse.domain.records import Alert, Job
from pilothouse.domain.roles import Actor
from pilothouse.presentation.tables.incidents import incident_head, incident_story, member_table

if TYPE_CHECKING:
    from pilothouse.console.session.actions import Action
    from pilothouse.operations.services import Services

_MEMBERS = 6
"""Alerts that are shown at once; the list scrolls."""


@dataclass(frozen=True)
class Shown:
    """The incident and the trainings that it started."""

    incident: Incident
    jobs: tuple[Job, ...]


class IncidentView(View[Shown]):
    """Head, a list of its alerts with a cursor, the story; Enter or ``w`` explains an alert."""

    SCOPE = "incident"
    TOP = "alerts"

    def __init__(self, number: str) -> None:
        super().__init__()
        self.number = number

    def body(self) -> ComposeResult:
        """The cursor is in the list; the texts need none to be read at 80×24 (Tab goes to the longer one)."""
        head = Pager(id="head")
        head.can_focus = False
        yield head
        yield Grid(id="members")
        yield Pager(id="story")

    def crumbs(self) -> Sequence[str]:
        """alerts › incident 4 flight-delay."""
        if self.data is None:
            return ("alerts", f"incident {self.number}")
        return ("alerts", f"incident {self.number} {self.data.incident.model}")

    def load(self, services: "Services", actor: Actor) -> Shown:
        """The incident, and what came of it."""
        from pilothouse.operations.alerts import incidents

        if not self.number.isdecimal():
            raise InvalidInputError(f"{self.number!r} is not the number of an incident: :alerts lists them")
        incident = incidents.get_incident(services, actor, int(self.number))
        jobs = tuple(incidents.retrainings(services, actor, incident))
        return Shown(incident, jobs)

    def show(self, data: Shown) -> None:
        """Paint all parts."""
        self.query_one("#head", Pager).put(incident_head(data.incident))
        members = member_table(data.incident)
        grid = self.query_one("#members", Grid)
        grid.styles.height = min(len(members.rows), _MEMBERS) + 2
        grid.put(members)
        self.query_one("#story", Pager).put(incident_story(data.incident, data.jobs))
        if self.focused is None:
            grid.focus()

    @property
    def selected(self) -> Alert | None:
        """The alert under the cursor."""
        key = self.query_one("#members", Grid).key
        return next((a for a in self.data.incident.alerts if str(a.id) == key), None) if self.data else None

    def subject_model(self) -> str:
        """The incident's model."""
        return self.data.incident.model if self.data else ""

    def refusal(self, action: "Action") -> str:
        """The state of the incident decides."""
        return incident_actions.refusal(action.name, self.data.incident if self.data else None)

    def do_open(self) -> None:
        """Why the selected alert fired."""
        if alert := self.selected:
            self.open_view("alert", alert.id)

    def do_acknowledge(self) -> None:
        """Somebody is on it."""
        if self.data:
            incident_actions.acknowledge(self, [self.data.incident])

    def do_resolve(self) -> None:
        """Close it."""
        if self.data:
            incident_actions.resolve(self, [self.data.incident])

    def do_assign(self) -> None:
        """Name who looks after it."""
        if self.data:
            incident_actions.assign(self, [self.data.incident])

    def do_monitor(self) -> None:
        """Watch what the selected alert is about."""
        if alert := self.selected:
            self.open_view("monitor", alert.model, alert.target)

    def do_job(self) -> None:
        """The newest retraining."""
        if self.data and self.data.incident.retrainings:
            self.open_view("job", self.data.incident.retrainings[-1])
