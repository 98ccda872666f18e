"""State of the daemon and of the serving processes, as they report it."""

import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pilothouse.confinement import probe
from pilothouse.domain.confinement import describe
from pilothouse.domain.formats.wire import ServingReport, TrialReport
from pilothouse.domain.identity.roles import DAEMON, Actor, Permission
from pilothouse.domain.jobs.jobs import JobStatus, ProcessName
from pilothouse.domain.monitoring.monitoring import DaemonState
from pilothouse.domain.records import Job
from pilothouse.operations.authorisation import change_in, changing, reading
from pilothouse.operations.rollouts.standing import move_on_after
from pilothouse.operations.services import Services
from pilothouse.operations.states import states
from pilothouse.operations.states.watching import BEGINS
from pilothouse.sqlite import Connection
from pilothouse.store import workspace
from pilothouse.store.deployed import deployment_states, processes
from pilothouse.store.deployed.processes import LastReport
from pilothouse.store.log import audit
from pilothouse.store.models import hub_usage, remote_targets
from pilothouse.store.work import jobs
from pilothouse.system.leader import leader
from pilothouse.system.processes import own_name

BEAT_EVERY_S = 5.0
REPORT_IS_OLD_S = 10.0
"""Age at which a serving process's last report says nothing of the present: it reports every two seconds."""
_NAME = "daemon"


def daemon_state(services: Services) -> DaemonState:
    """State of the daemon, with a check that the process itself is alive."""
    running = leader(services.paths.daemon_lock)
    with services.registry.read() as connection:
        record = processes.find_process(connection, _NAME)
    pid = running.pid if running else None
    if record is None or (running is not None and record.process != running):
        return DaemonState(running is not None, pid, None, None, "")
    return DaemonState(
        running=running is not None,
        pid=pid,
        started_at=record.started_at,
        heartbeat_at=record.heartbeat_at,
        isolation=str(record.detail.get("isolation", "")),
        stopped_at=record.stopped_at,
        mode=str(record.detail.get("mode", "")),
    )


@dataclass(frozen=True, slots=True)
class DaemonReport:
    """Report on the daemon: its state and jobs, what stops it, and the next scheduled times, soonest first."""

    state: DaemonState
    read_only: str
    """Reason why the workspace is read-only; empty where it is not."""
    paused: str
    """Who paused automation and why; empty where it is not paused."""
    running: tuple[Job, ...]
    queued: int
    next: tuple[tuple[datetime, str], ...]
    disk_free_bytes: int
    registry_wal_bytes: int
    telemetry_wal_bytes: int
    door: str = ""
    """Where the hub listens for other machines, or why it does not; empty where it was not asked to."""


