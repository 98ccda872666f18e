"""Serving processes of many targets under a real daemon: memory, time to ready, and how soon a killed one answers again."""

import http.client
import json
import os
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from bench import show

from pilothouse.daemon import control
from pilothouse.daemon.serving_supervisor import running_servers
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.operations.promotion import promotions
from support import wait_until
from support.small_workspace import SmallWorkspace, make_small_workspace

TARGETS = int(os.environ.get("BENCH_TARGETS", "50"))
KILLS = 20
_RETRY_S = 0.005
BODY = json.dumps({"rows": [{"wind": 12.0, "load": 0.5}]}).encode()


def run() -> None:
    """One version live on all targets; each has its process."""
    with tempfile.TemporaryDirectory() as name:
        made = make_small_workspace(Path(name) / "w")
        names = [f"desk-{number:02d}" for number in range(TARGETS)]
        try:
            _train_and_put_live(made, names)
            began = time.perf_counter()
            control.start_in_background(made.root)
            started = time.perf_counter()
            _wait_until_ready(made, names)
            ready = time.perf_counter()
            servers = running_servers(made.services.paths)
            pids = [*(server.process.pid for server in servers.values()), *_hosts(made.root)]
            cpu_s = sum(map(_cpu_s, pids))
            show(f"serving: {TARGETS} targets ready after the daemon's start", f"{ready - started:.1f} s")
            show(
                "serving: their processor time",
                f"{cpu_s:.1f} s",
                f"the daemon itself: {started - began:.1f} s",
            )
            for server in servers.values():
                _answer_of(server.port)
            pss, private = (sum(column) for column in zip(*map(_memory_mb, pids), strict=True))
            show(
                f"serving: memory of {TARGETS} targets together (PSS)",
                f"{pss:,.0f} MB",
                f"private {private:,.0f} MB",
            )
            taken, refused = zip(
                *(_kill(servers[target].process.pid, servers[target].port) for target in names[:KILLS]),
                strict=True,
            )
            show(
                f"serving: from kill -9 to the next answer, median of {len(taken)}",
                f"{statistics.median(taken):.2f} s",
                f"{min(taken):.2f} to {max(taken):.2f} s; {sum(refused)} connections refused",
            )
        finally:
            control.stop(made.root)
            control.stop_serving(made.root)
            made.services.close()


def _train_and_put_live(made: SmallWorkspace, names: list[str]) -> None:
    described = [f'name = "{name}"\n' for name in names]
    (made.root / "targets.toml").write_text("\n".join(f"[[target]]\n{text}" for text in described))
    made.write_model(more="\n".join(f"[[targets]]\n{text}" for text in described))
    control.start_in_background(made.root, serve_targets=False)
    job = made.ended(made.train().id)
    assert job.status is JobStatus.SUCCEEDED, job.error
    control.stop(made.root)
    request = promotions.request_promotion(
        made.services, made.scientist, f"models:/delay/{job.version}", names, reason="measured"
    )
    promotions.approve(made.services, made.approver, request.id, request.evidence_digest)


def _wait_until_ready(made: SmallWorkspace, names: list[str]) -> None:
    missing = set(names)

    def ready() -> bool:
        servers = running_servers(made.services.paths)
        for target in sorted(missing & servers.keys()):
            if _status(servers[target].port) == 200:
                missing.discard(target)
        return not missing

    wait_until(ready, timeout=600.0)


def _status(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/v2/health/ready")
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def _answer_of(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/v2/models/delay/predict", BODY)
        return connection.getresponse().status
    finally:
        connection.close()


def _kill(pid: int, port: int) -> tuple[float, int]:
    """Seconds from the kill to the next answer, and how many connections were refused meanwhile."""
    refused = 0
    os.kill(pid, signal.SIGKILL)
    began = time.perf_counter()
    while True:
        try:
            if _answer_of(port) == 200:
                return time.perf_counter() - began, refused
        except ConnectionRefusedError:
            refused += 1
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(_RETRY_S)


def _hosts(root: Path) -> list[int]:
    """Pids of the workspace's serving hosts."""
    found = subprocess.run(["ps", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    lines = [line.split(None, 1) for line in found.splitlines()]
    return [
        int(pid) for pid, command in lines if "pilothouse.serving.host" in command and str(root) in command
    ]


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int) -> tuple[float, float]:
    """Proportional and private memory of a process in MiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kb = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    return kb["Pss"] / 1_024, (kb["Private_Clean"] + kb["Private_Dirty"]) / 1_024
