"""Whom a request is answered by, and how it is told that nobody is there yet."""

import pytest

from pilothouse.domain.errors import NotFoundError, UnavailableError
from pilothouse.domain.wire import DesiredVersion
from pilothouse.serving.versions.live_versions import Roster

DESIRED = {"delay": DesiredVersion("delay", 3, "a" * 64, "b" * 64)}


@pytest.mark.parametrize(
    ("roster", "said"),
    [
        (Roster(), "not known yet; try again"),
        (Roster(True, DESIRED), "model delay is not loaded: it is being loaded; try again"),
        (Roster(True, DESIRED, failed={"delay": "version 3: no such artifact"}), "no such artifact"),
    ],
)
def test_what_is_to_be_served_and_is_not_there_yet_is_unavailable(roster: Roster, said: str) -> None:
    with pytest.raises(UnavailableError, match=said):
        roster.find("delay", None)


def test_what_is_not_served_here_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="there is no model other here; served: delay"):
        Roster(True, DESIRED).find("other", None)
