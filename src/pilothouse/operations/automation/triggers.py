"""Triggers: the events that set them off, and the trainings that these start, at most one for each event.

A check is cheap and runs no user code: it reads only the file system's facts about a source, and the training reads the rows.
An event is recorded first. It waits, with the reason, until a training may start or a newer event takes its place.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.formats.time_units import SECOND_US, from_us, to_us
from pilothouse.domain.identity.roles import DAEMON, Actor, Permission
from pilothouse.domain.jobs.triggers import (
    FAILS_AFTER,
    EventStatus,
    Hindrance,
    Refusal,
    TriggerState,
    looked,
    why_not_start,
)
from pilothouse.domain.models.model_file import spec_from_plain
from pilothouse.domain.models.model_spec import ModelSpec, TriggerSpec
from pilothouse.domain.outbox.happenings import TRIGGER_FAILING, TRIGGER_RECOVERED
from pilothouse.domain.tables.source_url import SourceKind, source_url
from pilothouse.operations.authorisation import change_in, changing, reading
from pilothouse.operations.automation.network_marks import mark_now
from pilothouse.operations.jobs.trainings import TrainingOptions, start_training
from pilothouse.operations.model_files import spec_in_force
from pilothouse.operations.models.source_columns import source_path
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import workspace
from pilothouse.store.connection import Registry
from pilothouse.store.models import models
from pilothouse.store.work import jobs, trigger_looks, triggers
from pilothouse.store.work.triggers import TriggerEvent
from pilothouse.system.fingerprint import fingerprint
from pilothouse.telemetry.windows import readings
from pilothouse.telemetry.windows.readings import RetrainingNote

RECORDED_EVERY_S = 60
"""Seconds between two looks that say the same and are put on record: sources on this machine are looked at more often."""
ALERTS = "alerts"
"""Name of the rule ``automation.retrain_on`` in lists: it is a trigger like others, and has no name of its own."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """The result of a check: the cursor to store and, where the trigger is set off, the event's key and description."""

    cursor: dict[str, Any]
    key: str = ""
    event: str = ""


def waits_for(spec: ModelSpec, trigger: TriggerSpec) -> str:
    """A description of the events that set a trigger off."""
    if trigger.on == "data":
        return f"new data under {spec.data.source}"
    return f"a version of {trigger.model} is {trigger.state}"


def list_events(
    services: Services, actor: Actor, *, model: str | None = None, limit: int = 50
) -> tuple[list[TriggerEvent], int]:
    """Events that set triggers off, the alerts that asked for a training among them, newest first, each with its job or the
    reason for none; and how many there are."""
    with reading(services, actor) as connection:
        events, total = triggers.listed(connection, model, limit), triggers.count(connection, model)
    with services.reading_telemetry() as telemetry:
        if telemetry is not None:
            asked, count = readings.retrainings_lately(telemetry, model, limit)
            events += [_asked(number, from_us(recorded_us), note) for number, recorded_us, note in asked]
            total += count
    return sorted(events, key=lambda event: event.seen_at, reverse=True)[:limit], total


def _asked(number: int, at: datetime, note: RetrainingNote) -> TriggerEvent:
    """Event of an alert that asked for a training because of a window."""
    status = EventStatus.STARTED if note.job is not None else EventStatus.REFUSED
    key, reason = f"alert {note.alert}", "" if note.job is not None else note.reason
    return TriggerEvent(number, note.model, ALERTS, key, asked_text(note), status, reason, note.job, at, at)


def asked_text(note: RetrainingNote) -> str:
    """``alert 7: performance of version 2 on dc``: what asked for a training."""
    return f"alert {note.alert}: {note.kind.replace('_', ' ')} of version {note.version} on {note.target}"


@dataclass(slots=True)
class _Known:
    """Models whose file in force has a trigger, by the files up to ``newest``: most have none, and need not be read again."""

    newest: int = 0
    models: set[str] = field(default_factory=set)


_KNOWN: WeakKeyDictionary[Registry, _Known] = WeakKeyDictionary()


def check_triggers(services: Services) -> list[TriggerEvent]:
    """Check all triggers and start the trainings that may start; returns the events with news. For the daemon."""
    known = _KNOWN.setdefault(services.registry, _Known())
    with services.registry.read() as connection:
        newest, applied = models.applied_after(connection, known.newest)
        if newest != known.newest:
            known.models = known.models.difference(applied) | models.with_triggers(connection, applied)
            known.newest = newest
        specs = [spec_in_force(connection, name) for name in sorted(known.models)]
    events: list[TriggerEvent] = []
    for spec in specs:
        assert spec is not None
        for trigger in spec.automation.trigger:
            _check(services, spec, trigger)
        events += _start_waiting(services, spec)
    return events


