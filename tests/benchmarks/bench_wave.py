"""A wave over many real serving processes: how long until it is out, answered for, and shown.

``python tests/benchmarks/bench_wave.py [--targets 40] [--rounds 5]``. A daemon serves one model on each target by a process of
its own; versions go out to all of them in one wave, in turn. *out*: live in the registry; *answers*: every process answers
with the new version; *shown*: the state of every target says so. Processor time is of the daemon and of the processes.
"""

import argparse
import http.client
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pilothouse.daemon import control
from pilothouse.daemon.serving_supervisor import running_servers
from pilothouse.operations.fleet import health
from pilothouse.operations.promotion import deployments, promotions
from pilothouse.operations.workspace import apply_models
from support import raw_writes
from support.registered_versions import register
from support.small_workspace import SmallWorkspace, make_small_workspace

PLAN = '[[plan]]\nname = "wave"\n[[plan.wave]]\nname = "all"\n'
BODY = json.dumps({"rows": [{"wind": 9.0, "load": 0.5}]}).encode()
TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE_S = 600.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    raw_writes.allow()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "w"
        shop = workspace(root, chosen.targets, chosen.rounds + 1)
        daemon = control.start_in_background(root)
        try:
            measure(shop, daemon.pid, chosen.targets, chosen.rounds)
        finally:
            control.stop(root)
            control.stop_serving(root)
            shop.services.close()


def workspace(root: Path, targets: int, versions: int) -> SmallWorkspace:
    """A workspace whose model goes out to all its targets in one wave; version 1 is live on them."""
    shop = make_small_workspace(root)
    file = root / "models" / "delay" / "model.toml"
    more = "".join(f'\n[[targets]]\nname = "t{i:03d}"\n' for i in range(targets - 1))
    (root / "plans.toml").write_text(PLAN)
    file.write_text(file.read_text().replace("[promotion]\n", '[promotion]\nplan = "wave"\n') + more)
    apply_models.apply(shop.services, shop.admin)
    for number in range(1, versions + 1):
        register(shop, number)
    approve(shop, 1)
    return shop


def approve(shop: SmallWorkspace, version: int) -> None:
    asked = promotions.request_promotion(shop.services, shop.scientist, f"delay/{version}", None, "a wave")
    promotions.approve(shop.services, shop.approver, asked.id, asked.evidence_digest)


def until(done: Callable[[], bool], since: float) -> float:
    """Seconds from ``since`` until it is so."""
    while not done():
        if time.perf_counter() - since > PATIENCE_S:
            raise SystemExit(f"not there after {PATIENCE_S:.0f} s")
        time.sleep(0.02)
    return time.perf_counter() - since


class Asked:
    """Processes that have not answered with a version yet."""

    def __init__(self, shop: SmallWorkspace, version: int) -> None:
        self.servers = {name: one.port for name, one in running_servers(shop.services.paths).items()}
        self.version = str(version)

    def answer(self) -> bool:
        for name, port in list(self.servers.items()):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            try:
                connection.request("POST", "/v2/models/delay/predict", BODY)
                found = json.loads(connection.getresponse().read()).get("version")
            except (OSError, http.client.HTTPException):
                continue
            finally:
                connection.close()
            if str(found) != self.version:
                return False
            del self.servers[name]
        return not self.servers


def is_shown(shop: SmallWorkspace, version: int) -> bool:
    states = health.target_states(shop.services, shop.admin)
    return all(one.serving_version == version for one in states)


def measure(shop: SmallWorkspace, daemon: int, targets: int, rounds: int) -> None:
    began = time.perf_counter()
    until(lambda: len(running_servers(shop.services.paths)) == targets and is_shown(shop, 1), began)
    servers = [one.process.pid for one in running_servers(shop.services.paths).values()]
    print(f"{targets} processes serve after {time.perf_counter() - began:.1f} s, "
          f"{sum(pss_mb(pid) for pid in servers):,.0f} MB in all (proportional)", flush=True)  # fmt: skip
    found: dict[str, list[float]] = {}
    for version in range(2, rounds + 2):
        before, since = (cpu_s([daemon]), cpu_s(servers)), time.perf_counter()
        approve(shop, version)
        times = {
            "out": until(lambda v=version: out(shop, v), since),
            "answers": until(Asked(shop, version).answer, since),
            "shown": until(lambda v=version: is_shown(shop, v), since),
        }
        times["processor of the daemon"] = cpu_s([daemon]) - before[0]
        times["of the processes"] = cpu_s(servers) - before[1]
        for name, value in times.items():
            found.setdefault(name, []).append(value)
        print(
            f"version {version}: {', '.join(f'{name} {value:.2f} s' for name, value in times.items())}",
            flush=True,
        )
    medians = {name: statistics.median(values) for name, values in found.items()}
    print(
        f"medians of {rounds}, load {os.getloadavg()[0]:.0f}: {', '.join(f'{n} {v:.2f} s' for n, v in medians.items())}"
    )


def out(shop: SmallWorkspace, version: int) -> bool:
    live = deployments.list_deployments(shop.services, shop.admin, model="delay", live_only=True)
    return all(one.version == version for one in live)


def cpu_s(pids: list[int]) -> float:
    """Processor time of processes that live, with their ended children."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        ticks += sum(int(fields[i]) for i in (11, 12, 13, 14))
    return ticks / TICKS


def pss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    main()
