"""Triggers: what set them off, and whether a training starts; each thing that sets one off starts one job at most.

Looking is cheap and runs no user code: of a source only what the file system says is read, the training then decides what
its rows are. What set a trigger off is recorded first; it waits there, with the reason, until a training may start, or
something newer takes its place.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.model_file import spec_from_plain
from pilothouse.domain.model_spec import ModelSpec, TriggerSpec
from pilothouse.domain.roles import DAEMON, Actor, Permission
from pilothouse.domain.time_units import SECOND_US, to_us
from pilothouse.domain.triggers import Hindrance, Refusal, TriggerState, why_not_start
from pilothouse.operations.authorisation import changing, reading
from pilothouse.operations.jobs.trainings import TrainingOptions, start_training
from pilothouse.operations.models.source_columns import source_path
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import jobs, models, triggers, workspace
from pilothouse.store.triggers import TriggerEvent
from pilothouse.system.fingerprint import fingerprint


@dataclass(frozen=True, slots=True)
class TriggerLine:
    """A trigger of a model file in force, and its newest event."""

    model: str
    name: str
    on: str
    what: str
    cooldown_s: int
    newest: TriggerEvent | None


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a look at the world found: the cursor to keep, and, where the trigger is set off, its key and words."""

    cursor: dict[str, Any]
    key: str = ""
    what: str = ""


def list_triggers(services: Services, actor: Actor, *, model: str | None = None) -> list[TriggerLine]:
    """The triggers of the model files in force."""
    with reading(services, actor) as connection:
        events = triggers.listed(connection, model, 10_000)
        newest = {(event.model, event.trigger): event for event in reversed(events)}
        specs = [spec for spec, _ in _specs(connection) if model in (None, spec.name)]
    return [
        TriggerLine(
            spec.name,
            trigger.name,
            trigger.on,
            waits_for(spec, trigger),
            trigger.cooldown,
            newest.get((spec.name, trigger.name)),
        )
        for spec in specs
        for trigger in spec.automation.trigger
    ]


def waits_for(spec: ModelSpec, trigger: TriggerSpec) -> str:
    """What sets it off, in words."""
    if trigger.on == "data":
        return f"new data under {spec.data.source}"
    return f"a version of {trigger.model} is {trigger.state}"


def list_events(
    services: Services, actor: Actor, *, model: str | None = None, limit: int = 50
) -> list[TriggerEvent]:
    """What set triggers off, newest first, with the job or why there is none."""
    with reading(services, actor) as connection:
        return triggers.listed(connection, model, limit)


def look(services: Services) -> list[TriggerEvent]:
    """Look at everything that triggers wait for, and start what may start; what is new. For the daemon."""
    with services.registry.read() as connection:
        specs = [(spec, folder) for spec, folder in _specs(connection) if spec.automation.trigger]
    found: list[TriggerEvent] = []
    for spec, folder in specs:
        for trigger in spec.automation.trigger:
            _look(services, spec, trigger, folder)
        found += _start_what_waits(services, spec)
    return found


def _specs(connection: Connection) -> list[tuple[ModelSpec, str]]:
    found = []
    for model in models.listed(connection):
        stored = models.spec_in_force(connection, model.name)
        if stored is not None:
            found.append((spec_from_plain(stored.spec), stored.folder))
    return found


def _look(services: Services, spec: ModelSpec, trigger: TriggerSpec, folder: str) -> None:
    with services.registry.read() as connection:
        cursor = triggers.cursor(connection, spec.name, trigger.name)
    seen = _LOOKS[trigger.on](services, spec, trigger, folder, cursor)
    if seen is None or (seen.cursor == cursor and not seen.key):
        return
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        triggers.set_cursor(change.connection, spec.name, trigger.name, seen.cursor, at=change.at)
        if seen.key:
            triggers.set_off(change.connection, spec.name, trigger.name, seen.key, seen.what, at=change.at)
        change.record(
            "trigger.set_off" if seen.key else "trigger.looked",
            f"{spec.name} {trigger.name}",
            {"what": seen.what, "cursor": seen.cursor},
        )