def specs_in_force(connection: Connection, model: str | None = None) -> list[ModelSpec]:
    """The model files in force, of all models or of one."""
    names = [m.name for m in models.listed(connection) if model in (None, m.name)]
    stored = [models.spec_in_force(connection, name) for name in names]
    return [spec_from_plain(file.spec) for file in stored if file is not None]


def _check(services: Services, spec: ModelSpec, trigger: TriggerSpec) -> None:
    with services.registry.read() as connection:
        cursor = triggers.cursor(connection, spec.name, trigger.name)
    seen = _CHECKS[trigger.on](services, spec, trigger, cursor)
    if seen is None or (seen.cursor == cursor and not seen.key):
        return
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        triggers.set_cursor(change.connection, spec.name, trigger.name, seen.cursor, at=change.at)
        if seen.key:
            triggers.set_off(change.connection, spec.name, trigger.name, seen.key, seen.event, at=change.at)
        change.record(
            "trigger.set_off" if seen.key else "trigger.looked",
            f"{spec.name} {trigger.name}",
            {"what": seen.event, "cursor": seen.cursor},
        )


def _check_data(
    services: Services, spec: ModelSpec, trigger: TriggerSpec, cursor: dict[str, Any] | None
) -> _Seen | None:
    """Data are new where they differ from those of the last event (at first: of the first check) and have come to rest."""
    if cursor is not None and "fault" in cursor:  # as earlier releases noted it
        cursor = {key: value for key, value in cursor.items() if key != "fault"} or None
    digest = _mark(services, spec, trigger, cursor)
    if digest is None:
        return None
    now = to_us(services.now())
    if not cursor:
        return _Seen({"known": digest, "seen": digest, "since_us": now})
    if digest == cursor["known"]:
        return _Seen({**cursor, "seen": digest})
    if digest != cursor["seen"]:
        return _Seen({**cursor, "seen": digest, "since_us": now})
    # A clock that went back must not make it wait for ever.
    if 0 <= now - cursor["since_us"] < trigger.quiet * SECOND_US:
        return None
    return _Seen({**cursor, "known": digest}, digest[:32], waits_for(spec, trigger))


def _mark(
    services: Services, spec: ModelSpec, trigger: TriggerSpec, cursor: dict[str, Any] | None
) -> str | None:
    """What changes with the data, and the look noted; None where nobody has looked just now, or the look failed."""
    with services.registry.read() as connection:
        stored = models.spec_in_force(connection, spec.name)
    assert stored is not None
    source = source_path(spec, services.paths.root / stored.folder)
    every_s, fault, digest = RECORDED_EVERY_S, "", None
    try:
        url = source_url(spec.data.source)
        if url.is_fetched and url.kind is not SourceKind.DUCKDB:
            is_moving = cursor is not None and cursor.get("seen") != cursor.get("known")
            every_s = trigger.quiet if is_moving else trigger.every
            digest = mark_now(services.registry, spec, source, trigger.name, every_s)
            if digest is None:  # nobody looks, or a look goes on
                return None
        else:
            digest = fingerprint(source) if source is not None else None
            fault = "" if digest is not None else f"there is nothing at {spec.data.source}"
    except OSError as error:
        fault = f"{spec.data.source} cannot be looked at: {error.strerror or error}"
    except PilothouseError as error:
        fault = str(error)
    _note_look(services, (spec.name, trigger.name), one_line(fault, 500), max(every_s, 1))
    return digest


def _note_look(services: Services, trigger: tuple[str, str], fault: str, every_s: int) -> None:
    """Put a look on record where it says something else than the one before, or a minute later; receivers are told of the
    third in a row that failed, and of the first that did not thereafter."""
    if services.write_guard.state() is not None:  # the workspace is read-only
        return
    with services.registry.read() as connection:
        before = trigger_looks.newest(connection, trigger[0]).get(trigger)
    now = services.now()
    age_s = (now - before.at).total_seconds() if before is not None else 0.0
    if (
        before is not None
        and (before.fault, before.every_s) == (fault, every_s)
        and 0 <= age_s < RECORDED_EVERY_S
    ):
        return
    look = looked(now, fault, every_s, before)
    had_failed = before is not None and before.failures >= FAILS_AFTER
    with services.registry.transaction() as connection:
        trigger_looks.put(connection, {trigger: look})
        change = change_in(services, connection, DAEMON)
        subject, model = " ".join(trigger), trigger[0]
        if look.failures == FAILS_AFTER:
            change.record(
                TRIGGER_FAILING, subject, {"model": model, "error": fault, "failures": look.failures}
            )
        elif had_failed and not fault:
            change.record(TRIGGER_RECOVERED, subject, {"model": model})


