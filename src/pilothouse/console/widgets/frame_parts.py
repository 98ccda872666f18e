"""What frames every screen: where you are and who you are, the views, warnings that concern everything, the keys."""

from collections.abc import Sequence

from rich.text import Text
from textual.widgets import Static

from pilothouse.console.session.actions import Action
from pilothouse.console.session.session import Session
from pilothouse.console.widgets.tones import line
from pilothouse.domain.safe_text import one_line, safe
from pilothouse.presentation.cell import Cell, Tone
from pilothouse.presentation.documents import text_line, wrap
from pilothouse.presentation.texts import time_text
from pilothouse.presentation.width import clip, display_width

VIEWS = (
    ("1", "Overview", "Over", "overview"), ("2", "Models", "Models", "models"), ("3", "Approvals", "Approve", "approvals"),
    ("4", "Monitor", "Monitor", "monitor"), ("5", "Jobs", "Jobs", "jobs"), ("6", "Train", "Train", "train"),
    ("7", "Deployments", "Deploy", "deployments"), ("8", "Alerts", "Alerts", "alerts"),
    ("9", "Schedules", "Sched", "schedules"), ("0", "Audit", "Audit", "audit"),
)  # fmt: skip
"""Key, name, name where room is short, view."""

_LOW = 14
"""Rows below which the banner says no more than it must."""
DEMO = "DEMO: identities are not verified — you are "


class Header(Static):
    """Two lines: where and who; the views with their keys."""

    _shown: object = None

    def put(self, crumbs: Sequence[str], view: str, session: Session) -> None:
        """Show another place or person."""
        width = max(20, self.app.size.width)  # its own size may still be that before a resize
        demo = session.status is not None and session.status.demo
        shown = (tuple(crumbs), view, width, session.actor, session.options.read_only, demo)
        if shown != self._shown:
            self._shown = shown
            text = Text("\n").join([self._place(crumbs, session, width), self._views(view, width)])
            self.update(text, layout=False)

    def _place(self, crumbs: Sequence[str], session: Session, width: int) -> Text:
        who = safe(session.actor.name, 64)
        status = session.status
        if status and status.demo:
            right, tone = f"{DEMO}{who}", "warn"
        else:
            right, tone = f"{who} ({safe(session.actor.role_names)})", "dim"
        if session.options.read_only:
            right, tone = f"READ-ONLY  {right}", "warn"
        needed = display_width(" " + " › ".join(safe(crumb) for crumb in crumbs))
        if needed + display_width(right) + 3 > width and status and status.demo:
            right = f"{'READ-ONLY  ' if session.options.read_only else ''}DEMO, not verified: {who}"
        right = right if display_width(right) < width - 12 else clip(right, max(1, width - 12)).rstrip()
        left = clip(
            " " + " › ".join(safe(crumb) for crumb in crumbs), max(1, width - display_width(right) - 2)
        )
        return line(Cell(left, "strong"), Cell(" " + right + " ", tone))  # type: ignore[arg-type]

    def _views(self, view: str, width: int) -> Text:
        labels = tab_labels(view, width)
        text = Text(" ", no_wrap=True, end="")
        for (*_, target), label in zip(VIEWS, labels, strict=True):
            text.append(label, "reverse bold" if target == view else "dim")
            text.append(" " if target != "audit" else "")
        return text


def tab_labels(view: str, width: int) -> list[str]:
    """What each tab says: its name, or a short one; where not all fit digits alone, but that of the view has its name."""
    whole = [f"{key} {name}" for key, name, _, _ in VIEWS]
    short = [f"{key}{name}" for key, _, name, _ in VIEWS]
    if width >= 104:
        return whole
    room = width - len(VIEWS) - 1
    labels = [label if target == view else label[0] for label, (*_, target) in zip(short, VIEWS, strict=True)]
    for index, label in enumerate(short):
        if sum(map(len, labels)) - len(labels[index]) + len(label) <= room:
            labels[index] = label
    return labels


