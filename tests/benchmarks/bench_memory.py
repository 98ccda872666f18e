"""The daemon's memory: a real daemon, its hub over HTTP, its monitors on what arrives.

First while millions of events are taken in, then at its peak while versions with references of years go live under traffic.
"""

import contextlib
import dataclasses
import functools
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from bench import show
from bench_drift import TEXTS, table
from bench_telemetry import packed_batch

from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.formats.wire import PackedTimings, PredictionBatch
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.identity.roles import DAEMON, Permission
from pilothouse.operations.authorisation import changing
from pilothouse.operations.catalogue import require_version
from pilothouse.operations.fleet import targets
from pilothouse.operations.promotion.activation import put_live
from pilothouse.operations.services import Services
from pilothouse.serving.delivery.hub_client import HubClient
from pilothouse.statistics import reference as references
from pilothouse.statistics.profiles.specification import ProfileSpecification, build_specification
from pilothouse.store.deployed import deployments
from pilothouse.store.log import audit
from support.monitored_flights import AIRPORTS, admin, make_watched, register, traffic

BATCH = 10_000
MILLIONS = int(os.environ.get("BENCH_MILLIONS", "10"))
DAYS = 70
"""Over which the events are spread: ten windows of the monitor."""
VERSIONS = 3
LONG_DAYS, LONG_ROWS = 5 * 365, 130_000
"""Days and rows of a target in the reference of a version that goes live."""
PATIENCE_S = 300.0
"""For the calibration of one version."""
_DAEMON = "import sys; from pilothouse.daemon.main import main; sys.exit(main(sys.argv[1:]))"


def run() -> None:
    """Both figures, one after the other."""
    _while_events_come()
    _while_versions_go_live()