def _check_versions(
    services: Services, spec: ModelSpec, trigger: TriggerSpec, cursor: dict[str, Any] | None
) -> _Seen | None:
    assert trigger.model is not None
    after = int(cursor["after"]) if cursor else 0
    with services.registry.read() as connection:
        event = triggers.newest_version_event(connection, trigger.model, trigger.state, after)
    if cursor is None:  # events before the trigger do not set it off
        return _Seen({"after": event[0] if event else 0})
    if event is None:
        return None
    number, version, target = event
    on_target = f" on {target}" if target else ""
    return _Seen(
        {"after": number},
        f"{trigger.state}:{number}",
        f"models:/{trigger.model}/{version} is {trigger.state}{on_target}",
    )


_Check = Callable[[Services, ModelSpec, TriggerSpec, dict[str, Any] | None], _Seen | None]
_CHECKS: dict[str, _Check] = {"data": _check_data, "version": _check_versions}
"""The check of each kind of trigger; its result is None where there is nothing new to store."""


def _start_waiting(services: Services, spec: ModelSpec) -> list[TriggerEvent]:
    with services.registry.read() as connection:
        waiting = triggers.waiting(connection, spec.name)
    by_name = {trigger.name: trigger for trigger in spec.automation.trigger}
    changed = [_start(services, spec, by_name.get(event.trigger), event) for event in waiting]
    return [event for event in changed if event is not None]


def _start(
    services: Services, spec: ModelSpec, trigger: TriggerSpec | None, event: TriggerEvent
) -> TriggerEvent | None:
    """Start the training that an event asks for, or record why not; returns the event where it changed."""
    key = f"trigger:{event.trigger}:{event.key}"
    with services.registry.read() as connection:
        before = jobs.find_by_trigger(connection, spec.name, key)
        refusal = None if before else why_not_now(connection, spec, trigger, services.now())
    job = before.id if before else None
    if refusal is None and job is None:
        try:
            options, reason = TrainingOptions(trigger_key=key), f"trigger {event.trigger}: {event.what}"
            job = start_training(services, DAEMON, spec.name, options, reason=reason).id
        except PilothouseError as error:  # automation paused just now, a model file that cannot be read …
            refusal = Refusal(Hindrance.REFUSED, str(error))
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        subject = f"{spec.name} {event.trigger}"
        if job is not None and triggers.started(change.connection, event.id, job, at=change.at):
            change.record("trigger.started", subject, {"what": event.what, "job": job})
        elif refusal is not None and triggers.note(change.connection, event.id, refusal.reason, at=change.at):
            # Without the seconds left: with them the same reason would be news at every check.
            change.record("trigger.waits", subject, {"what": event.what, "reason": refusal.text})
        else:
            return None
        return triggers.find(change.connection, event.id)


def why_not_now(
    connection: Connection, spec: ModelSpec, trigger: TriggerSpec | None, now: datetime
) -> Refusal | None:
    """Why a trigger would start no training now; None where it would."""
    if trigger is None:
        return Refusal(Hindrance.NO_RULE, "the model file in force has no such trigger any more")
    automation = workspace.automation(connection)
    state = TriggerState(
        automation.reason if automation.paused else None,
        running_training(connection, spec.name),
        to_us(triggers.last_start(connection, spec.name, trigger.name)),
        starts_of_the_day(connection, spec.name, now),
    )
    return why_not_start(state, to_us(now), trigger.cooldown, spec.automation.budget_per_day)


def running_training(connection: Connection, model: str) -> int | None:
    """The newest training of a model that has not ended, or None."""
    return jobs.newest_unfinished(connection, model, "train")


def starts_of_the_day(connection: Connection, model: str, now: datetime) -> list[int]:
    """The times at which alerts and triggers started trainings of a model in the last 24 hours."""
    return triggers.automatic_starts(connection, model, now - timedelta(days=1))
