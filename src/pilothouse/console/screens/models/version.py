"""The record of one version, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import ComposeResult
from textual.widgets import Static

from pilothouse.console.dialogs import Ask
from pilothouse.console.screens.base import View
from pilothouse.console.screens.loading import Started
from pilothouse.console.screens.models import replay
from pilothouse.console.screens.promotion import breaking_glass, requesting
from pilothouse.console.session.actions import Action
from pilothouse.console.widgets.pager import Pager
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.promotion.decisions import DecisionOn
from pilothouse.domain.records import Model, Run, Version
from pilothouse.operations.services import Services
from pilothouse.presentation.charts.model_charts import Side, sides_of
from pilothouse.presentation.documents import Line, text_line
from pilothouse.presentation.pages.model_pictures_page import moved_threshold, pictures_page
from pilothouse.presentation.pages.version_pages import PAGES, version_page
from pilothouse.presentation.request_texts import curl_command
from pilothouse.presentation.texts import tree_lines

if TYPE_CHECKING:
    from pilothouse.operations.fleet.request_examples import Address

_PICTURES = "pictures"
_ALL = (*PAGES[:2], _PICTURES, *PAGES[2:], "lineage")


@dataclass(frozen=True)
class VersionData:
    """A version, the run that made it, its model, its lineage as lines, where it answers, with what classes, how to ask, and
    which decisions on it are signed; the model's primary metric."""

    version: Version
    run: Run
    model: Model
    lineage: tuple[str, ...]
    answering: tuple["Address", ...] = ()
    classes: tuple[str, ...] = ()
    command: str = ""
    signed: tuple[DecisionOn, ...] = ()
    metric: str = ""
    pictures: Side | None = None
    champion: Side | None = None
    """Pictures of the version, and of its model's champion where that is another."""
    fault: str = ""
    """Why a file of them cannot be read."""


class VersionView(View[VersionData]):
    """Left and right turn the pages."""

    SCOPE = "version"
    TOP = "models"

    def __init__(self, reference: str, page: str = PAGES[0]) -> None:
        super().__init__()
        self.reference = reference
        self.page = page if page in _ALL else PAGES[0]
        self._threshold: int | None = None
        """Index of the threshold whose confusion is shown; None: the version's own."""

    def body(self) -> ComposeResult:
        yield Static(markup=False, id="pages", classes="line")
        yield Pager(id="page")

    def crumbs(self) -> Sequence[str]:
        if self.data is None:
            return ("models", self.reference)
        version = self.data.version
        return (
            "models",
            version.model,
            " ".join([f"v{version.number}", str(version.standing.stage), *version.aliases]),
        )

    def load(self, services: Services, actor: Actor) -> VersionData:
        from pilothouse.operations import catalogue
        from pilothouse.operations.fleet import request_examples
        from pilothouse.operations.models import lineage, model_pictures
        from pilothouse.operations.promotion import request_lists

        version = catalogue.get_version(services, actor, self.reference)
        example = request_examples.example_of(services, actor, version.model, version.number)
        compared = model_pictures.pictures_of(services, actor, self.reference)
        own, champion = sides_of(compared)
        return VersionData(
            version,
            catalogue.get_run(services, actor, self.reference),
            catalogue.get_model(services, actor, version.model),
            tuple(tree_lines(lineage.lineage(services, actor, self.reference))),
            request_examples.addresses(services, actor, version.model, version.number),
            catalogue.list_classes(services, version),
            curl_command(example.url, example.body, example.token_file) if example else "",
            request_lists.signed_decisions(services, actor, self.reference),
            catalogue.primary_metric(services, actor, version.model),
            own,
            champion,
            compared.fault,
        )

    def show(self, data: VersionData) -> None:
        names = Text(" ", no_wrap=True, end="")
        for name in _ALL:
            names.append(f" {name} ", "reverse" if name == self.page else "dim")
        self.query_one("#pages", Static).update(names)
        self.query_one(Pager).put(self._lines(data))
        self.focus_body()

    def _lines(self, data: VersionData) -> list[Line]:
        if self.page == "lineage":
            return [
                text_line(line, "strong" if i == 0 else "", hang=4) for i, line in enumerate(data.lineage)
            ]
        if self.page == _PICTURES:
            width = self.query_one(Pager).size.width - 2
            return pictures_page(
                data.pictures,
                data.champion,
                data.version.metrics,
                data.metric,
                self._threshold,
                max(40, width),
                data.fault,
            )
        return version_page(
            self.page, data.version, data.run, data.answering, data.classes, data.command, data.signed
        )

    def subject_model(self) -> str:
        return self.data.version.model if self.data else ""

    def refusal(self, action: Action) -> str:
        if action.name in ("raise_threshold", "lower_threshold"):
            return self._threshold_refusal()
        if action.name in ("request", breaking_glass.BREAK):
            return (
                requesting.refusal(self.data.version, self.data.model.targets)
                if self.data
                else requesting.ABSENT
            )
        return "" if self.data else "the version is not there yet"

    def offers(self, action: Action) -> bool:
        """No key of the threshold in the footer where there is none to move."""
        is_threshold = action.name == "raise_threshold"
        return super().offers(action) and not (is_threshold and self._threshold_refusal())

    def _threshold_refusal(self) -> str:
        if self.page != _PICTURES:
            return "a threshold is moved on the page of pictures"
        own = self.data.pictures if self.data is not None else None
        if own is None or moved_threshold(own.pictures, None, 0) is None:
            return "only a model of two classes has a threshold, and only one with pictures shows it"
        return ""

    def do_next_page(self, steps: int = 1) -> None:
        self.page = _ALL[(_ALL.index(self.page) + steps) % len(_ALL)]
        self.query_one(Pager).scroll_home(animate=False)
        if self.data:
            self.show(self.data)

    def do_previous_page(self) -> None:
        self.do_next_page(-1)

    def do_raise_threshold(self, steps: int = 1) -> None:
        if self.data is None or self.data.pictures is None or self.page != _PICTURES:
            return
        self._threshold = moved_threshold(self.data.pictures.pictures, self._threshold, steps)
        self.show(self.data)

    def do_lower_threshold(self) -> None:
        self.do_raise_threshold(-1)

    def do_request(self) -> None:
        if self.data:
            requesting.ask(self, self.data.version, self.data.model.targets)

    async def do_break_glass(self) -> None:
        if self.data:
            version = self.data.version
            left = [target for target in self.data.model.targets if target not in version.live_on]
            await breaking_glass.ask(self, version.model, version.number, left)

    def do_compare(self) -> None:
        if self.data:
            requesting.ask_compare(self, self.data.version, self.data.model.aliases.get("champion"))

    def do_replay(self) -> None:
        if self.data:
            replay.ask(self, self.data.version)

    def do_tree(self) -> None:
        if self.data:
            self.open_view("lineage", f"{self.data.version.model}/{self.data.version.number}")

    def do_reproduce(self) -> None:
        if self.data is None:
            return
        reference = f"models:/{self.data.version.model}/{self.data.version.number}"

        question = Ask(
            f"Reproduce {reference}?",
            [
                "A job trains it again from its record (same rows, code, parameters) and says whether it is identical.",
                "Nothing that is live changes.",
            ],
            confirm="start",
        )

        def operation(services: Services, actor: Actor, _: str) -> Started:
            from pilothouse.operations.jobs import trainings

            job = trainings.start_reproduction(services, actor, reference)
            return Started(job.id, f"job {job.id} trains it again")

        self.confirm(question, operation)