class Banner(Static):
    """Warnings on every screen: no daemon, no isolation, automation paused. Takes no room where there is nothing to say."""

    _shown: object = None

    def put(self, session: Session) -> None:
        """Show what is so now."""
        status = session.status
        low = self.app.size.height < _LOW
        shown = (low, session.at, status and (status.frozen, status.daemon, status.automation))
        if shown != self._shown:
            self._shown = shown
            self._show(session, low=low)

    def _show(self, session: Session, *, low: bool) -> None:
        lines: list[Text] = []
        status = session.status
        if session.at is not None:
            words = f" ◀ THE PAST {time_text(session.at)} (data's clock), read-only. ← → events, :now returns"
            lines.append(Text(words, "reverse bold", no_wrap=True, overflow="ellipsis", end=""))
        if status and status.frozen:
            lines.append(line(Cell(safe(f" ✖ READ-ONLY: {status.frozen}"), "bad")))
        if status and not status.daemon.running:
            possible = "Still possible: read, sign, roll back (takes effect later). Targets serve on."
            words = " ✖ NO DAEMON: nothing trains, watches or rolls out. Run: pilothouse daemon start"
            lines.append(line(Cell(words, "bad")))
            if session.at is None and not low:
                lines.append(line(Cell(f"   {possible}", "bad")))
        if status and status.daemon.running and status.daemon.isolation == "none":
            words = " ▲ NO ISOLATION: jobs and models run unconfined (the daemon was started with --isolation warn)"
            lines.append(line(Cell(words, "warn")))
        if status and status.automation.paused:
            words = safe(
                f" ‖ AUTOMATION PAUSED by {status.automation.actor} {time_text(status.automation.recorded_at)}: "
                f"{status.automation.reason} (! resumes)"
            )
            lines.append(line(Cell(words, "warn")))
        self.update(Text("\n").join(lines))
        self.display = bool(lines)


class Footer(Static):
    """One line: the keys of the view; or what just happened until the next key, in two where it is long."""

    _message: Cell | None = None
    said = ""
    """What was said last, whole."""
    _keys: tuple[tuple[Action, bool], ...] = ()

    def put(self, keys: Sequence[tuple[Action, bool]]) -> None:
        """Show the keys; ``False`` beside an action greys it, since it is not allowed now."""
        if tuple(keys) != self._keys:
            self._keys = tuple(keys)
            self._show()

    def say(self, text: str, tone: Tone = "") -> None:
        """Say what happened, in place of the keys."""
        self.said = one_line(text, 2_000)
        self._message = Cell(self.said, tone)
        self._show()

    def clear(self) -> None:
        """The keys again."""
        if self._message is not None:
            self._message = None
            self._show()

    def on_resize(self) -> None:
        """Other keys fit."""
        self._show()

    def _show(self) -> None:
        width = self.app.size.width
        if self._message is not None:
            words = self._message_lines(self._message.text, max(10, width - 2))
            self.styles.height = len(words)
            self.update(Text("\n").join(line(Cell(f" {text}", self._message.tone)) for text in words))
            return
        self.styles.height = 1
        cells: list[Cell] = []
        used = 1
        always = [item for item in self._keys if item[0].name == "help"]
        for action, allowed in [
            item for item in self._keys if item[0].footer and item[0].word and item not in always
        ]:
            label = f"{action.shown_keys} {action.word}"
            if used + display_width(label) + 2 > width - 9:
                break
            cells += [
                Cell(" "),
                Cell(action.shown_keys, "strong" if allowed else "dim"),
                Cell(f" {action.word} ", "" if allowed else "dim"),
            ]
            used += display_width(label) + 2
        cells += [Cell(" "), Cell("?", "strong"), Cell(" help")]
        self.update(line(*cells), layout=False)

    @staticmethod
    def _message_lines(text: str, width: int) -> list[str]:
        """A message in at most two lines; where it is longer its end stands in the help."""
        first, *more = ["".join(cell.text for cell in each.cells) for each in wrap(text_line(text), width)]
        if len(more) > 1:
            end = " … (? shows all)"
            more = [clip(more[0], width - len(end) - 1).rstrip("…") + end]
        return [first, *more]


class OneLine(Static):
    """One line of cells. What is equal paints nothing, and no place is looked for anew."""

    _cells: tuple[Cell, ...] = ()

    def put(self, *cells: Cell) -> None:
        """Show other cells."""
        if cells != self._cells:
            self._cells = cells
            self.update(line(*cells), layout=False)
