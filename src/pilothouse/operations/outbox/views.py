"""The outbox as people see it: messages, what waits to be told, receivers; a message that tries a receiver out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pilothouse.domain.errors import ConflictError, InvalidInputError, NotFoundError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.outbox.deliveries import (
    FAILING_FOR_LONG,
    DeliveryState,
    Line,
    Outgoing,
    Purpose,
    ReceiverHealth,
)
from pilothouse.domain.outbox.happenings import Happening, What
from pilothouse.domain.outbox.settings import AlertSettings, Receiver
from pilothouse.operations.authorisation import changing, present, reading
from pilothouse.operations.outbox import messages
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.outbox import deliveries, outbox_events, settings
from pilothouse.store.outbox.deliveries import NewDelivery

_LATELY = timedelta(days=1)
_MOST_NAMED, _LONGEST_ERROR = 3, 60
"""Receivers named in one line, and characters of the error of each: three lines of a terminal."""
NO_RECEIVERS = "no receivers are described: write alerts.toml, then pilothouse apply"


@dataclass(frozen=True, slots=True)
class Outbox:
    """Messages, newest first, the lines that wait for theirs, and how receivers take them."""

    messages: Sequence[Outgoing]
    counts: dict[DeliveryState, int]
    lines: Sequence[Line]
    receivers: Sequence[Receiver]
    health: dict[str, ReceiverHealth]
    unsent: dict[str, str]
    """Why nothing is sent to a receiver though something is due for long, by its name; nothing of those that are sent to."""
    now: datetime

    @property
    def described(self) -> bool:
        """True where there are receivers."""
        return bool(self.receivers)


@dataclass(frozen=True, slots=True)
class DeadChannels:
    """Receivers that take nothing for long, each with its error, and the number of messages that were given up within a day."""

    failing: dict[str, str] = field(default_factory=dict)
    dead: int = 0

    @property
    def text(self) -> str:
        """One line of a few receivers; empty where all is well."""
        named: dict[str, list[str]] = {}
        for name, error in [*self.failing.items()][:_MOST_NAMED]:
            named.setdefault(one_line(error, _LONGEST_ERROR), []).append(name)
        parts = [
            f"{', '.join(names)} take{'s' if len(names) == 1 else ''} nothing ({error})"
            for error, names in named.items()
        ]
        if len(self.failing) > _MOST_NAMED:
            parts.append(f"{len(self.failing) - _MOST_NAMED} others take nothing")
        if self.dead:
            parts.append(f"{self.dead} message{'s' if self.dead > 1 else ''} given up")
        return " · ".join(parts)


def outbox(
    services: Services, actor: Actor, *, state: DeliveryState | None = None, limit: int = 500
) -> Outbox:
    """The outbox as it is. Raises NotAllowedError."""
    with reading(services, actor) as connection:
        recorded, now = settings.in_force(connection), present(services, connection)
        return Outbox(
            deliveries.listed(connection, state=state, limit=limit),
            deliveries.counts(connection),
            deliveries.lines_waiting(connection),
            recorded.settings.receiver if recorded else (),
            deliveries.health(connection),
            _unsent(connection, recorded.settings if recorded else AlertSettings(), now),
            now,
        )


def get_message(services: Services, actor: Actor, number: int) -> Outgoing:
    """One message. Raises NotFoundError or NotAllowedError."""
    with reading(services, actor) as connection:
        return _require(connection, number)


def dead_channels(services: Services, actor: Actor) -> DeadChannels:
    """What an operator must know before trusting that somebody is told. Raises NotAllowedError."""
    with reading(services, actor) as connection:
        recorded = settings.in_force(connection)
        if recorded is None:
            return DeadChannels()
        return _dead_channels(connection, recorded.settings, present(services, connection))


@dataclass(frozen=True, slots=True)
class ReceiverFigures:
    """Messages that a receiver is due and has not taken, for how long the oldest is, and whether it takes nothing for long."""

    waiting: int
    oldest_s: float
    failing: bool


def figures(connection: Connection, now: datetime) -> tuple[dict[str, ReceiverFigures], int]:
    """Figures of each receiver that is described, and the messages that were given up within a day."""
    recorded = settings.in_force(connection)
    if recorded is None:
        return {}, 0
    due, dead = deliveries.waiting(connection, now), _dead_channels(connection, recorded.settings, now)
    found = {}
    for one in recorded.settings.receiver:
        number, since = due.get(one.name, (0, now))
        age = max(0.0, (now - since).total_seconds())
        found[one.name] = ReceiverFigures(number, age, one.name in dead.failing)
    return found, dead.dead


def add_test(services: Services, actor: Actor, receiver: str | None = None) -> list[Outgoing]:
    """Put a message for a receiver, or for each one, into the outbox; the daemon sends it. Raises NotAllowedError,
    NotFoundError (no such receiver) or InvalidInputError (none is described)."""
    with changing(services, actor, Permission.HANDLE_ALERT) as change:
        described = _described(change.connection)
        chosen = [one for one in described.receiver if receiver in (None, one.name)]
        if not chosen:
            listed = ", ".join(one.name for one in described.receiver)
            raise NotFoundError(f"there is no receiver {receiver!r}: alerts.toml describes {listed}")
        title = f"this is a test by {actor.name}: nothing has happened"
        happening = Happening(What.HAPPENED, "test", "info", title, change.at, {"source": "test"})
        message = messages.message_of(
            services.paths.root.name, Purpose.TEST, {}, [messages.line_of(happening)]
        )
        numbers = []
        for one in chosen:
            new = NewDelivery(
                receiver=one.name,
                route="",
                purpose=Purpose.TEST,
                message=message,
                gives_up_at=change.at + timedelta(minutes=5),
            )
            numbers.append(deliveries.add(change.connection, new, at=change.at))
        change.record("alerts.tested", "alerts.toml", {"receivers": [one.name for one in chosen]})
        return [_require(change.connection, number) for number in numbers]


def send_again(services: Services, actor: Actor, number: int) -> Outgoing:
    """Try a message again that was given up. Raises NotFoundError, NotAllowedError or ConflictError (it is not dead)."""
    with changing(services, actor, Permission.HANDLE_ALERT) as change:
        found = _require(change.connection, number)
        if found.state is not DeliveryState.DEAD:
            raise ConflictError(
                f"message {number} is {found.state}: only one that was given up is sent again"
            )
        receiver = _described(change.connection).receiver_of(found.receiver)
        if receiver is None:
            raise ConflictError(f"the receiver {found.receiver} is gone: describe it again in alerts.toml")
        until = change.at + timedelta(seconds=receiver.gives_up)
        deliveries.revive(change.connection, number, until, at=change.at)
        change.record(
            "message.sent_again", f"receiver {found.receiver}", {"number": number, "was": found.error}
        )
        return _require(change.connection, number)


def _dead_channels(connection: Connection, described: AlertSettings, now: datetime) -> DeadChannels:
    known = {one.name for one in described.receiver}
    failing = {
        name: one.error
        for name, one in deliveries.health(connection).items()
        if name in known and one.fails_for_long(now)
    }
    failing = _unsent(connection, described, now) | failing
    return DeadChannels(failing, deliveries.given_up(connection, now - _LATELY))


def _unsent(connection: Connection, known: AlertSettings, now: datetime) -> dict[str, str]:
    """Receivers to which nothing is sent though something is due for long: no receiver has said anything that is wrong."""
    before = now - FAILING_FOR_LONG
    number_of = deliveries.unsent(connection, before)
    found = {
        one.name: f"{number_of[one.name]} due, and nothing sends: does the daemon run?"
        for one in known.receiver
        if one.name in number_of
    }
    oldest = outbox_events.oldest_waiting(connection)
    if oldest is not None and oldest <= before:
        for one in known.receiver:
            found.setdefault(one.name, "what happened is put into no message: does the daemon run?")
    return found


def _described(connection: Connection) -> AlertSettings:
    recorded = settings.in_force(connection)
    if recorded is None or not recorded.settings.receiver:
        raise InvalidInputError(NO_RECEIVERS)
    return recorded.settings


def _require(connection: Connection, number: int) -> Outgoing:
    found = deliveries.find(connection, number)
    if found is None:
        raise NotFoundError(f"there is no message {number}: pilothouse alerts outbox lists them")
    return found
