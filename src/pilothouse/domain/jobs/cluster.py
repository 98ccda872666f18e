"""State of a cluster that runs steps, as its scheduler told it last."""

from dataclasses import dataclass

STALE_AFTER_S = 15.0
"""Seconds after which a state says nothing of now: it is written every few seconds while a daemon runs."""


@dataclass(frozen=True, slots=True)
class ClusterWorker:
    """Worker of a cluster. ``fault``: why it can run no step; ``used_mb`` is of its own process, whose steps are others."""

    address: str
    host: str
    threads: int
    memory_mb: int
    used_mb: int
    confined: bool
    fault: str = ""


@dataclass(frozen=True, slots=True)
class RunningStep:
    """Step of a job that is on the cluster; ``worker`` is empty while it waits for one."""

    job: int
    step: str
    worker: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True)
class ClusterState:
    """``state/cluster.json``. ``at``: seconds since 1970; ``fault``: why there is no connection."""

    at: float
    scheduler: str
    connected: bool
    fault: str = ""
    workers: tuple[ClusterWorker, ...] = ()
    steps: tuple[RunningStep, ...] = ()

    @property
    def waiting(self) -> int:
        """Steps that wait for a worker."""
        return sum(1 for step in self.steps if not step.worker)

    def running_on(self, worker: str) -> int:
        """Steps on a worker."""
        return sum(1 for step in self.steps if step.worker == worker)

    @property
    def faults(self) -> list[str]:
        """What is wrong with the cluster, a line each."""
        if not self.connected:
            return [f"no connection to {self.scheduler}: {self.fault or 'it is being made'}"]
        if not self.workers:
            return [f"{self.scheduler} has no worker: steps wait until one is started"]
        return [f"worker {w.address} on {w.host}: {w.fault}" for w in self.workers if w.fault] + [
            f"worker {w.address} on {w.host}: its kernel does not confine steps"
            for w in self.workers
            if not w.fault and not w.confined
        ]

    @property
    def headline(self) -> str:
        """What fits beside a title: ``2 workers, 0.4 of 8.0 GiB, 3 steps on, 1 waiting``, or that something is wrong."""
        if not self.connected:
            return "cluster away"
        count = len(self.workers)
        used = sum(worker.used_mb for worker in self.workers) / 1024
        memory = sum(worker.memory_mb for worker in self.workers) / 1024
        text = f"{count} worker{'s' * (count != 1)}, {used:.1f} of {memory:.1f} GiB"
        text += f", {len(self.steps) - self.waiting} on, {self.waiting} waiting"
        return f"{text}, a fault: see doctor" if self.faults else text

    @property
    def summary(self) -> str:
        """``2 workers with 4 threads and 8.0 GiB; 3 steps run, 1 waits``."""
        threads = sum(worker.threads for worker in self.workers)
        memory = sum(worker.memory_mb for worker in self.workers) / 1024
        count = len(self.workers)
        return (
            f"{count} worker{'s' * (count != 1)} with {threads} thread{'s' * (threads != 1)} and {memory:.1f} GiB; "
            f"steps: {len(self.steps) - self.waiting} on a worker, {self.waiting} waiting for one"
        )
