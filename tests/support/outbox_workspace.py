"""A workspace with receivers, in which alerts open and resolve and the outbox takes its turns."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fixtures.registries import Example, make_example, raised
from pilothouse.domain.outbox.deliveries import Outgoing
from pilothouse.domain.records import Alert
from pilothouse.operations.alerts import alerts
from pilothouse.operations.outbox import courier, rounds, views
from pilothouse.operations.outbox.courier import Came, Courier
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import apply_models
from support.receivers import SECRET

HOOK = """
[[receiver]]
name = "hook"
kind = "webhook"
url = "{url}"
secret_file = "{secret}"
allow = ["127.0.0.1"]
{receiver}

[[route]]
name = "all"
to = ["hook"]
wait = "{wait}"
every = "0s"
go_on = true
{route}
{rest}
"""
SECOND = """
[[receiver]]
name = "second"
kind = "webhook"
url = "{url}"
secret_file = "{secret}"
allow = ["127.0.0.1"]

[[route]]
name = "second"
to = ["second"]
wait = "0s"
every = "0s"
"""


class OutboxWorkspace:
    """Version 1 of ``delay`` may have alerts; ``hook`` is told of everything unless the test says otherwise."""

    def __init__(self, root: Path) -> None:
        self.example: Example = make_example(root)
        self.example.add_version()
        self.secret = root.parent / "webhook-secret"
        self.secret.write_text(SECRET + "\n")

    @property
    def services(self) -> Services:
        return self.example.services

    def describe(self, text: str) -> None:
        """Put an ``alerts.toml`` in force."""
        (self.example.root / "alerts.toml").write_text(text)
        apply_models.apply(self.services, self.example.actor("ada"))

    def hook(self, url: str, wait: str = "0s", receiver: str = "", route: str = "", rest: str = "") -> None:
        """Describe the receiver ``hook`` and one route."""
        text = HOOK.format(url=url, secret=self.secret, wait=wait, receiver=receiver, route=route, rest=rest)
        self.describe(text)

    def second(self, url: str) -> str:
        """Another receiver, and the route that tells both: to be put at the end of the file."""
        return SECOND.format(url=url.replace("/hook", "/second"), secret=self.secret)

    def raised(self, kind: str = "data_drift", target: str = "ewr", **other: Any) -> Alert:
        return raised(self.example, kind, target, **other)

    def resolve(self, alert: Alert) -> None:
        alerts.resolve_alert_automatically(self.services, alert.id, "quiet")

    def turn(self) -> None:
        """Route, and make what is due."""
        while rounds.turn(self.services) == 0.0:
            pass

    def send(self) -> list[Came]:
        """Send what is due, once each."""
        carrier = Courier(self.services, stopping=stopping, jitter=lambda: 0.0)
        return [carrier.deliver(one) for one in courier.due_now(self.services)]

    def keep(self, most: int = 100) -> list[Came]:
        """Turns until nothing is due now."""
        came: list[Came] = []
        for _ in range(most):
            self.turn()
            now = self.send()
            if not now:
                return came
            came += now
        return came

    def messages(self) -> list[Outgoing]:
        """All messages, oldest first."""
        box = views.outbox(self.services, self.example.actor("vera"))
        return list(reversed(box.messages))

    def titles(self) -> list[str]:
        return [one.message["title"] for one in self.messages()]


def stopping(seconds: float) -> bool:
    """Wait a moment for a process that sends, as a daemon does that goes on."""
    os.sched_yield()
    import time

    time.sleep(min(seconds, 0.005))
    return False


def texts_of(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file of a folder with its bytes."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield file, file.read_bytes()
