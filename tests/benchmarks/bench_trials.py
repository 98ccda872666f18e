"""What a trial costs the champion's clients: one serving process without, one with a shadow, one with a canary, in turns.

The same model is champion and challenger. ``half busy`` is half of what the process without a trial answers to 16 connections
that ask again at once, as measured first; times run from when a request was due. ``TRIAL_ROUNDS`` and ``TRIAL_SECONDS`` say how
long it takes.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import serving_kit as kit
from bench import show
from bench_serving import Server, body, start, train

ROUNDS = int(os.environ.get("TRIAL_ROUNDS", "7"))
SECONDS = float(os.environ.get("TRIAL_SECONDS", "3"))
MODELS = os.environ.get("TRIAL_MODELS", "boosting,logistic").split(",")
CONNECTIONS = 16


def run() -> None:
    """Each model: at half of its rate, and at all of it."""
    for model in MODELS:
        with _serving(model) as servers:
            alone = servers["alone"]
            most = statistics.median(_load(alone, model)["per_s"] for _ in range(3))
            _cell(f"{model}, half busy", servers, model, most / 2)
            _cell(f"{model}, as much as it can", servers, model, 0.0)


def _cell(what: str, servers: dict[str, Server], model: str, rate: float) -> None:
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
    for number in range(ROUNDS + 1):
        order = list(servers.items())
        for name, server in order if number % 2 else order[::-1]:
            before = server.cpu_s()
            figures = _load(server, model, rate)
            figures["cpu_us"] = (server.cpu_s() - before) * 1e6 / figures["requests"]
            if number:  # the first round warms up
                taken[name].append(figures)
    alone = taken["alone"]
    for name, rounds in taken.items():
        medians = {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}
        ratios = {  # of the rounds, each with the one beside it
            key: statistics.median(r[key] / a[key] for r, a in zip(rounds, alone, strict=True))
            for key in ("per_s", "p50_us", "p99_us", "cpu_us")
        }
        against = (
            f"{ratios['per_s']:.2f} x, p50 {ratios['p50_us']:.2f}, p99 {ratios['p99_us']:.2f}, "
            f"CPU {ratios['cpu_us']:.2f}"
        )
        show(
            f"trials: {what}, {name}",
            f"{medians['per_s']:,.0f} req/s",
            f"p50 {medians['p50_us'] / 1000:.2f} ms, p99 {medians['p99_us'] / 1000:.2f} ms, "
            f"{medians['cpu_us']:,.0f} µs of CPU" + (f": {against}" if name != "alone" else ""),
        )


def _load(server: Server, model: str, rate: float = 0.0) -> dict[str, float]:
    script = "paced_load.py" if rate else "serving_load.py"
    command = [sys.executable, str(Path(__file__).parent / script), str(server.port)]
    command += [f"/v2/models/{model}/infer", str(CONNECTIONS), str(SECONDS), *([str(rate)] if rate else [])]
    done = subprocess.run(command, input=server.requests[1], capture_output=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


@contextlib.contextmanager
def _serving(model: str) -> Iterator[dict[str, Server]]:
    """Three processes: without a trial, with a shadow, with a canary of a tenth."""
    _, portable, schema = train(model)
    challenger = replace(portable, version=2)
    with contextlib.ExitStack() as stack:
        servers = {}
        for name in ("alone", "shadow", "canary"):
            place = stack.enter_context(kit.short_folder())
            hub = kit.TestHub(place / "hub.sock")
            hub.start()
            stack.callback(hub.stop)
            hub.deploy(portable)
            if name != "alone":
                hub.try_beside(portable, challenger, name, 0.1)
            process = start(Path(__file__).resolve().parents[2] / "src", model, place / "ewr", hub)
            stack.callback(process.terminate)
            process.wait_for_port()
            process.wait_until_ready()
            if name != "alone":
                kit.wait_until(
                    lambda hub=hub: (
                        hub.report is not None and [t.state for t in hub.report.trials] == ["answers"]
                    )
                )
            servers[name] = Server(name, process.process.pid, process.port, {1: body(schema, 1)})
        yield servers
