"""Parts of the daemon put together: its threads, and what wakes each."""

import functools
import logging
import threading

from pilothouse.daemon.deployers import DeployerKeeper
from pilothouse.daemon.examining import examiner
from pilothouse.daemon.exports.exporter import keep_exports
from pilothouse.daemon.exports.metrics_server import MetricsPage, keep_metrics
from pilothouse.daemon.exports.request_traces import SpanQueue
from pilothouse.daemon.hub import Door, Hub
from pilothouse.daemon.hub_door import HubDoorKeeper
from pilothouse.daemon.hub_server import HubServer
from pilothouse.daemon.job_supervisor import run_slot
from pilothouse.daemon.log_keeper import keep_log
from pilothouse.daemon.message_keeper import keep_messages
from pilothouse.daemon.place_keeper import keep_places
from pilothouse.daemon.rollout_keeper import keep_rollouts
from pilothouse.daemon.scheduler import ScheduleKeeper
from pilothouse.daemon.serving_supervisor import ServingSupervisor
from pilothouse.daemon.site_keeper import keep_sites
from pilothouse.daemon.thread_loop import ThreadGroup, Wakeup, repeat, watch
from pilothouse.daemon.trigger_watcher import keep_triggers
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.jobs.jobs import JobStatus, ProcessName
from pilothouse.execution.cluster.runner import ClusterRunner
from pilothouse.execution.engine import Engine
from pilothouse.execution.launcher_client import Isolation, Launcher
from pilothouse.operations.automation.monitoring_round import evaluate_windows
from pilothouse.operations.fleet.processes import BEAT_EVERY_S, Pulse
from pilothouse.operations.integrations import cluster
from pilothouse.operations.jobs import job_attempts
from pilothouse.operations.promotion import break_glass, promotions
from pilothouse.operations.rollouts.facts import Serving
from pilothouse.operations.services import Services
from pilothouse.operations.upkeep import compaction
from pilothouse.operations.workspace import after_upgrade, write_state
from pilothouse.store.work import jobs as stored_jobs
from pilothouse.system import memory

_SERVING_AT_LEAST_EVERY_S = 1.0
_MONITOR_RESTS_S = 0.2
"""Least rest of the monitor after a turn."""
_MONITOR_AT_LEAST_EVERY_S = 10.0
_HOUSEKEEPING_EVERY_S = 5.0
_EXAMINE_EVERY_S = 86_400.0
"""Seconds between two examinations of registry and audit log."""
_EXAMINE_FIRST_AFTER_S = 60.0
"""Seconds from the start to the first examination."""
_PATIENCE_S = {
    "serving": 120.0,
    "hub door": 120.0,
    "monitor": 1_800.0,
    "schedules": 3_600.0,
    "roll-outs": 300.0,
    "messages": 300.0,
    "places": 120.0,
    "sites": 3_600.0,
    "deployers": 120.0,
    "housekeeping": 120.0,
    "heartbeat": 60.0,
}
"""Seconds after which a turn counts as stuck. The monitor may have years to catch up with, a schedule a backup to make."""

log = logging.getLogger(__name__)


