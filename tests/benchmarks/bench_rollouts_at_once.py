"""Fifty roll-outs at once: what a person waits for each action while the daemon serves, folds, judges and keeps them all.

``python tests/benchmarks/bench_rollouts_at_once.py [--rollouts 50] [--rate 200]``. Each model is live on two targets of the
daemon and goes out by a shadow on both, then live; clients ask all models in turn at a rate all the time, so that pairs come in
everywhere. Each action is taken on every roll-out in turn, as the console and the command line take it. Processor time is of
the person's process, which asks the models at the same time.
"""

import argparse
import http.client
import json
import math
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pilothouse.daemon import control
from pilothouse.daemon.serving_supervisor import running_servers
from pilothouse.domain.rollouts.rollout import RolloutState
from pilothouse.operations.promotion import deployments, promotions
from pilothouse.operations.rollouts import steering, views
from pilothouse.operations.rollouts.selected_roll_back import roll_back_selected
from pilothouse.operations.workspace import apply_models
from support import raw_writes
from support.registered_versions import register
from support.small_workspace import SmallWorkspace, make_small_workspace

PLAN = """[[plan]]
name = "careful"
[[plan.wave]]
name = "all"
[[plan.wave.step]]
kind = "shadow"
go_on = "hand"
requests = 1
[[plan.wave.step]]
kind = "live"
"""
BODY = json.dumps({"rows": [{"wind": 9.0, "load": 0.5}]}).encode()
PATIENCE_S = 600.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rollouts", type=int, default=50)
    parser.add_argument("--rate", type=float, default=200.0, help="requests a second, over all models")
    chosen = parser.parse_args()
    raw_writes.allow()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "w"
        shop, names = workspace(root, chosen.rollouts)
        control.start_in_background(root)
        stopping = threading.Event()
        try:
            until(lambda: len(running_servers(shop.services.paths)) == 2)
            client = threading.Thread(target=ask, args=(shop, names, chosen.rate, stopping))
            client.start()
            try:
                measure(shop, names)
            finally:
                stopping.set()
                client.join()
        finally:
            control.stop(root)
            control.stop_serving(root)
            shop.services.close()


def workspace(root: Path, number: int) -> tuple[SmallWorkspace, list[str]]:
    """Models with two versions each, of which the first is live on two targets."""
    shop = make_small_workspace(root)
    (root / "plans.toml").write_text(PLAN)
    text = (root / "models" / "delay" / "model.toml").read_text() + '\n[[targets]]\nname = "jfk"\n'
    names = [f"delay-{i:02d}" for i in range(number)]
    for name in names:
        (root / "models" / name).mkdir()
        made = text.replace('name = "delay"', f'name = "{name}"')
        (root / "models" / name / "model.toml").write_text(
            made.replace("[promotion]\n", '[promotion]\nplan = "careful"\n')
        )
    apply_models.apply(shop.services, shop.admin)
    for version in (1, 2):
        for name in names:
            register(shop, version, name)
    for name in names:
        approve(shop, name, 1)
    return shop, names


def approve(shop: SmallWorkspace, name: str, version: int) -> None:
    asked = promotions.request_promotion(shop.services, shop.scientist, f"{name}/{version}", None, "a bench")
    promotions.approve(shop.services, shop.approver, asked.id, asked.evidence_digest)


def ask(shop: SmallWorkspace, names: list[str], rate: float, stopping: threading.Event) -> None:
    """A client that asks each model on each target in turn, at a rate."""
    ports = [one.port for one in running_servers(shop.services.paths).values()]
    connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=60) for port in ports]
    due, number = time.monotonic(), 0
    while not stopping.wait(max(0.0, due - time.monotonic())):
        connection = connections[number % len(connections)]
        try:
            name = names[number // len(connections) % len(names)]
            connection.request("POST", f"/v2/models/{name}/predict", BODY)
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            connection.close()
        number, due = number + 1, due + 1 / rate


def until(done: Callable[[], bool]) -> None:
    since = time.monotonic()
    while not done():
        if time.monotonic() - since > PATIENCE_S:
            raise SystemExit(f"not there after {PATIENCE_S:.0f} s")
        time.sleep(0.05)


def measure(shop: SmallWorkspace, names: list[str]) -> None:
    services, approver, admin = shop.services, shop.approver, shop.admin
    asked = {
        name: promotions.request_promotion(services, shop.scientist, f"{name}/2", None, "a bench")
        for name in names
    }
    approvals = [
        lambda a=one: promotions.approve(services, approver, a.id, a.evidence_digest)
        for one in asked.values()
    ]
    timed("approve", approvals)
    numbers = [one.id for one in views.list_rollouts(services, admin, unfinished=True)]
    assert len(numbers) == len(names), f"{len(numbers)} roll-outs are open"
    until(lambda: all(has_pairs(shop, number) for number in numbers))
    timed("list", [lambda: views.list_rollouts(services, admin, unfinished=True)] * len(numbers))
    timed("page", [lambda n=n: views.show_rollout(services, admin, n) for n in numbers])
    timed("pause", [lambda n=n: steering.pause(services, admin, n, "a bench") for n in numbers])
    timed("resume", [lambda n=n: steering.resume(services, admin, n) for n in numbers])
    timed("go on", [lambda n=n: steering.go_on(services, admin, n) for n in numbers[::2]])
    timed("abort", [lambda n=n: steering.abort(services, admin, n, "a bench") for n in numbers[1::2]])
    until(lambda: all(state(shop, n) is RolloutState.COMPLETED for n in numbers[::2]))
    live = [
        one.model for one in deployments.list_deployments(services, admin, live_only=True) if one.version == 2
    ]
    gone = sorted(set(live))
    timed("roll back", [lambda m=m: deployments.roll_back(services, admin, m, None, "a bench") for m in gone[1:]])  # fmt: skip
    timed("roll back by label", [lambda: roll_back_selected(services, admin, "name=ewr", gone[0], "a bench")])


def has_pairs(shop: SmallWorkspace, number: int) -> bool:
    return views.show_rollout(shop.services, shop.admin, number).evidence.requests > 0


def state(shop: SmallWorkspace, number: int) -> RolloutState:
    return views.show_rollout(shop.services, shop.admin, number).rollout.state


def timed(what: str, calls: list[Callable[[], object]]) -> None:
    wall, processor = [], []
    for call in calls:
        since, used = time.perf_counter(), time.process_time()
        call()
        wall.append((time.perf_counter() - since) * 1000)
        processor.append((time.process_time() - used) * 1000)
    late = sorted(wall)[math.ceil(0.95 * len(wall)) - 1]
    print(
        f"{what:<20} {statistics.median(wall):7.1f} ms median, {late:7.1f} ms p95, {max(wall):7.1f} ms most, "
        f"processor {statistics.median(processor):6.1f} ms, of {len(wall)}, load {os.getloadavg()[0]:.0f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
