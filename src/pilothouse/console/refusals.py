"""Why an action is refused, said beforehand in footer, help and palette. The operations decide for themselves."""

from typing import TYPE_CHECKING

from pilothouse.console.session.actions import Action
from pilothouse.domain.identity.roles import PERMISSIONS, Permission, Role

if TYPE_CHECKING:
    from pilothouse.console.contract import ViewLike


def why_not(view: "ViewLike", action: Action) -> str:
    """The reason of a refusal: read-only console, past, role, then the view's state. Empty if the action is allowed."""
    session = view.session
    if action.writes and session.options.read_only:
        return "this console is read-only"
    if action.writes and session.past is not None:
        return "this is the past, which nobody changes; :now returns to the present"
    if action.name.startswith("plugin_"):
        return _why_no_plugin(view, action)
    if action.permission and not session.actor.might(action.permission, view.subject_model()):
        return f"to {action.permission} takes {_roles(action.permission)}; you are {session.actor.role_names}"
    return view.refusal(action) if action.scope == view.SCOPE else ""


def _why_no_plugin(view: "ViewLike", action: Action) -> str:
    from pilothouse.console import plugins

    plugin = plugins.named(view.session.config.plugins, action.name)
    return plugins.refusal(plugin, view) if plugin else "there is no such plugin"


def _roles(permission: Permission) -> str:
    names = sorted(
        str(role)
        for role, permissions in PERMISSIONS.items()
        if permission in permissions and role is not Role.DAEMON
    )
    return " or ".join(names)


def ways_out(view: "ViewLike", *, narrowed: bool) -> list[str]:
    """Keys and commands that help where the subject of a view does not exist. ``narrowed``: Esc would show everything."""
    ways = ["^r reads again"]
    if view.filter_text:
        ways = ["Esc clears the filter", *ways]
    elif narrowed:
        ways = ["Esc shows all", *ways]
    elif len(view.app.screen_stack) > 1 or view.app.trail:
        ways = ["Esc goes back", f":{view.TOP} lists what there is", *ways]
    if view.session.at is not None:
        ways = [":now goes to the present", "← → to other times", *ways]
    return ways
