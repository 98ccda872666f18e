"""The table of actions: keys, footer, help, palette and the keymap file are all made from it.

An action belongs to a scope: ``everywhere``, or the name of the view that it works in. ``permission`` only serves to say
beforehand that the operation would refuse; the operation itself decides.

The keys follow k9s where it has one for the same thing. Capitals sort tables, so no action has one. An action that takes
something away from somebody (``dangerous``) has a key with Ctrl, and asks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from textual.binding import Binding

from pilothouse.domain.identity.roles import Permission

EVERYWHERE = "everywhere"


@dataclass(frozen=True, slots=True)
class Action:
    """An action that keys perform. ``label`` stands in the footer, ``help`` in the help and the palette."""

    scope: str
    name: str
    keys: str
    label: str
    help: str
    permission: Permission | None = None
    footer: bool = True
    dangerous: bool = False
    """It takes something away that somebody relies on: it has a key with Ctrl, and asks first."""

    @property
    def id(self) -> str:
        """The action's name in a keymap file: ``jobs.cancel``."""
        return f"{self.scope}.{self.name}"

    @property
    def key_list(self) -> tuple[str, ...]:
        """Its keys, as Textual names them."""
        return tuple(key.strip() for key in self.keys.split(",") if key.strip())

    @property
    def shown_keys(self) -> str:
        """The first key as it is printed on the keyboard."""
        return printed(self.key_list[0]) if self.key_list else ""

    @property
    def writes(self) -> bool:
        """Whether it changes the workspace; a read-only console refuses such actions."""
        return self.permission not in (None, Permission.READ)


_PRINTED = {
    "enter": "⏎", "escape": "Esc", "question_mark": "?", "slash": "/", "colon": ":", "tab": "Tab", "space": "Space",
    "left": "←", "right": "→", "up": "↑", "down": "↓", "minus": "-", "equals_sign": "=", "exclamation_mark": "!",
    "left_square_bracket": "[", "right_square_bracket": "]", "full_stop": ".", "comma": ",", "semicolon": ";", "at": "@",
    "number_sign": "#", "asterisk": "*", "plus": "+", "less_than_sign": "<", "greater_than_sign": ">",
}  # fmt: skip


def printed(key: str) -> str:
    """A key as it is printed on the keyboard: ``^s`` for ``ctrl+s``."""
    if key.startswith("ctrl+"):
        return f"^{printed(key.removeprefix('ctrl+'))}"
    return _PRINTED.get(key, key)


def key_name(text: str) -> str:
    """Textual's name of a key as a user writes it: ``!``, ``^k`` or ``ctrl-k``."""
    names = {shown: name for name, shown in _PRINTED.items() if len(shown) == 1}
    if len(text) == 2 and text[0] == "^":
        text = f"ctrl+{text[1]}"
    for prefix in ("ctrl-", "Ctrl-", "Ctrl+", "shift-", "alt-"):
        if text.startswith(prefix) and len(text) > len(prefix):
            text = f"{prefix[:-1].lower()}+{text[len(prefix) :]}"
    return names.get(text, text)


TABS = (
    ("1", "overview", "Over"), ("2", "models", "Models"), ("3", "approvals", "Approve"), ("4", "monitor", "Monitor"),
    ("5", "jobs", "Jobs"), ("6", "train", "Train"), ("7", "deployments", "Deploy"), ("8", "alerts", "Alerts"),
    ("9", "schedules", "Sched"), ("0", "audit", "Audit"),
)  # fmt: skip
"""Key, top view, and its name where room is short."""