def daemon_report(services: Services, actor: Actor) -> DaemonReport:
    """Report on the daemon for an operator. Raises NotAllowedError."""
    from pilothouse.operations.automation import schedules

    with reading(services, actor) as connection:
        running = jobs.listed(connection, status=JobStatus.RUNNING)
        queued = len(jobs.listed(connection, status=JobStatus.QUEUED))
        automation = workspace.automation(connection)
        door = hub_usage.door_state(connection)
    following = sorted(
        (item.next_times[0], f"{item.action} {item.model} ({item.name})")
        for item in schedules.list_schedules(services, actor, count=1)
        if item.next_times and not item.paused
    )
    mark = services.write_guard.state()
    state = daemon_state(services)
    return DaemonReport(
        state
        if state.isolation or not state.running
        else replace(state, isolation=describe(probe.offered())),
        mark.message if mark else "",
        f"paused by {automation.actor}: {automation.reason}" if automation.paused else "",
        tuple(running),
        queued,
        tuple(following[:5]),
        shutil.disk_usage(services.paths.state).free,
        _size(services.paths.registry.with_name("registry.db-wal")),
        _size(services.paths.telemetry.with_name("telemetry.db-wal")),
        door.text if door is not None else "",
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def announce_daemon(services: Services, isolation: str, mode: str = "") -> ProcessName:
    """Record that this process is the daemon, which has heard of no serving process yet; returns its name. ``mode``: whether
    it requires the isolation or warns.

    The states of one target after the other say so: in a large fleet nobody else could write meanwhile. Until all do, nothing
    counts as watched.
    """
    name, at = own_name(), services.now()
    said = {"isolation": isolation, **({"mode": mode} if mode else {})}
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        before = processes.find_process(change.connection, _NAME)
        if before is not None and before.stopped_at is None and before.process != name:
            change.record(
                "daemon.ended",
                _NAME,
                {"pid": before.process.pid, "last_heard": before.heartbeat_at.isoformat()},
            )
        _put_daemon(change.connection, name, at, {**said, BEGINS: True})
        change.record("daemon.started", _NAME, {"pid": name.pid, "isolation": isolation})
        if before is not None:
            move_on_after(change, before.stopped_at or before.heartbeat_at)
        targets = processes.unheard(change.connection)
    for target in targets:
        with services.registry.transaction() as connection:
            states.refresh(services, connection, _on(connection, target), windows=False)
    with services.registry.transaction() as connection:
        _put_daemon(connection, name, at, said)
    return name


def _put_daemon(connection: Connection, name: ProcessName, at: datetime, detail: dict[str, Any]) -> None:
    processes.put_process(connection, _NAME, name, started_at=at, at=at, detail=detail)


def daemon_killed(services: Services) -> tuple[int, datetime] | None:
    """Pid of the daemon before this one, and when it was last heard of, where it ended without saying so: it was killed, or
    its machine was. None where it stopped properly. To be asked before ``announce_daemon``."""
    with services.registry.read() as connection:
        before = processes.find_process(connection, _NAME)
    if before is None or before.stopped_at is not None:
        return None
    return before.process.pid, before.heartbeat_at


def announce_stop(services: Services, reason: str) -> None:
    """Record that the daemon stopped normally."""
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        processes.set_stopped(change.connection, _NAME, at=change.at)
        change.record("daemon.stopped", _NAME, {"reason": reason})


class Pulse:
    """Heartbeats of the daemon and the serving processes in the registry, with few writes: each one refreshes every console.

    A serving process reports every two seconds. A report that differs from the last is written at once; a repeated one is
    written with the daemon's own heartbeat, for all targets in one transaction.
    """

    def __init__(self, services: Services, daemon: ProcessName) -> None:
        self._services = services
        self._daemon = daemon
        self._started = services.now()
        self._lock = threading.Lock()
        self._reports: dict[str, ServingReport] = {}
        self._repeated: dict[str, datetime] = {}

    def take_report(self, report: ServingReport) -> None:
        """Take in the report of a target's serving process."""
        self.take_reports([report])

    def take_reports(self, reports: Sequence[ServingReport]) -> None:
        """Take in reports of several targets' processes, those with news in one transaction."""
        with self._lock:
            now, new = self._services.now(), dict[str, ServingReport]()
            for report in reports:
                before = new.get(report.target) or self._reports.get(report.target)
                same = (
                    replace(before, spooled_batches=report.spooled_batches, clock=report.clock)
                    if before
                    else None
                )
                if report != same:
                    new[report.target] = report
            if new:
                self._write(new, dict.fromkeys(new, now))
            self._repeated |= {report.target: now for report in reports if report.target not in new}
            self._reports |= {report.target: report for report in reports}

    def trials(self) -> dict[str, list[TrialReport]]:
        """What the serving processes that have reported to this daemon last said of their trials, by target."""
        with self._lock:
            return {target: list(report.trials) for target, report in self._reports.items()}

    def forget(self, target: str) -> None:
        """Forget what the process of a target has said, since it has ended: a report that waits to be written is no word of the
        next one."""
        with self._lock:
            self._reports.pop(target, None)
            self._repeated.pop(target, None)

    def beat(self) -> None:
        """Write the heartbeats; to be called every ``BEAT_EVERY_S``."""
        with self._lock:
            self._write({}, self._repeated)
            self._repeated = {}

    def _write(self, new: dict[str, ServingReport], times: dict[str, datetime]) -> None:
        """Write new reports, and the times of those that said the same again."""
        with self._services.registry.transaction() as connection:
            processes.beat(connection, _NAME, self._daemon, at=self._services.now())
            again = [target for target in times if target not in new]
            overdue = self._services.now() - timedelta(seconds=REPORT_IS_OLD_S)
            # one that could not be written for long is no word of the present
            back = processes.silent_among(connection, [t for t in again if times[t] >= overdue])
            said = {t: (times[t], self._reports[t].spooled_batches) for t in again if t not in back}
            processes.touch_reports(connection, said)
            measured_clocks = {
                target: (report.clock, times[target])
                for target in times
                if (report := new.get(target) or self._reports[target]).clock is not None
            }
            remote_targets.put_clocks(connection, measured_clocks)
            changed: list[tuple[str, str]] = []
            measured: list[tuple[str, str, dict[str, Any]]] = []
            for target, report in (*new.items(), *((target, self._reports[target]) for target in back)):
                before = processes.report_of(connection, target)
                for model, p95 in processes.put_report(connection, report, at=times[target]).items():
                    facts = {"model": model, "version": report.loaded[model], "p95_us": p95}
                    measured.append((processes.MEASURED, target, facts))
                changed += [(model, target) for model in _changed(connection, before, report)]
                _note_answer(self._services, connection, target)
            if self._started < overdue:  # until then, no process had the time to report
                for target in processes.mark_overdue(connection, overdue):
                    changed += _on(connection, target)
                    _note_outage(self._services, connection, target)
            states.refresh(self._services, connection, changed, windows=False)
            if measured:
                change_in(self._services, connection, DAEMON).record_all(measured)


def note_serving_end(services: Services, target: str, cause: str = "", end: str = "") -> None:
    """Record that a target's serving process has ended, by ``end`` (``signal 9``) where that is known, or never came up, for
    this ``cause``: nothing answers there."""
    with services.registry.transaction() as connection:
        marked = processes.mark_silent(connection, target, at=services.now())
        noted = _note_outage(services, connection, target, cause, end)
        if marked or noted:
            states.refresh(services, connection, _on(connection, target), windows=False)


def _note_outage(
    services: Services, connection: Connection, target: str, cause: str = "", end: str = ""
) -> bool:
    """Write into the audit log that a target on which something is live answers nothing, and again once a cause is known."""
    known = processes.outage(connection, target)
    if (known is not None and (known or not cause)) or not deployment_states.is_in_use(connection, target):
        return False
    detail = {key: said for key, said in (("cause", cause), ("end", end)) if said}
    change_in(services, connection, DAEMON).record(processes.DOWN, target, detail)
    audit.publish(connection)  # the states that are written next say why
    return True


def _note_answer(services: Services, connection: Connection, target: str) -> None:
    """Write into the audit log that a target answers again."""
    if processes.outage(connection, target) is not None:
        change_in(services, connection, DAEMON).record(processes.ANSWERS, target)
        audit.publish(connection)


def _on(connection: Connection, target: str) -> list[tuple[str, str]]:
    return [(model, target) for model in deployment_states.models_on(connection, target)]


def _changed(connection: Connection, before: LastReport | None, report: ServingReport) -> list[str]:
    """Models whose serving a report changes."""
    if before is None or before.is_silent or before.is_unheard:
        return deployment_states.models_on(connection, report.target)
    loaded = {name for name, _ in before.loaded.items() ^ report.loaded.items()}
    return sorted(loaded | {name for name, _ in before.failed.items() ^ report.failed.items()})
