"""Notifications to systemd, where it started the process: ready, alive, stopping.

The protocol is that of sd_notify(3): a datagram with lines of NAME=VALUE to the unix socket that ``NOTIFY_SOCKET`` names.
"""

import contextlib
import os
import socket


def notify(*lines: str) -> bool:
    """Send lines to the service manager; False where there is none."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]  # an abstract socket
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as s,
    ):
        s.sendto("\n".join(lines).encode(), address)
        return True
    return False


def watchdog_every_s() -> float | None:
    """Seconds between two signs of life: a third of what the service manager allows; None where it asks for none."""
    try:
        allowed = int(os.environ.get("WATCHDOG_USEC", ""))
        ours = int(os.environ.get("WATCHDOG_PID") or os.getpid()) == os.getpid()
    except ValueError:
        return None
    return allowed / 3e6 if ours and allowed > 0 else None
