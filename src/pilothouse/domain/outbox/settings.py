"""What ``alerts.toml`` describes: receivers, routes with escalations, quiet times."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from pilothouse.domain.formats.canonical import canonical_digest
from pilothouse.domain.models.dataclass_reader import read_dataclass, to_plain
from pilothouse.domain.models.model_spec import Duration

Severity = Literal["critical", "warning", "info"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

_TEN_SECONDS, _HALF_A_MINUTE, _MINUTE, _FIVE_MINUTES = map(Duration, (10, 30, 60, 300))
_FOUR_HOURS, _DAY = Duration(14_400), Duration(86_400)


class ReceiverKind(StrEnum):
    """What a receiver speaks."""

    WEBHOOK = "webhook"
    """JSON by HTTP, signed as Standard Webhooks describe it."""
    ALERTMANAGER = "alertmanager"
    """The interface v2 of Prometheus Alertmanager."""
    APPRISE = "apprise"
    """Mail, chat and pagers by the library apprise."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """``[[receiver]]``. A secret is named by its file or environment variable, never written down."""

    name: str
    kind: ReceiverKind
    url: str | None = None
    url_file: str | None = None
    url_env: str | None = None
    secret_file: str | None = None
    """Key that signs what a webhook is sent, or the bearer token of an Alertmanager."""
    secret_env: str | None = None
    allow: tuple[str, ...] = ()
    """Names of hosts, addresses and networks that may be reached though they are no public ones."""
    ca_file: str | None = None
    """Certificates that are trusted in place of the system's."""
    gives_up: Duration = _DAY
    """Time after which a message that was not taken is a dead letter."""
    timeout: Duration = _TEN_SECONDS
    """Time that it has to answer."""
    resend: Duration = _MINUTE
    """Of an Alertmanager: how often an alert is sent again while it is open."""


@dataclass(frozen=True, slots=True)
class Escalation:
    """``[[route.escalate]]``: who is told too when nobody has acknowledged ``after`` the first message."""

    after: Duration
    to: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """``[[route]]``. The first route that fits takes a message, and those behind one that says ``go_on``."""

    name: str
    to: tuple[str, ...]
    match: dict[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    """Label to patterns of which one fits; empty fits everything."""
    group_by: tuple[str, ...] = ("model",)
    wait: Duration = _HALF_A_MINUTE
    """Time from a group's first news to its message."""
    every: Duration = _FIVE_MINUTES
    """Least time between two messages of a group."""
    repeat: Duration = _FOUR_HOURS
    """Time after which an alert that nobody has acknowledged is told again; 0s: never."""
    quiet: str | None = None
    go_on: bool = False
    escalate: tuple[Escalation, ...] = ()


@dataclass(frozen=True, slots=True)
class QuietTime:
    """``[[quiet]]``: hours on the wall of a time zone in which a message waits for their end."""

    name: str
    timezone: str
    hours: str
    """``22:00-07:00``; ``00:00-24:00`` is a whole day."""
    days: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    """Days on which it begins."""
    passes: tuple[Severity, ...] = ("critical",)
    """Severities that do not wait."""


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """The whole file."""

    receiver: tuple[Receiver, ...] = ()
    route: tuple[Route, ...] = ()
    quiet: tuple[QuietTime, ...] = ()

    def receiver_of(self, name: str) -> Receiver | None:
        """Receiver by its name."""
        return next((one for one in self.receiver if one.name == name), None)

    def route_of(self, name: str) -> Route | None:
        """Route by its name."""
        return next((one for one in self.route if one.name == name), None)

    def quiet_of(self, name: str | None) -> QuietTime | None:
        """Quiet time by its name."""
        return next((one for one in self.quiet if one.name == name), None)

    def to_plain(self) -> dict[str, Any]:
        """Plain data that is stored and hashed. It holds no secret: secrets are named alone."""
        plain: dict[str, Any] = to_plain(self)
        return plain

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "AlertSettings":
        """Settings of stored data. Raises ValueError where they are none."""
        problems: list[str] = []
        read = read_dataclass(cls, _given(plain), "alerts", problems)
        if read is None:
            raise ValueError(problems[0])
        return read

    @property
    def digest(self) -> str:
        """sha256 that names these settings, whatever the file looks like."""
        return canonical_digest(self.to_plain())


def _given(plain: Any) -> Any:
    """Plain data without the keys whose value is none."""
    if isinstance(plain, Mapping):
        return {key: _given(value) for key, value in plain.items() if value is not None}
    return [_given(one) for one in plain] if isinstance(plain, list) else plain
