"""Keys of the console of several sites. What the console of one does too has its name: one keymap counts for both."""

from collections.abc import Mapping
from dataclasses import replace

from pilothouse.console.session.actions import EVERYWHERE, Action

SITES, SEARCH = "sites", "search"
LISTS = {
    "approvals": ("request",),
    "jobs": ("job",),
    "fleet": ("deployment",),
    "alerts": ("alert",),
    "rollouts": ("rollout",),
    SEARCH: ("alert", "deployment", "rollout", "request", "job"),
}
"""Views that are lists, and the kinds of their items."""
TABS = (
    ("go_sites", "Sites"), ("go_approvals", "Approvals"), ("go_jobs", "Jobs"), ("go_fleet", "Fleet"), ("go_alerts", "Alerts"),
    ("go_rollouts", "Roll-outs"), ("go_search", "Search"),
)  # fmt: skip
KINDS = {"evidence": "request", "alerts": "alert", "rollout": "rollout", "deployments": "deployment"}
"""Scopes of acts, and the kind of item that each is about."""
SITE_ACTIONS: tuple[Action, ...] = (
    Action(SITES, "go_sites", "1", "sites", "Go to sites.", footer=False),
    Action(EVERYWHERE, "go_approvals", "3", "approvals", "Go to approvals.", footer=False),
    Action(EVERYWHERE, "go_jobs", "5", "jobs", "Go to jobs.", footer=False),
    Action(SITES, "go_fleet", "7", "fleet", "Go to fleet.", footer=False),
    Action(EVERYWHERE, "go_alerts", "8", "alerts", "Go to alerts.", footer=False),
    Action(SITES, "go_rollouts", "o", "roll-outs", "Go to roll-outs.", footer=False),
    Action(SITES, "go_search", "s", "search", "Search the items of all sites, of every kind; Enter ends the search text."),
    Action(SITES, "open", "enter", "open", "Open the site's own console, at what the cursor is on; quit comes back."),
    Action("evidence", "approve", "a", "approve", "On a request: approve it in its site, on the evidence that is shown."),
    Action("evidence", "reject", "r", "reject", "On a request: reject it in its site, with a reason."),
    Action("alerts", "acknowledge", "a", "acknowledge", "On an alert: say in its site that you are on it."),
    Action("rollout", "pause", "p", "pause/resume", "On a roll-out: pause it in its site, or resume it."),
    Action("rollout", "abort", "ctrl+l", "abort", "On a roll-out: abort it in its site, which takes its targets back.",
           dangerous=True),
    Action("deployments", "roll_back", "ctrl+l", "roll back", "On a deployment: roll it back in its site.", dangerous=True),
    Action(EVERYWHERE, "filter", "slash", "filter", "Filter: text, !text, column=value (/site=jfk state=critical region=eu)."),
    Action(SITES, "order", "w", "worst first", "Sites: the worst first, or in the order in which they were named."),
    Action(EVERYWHERE, "refresh", "ctrl+r", "ask again", "Ask the site under the cursor now."),
    Action(EVERYWHERE, "back", "escape", "back", "Clear the filter, else go to the sites.", footer=False),
    Action(EVERYWHERE, "help", "question_mark", "help", "Show the keys."),
    Action(EVERYWHERE, "leave", "q,ctrl+q", "quit", "Leave the console."),
)  # fmt: skip


def actions_in(view: str, kind: str, keys: Mapping[str, str] | None = None) -> tuple[Action, ...]:
    """What works in a view while the cursor is on an item of a kind. ``keys`` are those of the user's keymap, by action id."""
    found = []
    for one in SITE_ACTIONS:
        if one.scope in KINDS and KINDS[one.scope] != kind:
            continue
        if one.name == "order" and view != SITES:
            continue
        found.append(replace(one, keys=(keys or {}).get(one.id, one.keys)))
    return tuple(found)
