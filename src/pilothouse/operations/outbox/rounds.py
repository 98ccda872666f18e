"""The turn of the outbox: what happened is routed, and what is due becomes messages. Doing it again changes nothing."""

import functools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pilothouse.domain.identity.roles import DAEMON, Permission
from pilothouse.domain.outbox.deliveries import Line, Purpose
from pilothouse.domain.outbox.happenings import (
    ESCALATED,
    OF_ALERTS,
    Happening,
    What,
    of_alert,
    of_entry,
)
from pilothouse.domain.outbox.quiet_times import quiet_until
from pilothouse.domain.outbox.routing import Silence, group_key, routes_of, silenced_by
from pilothouse.domain.outbox.settings import AlertSettings, Receiver, ReceiverKind, Route
from pilothouse.domain.records import Alert, AlertStatus, Target
from pilothouse.operations.authorisation import changing, present
from pilothouse.operations.outbox import messages
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import alerts
from pilothouse.store.models import targets
from pilothouse.store.outbox import deliveries, outbox_events, settings
from pilothouse.store.outbox.deliveries import NewDelivery, NewLine, Told
from pilothouse.store.outbox.outbox_events import Event

_MOST_EVENTS = 500
_KEPT = timedelta(days=30)


def _pass(point: str) -> None:
    """Do nothing at a point of the outbox."""


@dataclass(frozen=True, slots=True)
class _Round:
    """What one turn works with."""

    connection: Connection
    workspace: str
    settings: AlertSettings
    silences: Sequence[Silence]
    targets: Callable[[], dict[str, Target]]
    """Read once something is said about one: most turns say nothing, and a fleet is large."""
    now: datetime

    def receiver(self, name: str) -> Receiver | None:
        return self.settings.receiver_of(name)

    def happening(self, alert: Alert, what: What, at: datetime) -> Happening:
        return of_alert(alert, what, at, self.targets().get(alert.target))

    def speaks_alertmanager(self, name: str) -> bool:
        found = self.receiver(name)
        return found is not None and found.kind is ReceiverKind.ALERTMANAGER


def turn(services: Services, reached: Callable[[str], None] = _pass) -> float | None:
    """Route what happened and make the messages that are due; returns the seconds until something is due, None for nothing.

    ``reached`` is told the points at which a proof kills the process.
    """
    with services.registry.read() as connection:
        begun = _begin(services, connection)
        if begun is None:
            return None
        is_due = bool(outbox_events.waiting(connection, 1)) or _lines_are_due(begun) or any(_repeats(begun))
        escalations = list(_escalations(begun))
    if escalations:
        _escalate(services)
        is_due = True
    if is_due:
        with services.registry.transaction() as connection:
            begun = _begin(services, connection)
            assert begun is not None
            _route(begun)
            reached("routed")
            _flush(begun)
            for group in _repeats(begun):
                _repeat(begun, group)
            reached("made")
        reached("committed")
    with services.registry.read() as connection:
        if outbox_events.waiting(connection, 1):
            return 0.0
        due = deliveries.next_due(connection)
    return None if due is None else max(0.0, (due - services.now()).total_seconds())


def forget_old(services: Services) -> int:
    """Delete messages that ended a month ago; returns how many."""
    with services.registry.transaction() as connection:
        return deliveries.forget(connection, present(services, connection) - _KEPT)


def _begin(services: Services, connection: Connection) -> _Round | None:
    recorded = settings.in_force(connection)
    if recorded is None:
        return None
    now = present(services, connection)
    return _Round(
        connection,
        services.paths.root.name,
        recorded.settings,
        settings.silences(connection, since=now),
        functools.cache(lambda: {target.name: target for target in targets.all_targets(connection)}),
        now,
    )


# --- routing


def _route(begun: _Round) -> None:
    events = outbox_events.waiting(begun.connection, _MOST_EVENTS)
    for event in events:
        for happening in _happenings(begun, event):
            if event.action == ESCALATED:
                _route_escalation(begun, event, happening)
                continue
            for name, route in _told_by(begun, happening):
                _add_line(begun, event.entry, happening, route, name, Purpose.NEWS)
    outbox_events.take(begun.connection, [event.entry for event in events], begun.now)


def _happenings(begun: _Round, event: Event) -> Iterator[Happening]:
    what = OF_ALERTS.get(event.action)
    if what is None:
        told = of_entry(event.action, event.subject, event.detail, event.recorded_at)
        if told is not None:
            yield told
        return
    numbers = (
        event.detail.get("alerts", ())
        if event.subject.startswith("incident ")
        else (event.subject.split()[-1],)
    )
    for number in numbers:
        alert = alerts.find(begun.connection, int(number))
        if alert is not None:
            yield begun.happening(alert, what, event.recorded_at)