class DaemonThreads:
    """Threads of one daemon. ``start``, then ``end`` when ``stop`` is set."""

    def __init__(
        self,
        services: Services,
        launcher: Launcher,
        name: ProcessName,
        *,
        isolation: Isolation,
        slots: int,
        serve_targets: bool,
        stop: threading.Event,
    ) -> None:
        self._services = services
        self._launcher = launcher
        self._pulse = Pulse(services, name)
        self._owner = f"daemon {name.boot_id} {name.pid} {name.started}"
        self._cluster_state = cluster.StateKeeper(services)
        self._cluster = self._cluster_runner(isolation)
        self._engine = Engine(launcher, self._cluster, slots)
        self._slots = slots if self._cluster is None else cluster.settings_in_force(services).jobs
        self._supervisor = ServingSupervisor(services, isolation) if serve_targets else None
        if self._supervisor is not None:
            self._supervisor.forget = self._pulse.forget
        self._threads = ThreadGroup(stop)
        self._draining = threading.Event()
        self._monitor_wakeup = self._wakeup("monitor")
        self._schedules = ScheduleKeeper(services, self._monitor_wakeup)
        services.paths.make_socket_folder()
        self._page = MetricsPage(services)
        self._spans = SpanQueue()
        self._page.parts = self._threads.turns
        hub = Hub(services, self._pulse, self._page, self._spans)
        self._save_usage = hub.save
        self._end_waits = hub.end_waits
        self._hub = HubServer(hub.app(Door.SOCKET), services.paths.hub_socket)
        self._door = HubDoorKeeper(services, hub.app(Door.NETWORK))
        self._deployers = DeployerKeeper(services, self._pulse)

    def _cluster_runner(self, isolation: Isolation) -> ClusterRunner | None:
        """Runner of the cluster that ``integrations.toml`` names."""
        settings, paths = cluster.settings_in_force(self._services), self._services.paths
        self._cluster_state.remove()
        if settings.engine == "local":
            return None
        runner = ClusterRunner(
            settings,
            paths.root,
            jobs=paths.jobs,
            artifacts=paths.artifacts,
            closed=[paths.state],
            isolation=isolation,
        )
        runner.on_state = self._cluster_state.keep
        return runner

    @property
    def failed(self) -> str:
        """Name of the thread that died, or empty."""
        return self._threads.failed

    def _wakeup(self, name: str) -> Wakeup:
        return self._threads.wakeup(name, _PATIENCE_S[name])

    @property
    def stuck(self) -> list[str]:
        """Names of the threads whose turn takes longer than their patience."""
        return self._threads.stuck()

    def drain(self) -> None:
        """Start no job any more; running ones go on to their end."""
        self._draining.set()

    @property
    def drained(self) -> bool:
        """True once it was asked to drain and no job runs."""
        if not self._draining.is_set():
            return False
        try:
            with self._services.registry.read() as connection:
                return not stored_jobs.listed(connection, status=JobStatus.RUNNING, limit=1)
        except PilothouseError as error:
            log.error("%s", error)
            return False

    def start(self) -> None:
        """Put lost jobs back, then start every thread."""
        services, parts = self._services, self._threads
        if self._cluster is not None:
            self._cluster.start()
        # this daemon leads now: jobs that are recorded as running have lost their process
        job_attempts.requeue_lost(services, leader=self._owner)
        registry_wakeups: list[Wakeup] = []
        telemetry_wakeups: list[Wakeup] = [self._monitor_wakeup]

        def wakeup(name: str = "") -> Wakeup:
            new = self._wakeup(name) if name else parts.wakeup()
            registry_wakeups.append(new)
            return new

        parts.start("hub", self._hub.run)
        parts.start("hub door", functools.partial(self._door.run, wakeup("hub door")))
        if self._supervisor is not None:
            parts.start("serving", functools.partial(self._supervise, wakeup("serving")))
        for slot in range(self._slots):
            run = functools.partial(run_slot, services, self._engine, self._owner, wakeup(), self._draining)
            parts.start(f"jobs {slot + 1}", run)
        parts.start("monitor", self._monitor)
        parts.start("schedules", functools.partial(self._schedules.run, wakeup("schedules")))
        parts.start("triggers", functools.partial(keep_triggers, services, wakeup()))
        rollouts = wakeup("roll-outs")
        telemetry_wakeups.append(rollouts)
        parts.start(
            "roll-outs",
            functools.partial(keep_rollouts, services, rollouts, self._serving),
        )
        parts.start("metrics", functools.partial(keep_metrics, services, self._page, wakeup()))
        exports = wakeup()
        telemetry_wakeups.append(exports)
        self._spans.wake = exports.wake
        parts.start("exports", functools.partial(keep_exports, services, exports, self._spans))
        parts.start("messages", functools.partial(keep_messages, services, wakeup("messages")))
        parts.start("places", functools.partial(keep_places, services, wakeup("places")))
        if self._supervisor is not None:
            parts.start("deployers", functools.partial(self._deployers.run, wakeup("deployers")))
        parts.start("log", functools.partial(keep_log, services, wakeup()))
        parts.start("sites", functools.partial(keep_sites, services, self._wakeup("sites")))
        parts.start("housekeeping", self._keep_house)
        parts.start("heartbeat", self._beat)
        parts.start("examination", self._examine)
        parts.start("upgrade", self._look_after_upgrade)
        versions = {
            services.registry.data_version: registry_wakeups,
            services.telemetry.data_version: telemetry_wakeups,
        }
        parts.start("watch", functools.partial(watch, parts.stop, versions))

    def end(self, patience_s: float) -> list[str]:
        """Stop every thread; returns the names of those that are still busy after ``patience_s``."""
        self._threads.stop.set()
        self._end_waits()
        self._hub.stop()
        left = self._threads.join(patience_s)
        if self._cluster is not None:
            self._cluster.stop()
            self._cluster_state.remove()
        self._hub.close()
        if not left:
            self._page.close()
        return left

    def _serving(self) -> Serving:
        """What this daemon knows of serving processes now."""
        return Serving(self._supervisor is not None, self._pulse.trials())

    def _supervise(self, wakeup: Wakeup) -> None:
        assert self._supervisor is not None
        self._supervisor.wake = wakeup.wake
        try:
            repeat(wakeup, self._supervisor.look, at_least_every_s=_SERVING_AT_LEAST_EVERY_S)
        finally:
            self._supervisor.close()

    def _monitor(self) -> None:
        # Verdicts need them: imported here, so that neither the first window waits for it nor memory grows with it
        import scipy.optimize
        import scipy.special  # noqa: F401

        def work() -> None:
            evaluate_windows(self._services)
            memory.give_back()  # a calibration or a window takes ten times what stays of it

        repeat(
            self._monitor_wakeup, work, at_least_every_s=_MONITOR_AT_LEAST_EVERY_S, rest_s=_MONITOR_RESTS_S
        )

    def _keep_house(self) -> None:
        def work() -> None:
            if write_state.watch_disk(self._services) is not None:
                return
            promotions.expire_requests(self._services)
            break_glass.take_back_expired(self._services)
            job_attempts.requeue_lost(self._services)
            job_attempts.end_hopeless(self._services)
            compaction.at_rest(self._services)

        repeat(self._wakeup("housekeeping"), work, at_least_every_s=_HOUSEKEEPING_EVERY_S)

    def _beat(self) -> None:
        def work() -> None:
            if write_state.state(self._services) is None:
                self._pulse.beat()
                self._save_usage()

        repeat(self._wakeup("heartbeat"), work, at_least_every_s=BEAT_EVERY_S)

    def _look_after_upgrade(self) -> None:
        """Say which live versions do not answer as they did, where scikit-learn is another than at the last start. Nothing is
        taken off the air: a serving process that answers goes on."""

        def work() -> None:
            upgrade = after_upgrade.look(self._services, self._launcher)
            if upgrade is None:
                return
            for check in upgrade.changing:
                log.error("%s/%d (%s): %s", check.model, check.version, check.place, check.finding)
            log.info("%s", upgrade.summary)

        repeat(self._threads.wakeup(), work, at_least_every_s=_EXAMINE_EVERY_S)

    def _examine(self) -> None:
        """Examine registry and audit chain once a day. A workspace that is damaged may not be written any more."""

        def work() -> None:
            if said := examiner.examine(self._services, self._threads.stop):
                log.info("examined: %s", said)

        wakeup = self._threads.wakeup()
        wakeup.wait(_EXAMINE_FIRST_AFTER_S)
        repeat(wakeup, work, at_least_every_s=_EXAMINE_EVERY_S)