def _while_events_come() -> None:
    """Resident memory over each tenth of the events: the median, for a window's verdict takes more for a second."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        services = _watched(root)
        made = packed_batch(traffic("ewr", 0, 60).head(BATCH), 0)
        rows = made.rows
        total = MILLIONS * 1_000_000 // rows
        with _daemon(services) as (pid, client):
            began, memory = time.perf_counter(), list[int]()
            for number in range(total):
                _send(client, _at(made, number, total))
                memory.append(_resident_mb(pid))
            taken = time.perf_counter() - began
        services.close()
        show(
            f"daemon: {MILLIONS} million events through its hub, one sender",
            f"{total * rows / taken:,.0f} events/s",
        )
        tenths = [statistics.median(memory[i * total // 10 : (i + 1) * total // 10]) for i in range(10)]
        show(
            "daemon: resident memory, the median of each tenth",
            f"{tenths[-1] / tenths[0] - 1:+.1%}",
            " ".join(f"{mb:.0f}" for mb in tenths) + f" MB, at most {max(memory)}",
        )


def _while_versions_go_live() -> None:
    """Peak of the resident memory under calibration, approval and ingest together: events come all the while, and the next
    version goes live once the one before it is calibrated (one that is replaced sooner never is)."""
    with tempfile.TemporaryDirectory() as name:
        services = _watched(Path(name))
        services.now = lambda: datetime.now(UTC)
        numbers = [register(services, long_reference(seed)) for seed in range(VERSIONS)]
        made = packed_batch(traffic("ewr", 0, 60).head(BATCH), 0)
        sent = 0
        with _daemon(services) as (pid, client):
            for live in range(VERSIONS + 1):
                if live:
                    _approve(services, numbers[live - 1])
                until = time.monotonic() + PATIENCE_S
                while _calibrated(services) < 2 * (live + 1):
                    assert time.monotonic() < until, f"version {live + 1} was not calibrated"
                    _send(client, _at(made, sent, 10_000_000 // made.rows))
                    sent += 1
            peak = _peak_mb(pid)
        services.close()
    show(
        f"daemon: peak while {VERSIONS} versions go live on two targets and {sent * made.rows:,} events come",
        f"{peak} MB",
        f"references of {LONG_DAYS:,} days, 25 features, {2 * LONG_ROWS:,} rows",
    )


def _watched(root: Path) -> Services:
    """The workspace of the tests, its deployments with the audit rows without which a daemon writes nothing."""
    services = make_watched(root)
    with services.registry.transaction() as connection:
        for live in deployments.live(connection, model="flight-delay"):
            audit.append(
                connection,
                at=live.recorded_at,
                actor=live.actor,
                action="deployment.rolled_back",
                subject=f"{version_uri(live.model, live.version)} on {live.target}",
                detail={
                    "kind": live.kind,
                    "target": live.target,
                    "version": live.version,
                    "before": None,
                    "request": None,
                    "reason": live.reason,
                    "model_digest": require_version(
                        connection, version_uri(live.model, live.version)
                    ).model_digest,
                    "effective_at": live.effective_at.isoformat(),
                },
            )
    return services


def _approve(services: Services, number: int) -> None:
    """Put a version live on both targets as the last approval does, with its audit rows: the daemon examines them."""
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        version = require_version(change.connection, version_uri("flight-delay", number))
        put_live(services, change, version, [*AIRPORTS], kind="rollback", reason="measured", request_id=None)


def _calibrated(services: Services) -> int:
    with services.telemetry.read() as connection:
        (count,) = connection.execute(  # of the kind "C": estimators are kept beside them
            "SELECT count(*) FROM calibrations WHERE substr(data, 1, 4) = x'50485343'"
        ).fetchone()
    return int(count)


@functools.cache
def long_reference(seed: int) -> tuple[ProfileSpecification, bytes]:
    """Specification and encoded reference of two targets with five years of rows, 25 features."""
    numbers, codes, scores = table(2 * LONG_ROWS, seed)
    texts = {name: np.array(TEXTS, object)[column] for name, column in codes.items()}
    specification = build_specification(
        "binary", numbers, {name: column.tolist() for name, column in texts.items()}, scores, ("0", "1")
    )
    days = np.arange(len(scores)) * LONG_DAYS // len(scores)
    labels = np.where(scores > 0.5, "1", "0").astype(object)
    outcomes = np.where(np.random.default_rng(seed).random(len(scores)) < scores, "1", "0").astype(object)
    rows = references.DatedRows(days, numbers, texts, scores, labels, outcomes)
    held = days >= LONG_DAYS - 60
    training, holdout = rows.where(~held), rows.where(held)
    targets = {
        target: (np.arange(side, len(training.days), 2), np.arange(side, len(holdout.days), 2))
        for side, target in enumerate(AIRPORTS)
    }
    built = references.build_reference(specification, "auc", training, holdout, targets)
    return specification, references.encode(specification, built)


@contextlib.contextmanager
def _daemon(services: Services) -> Iterator[tuple[int, HubClient]]:
    """A daemon on the workspace: its process id, and a client of its hub for the target ``ewr``."""
    root = services.paths.root
    token = root / "token"
    token.write_text(targets.issue_token(services, admin(services), "ewr"))
    options = ["--root", str(root), "--isolation", "warn", "--no-serving"]
    daemon = subprocess.Popen([sys.executable, "-c", _DAEMON, *options], stdout=subprocess.DEVNULL)
    try:
        client = HubClient(services.paths.hub_socket, token)
        yield daemon.pid, client
        client.close()
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait()


def _at(made: PredictionBatch, number: int, total: int) -> PredictionBatch:
    """The batch again, at its place in the span of days."""
    step = DAYS * 86_400_000_000 // (total * made.rows)
    first = int(np.frombuffer(made.event_times, "<i8")[0])
    times = (first + np.arange(number * made.rows, (number + 1) * made.rows) * step).astype("<i8").tobytes()
    one = np.ones(made.rows, "<i8").tobytes()
    latencies = np.random.default_rng(number).lognormal(8.5, 0.7, made.rows).astype("<i8").tobytes()
    return dataclasses.replace(
        made, sequence=number, event_times=times, requests=PackedTimings(one, latencies, times)
    )


def _send(client: HubClient, batch: PredictionBatch) -> None:
    """Wait for the hub where it is not there yet."""
    for _ in range(300):
        with contextlib.suppress(UnavailableError):
            assert client.send_batch(batch).accepted == batch.rows
            return
        time.sleep(0.1)
    raise TimeoutError("the daemon's hub did not come up")


def _resident_mb(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


def _peak_mb(pid: int) -> int:
    """The most that the process has ever held."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) >> 10