def _told_by(begun: _Round, happening: Happening) -> Iterator[tuple[str, Route]]:
    """Receivers of a happening, each with the route that tells it. Who was told of an alert hears of its end too, by an
    escalation or by a route that it would not take any more."""
    told = [
        (name, route)
        for route in routes_of(begun.settings, happening.labels)
        for name in dict.fromkeys(route.to)
    ]
    if happening.what in (What.ACKNOWLEDGED, What.RESOLVED):
        assert happening.alert is not None
        known = {name for name, _ in told}
        for name, by in deliveries.told_by(begun.connection, happening.alert):
            route_then = begun.settings.route_of(by)
            if name not in known and route_then is not None:
                known.add(name)
                told.append((name, route_then))
    for name, route in told:
        is_about_itself = (
            happening.labels.get("source") == "receiver" and happening.labels["subject"] == f"receiver {name}"
        )
        if not (is_about_itself or (happening.what is What.ACKNOWLEDGED and begun.speaks_alertmanager(name))):
            yield name, route


def _route_escalation(begun: _Round, event: Event, happening: Happening) -> None:
    route = begun.settings.route_of(str(event.detail.get("route")))
    if route is not None:
        for name in event.detail.get("to", ()):
            _add_line(begun, event.entry, happening, route, str(name), Purpose.ESCALATION)


def _add_line(
    begun: _Round, entry: int, happening: Happening, route: Route, name: str, purpose: Purpose
) -> None:
    key = group_key(route, happening.labels)
    due = begun.now
    if purpose is Purpose.NEWS and not begun.speaks_alertmanager(name):
        due = happening.at + timedelta(seconds=route.wait)
        last = deliveries.last_message(begun.connection, name, route.name, key)
        if last is not None:
            due = max(due, last + timedelta(seconds=route.every))
    new = NewLine(
        entry=entry,
        alert_id=happening.alert,
        receiver=name,
        route=route.name,
        group_key=key,
        purpose=purpose,
        line=messages.line_of(happening),
        due_at=due,
    )
    deliveries.add_line(begun.connection, new)


# --- messages of what is due


def _groups(lines: Sequence[Line]) -> dict[tuple[str, str, tuple[str, ...], Purpose], list[Line]]:
    groups = defaultdict(list)
    for line in lines:
        groups[line.receiver, line.route, line.group_key, line.purpose].append(line)
    return groups


def _lines_are_due(begun: _Round) -> bool:
    due = deliveries.next_due(begun.connection)
    return due is not None and due <= begun.now


def _flush(begun: _Round) -> None:
    if not _lines_are_due(begun):
        return
    for (receiver, route, key, purpose), lines in _groups(deliveries.lines_waiting(begun.connection)).items():
        if all(line.due_at > begun.now for line in lines):
            continue
        if begun.receiver(receiver) is None:
            deliveries.drop_lines(
                begun.connection, [line.id for line in lines], f"the receiver {receiver} is gone"
            )
            continue
        ready = [line for line in lines if not _is_held(begun, line)]
        for first in range(0, len(ready), messages.MOST_LINES):
            part = ready[first : first + messages.MOST_LINES]
            number = _add_message(begun, receiver, route, key, purpose, [line.line for line in part])
            deliveries.put_into(begun.connection, part, number)


def _is_held(begun: _Round, line: Line) -> bool:
    """Whether something holds a line back, which then waits for its end; or drops it, where it is over before it was told."""
    if line.held_by and line.due_at > begun.now:
        return True
    labels = line.line["labels"]
    silence = silenced_by(begun.silences, labels, begun.now)
    if silence is not None:
        if _is_over_untold(begun, line):
            assert line.alert_id is not None
            why = f"over before silence {silence.id} was"
            deliveries.drop_lines_of(begun.connection, line.alert_id, line.receiver, why)
        else:
            deliveries.hold_line(begun.connection, line.id, silence.ends_at, f"silence {silence.id}")
        return True
    route = begun.settings.route_of(line.route)
    until = _quiet(begun, route, line.line["severity"]) if line.purpose is Purpose.NEWS else None
    if until is not None and route is not None:
        deliveries.hold_line(begun.connection, line.id, until, f"quiet time {route.quiet}")
    return until is not None


def _quiet(begun: _Round, route: Route | None, severity: str) -> datetime | None:
    quiet = begun.settings.quiet_of(route.quiet) if route else None
    if quiet is None or severity in quiet.passes:
        return None
    try:
        return quiet_until(quiet, begun.now)
    except LookupError:  # the zone is gone from this machine: better told at night than never
        return None


def _is_over_untold(begun: _Round, line: Line) -> bool:
    if line.alert_id is None:
        return False
    alert = alerts.find(begun.connection, line.alert_id)
    is_over = alert is not None and alert.status is AlertStatus.RESOLVED
    return is_over and not deliveries.was_told(begun.connection, line.alert_id, line.receiver)


