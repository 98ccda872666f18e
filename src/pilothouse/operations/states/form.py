"""Form of the states on record. A module of its own: whoever opens a workspace asks for it, and seldom for more."""

from pilothouse.operations.services import Services
from pilothouse.store import workspace

FORM = "6"
"""Another one is written anew when the workspace is opened."""
FORM_SETTING = "form_of_states"


def is_of_this_release(services: Services) -> bool:
    """True where the states on record have the form of this release."""
    with services.registry.read() as connection:
        return workspace.setting(connection, FORM_SETTING) == FORM
