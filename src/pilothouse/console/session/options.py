"""Options with which a command line, the demo or a test opens a console. Imported before the first frame."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pilothouse.domain.identity.trusted_start import TrustedStart


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleOptions:
    """``user`` is the name that the system gives, and ``uid`` its account; ``as_name`` the name that a trusted wrapper (or a
    demo) hands over."""

    user: str
    uid: int | None = None
    as_name: str | None = None
    start: str = "overview"
    """The first view with its arguments, as after ``:``."""
    at: str = ""
    """The time to begin with, as after ``:at``."""
    read_only: bool = False
    """Actions that change the workspace are not available, and the operations refuse them."""
    plugins: bool = True
    """Whether this console may run the user's own commands."""
    lean: bool | None = None
    """A slow link: the screen follows changes once a second. None: by the configuration, else over SSH."""
    trusted: "TrustedStart | None" = None
    """What sshd said of the user, where it started this; ``as_name`` is their name then."""
    address: str = ""
    """Where the user came from, over SSH."""
    terminal: str = ""
    """The terminal's name in the record of sessions; no session is recorded where it is empty."""
    config_path: "Path | None" = None
    """The user's configuration file where it is not the usual one."""