ACTIONS: tuple[Action, ...] = (
    *(Action(EVERYWHERE, f"go_{view}", key, view, f"Go to {view}.", footer=False) for key, view, _ in TABS),
    Action(EVERYWHERE, "back", "escape", "back", "Go back; clear marks, the filter and what : narrowed first.", footer=False),
    Action(EVERYWHERE, "command", "colon", "command", "Type a view with arguments, “monitor flight-delay ewr”.", footer=False),
    Action(EVERYWHERE, "filter", "slash", "filter", "Filter: text, !text, -f letters, column=value.", footer=False),
    Action(EVERYWHERE, "last_view", "minus", "last view", "Go to the view before, and back again.", footer=False),
    Action(EVERYWHERE, "history_back", "left_square_bracket", "earlier", "Go back in the history of views.", footer=False),
    Action(EVERYWHERE, "history_forward", "right_square_bracket", "later", "Go forward in it.", footer=False),
    Action(EVERYWHERE, "describe", "d", "describe", "Describe what the cursor is on, every field of it.", footer=False),
    Action(EVERYWHERE, "raw", "y", "record", "Show the raw record as TOML; y again shows JSON.", footer=False),
    Action(EVERYWHERE, "copy", "c", "copy", "Copy the name of the row, or the text of the page.", footer=False),
    Action(EVERYWHERE, "mark", "space", "mark", "Mark the row: keys then act on all that are marked.", footer=False),
    Action(EVERYWHERE, "unhealthy", "ctrl+z", "unhealthy", "Show only what is unhealthy, or everything.", footer=False),
    Action(EVERYWHERE, "wide", "ctrl+w", "wide", "Show every column whole (← → move sideways), or what fits.", footer=False),
    Action(EVERYWHERE, "pause", "exclamation_mark", "pause", "Pause or resume all automation, with a reason.",
           Permission.PAUSE, footer=False),
    Action(EVERYWHERE, "time", "at", "time",
           "Every view as it was at a time, 2013-07-04 14:00 or -7d; :now returns.", footer=False),
    Action(EVERYWHERE, "refresh", "ctrl+r", "refresh", "Read everything again.", footer=False),
    Action(EVERYWHERE, "help", "question_mark", "help", "Show the keys of this view."),
    Action(EVERYWHERE, "leave", "q,ctrl+q", "quit", "Leave the console; daemon and serving go on."),
    Action("overview", "open", "enter", "monitor", "Watch the selected model on its targets; fold or unfold a group."),
    Action("overview", "versions", "v", "versions", "Show the versions of the selected model."),
    Action("overview", "train", "t", "train", "Fill in a training of the selected model.", Permission.TRAIN),
    Action("overview", "alerts", "l", "alerts", "Show the alerts of the selected model."),
    Action("overview", "fleet", "f", "fleet", "Models × targets at a glance, grouped."),
    Action("overview", "group", "b", "group by", "Group by unit, region, product, environment or a label; or not."),
    Action("overview", "fold", "z", "fold", "Fold or unfold the group under the cursor."),
    Action("overview", "inbox", "i", "inbox", "Show what waits for an approval."),
    Action("models", "open", "enter", "versions", "Show the versions of the selected model."),
    Action("models", "train", "t", "train", "Fill in a training of the selected model.", Permission.TRAIN),
    Action("models", "monitor", "m", "monitor", "Watch the selected model on its targets."),
    Action("models", "inventory", "i", "inventory", "Risk tier, use, owner, validator and next review of every model."),
    Action("inventory", "open", "enter", "versions", "Show the versions of the selected model."),
    Action("inventory", "monitor", "m", "monitor", "Watch the selected model on its targets."),
    Action("inventory", "review", "r", "review", "Record a review: what you found, and when the next one is due.",
           Permission.REVIEW),
    Action("versions", "open", "enter", "version", "Show everything that is on record about the version."),
    Action("versions", "request", "r", "request", "Ask for the promotion of the version.", Permission.REQUEST),
    Action("versions", "compare", "equals_sign", "compare", "Compare the version with another, the champion by default."),
    Action("versions", "course", "i", "chart", "Each metric over all versions shown, as charts."),
    Action("versions", "train", "t", "train", "Fill in a training of the model.", Permission.TRAIN),
    Action("version", "next_page", "right,tab", "page", "Next page: metrics, pictures, gates, parameters and others."),
    Action("version", "previous_page", "left,shift+tab", "", "Page before.", footer=False),
    Action("version", "raise_threshold", "greater_than_sign", "threshold", "Pictures: what a higher threshold confuses."),
    Action("version", "lower_threshold", "less_than_sign", "", "Pictures: a lower threshold.", footer=False),
    Action("version", "request", "r", "request", "Ask for the promotion of the version.", Permission.REQUEST),
    Action("version", "compare", "equals_sign", "compare", "Compare the version with another, the champion by default."),
    Action("version", "reproduce", "x", "reproduce", "Train it again: is it identical?", Permission.TRAIN),
    Action("version", "replay", "p", "replay", "Replay: have it answer recorded production traffic.", Permission.TRAIN),
    Action("version", "break_glass", "ctrl+g", "break glass", "In an emergency: put it live on every target at once, alone.",
           Permission.BREAK_GLASS, footer=False, dangerous=True),
    Action("version", "tree", "l", "lineage", "Its lineage as a tree that folds: back to rows and code, on to what followed."),
    Action("lineage", "open", "enter", "open", "Open what the cursor is on: a version, job, alert, request; else fold it."),
    Action("lineage", "fold", "left,h", "fold", "Fold, or go up to what it is part of.", footer=False),
    Action("lineage", "unfold", "right,l", "unfold", "Unfold; again unfolds all below."),
    Action("lineage", "text", "t", "text", "The whole lineage as one text; again for the tree."),
    Action("lineage", "affected", "u", "affected", "What is affected if this data, code or version was bad."),
    Action("affected", "open", "enter", "version", "Show everything on record about the version."),
    Action("affected", "tree", "l", "lineage", "The lineage of the version."),
    Action("compare", "pictures", "p", "pictures", "Their held-out rows in pictures, or the facts again."),
    Action("compare", "everything", "s", "same too", "Show what is the same too, or only what differs."),
    Action("compare", "code", "v", "code", "The difference of their code; again for the facts."),
    Action("approvals", "open", "enter", "evidence", "Read the evidence of the selected request."),
    Action("approvals", "again", "e", "ask anew", "Ask anew for what can no longer be decided, with fresh evidence.",
           Permission.REQUEST),
    Action("approvals", "all", "o", "all/open", "Show closed requests too, or only open ones."),
    Action("evidence", "approve", "a", "approve", "Approve on the evidence shown.", Permission.DECIDE),
    Action("evidence", "on_condition", "o", "on condition", "Approve on a condition that somebody confirms afterwards.",
           Permission.DECIDE, footer=False),
    Action("evidence", "reject", "r", "reject", "Reject, with a reason.", Permission.DECIDE),
    Action("evidence", "comment", "n", "comment", "Remark on the request.", Permission.COMMENT),
    Action("evidence", "withdraw", "w", "withdraw", "Withdraw the request.", Permission.REQUEST),
    Action("evidence", "again", "e", "ask anew", "Ask anew for what can no longer be decided, with fresh evidence.",
           Permission.REQUEST),
    Action("evidence", "break_glass", "ctrl+g", "break glass", "In an emergency: deploy what it asks for at once, alone.",
           Permission.BREAK_GLASS, footer=False, dangerous=True),
    Action("evidence", "keep", "s", "let stand", "Let stand what somebody deployed by breaking the glass.",
           Permission.REVIEW_GLASS, footer=False),
    Action("evidence", "take_back", "ctrl+t", "take back", "Take back what somebody deployed by breaking the glass.",
           Permission.REVIEW_GLASS, footer=False, dangerous=True),
    Action("evidence", "replay", "p", "replay", "Show the replay of the evidence, all of it.", footer=False),
    Action("evidence", "pictures", "i", "pictures", "Its held-out rows in pictures, beside what is live.", footer=False),
    Action("evidence", "confirm", "f", "confirm", "Confirm the condition of an approval.", Permission.CONFIRM, footer=False),
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
    Action("monitor", "zoom", "z", "zoom", "One chart on the whole screen, each in turn (course, data quality too); then all."),
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
    Action("prediction", "version", "v", "version", "The version that answered."),
    Action("prediction", "monitor", "m", "monitor", "Its model on its target."),
    Action("rejected", "outcomes", "o", "outcomes", "Outcomes that wait for their prediction, or contradict another."),
    Action("outcomes", "other", "o", "waiting/conflicts", "From those that wait to those that contradict another, and back."),
    Action("outcomes", "rejected", "r", "rejected", "Events that were not taken in, with the reason."),
    Action("outcomes", "monitor", "m", "monitor", "Watch what the conflict is about."),
    Action("jobs", "open", "enter", "log", "Show the job and its live log."),
    Action("jobs", "cancel", "ctrl+k", "cancel", "Cancel the job: its processes are ended.", Permission.CANCEL_JOB,
           dangerous=True),
    Action("jobs", "retry", "r", "retry", "Queue an ended job again with the same inputs.", Permission.CANCEL_JOB),
    Action("jobs", "trials", "t", "trials", "Compare what a training's search has tried."),
    Action("jobs", "result", "s", "replay", "Show what a replay found.", footer=False),
    Action("job", "follow", "f", "follow", "Follow the end of the log, or stay where you are."),
    Action("job", "next_match", "n", "next", "After / : the next line that holds the text."),
    Action("job", "previous_match", "p", "", "The line before.", footer=False),
    Action("job", "wrap", "w", "wrap", "Wrap long lines, or cut them; ← → move along them then."),
    Action("job", "version", "v", "version", "Show the version that the job made."),
    Action("job", "cancel", "ctrl+k", "cancel", "Cancel the job: its processes are ended.", Permission.CANCEL_JOB,
           dangerous=True),
    Action("job", "retry", "r", "retry", "Queue the ended job again with the same inputs.", Permission.CANCEL_JOB),
    Action("job", "trials", "t", "trials", "Compare what the training's search has tried."),
    Action("jobs", "runs", "n", "runs", "Notebook runs: what programs have recorded.", footer=False),
    Action("runs", "open", "enter", "run", "Show the notebook run."),
    Action("runs", "compare", "equals_sign", "compare", "Show the marked runs beside each other."),
    Action("run", "runs", "n", "runs", "Show the notebook runs of the model."),
    Action("job", "result", "s", "replay", "Show what the replay found.", footer=False),
    Action("replay", "job", "l", "log", "Show the job and its log."),
    Action("replay", "version", "v", "version", "Show the version that was replayed."),
    Action("trials", "open", "enter", "log", "Show the log of the candidate's last trial."),
    Action("trials", "compare", "equals_sign", "compare", "Two marked candidates side by side; one alone against the best."),
    Action("trials", "course", "i", "chart", "The metric of every candidate, as a chart."),
    Action("trials", "job", "j", "job", "Show the training that searches."),
    Action("trials", "version", "v", "version", "Show the version that the best one became."),
    Action("trials", "train", "t", "train", "Fill in a training of the model: it searches again.", Permission.TRAIN),
    Action("train", "submit", "ctrl+s", "start", "Start the training with what the form says.", Permission.TRAIN),
    Action("train", "next_field", "down,tab", "next field", "Next field."),
    Action("train", "previous_field", "up,shift+tab", "before", "Field before."),
    Action("train", "next_model", "m", "model", "Fill in the form of the next model (Esc leaves the field first)."),
    Action("deployments", "open", "enter", "monitor", "Watch the model on the target."),
    Action("deployments", "roll_back", "ctrl+l", "roll back", "Back to the version before on this target, or on those marked.",
           Permission.ROLL_BACK, dangerous=True),
    Action("deployments", "roll_back_all", "ctrl+e", "…everywhere", "The same on all targets of the model.",
           Permission.ROLL_BACK, dangerous=True),
    Action("deployments", "lift_hold", "u", "lift hold", "Let automatic deployment run again.", Permission.LIFT_HOLD),
    Action("deployments", "history", "h", "history", "Show every version that was live."),
    Action("deployments", "fleet", "f", "fleet", "Models × targets at a glance, grouped."),
    Action("history", "open", "enter", "version", "Show everything that is on record about the version."),
    Action("history", "request", "r", "request", "Show the request that was approved for it."),
    Action("history", "monitor", "m", "monitor", "Watch the model on the target."),
    Action("history", "live", "h", "live", "Show what is live."),
    Action("deployments", "rollouts", "o", "roll-outs", "Versions on their way, by wave and step."),
    Action("fleet", "open", "enter", "monitor", "Watch the chosen model on the target."),
    Action("fleet", "next_model", "right,l", "model", "Choose the next model."),
    Action("fleet", "previous_model", "left,h", "", "Choose the model before.", footer=False),
    Action("fleet", "group", "b", "group by", "Group targets by region, product, business unit, or not at all."),
    Action("fleet", "live", "s", "deployments", "The list of deployments, where things are rolled back."),
    Action("fleet", "versions", "v", "versions", "Show the versions of the chosen model."),
    Action("fleet", "roll_back", "ctrl+l", "roll back", "Back to the version before of the chosen model, on the target or on "
           "all of the group.", Permission.ROLL_BACK, dangerous=True),
    Action("fleet", "rollouts", "o", "roll-outs", "Versions on their way, by wave and step."),
    Action("rollouts", "open", "enter", "roll-out", "Show the roll-out: its waves, what it waits for, its evidence."),
    Action("rollouts", "evidence", "e", "evidence", "Show the request that it carries out."),
    Action("rollouts", "monitor", "m", "monitor", "Watch its model."),
    Action("rollout", "pause", "p", "pause/resume", "Pause it, so that it takes no step; or resume it.", Permission.ROLL_OUT),
    Action("rollout", "go_on", "n", "go on", "End its current step, so that the next one begins.", Permission.ROLL_OUT),
    Action("rollout", "abort", "ctrl+l", "abort", "Take every target that it touched back to what was live before.",
           Permission.ROLL_BACK, dangerous=True),
    Action("rollout", "beside", "b", "side by side", "Charts of the versions beside each other, and back to the page."),
    Action("rollout", "evidence", "e", "evidence", "Show the request that it carries out."),
    Action("rollout", "version", "v", "version", "Show the version."),
    Action("rollout", "monitor", "m", "monitor", "Watch its model."),
    Action("alerts", "open", "enter", "open", "Open the incident: its alerts, what happened, what to do next."),
    Action("alerts", "why", "w", "why", "Explain why the incident's first alert fired."),
    Action("alerts", "acknowledge", "a", "acknowledge", "Say that you are on it, all its alerts.", Permission.HANDLE_ALERT),
    Action("alerts", "resolve", "r", "resolve", "Close it with all its alerts, with a reason.", Permission.HANDLE_ALERT),
    Action("alerts", "assign", "n", "assign", "Name who looks after the incident.", Permission.HANDLE_ALERT),
    Action("alerts", "monitor", "m", "monitor", "Watch what it is about."),
    Action("alerts", "all", "o", "all/open", "Show incidents that are over too, or only what goes on."),
    Action("alerts", "outbox", "b", "outbox", "Messages to receivers, and how they take them."),
    Action("alerts", "silences", "s", "silences", "What is held back, until when, by whom."),
    Action("outbox", "silences", "s", "silences", "What is held back, until when, by whom."),
    Action("outbox", "test", "t", "test", "Send a test to every receiver.", Permission.HANDLE_ALERT),
    Action("outbox", "again", "r", "again", "Try the message again that was given up.", Permission.HANDLE_ALERT),
    Action("silences", "place", "p", "silence", "Hold messages back for a time, with a reason.", Permission.HANDLE_ALERT),
    Action("silences", "end", "ctrl+l", "end", "End the silence: what it holds is told.", Permission.HANDLE_ALERT,
           dangerous=True),
    Action("incident", "open", "enter,w", "why", "Explain why the selected alert fired."),
    Action("incident", "acknowledge", "a", "acknowledge", "Say that you are on it, all its alerts.", Permission.HANDLE_ALERT),
    Action("incident", "resolve", "r", "resolve", "Close it with all its alerts, with a reason.", Permission.HANDLE_ALERT),
    Action("incident", "assign", "n", "assign", "Name who looks after the incident.", Permission.HANDLE_ALERT),
    Action("incident", "monitor", "m", "monitor", "Watch what the selected alert is about."),
    Action("incident", "job", "j", "job", "Show the newest retraining that it started."),
    Action("alert", "acknowledge", "a", "acknowledge", "Say that you are on this alert.", Permission.HANDLE_ALERT),
    Action("alert", "resolve", "r", "resolve", "Close this alert, with a reason.", Permission.HANDLE_ALERT),
    Action("alert", "incident", "i", "incident", "Show the incident that the alert belongs to."),
    Action("alert", "monitor", "m", "monitor", "Watch what it is about."),
    Action("schedules", "toggle", "p", "pause/resume", "Pause or resume the selected schedule.", Permission.SCHEDULE),
    Action("schedules", "triggers", "t", "triggers", "What starts trainings by itself, and what automation did of late."),
    Action("triggers", "open", "enter", "job", "Show the job that it started last."),
    Action("triggers", "feed", "f", "what it did", "What automation did, why, and what came of it; again for the triggers."),
    Action("triggers", "schedules", "s", "schedules", "What runs by the clock."),
    Action("audit", "open", "enter", "entry", "Show the whole entry."),
    Action("audit", "log", "l", "log", "The transparency log: newest signed head, anchors and witnesses."),
    Action("audit", "holds", "h", "legal holds", "What may not be deleted, since when and why."),
    Action("audit", "verify", "v", "verify", "Recompute the whole chain and show its head."),
    Action("entry", "proof", "p", "proof", "Write the proof that the log has the entry, for a stranger; it says where."),
    Action("entry", "log", "l", "log", "The transparency log: newest signed head, anchors and witnesses."),
    Action("log", "compare", "v", "compare", "Compare every row with what the anchors hold, and ask the witnesses."),
    Action("log", "entries", "a", "entries", "The entries of the audit log."),
    Action("legal-holds", "place", "p", "place", "Stop the deletion of predictions, with a reason.", Permission.RETENTION),
    Action("legal-holds", "lift", "ctrl+l", "lift", "Lift the hold, or those that are marked.", Permission.RETENTION,
           dangerous=True),
)  # fmt: skip