def _add_message(
    begun: _Round,
    receiver: str,
    route: str,
    key: Sequence[str],
    purpose: Purpose,
    lines: Sequence[dict[str, object]],
) -> int:
    described, to = begun.settings.route_of(route), begun.receiver(receiver)
    assert to is not None
    group = dict(zip(described.group_by, key, strict=False)) if described else {}
    new = NewDelivery(
        receiver=receiver,
        route=route,
        purpose=purpose,
        message=messages.message_of(begun.workspace, purpose, group, lines),
        gives_up_at=begun.now + timedelta(seconds=to.gives_up),
    )
    return deliveries.add(begun.connection, new, at=begun.now)


# --- repeats and escalations


def _repeats(begun: _Round) -> Iterator[list[Told]]:
    """Alerts that nobody has acknowledged, by receiver and group, of which the receiver was told last so long ago that it is
    told again."""
    groups = defaultdict(list)
    for one in deliveries.told(begun.connection):
        if one.status == AlertStatus.OPEN and not begun.speaks_alertmanager(one.receiver):
            groups[one.receiver, one.route, one.group_key].append(one)
    for (receiver, name, _), members in groups.items():
        route = begun.settings.route_of(name)
        if route is None or not route.repeat or begun.receiver(receiver) is None:
            continue
        newest = {one.alert_id: one for one in sorted(members, key=lambda one: one.last_at)}
        told_before = begun.now - timedelta(seconds=route.repeat)
        # by each alert's own time: news of others in its group put it off no further
        if not any(one.last_at <= told_before and _may_repeat(begun, one, route) for one in newest.values()):
            continue
        # what is due within the group's interval goes with it
        told_before += timedelta(seconds=route.every)
        told = sorted(
            (one for one in newest.values() if one.last_at <= told_before and _may_repeat(begun, one, route)),
            key=lambda one: one.alert_id,
        )
        for first in range(0, len(told), messages.MOST_LINES):
            yield told[first : first + messages.MOST_LINES]


def _may_repeat(begun: _Round, one: Told, route: Route) -> bool:
    alert = alerts.find(begun.connection, one.alert_id)
    assert alert is not None
    labels = begun.happening(alert, What.STILL_OPEN, begun.now).labels
    is_silent = silenced_by(begun.silences, labels, begun.now) is not None
    return not is_silent and _quiet(begun, route, alert.severity) is None


def _repeat(begun: _Round, members: Sequence[Told]) -> None:
    first = members[0]
    lines = []
    for one in members:
        alert = alerts.find(begun.connection, one.alert_id)
        assert alert is not None
        lines.append(messages.line_of(begun.happening(alert, What.STILL_OPEN, alert.recorded_at)))
    number = _add_message(begun, first.receiver, first.route, first.group_key, Purpose.REPEAT, lines)
    for one, line in zip(members, lines, strict=True):
        new = NewLine(
            entry=None,
            alert_id=one.alert_id,
            receiver=one.receiver,
            route=one.route,
            group_key=one.group_key,
            purpose=Purpose.REPEAT,
            line=line,
            due_at=begun.now,
        )
        deliveries.add_line(begun.connection, new, number)


def _escalations(begun: _Round) -> Iterator[tuple[Alert, Route, int]]:
    """Alerts that nobody has acknowledged for so long after the first message that the next step of their route is due."""
    if not any(route.escalate for route in begun.settings.route):
        return
    first: dict[tuple[int, str], datetime] = {}
    for one in deliveries.told(begun.connection):
        if one.status == AlertStatus.OPEN and one.purpose is not Purpose.ESCALATION:
            key = (one.alert_id, one.route)
            first[key] = min(first.get(key, one.first_at), one.first_at)
    done = deliveries.escalated(begun.connection) if first else set()
    for (number, name), told_at in first.items():
        route = begun.settings.route_of(name)
        for step, escalation in enumerate(route.escalate if route else ()):
            if (number, name, step) in done or told_at + timedelta(seconds=escalation.after) > begun.now:
                continue
            alert = alerts.find(begun.connection, number)
            assert alert is not None
            assert route is not None
            labels = begun.happening(alert, What.ESCALATED, begun.now).labels
            if silenced_by(begun.silences, labels, begun.now) is None:
                yield alert, route, step


def _escalate(services: Services) -> None:
    """Record what is escalated; the entries of the log are routed like others."""
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        begun = _begin(services, change.connection)
        assert begun is not None
        for alert, route, step in list(_escalations(begun)):
            detail = {
                "model": alert.model,
                "target": alert.target,
                "route": route.name,
                "step": step,
                "to": list(route.escalate[step].to),
            }
            change.record(ESCALATED, f"alert {alert.id}", detail)
