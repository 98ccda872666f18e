"""Delivery of lineage and traces. The audit log is the outbox: it is written in the transaction of what happened, and a cursor
says up to which entry each export has arrived. A receiver that is down holds nobody up, and nothing is lost; what was sent and
not noted before a crash is sent again under the same ids.
"""

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

from pilothouse import __version__
from pilothouse.domain.audit.log_anchors import Delivery
from pilothouse.domain.errors import InvalidInputError, PilothouseError, UnavailableError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.integrations import otlp
from pilothouse.domain.integrations.integration_file import Integrations, LineageSettings, TracesSettings
from pilothouse.domain.integrations.open_lineage import Event
from pilothouse.domain.records import AuditEntry
from pilothouse.operations.integrations import integration_files, receivers, traces
from pilothouse.operations.integrations.lineage import Lineage
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.exports import cursors
from pilothouse.store.log import audit

LINEAGE, MONITORING, TRACES = "lineage", "monitoring", "traces"
_ENTRIES, _READINGS = 200, 100
"""Entries and readings of one turn at most."""

log = logging.getLogger(__name__)

Numbered = tuple[int, list[bytes]]
"""Number of an entry or reading, and what is sent for it."""


class _Export(Protocol):
    """One export: what comes after a number, and where it goes."""

    name: str
    at_once: bool
    """All of a turn is sent together, whole or not at all."""

    def newest(self) -> int: ...

    def first(self) -> int:
        """Number behind which it begins: what has happened since the file came into force is sent."""

    def after(self, number: int) -> Iterator[Numbered]: ...

    def send(self, bodies: list[bytes]) -> None: ...


def deliver(services: Services, *, turns: int = 50, stopping: Callable[[], bool] = lambda: False) -> bool:
    """Send what has happened since the last time to each export that is due; True where all has arrived. ``stopping`` is asked
    between two events: a slow receiver keeps no daemon from its end.

    Failures are on record and in the log; PilothouseErrors of the databases leave.
    """
    with services.registry.read() as connection:
        settings = integration_files.in_force(connection)
        known = cursors.cursors(connection)
    exports = {one.name: one for one in _exports(services, settings)}
    gone = known.keys() - exports.keys()
    fresh = exports.keys() - known.keys()
    if gone or fresh:
        with services.registry.transaction() as connection:
            for name in gone:
                cursors.drop_cursor(connection, name)
            for name in fresh:
                known[name] = Delivery(exports[name].first())
                cursors.put_cursor(connection, name, known[name])
    done = [_deliver(services, export, known[name], turns, stopping) for name, export in exports.items()]
    return all(done)


def _deliver(
    services: Services, export: _Export, before: Delivery, turns: int, stopping: Callable[[], bool]
) -> bool:
    if before.sent_size > (newest := export.newest()):  # what it counts was restored from an older backup
        log.warning("%s goes on after number %d: what came later is gone", export.name, newest)
        before = replace(before, sent_size=newest)
        with services.registry.transaction() as connection:
            cursors.drop_cursor(connection, export.name)  # one on record never goes back
            cursors.put_cursor(connection, export.name, before)
    for _ in range(turns):
        if stopping():
            return False
        if not before.is_due(export.newest(), services.now()):
            return before.sent_size >= export.newest() and not before.failures
        after = _turn(services, export, before, stopping)
        if after == before:
            return True
        with services.registry.transaction() as connection:
            cursors.put_cursor(connection, export.name, after)
        if after.failures:
            if not before.failures:
                log.error("%s is not delivered: %s", export.name, after.error)
            return False
        if before.failures:
            log.info("%s is delivered again", export.name)
        before = after
    return False


def _turn(services: Services, export: _Export, before: Delivery, stopping: Callable[[], bool]) -> Delivery:
    """Send the next entries; what was sent before one failed counts."""
    reached = before.sent_size
    try:
        gathered = list(export.after(reached))
        if not gathered:
            return before
        for number, bodies in _together(gathered) if export.at_once else gathered:
            if stopping():
                break
            if bodies:
                export.send(bodies)
            reached = number
    except PilothouseError as error:
        return replace(before, sent_size=reached).failed(str(error), services.now())
    except Exception as error:  # a fault of the program holds up no other export, and is tried again
        log.exception("%s cannot be delivered", export.name)
        fault = one_line(f"{type(error).__name__}: {error}", 300)
        return replace(before, sent_size=reached).failed(fault, services.now())
    return before.sent(reached, services.now())


def _together(gathered: list[Numbered]) -> list[Numbered]:
    return [(gathered[-1][0], [body for _, bodies in gathered for body in bodies])]


def _exports(services: Services, settings: Integrations) -> Iterator[_Export]:
    if settings.lineage is not None:
        yield _LineageExport(services, settings.lineage)
        yield _MonitoringExport(services, settings.lineage)
    if settings.traces is not None:
        yield _TracesExport(services, settings.traces)