MOVEMENT = (
    ("↑ ↓  k j", "move"),
    ("PgUp PgDn", "move a page"),
    ("Home End  g G", "first, last"),
    ("Shift+letter", "sort by the column with that letter underlined; again for the other way"),
)
"""Keys of lists and texts, for the help."""

RESERVED = frozenset({"k", "j", "g", "G", "home", "end", "pageup", "pagedown", "ctrl+c", "ctrl+p"})
"""Keys that lists, texts and Textual itself take."""


def actions_of(scope: str, keys: Mapping[str, str] | None = None) -> tuple[Action, ...]:
    """The actions of a view, its own first. ``keys`` are those of the user's keymap, by action id."""
    own = tuple(action for action in ACTIONS if action.scope == scope != EVERYWHERE)
    actions = own + tuple(action for action in ACTIONS if action.scope == EVERYWHERE)
    if not keys:
        return actions
    return tuple(replace(action, keys=keys.get(action.id, action.keys)) for action in actions)


def key_of(actions: Iterable[Action], name: str) -> str:
    """The key of an action of that name, as it is printed on the keyboard."""
    return next((action.shown_keys for action in actions if action.name == name), "")


def bindings_of(scope: str) -> list[Binding | tuple[str, str] | tuple[str, str, str]]:
    """Textual's bindings of one scope; their ids are those of the actions, for keymaps."""
    return [
        Binding(action.keys, f"act('{action.name}')", action.label, id=action.id, show=False)
        for action in ACTIONS
        if action.scope == scope
    ]
