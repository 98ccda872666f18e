#!/usr/bin/env python3
"""Deployer for containers on this machine, with the model's files mounted read-only.

    [target.deployer]
    command = ["python3", "docs/deployers/container.py", "registry.example/scorer:3", "8501"]

Arguments: an image that serves the model in /model on port 8080, and the port on which the machine offers it. One container
runs, and clients are refused while the next one starts. Without such a gap, and back within seconds:

    command = ["python3", "docs/deployers/container.py", "registry.example/scorer:3", "8501", "8502", "./turn-proxy"]

Two containers run, each on a port of its own: the version that answers, and the one that answered before. "./turn-proxy PORT"
is a program of yours that turns the proxy, which clients ask, to one of them.

Set the variable DOCKER (and name it under "environment") for another program than docker.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

DOCKER = os.environ.get("DOCKER", "docker")
STATE = (
    '{{.State.Running}} {{index .Config.Labels "pilothouse.key"}} {{index .Config.Labels "pilothouse.port"}}'
)
READY_WITHIN_S = 240


def docker(*words: str, check: bool = True) -> str:
    done = subprocess.run([DOCKER, *words], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise SystemExit(f"{DOCKER} {words[0]}: {done.stderr.strip() or done.returncode}")
    return done.stdout.strip()


def state(name: str) -> tuple[bool, str, str] | None:
    """Whether a container runs, the key of its version, and its port; None where there is none."""
    said = docker("inspect", "--format", STATE, name, check=False)
    if not said:
        return None
    runs, key, port = [*said.split(" "), "", ""][:3]
    return runs == "true", key, port


def remove(name: str) -> None:
    docker("stop", "--time", "2", name, check=False)  # podman's rm would give it ten seconds
    docker("rm", "--force", name, check=False)


def run(name: str, asked: dict, image: str, port: str) -> None:
    docker(
        "run", "--detach", "--restart", "unless-stopped", "--name", name,
        "--label", f"pilothouse.key={asked['key']}",
        "--label", f"pilothouse.version={asked['version']}",
        "--label", f"pilothouse.port={port}",
        "--stop-signal", "INT",  # Python hears it as the first process of a container, and does not hear SIGTERM
        "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
        "--publish", f"127.0.0.1:{port}:8080",
        "--volume", f"{asked['artifact']['path']}:/model/model.skops:ro",
        "--volume", f"{asked['schema']['path']}:/model/schema.json:ro",
        image,
    )  # fmt: skip


def ready(port: str) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=10).close()
    except (urllib.error.URLError, OSError):
        return False
    return True


def alternate(name: str, asked: dict, image: str, ports: list[str], turn: list[str]) -> None:
    """Bring a version beside the one that answers, and turn the proxy once it is ready. What answered keeps running as
    NAME-before, where the way back finds it warm."""
    live, before, coming = name, f"{name}-before", f"{name}-next"
    there = state(live)
    live_port = (there and there[2]) or ports[0]
    if there is not None and there[:2] == (True, asked["key"]):
        turned(turn, live_port)  # asked again for what answers already
        return
    for warm in (coming, before):  # one that was broken off between two of these steps, or the way back
        found = state(warm)
        if found is not None and found[:2] == (True, asked["key"]):
            port = found[2] or ports[0]
            if warm == before:
                docker("rename", before, coming)
            else:
                remove(before)
            break
    else:
        remove(before)
        remove(coming)
        port = ports[1] if there is not None and live_port == ports[0] else ports[0]
        run(coming, asked, image, port)
    deadline = time.monotonic() + READY_WITHIN_S
    while not ready(port):
        if time.monotonic() > deadline:
            raise SystemExit(f"{coming} is not ready on port {port} within {READY_WITHIN_S} s")
        time.sleep(0.2)
    turned(turn, port)
    if there is not None:
        docker("rename", live, before)
    docker("rename", coming, live)


def turned(turn: list[str], port: str) -> None:
    done = subprocess.run([*turn, port], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{turn[0]} {port}: {(done.stderr or done.stdout).strip() or done.returncode}")


def main() -> None:
    image, *ports = sys.argv[1:4]
    turn = sys.argv[4:]
    if len(ports) == 2 and not turn:
        raise SystemExit(
            "two ports need a program that turns the proxy: container.py IMAGE PORT PORT PROGRAM"
        )
    asked = json.load(sys.stdin)
    name = f"pilothouse-{asked['target']}-{asked['model']}"
    if asked["action"] == "probe":
        found = state(name)
        if found is None or not found[0]:
            raise SystemExit(f"{name} does not run")
        if found[1] != asked["key"]:
            raise SystemExit(f"{name} runs {found[1] or 'another version'}; expected {asked['key']}")
        if not ready(found[2] or ports[0]):
            raise SystemExit(f"{name} is not ready on port {found[2] or ports[0]}")
        return
    if asked["canary"] is not None:
        raise SystemExit(
            "these containers have no canary: leave canary steps out of the plan, or use another platform"
        )
    if turn:
        alternate(name, asked, image, ports, turn)
    else:
        found = state(name)
        if found is not None and found[:2] == (True, asked["key"]):
            return  # asked again for what runs already
        remove(name)
        run(name, asked, image, ports[0])
    print(f"{name} runs {asked['model']}/{asked['version']}")


if __name__ == "__main__":
    main()
