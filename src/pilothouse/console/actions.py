"""Every action once: keys, footer, help and palette are all made from this list.

An action belongs to a scope: ``everywhere``, or the name of the view that it works in. ``permission`` is only asked
to say beforehand that the operation would refuse; the operation itself decides.
"""

from dataclasses import dataclass

from textual.binding import Binding

from pilothouse.domain.roles import Permission

EVERYWHERE = "everywhere"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a key does. ``word`` stands in the footer, ``help`` in the help and the palette."""

    scope: str
    name: str
    keys: str
    word: str
    help: str
    permission: Permission | None = None
    footer: bool = True

    @property
    def shown_keys(self) -> str:
        """The first key as it is printed on the keyboard."""
        return _PRINTED.get(first := self.keys.split(",")[0], first)


_PRINTED = {
    "enter": "⏎", "escape": "Esc", "question_mark": "?", "slash": "/", "colon": ":", "tab": "Tab",
    "left": "←", "right": "→", "up": "↑", "down": "↓", "ctrl+s": "^s", "ctrl+r": "^r", "ctrl+q": "^q",
    "comma": ",", "full_stop": ".",
}  # fmt: skip

_NAVIGATION = (
    ("1", "overview"), ("2", "models"), ("3", "approvals"), ("4", "monitor"), ("5", "jobs"),
    ("6", "train"), ("7", "deployments"), ("8", "alerts"), ("9", "schedules"), ("0", "audit"),
)  # fmt: skip

ACTIONS: tuple[Action, ...] = (
    *(Action(EVERYWHERE, f"go_{view}", key, view, f"Go to {view}.", footer=False) for key, view in _NAVIGATION),
    Action(EVERYWHERE, "back", "escape", "back", "Go back; clear the filter first.", footer=False),
    Action(EVERYWHERE, "command", "colon", "command", "Type a view with arguments, “monitor flight-delay ewr”.", footer=False),
    Action(EVERYWHERE, "filter", "slash", "filter", "Show only the rows that hold a text.", footer=False),
    Action(EVERYWHERE, "pause", "P", "pause", "Pause or resume all automation, with a reason.", Permission.PAUSE, footer=False),
    Action(EVERYWHERE, "time", "T", "time",
           "Every view as it was at a time, 2013-07-04 14:00 or -7d; :now returns.", footer=False),
    Action(EVERYWHERE, "refresh", "ctrl+r", "refresh", "Read everything again.", footer=False),
    Action(EVERYWHERE, "help", "question_mark", "help", "Show the keys of this view."),
    Action(EVERYWHERE, "leave", "q,ctrl+q", "quit", "Leave the console; daemon and serving go on."),
    Action("overview", "open", "enter", "monitor", "Watch the selected model on its targets."),
    Action("overview", "versions", "v", "versions", "Show the versions of the selected model."),
    Action("overview", "train", "t", "train", "Fill in a training of the selected model.", Permission.TRAIN),
    Action("overview", "alerts", "l", "alerts", "Show the alerts of the selected model."),
    Action("overview", "fleet", "f", "fleet", "Models × targets at a glance, grouped."),
    Action("overview", "inbox", "i", "inbox", "Show what waits for a signature."),
    Action("models", "open", "enter", "versions", "Show the versions of the selected model."),
    Action("models", "train", "t", "train", "Fill in a training of the selected model.", Permission.TRAIN),
    Action("models", "monitor", "m", "monitor", "Watch the selected model on its targets."),
    Action("versions", "open", "enter", "version", "Show everything that is on record about the version."),
    Action("versions", "request", "r", "request", "Ask for the promotion of the version.", Permission.REQUEST),
    Action("versions", "compare", "c", "compare", "Compare the version with another, the champion by default."),
    Action("versions", "train", "t", "train", "Fill in a training of the model.", Permission.TRAIN),
    Action("version", "next_page", "right,tab", "page", "Next page: metrics, gates, parameters, data, code, lineage."),
    Action("version", "previous_page", "left,shift+tab", "", "Page before.", footer=False),
    Action("version", "request", "r", "request", "Ask for the promotion of the version.", Permission.REQUEST),
    Action("version", "compare", "c", "compare", "Compare the version with another, the champion by default."),
    Action("version", "reproduce", "x", "reproduce", "Train it again: is it identical?", Permission.TRAIN),
    Action("version", "tree", "l", "lineage", "Its lineage as a tree that folds: back to rows and code, on to what followed."),
    Action("lineage", "open", "enter", "open", "Open what the cursor is on: a version, job, alert, request; else fold it."),
    Action("lineage", "fold", "left,h", "fold", "Fold, or go up to what it is part of.", footer=False),
    Action("lineage", "unfold", "right,l", "unfold", "Unfold; again unfolds all below."),
    Action("lineage", "text", "t", "text", "The whole lineage as one text; again for the tree."),
    Action("lineage", "affected", "u", "affected", "What is affected if this data, code or version was bad."),
    Action("affected", "open", "enter", "version", "Show everything on record about the version."),
    Action("affected", "tree", "l", "lineage", "The lineage of the version."),
    Action("compare", "everything", "s", "same too", "Show what is the same too, or only what differs."),
    Action("compare", "code", "v", "code", "The difference of their code; again for the facts."),
    Action("approvals", "open", "enter", "evidence", "Read the evidence of the selected request."),
    Action("approvals", "all", "o", "all/open", "Show closed requests too, or only open ones."),
    Action("evidence", "approve", "a", "approve", "Sign: approve on the evidence shown.", Permission.DECIDE),
    Action("evidence", "reject", "r", "reject", "Reject, with a reason.", Permission.DECIDE),
    Action("evidence", "comment", "c", "comment", "Remark on the request.", Permission.COMMENT),
    Action("evidence", "withdraw", "w", "withdraw", "Withdraw the request.", Permission.REQUEST),
    Action("evidence", "version", "v", "version", "Show everything on record about the version."),
    Action("monitor", "earlier", "left,h", "cursor", "The cursor to the window before; its figures stand above.", footer=False),
    Action("monitor", "later", "right,l", "cursor", "The cursor: the next window."),
    Action("monitor", "next_target", "tab", "target", "Next target."),
    Action("monitor", "previous_target", "shift+tab", "", "Target before.", footer=False),
    Action("monitor", "next_feature", "down,j", "feature", "Next feature, in the order of drift."),
    Action("monitor", "previous_feature", "up,k", "", "Feature before.", footer=False),
    Action("monitor", "next_model", "m", "model", "Next model."),
    Action("monitor", "distribution", "enter", "distribution", "The feature in this window beside its reference, bin by bin."),
    Action("monitor", "heat", "x", "heat map", "Drift of every feature over time; again for the charts."),
    Action("monitor", "zoom", "z", "zoom", "One chart on the whole screen, each in turn (data quality too); then all again."),
    Action("monitor", "features", "f", "features", "List every feature with its newest drift; again for the charts."),
    Action("monitor", "closer", "i", "in/out", "Half the time, around the cursor (the newest without one)."),
    Action("monitor", "wider", "o", "", "Twice the time.", footer=False),
    Action("monitor", "pan_back", "comma", "", "The time before, by half of what is shown.", footer=False),
    Action("monitor", "pan_on", "full_stop", "", "The time after.", footer=False),
    Action("monitor", "follow", "w", "follow", "Follow the newest window, or stay at this time."),
    Action("monitor", "beside", "b", "beside", "Beside it: each other target in turn, then the versions before; then nothing."),
    Action("monitor", "export", "e", "export", "Export the series as CSV, the picture as text and SVG."),
    Action("monitor", "alerts", "a", "alerts", "Show the alerts of this model."),
    Action("monitor", "rejected", "r", "rejected", "Events that were not taken in, with the reason."),
    Action("jobs", "open", "enter", "log", "Show the job and its live log."),
    Action("jobs", "cancel", "x", "cancel", "Cancel the job: its processes are ended.", Permission.CANCEL_JOB),
    Action("jobs", "retry", "R", "retry", "Queue an ended job again with the same inputs.", Permission.CANCEL_JOB),
    Action("job", "follow", "f", "follow", "Follow the end of the log, or stay where you are."),
    Action("job", "next_match", "n", "next", "After / : the next line that holds the text."),
    Action("job", "previous_match", "N", "", "The line before.", footer=False),
    Action("job", "wrap", "w", "wrap", "Wrap long lines, or cut them; ← → move along them then."),
    Action("job", "version", "v", "version", "Show the version that the job made."),
    Action("job", "cancel", "x", "cancel", "Cancel the job: its processes are ended.", Permission.CANCEL_JOB),
    Action("job", "retry", "R", "retry", "Queue the ended job again with the same inputs.", Permission.CANCEL_JOB),
    Action("train", "submit", "ctrl+s", "start", "Start the training with what the form says.", Permission.TRAIN),
    Action("train", "next_model", "m", "model", "Fill in the form of the next model (Esc leaves the field first)."),
    Action("deployments", "open", "enter", "monitor", "Watch the model on the target."),
    Action("deployments", "roll_back", "R", "roll back", "Back to the version before on this target.", Permission.ROLL_BACK),
    Action("deployments", "roll_back_all", "B", "…everywhere", "The same on all targets of the model.", Permission.ROLL_BACK),
    Action("deployments", "lift_hold", "H", "lift hold", "Let automatic deployment run again.", Permission.LIFT_HOLD),
    Action("deployments", "history", "h", "history", "Show every deployment that there was, or what is live."),
    Action("deployments", "fleet", "f", "fleet", "Models × targets at a glance, grouped."),
    Action("fleet", "open", "enter", "monitor", "Watch the chosen model on the target."),
    Action("fleet", "next_model", "right,l", "model", "Choose the next model."),
    Action("fleet", "previous_model", "left,h", "", "Choose the model before.", footer=False),
    Action("fleet", "group", "b", "group by", "Group targets by region, product, business unit, or not at all."),
    Action("fleet", "live", "s", "deployments", "The list of deployments, where things are rolled back."),
    Action("fleet", "versions", "v", "versions", "Show the versions of the chosen model."),
    Action("alerts", "open", "enter", "why", "Explain why the alert fired."),
    Action("alerts", "acknowledge", "a", "acknowledge", "Say that you are on it.", Permission.HANDLE_ALERT),
    Action("alerts", "resolve", "r", "resolve", "Close the alert, with a reason.", Permission.HANDLE_ALERT),
    Action("alerts", "monitor", "m", "monitor", "Watch what it is about."),
    Action("alerts", "all", "o", "all/open", "Show resolved alerts too, or only open ones."),
    Action("alert", "acknowledge", "a", "acknowledge", "Say that you are on it.", Permission.HANDLE_ALERT),
    Action("alert", "resolve", "r", "resolve", "Close the alert, with a reason.", Permission.HANDLE_ALERT),
    Action("alert", "monitor", "m", "monitor", "Watch what it is about."),
    Action("schedules", "toggle", "p", "pause/resume", "Pause or resume the selected schedule.", Permission.SCHEDULE),
    Action("audit", "open", "enter", "entry", "Show the whole entry."),
    Action("audit", "verify", "v", "verify", "Recompute the whole chain and show its head."),
    Action("audit", "older", "n", "older", "Show the entries before these."),
    Action("audit", "newest", "b", "newest", "Show the newest entries."),
)  # fmt: skip

MOVEMENT = (
    ("↑ ↓  k j", "move"),
    ("PgUp PgDn", "move a page"),
    ("Home End  g G", "first, last"),
)
"""What lists and texts understand, for the help."""


def actions_of(scope: str) -> tuple[Action, ...]:
    """The actions of a view, its own first."""
    own = tuple(action for action in ACTIONS if action.scope == scope != EVERYWHERE)
    return own + tuple(action for action in ACTIONS if action.scope == EVERYWHERE)


def bindings_of(scope: str) -> list[Binding | tuple[str, str] | tuple[str, str, str]]:
    """Textual's bindings of one scope."""
    return [
        Binding(action.keys, f"act('{action.name}')", action.word, id=f"{scope}.{action.name}", show=False)
        for action in ACTIONS
        if action.scope == scope
    ]


def find(scope: str, name: str) -> Action | None:
    """The action of that name in a view."""
    return next((action for action in actions_of(scope) if action.name == name), None)
