"""The schedules, and their next times."""

from pilothouse.console.dialogs import Ask
from pilothouse.console.screens.lists import ListData, TableView, list_data
from pilothouse.console.session.actions import Action
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.records import Schedule
from pilothouse.operations.services import Services
from pilothouse.presentation.tables.work_rows import schedule_table
from pilothouse.presentation.texts import time_text


class SchedulesView(TableView[Schedule]):
    """``p`` pauses and resumes a schedule."""

    SCOPE = TOP = "schedules"
    NO_HEALTH = "a schedule has no health: / filters, as /paused"

    def load(self, services: Services, actor: Actor) -> ListData[Schedule]:
        from pilothouse.operations.automation import schedules

        known = schedules.list_schedules(services, actor)
        return list_data(known, schedule_table(known), lambda s: s.id)

    def subject_model(self) -> str:
        return self.record.model if self.record else ""

    def refusal(self, action: Action) -> str:
        if action.name == "triggers":
            return ""
        return "there is no schedule" if self.record is None else ""

    def do_triggers(self) -> None:
        self.open_view("triggers")

    def do_toggle(self) -> None:
        schedule = self.record
        if schedule is None:
            return
        verb = "Resume" if schedule.paused else "Pause"
        next_times = ", ".join(time_text(time) for time in schedule.next_times) or "never"
        question = Ask(
            f"{verb} the schedule {schedule.name} of {schedule.model}?",
            [
                f"It does: {schedule.action}, {schedule.expression} ({schedule.timezone}).",
                f"Next times (UTC): {next_times}.",
            ],
            field="reason",
            confirm=verb.casefold(),
        )

        def operation(services: Services, actor: Actor, reason: str) -> None:
            from pilothouse.operations.automation import schedules

            change = schedules.resume_schedule if schedule.paused else schedules.pause_schedule
            change(services, actor, schedule.id, reason)

        self.confirm(
            question, operation, f"schedule {schedule.name} is {'on' if schedule.paused else 'paused'}"
        )