def _look_at_data(
    services: Services, spec: ModelSpec, trigger: TriggerSpec, folder: str, cursor: dict[str, Any] | None
) -> _Seen | None:
    """New is what differs from the last data that set it off (at first: from what was there), and has come to rest."""
    path = source_path(spec, services.paths.root / folder)
    try:
        found = fingerprint(path)
    except OSError:  # away for now; the next look may find it
        return None
    if found is None:
        return None
    now = to_us(services.now())
    if cursor is None:
        return _Seen({"known": found, "seen": found, "since_us": now})
    if found == cursor["known"]:
        return _Seen({**cursor, "seen": found}) if cursor["seen"] != found else None
    if found != cursor["seen"]:
        return _Seen({**cursor, "seen": found, "since_us": now})
    # A clock that went back must not make it wait for ever.
    if 0 <= now - cursor["since_us"] < trigger.quiet * SECOND_US:
        return None
    return _Seen({**cursor, "known": found}, found[:32], f"new data under {spec.data.source}")


def _look_at_versions(
    services: Services, spec: ModelSpec, trigger: TriggerSpec, folder: str, cursor: dict[str, Any] | None
) -> _Seen | None:
    assert trigger.model is not None
    after = int(cursor["after"]) if cursor else 0
    with services.registry.read() as connection:
        found = triggers.newest_version_event(connection, trigger.model, trigger.state, after)
    if cursor is None:  # what was there before the trigger does not set it off
        return _Seen({"after": found[0] if found else 0})
    if found is None:
        return None
    number, version, target = found
    where = f" on {target}" if target else ""
    return _Seen(
        {"after": number},
        f"{trigger.state}:{number}",
        f"models:/{trigger.model}/{version} is {trigger.state}{where}",
    )


_Look = Callable[[Services, ModelSpec, TriggerSpec, str, dict[str, Any] | None], _Seen | None]
_LOOKS: dict[str, _Look] = {"data": _look_at_data, "version": _look_at_versions}
"""How each kind of trigger looks; None where there is nothing new to keep."""


def _start_what_waits(services: Services, spec: ModelSpec) -> list[TriggerEvent]:
    with services.registry.read() as connection:
        waiting = triggers.waiting(connection, spec.name)
    by_name = {trigger.name: trigger for trigger in spec.automation.trigger}
    news = [_start(services, spec, by_name.get(event.trigger), event) for event in waiting]
    return [event for event in news if event is not None]


def _start(
    services: Services, spec: ModelSpec, trigger: TriggerSpec | None, event: TriggerEvent
) -> TriggerEvent | None:
    """Start the training that an event asks for, or keep why not; the event where anything about it is new."""
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
            # The words alone: with the seconds that are left the same reason would be news at every look.
            change.record("trigger.waits", subject, {"what": event.what, "reason": refusal.text})
        else:
            return None
        return next(e for e in triggers.listed(change.connection, spec.name, 1_000) if e.id == event.id)


def why_not_now(
    connection: Connection, spec: ModelSpec, trigger: TriggerSpec | None, now: datetime
) -> Refusal | None:
    """Why a trigger would start nothing now; None where it would."""
    if trigger is None:
        return Refusal(Hindrance.NO_RULE, "the model file in force has no such trigger any more")
    automation = workspace.automation(connection)
    running = next(
        (job.id for job in jobs.listed(connection, model=spec.name, limit=100, trials=False)
         if job.kind == "train" and not job.status.ended),
        None,
    )  # fmt: skip
    state = TriggerState(
        automation.reason if automation.paused else None,
        running,
        to_us(triggers.last_start(connection, spec.name, trigger.name)),
        triggers.automatic_starts(connection, spec.name, now - timedelta(days=1)),
    )
    return why_not_start(state, to_us(now), trigger.cooldown, spec.automation.budget_per_day)
