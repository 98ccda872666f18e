"""The client that the functions of the package use where none is named: one a workspace and process, until the process ends."""

import os
import threading
from pathlib import Path

from pilothouse.api.client import Client

_LOCK = threading.Lock()
_CLIENTS: dict[Path, Client] = {}


def client_of(workspace: "str | os.PathLike[str] | Client | None") -> Client:
    """The client given, or the shared one of a folder. Raises as Client does."""
    if isinstance(workspace, Client):
        return workspace
    new = Client(workspace)  # costs nothing until its first call
    with _LOCK:
        return _CLIENTS.setdefault(new.workspace, new)


def _forget() -> None:
    global _LOCK
    _LOCK = threading.Lock()


os.register_at_fork(after_in_child=_forget)
