"""The parts of the frame: header with path, user and tabs; banner with warnings; footer with keys."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text
from textual.widgets import Static

from pilothouse.console.session.actions import TABS, Action
from pilothouse.console.session.session import Session
from pilothouse.console.widgets.tones import STYLES, line
from pilothouse.domain.formats.safe_text import one_line, safe
from pilothouse.presentation.break_glass import glass_text
from pilothouse.presentation.cell import Cell, Tone
from pilothouse.presentation.documents import text_line, wrap
from pilothouse.presentation.texts import replay_text, solo_text, time_text
from pilothouse.presentation.width import clip, display_width

if TYPE_CHECKING:
    from pilothouse.domain.monitoring.monitoring import DaemonState

_GLASSES = 3
"""Deployments by breaking the glass that have a line each."""
_LOW = 14
"""Rows below which the banner is shorter."""
DEMO = "DEMO: identities are not verified — you are "


class Header(Static):
    """Two lines: path and user; the top views with their keys."""

    _shown: object = None

    def put(self, crumbs: Sequence[str], view: str, session: Session) -> None:
        width = max(20, self.app.size.width)  # its own size may still be that before a resize
        demo = session.status is not None and session.status.demo
        shown = (tuple(crumbs), view, width, session.actor, session.options.read_only, demo)
        if shown != self._shown:
            self._shown = shown
            text = Text("\n").join([self._location(crumbs, session, width), self._views(view, width)])
            self.update(text, layout=False)

    def _location(self, crumbs: Sequence[str], session: Session, width: int) -> Text:
        name = safe(session.actor.name, 64)
        status = session.status
        if status and status.demo:
            right, tone = f"{DEMO}{name}", "warn"
        else:
            right, tone = f"{name} ({safe(session.actor.role_names)})", "dim"
        if session.options.read_only:
            right, tone = f"READ-ONLY  {right}", "warn"
        needed = display_width(" " + " › ".join(safe(crumb) for crumb in crumbs))
        if needed + display_width(right) + 3 > width and status and status.demo:
            right = f"{'READ-ONLY  ' if session.options.read_only else ''}DEMO, not verified: {name}"
        right = right if display_width(right) < width - 12 else clip(right, max(1, width - 12)).rstrip()
        left = clip(
            " " + " › ".join(safe(crumb) for crumb in crumbs), max(1, width - display_width(right) - 2)
        )
        return line(Cell(left, "strong"), Cell(" " + right + " ", tone))  # type: ignore[arg-type]

    def _views(self, view: str, width: int) -> Text:
        labels = tab_labels(view, width)
        text = Text(" ", no_wrap=True, end="")
        for (_, top, _), label in zip(TABS, labels, strict=True):
            text.append(label, "reverse bold" if top == view else "dim")
            text.append(" " if top != "audit" else "")
        return text


def tab_labels(view: str, width: int) -> list[str]:
    """The labels of the tabs: long or short names; where these do not fit, digits, except for the tab of the view."""
    if width >= 104:
        return [f"{key} {top.capitalize()}" for key, top, _ in TABS]
    short = [f"{key}{name}" for key, _, name in TABS]
    room = width - len(TABS) - 1
    labels = [label if top == view else label[0] for label, (_, top, _) in zip(short, TABS, strict=True)]
    for index, label in enumerate(short):
        if sum(map(len, labels)) - len(labels[index]) + len(label) <= room:
            labels[index] = label
    return labels


class Banner(Static):
    """Warnings on every screen: no daemon, no isolation, broken glass, one person alone, automation paused. Takes no room
    where there is none."""

    _shown: object = None

    def put(self, session: Session) -> None:
        status = session.status
        low = self.app.size.height < _LOW
        state = status and (
            status.frozen,
            status.daemon,
            status.automation,
            status.replay,
            status.glass,
            status.solo,
        )
        shown = (low, session.at, state)
        if shown != self._shown:
            self._shown = shown
            self._show(session, low=low)

    def _show(self, session: Session, *, low: bool) -> None:
        lines: list[Text] = []
        status = session.status
        if session.at is not None:
            text = f" ◀ THE PAST {time_text(session.at)} (data's clock), read-only. ← → events, :now returns"
            lines.append(Text(text, "reverse bold", no_wrap=True, overflow="ellipsis", end=""))
        if status and status.frozen:
            lines.append(line(Cell(safe(f" ✖ READ-ONLY: {status.frozen}"), "bad")))
        if status and not status.daemon.running:
            more = not low and session.at is None
            lines += [line(Cell(text, "bad")) for text in no_daemon(status.daemon, more=more)]
        if status and status.daemon.running and status.daemon.isolation == "none":
            text = " ▲ NO ISOLATION: jobs and models run unconfined (the daemon was started with --isolation warn)"
            lines.append(line(Cell(text, "warn")))
        for glass in status.glass[:_GLASSES] if status else ():
            lines.append(line(Cell(safe(f" ✖ {glass_text(glass)}"), "bad")))
        if status and status.solo:
            text = safe(f" ▲ {solo_text(status.solo)}")
            lines.append(Text(text, STYLES["warn"], no_wrap=True, overflow="ellipsis", end=""))
        if status and status.automation.paused:
            text = safe(
                f" ‖ AUTOMATION PAUSED by {status.automation.actor} {time_text(status.automation.recorded_at)}: "
                f"{status.automation.reason} (! resumes)"
            )
            lines.append(line(Cell(text, "warn")))
        if status and status.replay and not low:
            style = "dim" if status.replay.running else "bold"
            text = safe(f" {replay_text(status.replay)}")
            lines.append(Text(text, style, no_wrap=True, overflow="ellipsis", end=""))
        self.update(Text("\n").join(lines))
        self.display = bool(lines)


def no_daemon(daemon: "DaemonState", *, more: bool) -> list[str]:
    """What is known where no daemon runs: since when, and that nothing on the screen is newer. What targets do is not known.

    Without ``more`` there is one line.
    """
    since = f" since {daemon.heartbeat_at:%m-%d %H:%M}" if daemon.heartbeat_at else ""
    start = "Run: pilothouse daemon start"
    if not more:
        return [f" ✖ NO DAEMON{since}: nothing watched. {start}"]
    then = "what you see is as of then" if since else "nothing trains or rolls out"
    return [
        f" ✖ NO DAEMON{since}: nothing watched; {then}",
        f"   {start}. Possible: read, sign, roll back (later).",
    ]


class Footer(Static):
    """One line with the keys of the view; or a message until the next key, in two lines where it is long."""

    _message: Cell | None = None
    last_message = ""
    """The last message, uncut."""
    _keys: tuple[tuple[Action, bool], ...] = ()

    def put(self, keys: Sequence[tuple[Action, bool]]) -> None:
        """Show the keys; ``False`` beside an action greys it, since it is refused now."""
        if tuple(keys) != self._keys:
            self._keys = tuple(keys)
            self._show()

    def say(self, text: str, tone: Tone = "") -> None:
        """Show a message in place of the keys; once it is mounted, if it never is, never."""
        self.last_message = one_line(text, 2_000)
        self._message = Cell(self.last_message, tone)
        self._show()

    def clear(self) -> None:
        """Show the keys again."""
        if self._message is not None:
            self._message = None
            self._show()

    def on_resize(self) -> None:
        self._show()

    def on_mount(self) -> None:
        self._show()

    def _show(self) -> None:
        if not self.is_attached:
            return
        width = self.app.size.width
        if self._message is not None:
            lines = self._message_lines(self._message.text, max(10, width - 2))
            self.styles.height = len(lines)
            self.update(Text("\n").join(line(Cell(f" {text}", self._message.tone)) for text in lines))
            return
        self.styles.height = 1
        cells: list[Cell] = []
        used = 1
        for action, allowed in self._keys:
            if action.name == "help":  # stands at the end, however little room there is
                continue
            label = f"{action.shown_keys} {action.label}"
            if used + display_width(label) + 2 > width - 9:
                break
            cells += [
                Cell(" "),
                Cell(action.shown_keys, "strong" if allowed else "dim"),
                Cell(f" {action.label} ", "" if allowed else "dim"),
            ]
            used += display_width(label) + 2
        cells += [Cell(" "), Cell("?", "strong"), Cell(" help")]
        self.update(line(*cells), layout=False)

    @staticmethod
    def _message_lines(text: str, width: int) -> list[str]:
        """A message in at most two lines; the help shows the rest of a longer one."""
        first, *more = ["".join(cell.text for cell in part.cells) for part in wrap(text_line(text), width)]
        if len(more) > 1:
            end = " … (? shows all)"
            more = [clip(more[0], width - len(end) - 1).rstrip("…") + end]
        return [first, *more]


class OneLine(Static):
    """One line of cells. Equal cells paint nothing, and a change does not lay out the screen."""

    _cells: tuple[Cell, ...] = ()

    def put(self, *cells: Cell) -> None:
        if cells != self._cells:
            self._cells = cells
            self.update(line(*cells), layout=False)
