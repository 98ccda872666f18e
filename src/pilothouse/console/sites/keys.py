"""Keys of the console of several sites: as in that of one where they are the same thing."""

from pilothouse.console.session.actions import EVERYWHERE, Action

SITES = "sites"
LISTS = {"approvals": "request", "jobs": "job", "fleet": "deployment", "alerts": "alert"}
"""Views that are lists, and the kind of their items."""
SITE_ACTIONS: tuple[Action, ...] = (
    Action(EVERYWHERE, "go_sites", "1", "sites", "Go to sites.", footer=False),
    Action(EVERYWHERE, "go_approvals", "3", "approvals", "Go to approvals.", footer=False),
    Action(EVERYWHERE, "go_jobs", "5", "jobs", "Go to jobs.", footer=False),
    Action(EVERYWHERE, "go_fleet", "7", "fleet", "Go to fleet.", footer=False),
    Action(EVERYWHERE, "go_alerts", "8", "alerts", "Go to alerts.", footer=False),
    Action(SITES, "open", "enter", "open", "Open the site's own console, at what the cursor is on; quit comes back."),
    Action(SITES, "again", "r", "ask again", "Ask the site under the cursor now."),
    Action(SITES, "filter", "slash", "filter", "Filter a list: text, !text, column=value (/site=jfk)."),
    Action(SITES, "back", "escape", "back", "Clear the filter, else go to the sites.", footer=False),
    Action(EVERYWHERE, "help", "question_mark", "help", "Show the keys."),
    Action(EVERYWHERE, "leave", "q,ctrl+q", "quit", "Leave the console."),
)  # fmt: skip
