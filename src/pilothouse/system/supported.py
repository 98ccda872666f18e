"""Check of the operating system."""

import sys

from pilothouse.domain.errors import UnavailableError


def check_system() -> None:
    """Raise UnavailableError, in one line, on anything but Linux."""
    if sys.platform != "linux":
        raise UnavailableError(
            f"Pilothouse runs on Linux, and this is {sys.platform}, which lacks /proc, Landlock and locks of open files: use a "
            "Linux machine, a container or a virtual machine (pilothouse drift works here)"
        )
