"""Mail, chat and pagers by apprise, where it is installed. It tries once and blocks: hence in a process of its own."""

import importlib
import logging
from collections.abc import Mapping
from typing import Any

from pilothouse.sending.http_post import Outcome

EXTRA = 'apprise is not installed where the daemon runs: pip install "pilothouse[alerts]"'
_TYPES = {"critical": "failure", "warning": "warning", "info": "info"}
_LONGEST_BODY = 8_000


def notify(url: str, message: Mapping[str, Any]) -> Outcome:
    """Send a message to the place of an apprise URL. What it connects to is not checked: its host may be a token."""
    logging.getLogger("apprise").addHandler(logging.NullHandler())
    logging.getLogger("apprise").propagate = False  # its messages name URLs
    try:
        apprise = importlib.import_module("apprise")
    except ImportError:
        return Outcome(EXTRA)
    asset = apprise.AppriseAsset(
        app_id="Pilothouse", storage_mode=apprise.PersistentStoreMode.MEMORY, async_mode=False
    )
    place = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if place is None:
        return Outcome("apprise does not know its URL")
    try:
        taken = place.notify(
            title=str(message["title"]),
            body=body_of(message)[:_LONGEST_BODY],
            body_format=apprise.NotifyFormat.TEXT,  # else it goes into a page as it is: hostile markup, and lines run together
            notify_type=_TYPES.get(str(message["severity"]), "info"),
        )
    except Exception as error:  # noqa: BLE001 - a library of others: whatever it raises, the message was not taken
        return Outcome(f"apprise: {type(error).__name__}")
    return Outcome() if taken else Outcome("apprise says that it was not taken")


def body_of(message: Mapping[str, Any]) -> str:
    """A message as plain text."""
    parts = []
    for line in message["lines"]:
        what = "" if line["what"] == "happened" else f"{line['what']}: "
        number = f" (alert {line['alert']})" if line.get("alert") else ""
        parts.append(f"{line['severity'].upper()} {what}{line['title']}{number}")
        if line.get("text") and line["what"] != "resolved":
            parts.append(line["text"])
        parts.append("")
    parts.append(f"{message['workspace']}, Pilothouse")
    return "\n".join(parts)
