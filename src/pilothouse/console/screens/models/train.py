"""A training as a form: the fields hold the model file's values, and only changed ones are handed on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Input, Static

from pilothouse.console.dialogs import Ask
from pilothouse.console.screens.base import View
from pilothouse.console.screens.loading import Started
from pilothouse.console.session.actions import Action
from pilothouse.console.widgets.field import TextField
from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.identity.roles import Actor
from pilothouse.operations.services import Services
from pilothouse.presentation.pages.training_form import Field, fields_of, introduction, read_fields


@dataclass(frozen=True)
class TrainingForm:
    """All models, the one to train, and its fields."""

    models: tuple[str, ...]
    model: str
    fields: tuple[Field, ...]


class _Form(VerticalScroll, inherit_bindings=False):
    """The fields. The arrows are keys of the view, which move from field to field; the form scrolls with them."""


class TrainView(View[TrainingForm]):
    """Tab and the arrows move between fields, Ctrl+S starts."""

    SCOPE = TOP = "train"

    def __init__(self, model: str = "") -> None:
        super().__init__()
        self.model = model
        self._inside, self._field = True, ""
        self._built = ""
        """The model whose fields there are."""

    def body(self) -> ComposeResult:
        yield Static(markup=False, id="intro", classes="text")
        yield _Form(id="form", can_focus=False)

    def crumbs(self) -> Sequence[str]:
        return ("train", *filter(None, [self.model]))

    def set_arguments(self, *arguments: str) -> None:
        self.model = arguments[0]
        self.invalidate()

    def load(self, services: Services, actor: Actor) -> TrainingForm:
        from pilothouse.operations import catalogue

        models = tuple(model.name for model in catalogue.list_models(services, actor))
        if not models:
            return TrainingForm((), "", ())
        model = self.model or models[0]
        spec = catalogue.get_spec(services, actor, model)
        known = {} if spec.training.parameters else catalogue.estimator_parameters(services, actor, model)
        return TrainingForm(models, model, fields_of(spec, known))

    def show(self, data: TrainingForm) -> None:
        """Build the form anew; only a change of the model or of its file does that."""
        self.model = data.model
        intro = (
            introduction(safe(data.model), data.fields)
            if data.model
            else "no models yet: write models/NAME/model.toml and run pilothouse apply"
        )
        self.query_one("#intro", Static).update(Text(intro))
        self.call_later(self._build, data)

    async def _build(self, data: TrainingForm) -> None:
        if data is not self.data:  # another model was asked for since
            return
        if data.model != self._built:  # the cursor's field of another model says nothing about this one's
            self._built, self._inside, self._field = data.model, True, ""
        form = self.query_one("#form", VerticalScroll)
        self.set_focus(None)  # else it would wander over the fields as they go, and stay in another one
        await form.remove_children()
        await form.mount_all(
            Horizontal(
                Static(Text(safe(field.label), no_wrap=True, overflow="ellipsis"), markup=False),
                TextField(field.value, hint=field.hint, name=field.key),
                classes="field",
            )
            for field in data.fields
        )
        self.focus_body()

    def take_keys(self) -> None:
        """Focus the field that was left, at first the first one; none once the user has left the fields, or behind a fault."""
        fields = [] if self.fault else [*self.query("#form Input").results(Input)]
        inside = next((field for field in fields if field.name == self._field), None)
        self.set_focus(inside or next(iter(fields), None) if self._inside else None)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        if event.widget is self.focused and isinstance(event.widget, Input) and event.widget.name:
            self._inside, self._field = True, event.widget.name
        self._show_field()

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        self._show_field()

    def _show_field(self) -> None:
        """Mark the line with the cursor: the colour of a cursor alone is not seen on every terminal."""
        for line in self.query("#form .field"):
            line.set_class(self.focused is not None and line is self.focused.parent, "here")
        self.refresh_chrome()

    def actions(self) -> tuple[Action, ...]:
        """With Esc in the footer: in a field it leaves that first."""
        label = "leave the field" if isinstance(self.focused, Input) else "back"
        return tuple(
            replace(action, footer=True, label=label) if action.name == "back" else action
            for action in super().actions()
        )

    def do_next_field(self) -> None:
        self.focus_next("#form Input")

    def do_previous_field(self) -> None:
        self.focus_previous("#form Input")

    def subject_model(self) -> str:
        return self.model

    def refusal(self, action: Action) -> str:
        return "there is no model yet" if not self.model else ""

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.do_next_field()

    def do_back(self) -> None:
        """Leave the fields first: only then digits and letters are keys again."""
        if isinstance(self.focused, Input) and self.focused.name is not None:
            self._inside = False
            self.set_focus(None)
            self.say("out of the fields: digits go to views, m takes the next model, Tab goes back in")
        else:
            super().do_back()

    def do_next_model(self) -> None:
        if self.data and self.data.models:
            models = self.data.models
            self.model = models[(models.index(self.model) + 1) % len(models)]
            self.invalidate()

    def do_submit(self) -> None:
        if self.data is None:
            return
        model = self.model
        typed = {str(field.name): field.value for field in self.query("#form Input").results(Input)}
        try:
            request = read_fields(self.data.fields, typed)
            as_of = _time(request.as_of)
        except InvalidInputError as error:
            self.say(str(error), "bad")
            return
        changed = ", ".join(f"{key} = {value}" for key, value in request.overrides.items())
        question = Ask(
            f"Train {model}?",
            [
                f"Changed for this run: {changed or 'nothing'}.",
                f"Rows known as of: {request.as_of or 'now'}. Reason: {request.reason or 'none given'}.",
                "The daemon runs it; a version comes out of it if nothing fails. Nothing is deployed by this.",
            ],
            confirm="start",
        )

        def operation(services: Any, actor: Actor, _: str) -> Started:
            from pilothouse.operations.jobs import trainings

            options = trainings.TrainingOptions(as_of=as_of, overrides=request.overrides)
            job = trainings.start_training(services, actor, model, options, reason=request.reason)
            return Started(job.id, f"job {job.id} is queued; Esc goes back to the form")

        self.confirm(question, operation)


def _time(text: str) -> datetime | None:
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(
            f"as of: {text!r} is not a time; expected ISO 8601, e.g. 2013-07-04 14:05"
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
