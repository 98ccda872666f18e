"""One roll-out: where it is, what it waits for, its evidence so far; steered by keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from textual import events

from pilothouse.console.dialogs import Ask
from pilothouse.console.screens.page import PageView
from pilothouse.console.session.actions import Action
from pilothouse.console.widgets.pager import Pager
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.rollouts.plan import GoOn
from pilothouse.domain.rollouts.rollout import PlaceState, RolloutState
from pilothouse.domain.rollouts.view import RolloutCourse, RolloutView
from pilothouse.operations.services import Services
from pilothouse.presentation.pages.rollout_course import course_lines
from pilothouse.presentation.pages.rollout_page import rollout_lines

_STEERS = {"pause": ("pause", "resume"), "go_on": ("go-on",), "abort": ("abort",)}
"""Actions, with the acts of which one must be open to the reader."""


@dataclass(frozen=True)
class RolloutData:
    """Roll-out with everything that is shown of it, and the time at which it was read."""

    view: RolloutView
    now: datetime
    course: RolloutCourse | None = None
    """Of the versions beside each other, where they are shown."""


class RolloutPage(PageView[RolloutData]):
    SCOPE = "rollout"
    TOP = "deployments"
    RECORD_NAME = "a roll-out"

    def __init__(self, number: str) -> None:
        super().__init__(number)
        self._beside = False

    def crumbs(self) -> Sequence[str]:
        if self.data is None:
            return ("roll-outs", self.number)
        rollout = self.data.view.rollout
        return ("roll-outs", f"{rollout.id} {rollout.model} v{rollout.version}")

    def load(self, services: Services, actor: Actor) -> RolloutData:
        from pilothouse.operations.rollouts import views

        number, course = self.record_number(), None
        shown = views.show_rollout(services, actor, number)
        if self._beside:
            from pilothouse.operations.rollouts.courses import rollout_course

            course = rollout_course(services, actor, number)
        return RolloutData(shown, services.now(), course)

    def show(self, data: RolloutData) -> None:
        if data.course is None:
            self.put_page(rollout_lines(data.view, data.now))
            return
        size = self.query_one(Pager).size
        self.put_page(course_lines(data.view.rollout, data.course, max(size.width - 2, 20), size.height))

    def on_resize(self, event: events.Resize) -> None:
        super().on_resize(event)
        if self.data is not None and self.data.course is not None:
            self.call_after_refresh(self.show, self.data)

    def do_beside(self) -> None:
        """Show the versions beside each other, or the page again."""
        self._beside = not self._beside
        self.reload()

    def subject_model(self) -> str:
        return self.data.view.rollout.model if self.data else ""

    def offers(self, action: Action) -> bool:
        is_over = self.data is not None and not self.data.view.rollout.state.is_open
        return action.footer and not (is_over and action.name in _STEERS)

    def refusal(self, action: Action) -> str:
        if self.data is None:
            return "the roll-out is not there"
        rollout, acts = self.data.view.rollout, _STEERS.get(action.name, ())
        if not acts or not self.data.view.may.isdisjoint(acts):
            return ""
        if not rollout.state.is_open:
            return f"roll-out {rollout.id} is {rollout.state} already"
        if action.name == "go_on" and rollout.state is RolloutState.PAUSED:
            return f"roll-out {rollout.id} is paused: resume it first"
        if action.name == "go_on" and rollout.released_by:
            return f"{rollout.released_by} has let it go on already"
        return f"{self.session.actor.name} may not do this to roll-out {rollout.id}"

    def do_pause(self) -> None:
        if self.data is None:
            return
        number = self.data.view.rollout.id
        if self.data.view.rollout.state is RolloutState.PAUSED:
            question = Ask(
                f"Resume roll-out {number}?",
                [f"It was paused: {self.data.view.rollout.why}", "The patience of its step begins anew."],
                field="reason",
                confirm="resume",
            )

            def resume(services: Services, actor: Actor, reason: str) -> str:
                from pilothouse.operations.rollouts import steering

                steering.resume(services, actor, number, reason)
                return f"roll-out {number} goes on"

            self.confirm(question, resume)
            return
        question = Ask(
            f"Pause roll-out {number}?",
            [
                "It takes no step forward until somebody resumes it. What is found against it takes it back all the same."
            ],
            field="reason",
            required=True,
            confirm="pause",
        )

        def pause(services: Services, actor: Actor, reason: str) -> str:
            from pilothouse.operations.rollouts import steering

            steering.pause(services, actor, number, reason)
            return f"roll-out {number} is paused"

        self.confirm(question, pause)

    def do_go_on(self) -> None:
        if self.data is None or self.data.view.rollout.current is None:
            return
        rollout = self.data.view.rollout
        assert rollout.current is not None
        number, (_, step), shown = rollout.id, rollout.current, (rollout.wave, rollout.step)
        by_hand = step.ends_by is GoOn.HAND
        question = Ask(
            f"Let the step of roll-out {number} end?",
            [
                *([self.data.view.next] if self.data.view.next else []),
                "The plan leaves this to a person; its least time and number still hold."
                if by_hand
                else f"The plan says that the step ends by {step.ends_by}: your word takes its place, with your reason.",
            ],
            field="reason",
            required=not by_hand,
            confirm="go on",
        )

        def operation(services: Services, actor: Actor, reason: str) -> str:
            from pilothouse.operations.rollouts import steering

            steering.go_on(services, actor, number, reason, shown=shown)
            return f"the step of roll-out {number} may end"

        self.confirm(question, operation)

    def do_abort(self) -> None:
        if self.data is None:
            return
        rollout = self.data.view.rollout
        back = [f"{one.target} to {_before(one.before)}" for one in rollout.touched]
        is_live = any(one.state is PlaceState.LIVE for one in rollout.touched)
        question = Ask(
            f"Abort roll-out {rollout.id} of {rollout.model} v{rollout.version}?",
            [
                f"Back at once: {', '.join(back)}." if back else "No target has anything of it yet.",
                *(["Automatic deployment of the model is held."] if is_live else []),
                "Only a new request tries the version again.",
            ],
            field="reason",
            required=True,
            confirm="abort, go back",
        )

        def operation(services: Services, actor: Actor, reason: str) -> str:
            from pilothouse.operations.rollouts import steering

            steering.abort(services, actor, rollout.id, reason)
            return f"roll-out {rollout.id} is aborted"

        self.confirm(question, operation)

    def do_evidence(self) -> None:
        if self.data:
            self.open_view("evidence", self.data.view.rollout.request_id)

    def do_monitor(self) -> None:
        if self.data:
            self.open_view("monitor", self.data.view.rollout.model)

    def do_version(self) -> None:
        if self.data:
            rollout = self.data.view.rollout
            self.open_view("version", f"{rollout.model}/{rollout.version}")


def _before(version: int | None) -> str:
    return "nothing" if version is None else f"v{version}"
