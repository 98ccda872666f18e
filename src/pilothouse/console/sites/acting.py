"""An act from a row: what it is about, as the site says it; a question that names the site; then a command in that site."""

import threading
from collections.abc import Callable, Iterable, Sequence
from textwrap import wrap

from rich.text import Text
from textual.app import App
from textual.widgets import Static

from pilothouse.console.dialogs import Ask
from pilothouse.console.session.actions import Action
from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.bounded_json import JsonError, parse_json
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.sites.acts import ACTS, SiteAct, read_steps
from pilothouse.domain.sites.answers import SiteItem
from pilothouse.domain.sites.readings import Reading, why_no_act
from pilothouse.presentation.cell import Tone
from pilothouse.presentation.tables.registry_rows import roll_back_lines
from pilothouse.sites.acting import Told, tell
from pilothouse.sites.asking import Site

_MOST_CONTAINERS = 2_000
_CONTINUED = "      "
"""Before the rest of a line that is longer than the question."""
NOT_KNOWN = "it is not known whether it was done"


def act_of(name: str, item: SiteItem | None) -> SiteAct | None:
    """The act of a name on what the cursor is on; None where it is of another kind, or on nothing."""
    kind = item.kind if item is not None else None
    return next((act for act in ACTS if (act.name, act.kind) == (name, kind)), None)


def why_not(act: SiteAct, item: SiteItem, reading: Reading, *, read_only: bool) -> str:
    """Why an act is not offered; empty where its site decides."""
    if read_only:
        return "this console is read-only"
    why = why_no_act(reading)
    if not why and act.needs_pin and not item.pin:
        why = (
            f"{reading.site} does not say what this is about, so that it could be held to that: open it there"
        )
    return why


def refusals(
    actions: Iterable[Action], item: SiteItem | None, reading: Reading | None, *, read_only: bool
) -> dict[str, str]:
    """Acts that are not offered on what the cursor is on, and why."""
    if item is None or reading is None:
        return {}
    acts = {one.name: act for one in actions if (act := act_of(one.name, item)) is not None}
    whys = {name: why_not(act, item, reading, read_only=read_only) for name, act in acts.items()}
    return {name: why for name, why in whys.items() if why}


def _looked(act: SiteAct, item: SiteItem, told: Told) -> Told:
    """What a site says of an act, as it is shown: steps of a roll-back come as JSON."""
    if act.name != "roll_back" or not told.done:
        return told
    try:
        steps = read_steps(parse_json(told.out, _MOST_CONTAINERS))
    except (JsonError, InvalidInputError) as error:
        return Told(False, (f"what it says is no plan: {error}",))
    lines = tuple(safe(line, 400) for line in roll_back_lines(steps))
    if any(str(step.now) != item.pin for step in steps):
        return Told(False, (*lines, "", "Another version is live than the list has: ask again, and look."))
    return Told(True, lines)


class AskSite(Ask):
    """A question that says what the site itself says. It is there at once, and takes no answer before the site has spoken."""

    ready = False

    def shown(self, told: Told) -> None:
        """Show what the site says of it."""
        self.ready = told.done is True
        more = (
            () if self.ready else ("", "Nothing was done, and nothing can be done from here: Esc goes back.")
        )
        message = self.query_one("#message", Static)
        width = max(20, message.size.width)
        lines = [part for line in told.lines for part in wrap(line, width, subsequent_indent=_CONTINUED)]
        message.update(Text("\n".join([*self._lines[:-1], *lines, *more])))

    def action_confirm(self) -> None:
        if self.ready:
            super().action_confirm()


class Said(Ask):
    """What a site said in place of doing something: it stays until a key that means nothing else."""

    def __init__(self, title: str, lines: Sequence[str], tone: Tone) -> None:
        super().__init__(title, lines, confirm="read", tone=tone)


class Acts:
    """Acts of a console, each in threads that the console's end does not wait for. ``ended`` is called with the site's name and
    what is to be said, once an act is done or not; nothing is shown over a lock, which ``is_locked`` tells."""

    def __init__(
        self, app: App[int], ended: Callable[[str, str], None], is_locked: Callable[[], bool]
    ) -> None:
        self._app, self._ended, self._is_locked = app, ended, is_locked
        self.pending: dict[str, int] = {}
        """Acts of each site whose answer is awaited."""

    def ask(self, act: SiteAct, site: Site, reading: Reading, item: SiteItem, age: str) -> None:
        """Ask whether to do it; the question names the site, where it is, and as whom it knows the one who acts."""
        who = reading.answer.actor if reading.answer else ""
        question = AskSite(
            f"{act.title(item)} in {site.name}?",
            [
                f"site      {site.name}, {site.address.text}",
                f"as        {who or 'whoever the site takes you for'}",
                f"it is     {item.subject}: {item.state} (heard {age})",
                "",
                f"{site.name} is asked what it says of it …",
            ],
            field="reason" if act.option == "--reason" else "note",
            required=act.needs_reason,
            confirm=f"{act.verb(item)} in {site.name}",
            tone="bad" if act.takes_back else "strong",
        )
        self._app.push_screen(question, lambda text: self._answered(act, site, item, text))
        self._work(site, act.look(item), lambda told: question.shown(_looked(act, item, told)), question)

    def _answered(self, act: SiteAct, site: Site, item: SiteItem, text: str | None) -> None:
        if text is None:
            return
        title = f"{act.title(item)} in {site.name}"
        self.pending[site.name] = self.pending.get(site.name, 0) + 1
        self._work(site, act.command(item, text), lambda told: self._told(title, site, told))
        self._ended(site.name, f"{title}: its answer is awaited …")

    def _told(self, title: str, site: Site, told: Told) -> None:
        self.pending[site.name] -= 1
        if told.done:
            self._ended(site.name, f"{site.name}: {' · '.join(told.lines)}")
            return
        if told.done is None:
            head = f"{title}: {NOT_KNOWN}"
            lines = [
                *told.lines,
                "",
                f"No answer of {site.name} came to its end. Look there before you do it again.",
            ]
        else:
            head, lines = f"{title}: refused", [f"{site.name} says:", *told.lines]
        self._ended(site.name, f"{head}: {' · '.join(told.lines)}")
        if not self._is_locked():
            self._app.push_screen(Said(head, lines, "warn" if told.done is None else "bad"))

    def _work(
        self, site: Site, words: list[str], then: Callable[[Told], None], screen: AskSite | None = None
    ) -> None:
        def run() -> None:
            told = tell(site, words)
            self._app.call_later(lambda: then(told) if screen is None or screen.is_attached else None)

        threading.Thread(target=run, daemon=True, name=f"act in {site.name}").start()