def _in_force_since(services: Services) -> int:
    """Number of the log's entry with which the file came into force: a daemon may be busy when it first looks."""
    with services.registry.read() as connection:
        described = audit.newest_of(connection, integration_files.DESCRIBED)
        return described.seq if described is not None else audit.head(connection).count


class _LineageExport:
    """Events of jobs and deployments."""

    name = LINEAGE

    def __init__(self, services: Services, settings: LineageSettings) -> None:
        self._services, self._settings = services, settings
        self._lineage = Lineage(services, settings)
        self.at_once = bool(settings.file)

    def newest(self) -> int:
        with self._services.registry.read() as connection:
            return audit.head(connection).count

    def first(self) -> int:
        return _in_force_since(self._services)

    def after(self, number: int) -> Iterator[Numbered]:
        with self._services.registry.read() as connection:
            for entry in audit.following(connection, number, _ENTRIES):
                yield entry.seq, self._made(entry.seq, partial(self._lineage.of_entry, connection, entry))

    def _made(self, number: int, events: Callable[[], Iterable[Event]]) -> list[bytes]:
        return _made(
            self._services, self.name, number, lambda: [_json(event.to_plain()) for event in events()]
        )

    def send(self, bodies: list[bytes]) -> None:
        _send(self._services, self._settings, bodies)


class _MonitoringExport(_LineageExport):
    """Events of windows that monitors closed."""

    name = MONITORING

    def newest(self) -> int:
        from pilothouse.telemetry.windows import new_readings

        with self._services.reading_telemetry() as connection:
            return new_readings.newest_number(connection) if connection is not None else 0

    def first(self) -> int:
        return self.newest()

    def after(self, number: int) -> Iterator[Numbered]:
        from pilothouse.telemetry.windows import new_readings

        with self._services.reading_telemetry() as connection:
            if connection is None:
                return
            for one in new_readings.numbers_after(connection, number, _READINGS):
                yield one, self._made(one, partial(self._of_reading, connection, one))

    def _of_reading(self, connection: Connection, number: int) -> Iterator[Event]:
        from pilothouse.telemetry.windows import new_readings

        return self._lineage.of_reading(new_readings.made(connection, number))


class _TracesExport:
    """Spans of jobs and promotions."""

    name = TRACES
    at_once = False

    def __init__(self, services: Services, settings: TracesSettings) -> None:
        self._services, self._settings = services, settings

    def newest(self) -> int:
        with self._services.registry.read() as connection:
            return audit.head(connection).count

    def first(self) -> int:
        return _in_force_since(self._services)

    def after(self, number: int) -> Iterator[Numbered]:
        known = traces.resource(self._services)
        with self._services.registry.read() as connection:
            for entry in audit.following(connection, number, _ENTRIES):

                def made(entry: AuditEntry = entry) -> list[bytes]:
                    spans = list(traces.of_entry(connection, entry))
                    return [_json(otlp.traces(spans, known, __version__))] if spans else []

                yield entry.seq, _made(self._services, self.name, entry.seq, made)

    def send(self, bodies: list[bytes]) -> None:
        token = integration_files.read_token(self._services.paths, self._settings.token_file)
        _post_all(self._services, self.name, self._settings, token, bodies)


def _send(services: Services, settings: LineageSettings, bodies: list[bytes]) -> None:
    if settings.file:
        receivers.append_lines(integration_files.named_file(services.paths, settings.file), bodies)
        return
    token = integration_files.read_token(services.paths, settings.token_file)
    _post_all(services, LINEAGE, settings, token, bodies)


def _made(services: Services, name: str, number: int, make: Callable[[], list[bytes]]) -> list[bytes]:
    """Bodies of one entry or reading. One of which none can be made is kept by its number and said, and the others go on."""
    try:
        return make()
    except UnavailableError:  # the database is away: it is read again
        raise
    except Exception as error:  # whatever is wrong with one row
        kept = _kept(services, name)
        fault = one_line(f"{type(error).__name__}: {error}", 300)
        receivers.append_lines(kept, [_json({"number": number, "error": fault})])
        log.exception("%s of number %d cannot be made; its number is kept in %s", name, number, kept)
        return []


def _post_all(
    services: Services,
    name: str,
    settings: LineageSettings | TracesSettings,
    token: str,
    bodies: Iterable[bytes],
) -> None:
    """Send each; one that the receiver will never take is kept in a file, and the others go on."""
    for body in bodies:
        try:
            receivers.post(settings.url, body, token, settings.allow)
        except InvalidInputError as error:
            kept = _kept(services, name)
            receivers.append_lines(kept, [body])
            log.error("an event of %s was refused, and is kept in %s: %s", name, kept, error)


def _kept(services: Services, name: str) -> Path:
    """File of what a receiver refused."""
    return services.paths.state / f"{name}-refused.jsonl"


def _json(plain: object) -> bytes:
    return json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
