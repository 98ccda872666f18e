"""How a console is opened: what its command line, the demo or a test asks for. Imported before the first frame."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleOptions:
    """``user`` is who the system says it is; ``as_name`` the name that a trusted wrapper (or a demo) hands over."""

    user: str
    as_name: str | None = None
    start: str = "overview"
    """The first view with its arguments, as after ``:``."""
    at: str = ""
    """A time to begin with, as after ``:at``."""
    read_only: bool = False
    """No action that changes the workspace can be reached, and the operations refuse one."""
    plugins: bool = True
    """Whether this console may run the reader's own commands."""
    lean: bool | None = None
    """A slow link: the screen follows changes once a second. None: as the configuration says, else over SSH."""
    terminal: str = ""
    """What is put on record of the terminal; nothing: no record is made."""
    config_path: "Path | None" = None
    """The reader's configuration where it is not in its usual place."""
