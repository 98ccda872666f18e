"""The daemon's parts put together: which threads there are, and what wakes each."""

import functools
import threading

from pilothouse.domain.jobs import ProcessName
from pilothouse.execution.launcher_client import Isolation, Launcher
from pilothouse.operations import job_attempts, promotions
from pilothouse.operations.monitoring import evaluate_windows
from pilothouse.operations.processes import BEAT_EVERY_S, Pulse
from pilothouse.operations.services import Services

from .hub import hub_app
from .hub_server import HubServer
from .job_supervisor import run_slot
from .parts import Bell, Parts, repeat, watch
from .scheduler import ScheduleKeeper
from .serving_supervisor import ServingSupervisor
from .trigger_keeper import keep_triggers

_SERVING_AT_LEAST_EVERY_S = 1.0
_MONITOR_RESTS_S = 0.2
_MONITOR_AT_LEAST_EVERY_S = 10.0
_HOUSEKEEPING_EVERY_S = 15.0


class Crew:
    """All threads of one daemon. ``start``, then ``end`` when ``stop`` is set."""

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
        self._slots = slots
        self._supervisor = ServingSupervisor(services, isolation) if serve_targets else None
        self._parts = Parts(stop)
        self._monitor_bell = self._parts.bell()
        self._schedules = ScheduleKeeper(services, self._monitor_bell)
        services.paths.make_socket_folder()
        self._hub = HubServer(hub_app(services, self._pulse), services.paths.hub_socket)

    @property
    def failed(self) -> str:
        """The name of the thread that died, or empty."""
        return self._parts.failed

    def start(self) -> None:
        """Put lost jobs back, then start every thread."""
        services, parts = self._services, self._parts
        job_attempts.requeue_lost(
            services, leader=self._owner
        )  # we lead: whatever runs by the record runs no more
        registry_bells: list[Bell] = []
        telemetry_bells: list[Bell] = [self._monitor_bell]

        def bell() -> Bell:
            made = parts.bell()
            registry_bells.append(made)
            return made

        parts.start("hub", self._hub.run)
        if self._supervisor is not None:
            parts.start("serving", functools.partial(self._supervise, bell()))
        for slot in range(self._slots):
            run = functools.partial(run_slot, services, self._launcher, self._owner, bell())
            parts.start(f"jobs {slot + 1}", run)
        parts.start("monitor", self._monitor)
        parts.start("schedules", functools.partial(self._schedules.run, bell()))
        parts.start("triggers", functools.partial(keep_triggers, services, bell()))
        parts.start("housekeeping", self._keep_house)
        parts.start("heartbeat", self._beat)
        versions = {
            services.registry.data_version: registry_bells,
            services.telemetry.data_version: telemetry_bells,
        }
        parts.start("watch", functools.partial(watch, parts.stop, versions))

    def end(self, patience_s: float) -> list[str]:
        """Stop every thread; the names of those that are still busy after ``patience_s``."""
        self._parts.stop.set()
        self._hub.stop()
        left = self._parts.join(patience_s)
        self._hub.close()
        return left

    def _supervise(self, bell: Bell) -> None:
        assert self._supervisor is not None
        repeat(bell, self._supervisor.look, at_least_every_s=_SERVING_AT_LEAST_EVERY_S)

    def _monitor(self) -> None:
        def work() -> None:
            evaluate_windows(self._services)

        repeat(self._monitor_bell, work, at_least_every_s=_MONITOR_AT_LEAST_EVERY_S, rest_s=_MONITOR_RESTS_S)

    def _keep_house(self) -> None:
        def work() -> None:
            promotions.expire_requests(self._services)
            job_attempts.requeue_lost(self._services)
            job_attempts.end_hopeless(self._services)

        repeat(self._parts.bell(), work, at_least_every_s=_HOUSEKEEPING_EVERY_S)

    def _beat(self) -> None:
        repeat(self._parts.bell(), self._pulse.beat, at_least_every_s=BEAT_EVERY_S)
