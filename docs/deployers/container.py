#!/usr/bin/env python3
"""Deployer for a container on this machine: one container a target and model, with the model's files mounted read-only.

    [target.deployer]
    command = ["python3", "docs/deployers/container.py", "registry.example/scorer:3", "8501"]

Arguments: an image that serves the model in /model on port 8080, and the port on which the machine offers it. Set the variable
DOCKER (and name it under "environment") for another program than docker.
"""

import json
import os
import subprocess
import sys
import urllib.request

DOCKER = os.environ.get("DOCKER", "docker")
RUNS = '{{.State.Running}} {{index .Config.Labels "pilothouse.key"}}'


def docker(*words: str, check: bool = True) -> str:
    done = subprocess.run([DOCKER, *words], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise SystemExit(f"{DOCKER} {words[0]}: {done.stderr.strip() or done.returncode}")
    return done.stdout.strip()


def main() -> None:
    image, port = sys.argv[1:3]
    asked = json.load(sys.stdin)
    name = f"pilothouse-{asked['target']}-{asked['model']}"
    if asked["action"] == "probe":
        runs, _, key = docker("inspect", "--format", RUNS, name).partition(" ")
        if runs != "true":
            raise SystemExit(f"{name} does not run")
        if key != asked["key"]:
            raise SystemExit(f"{name} runs {key or 'another version'}; expected {asked['key']}")
        urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=10).close()
        return
    if asked["canary"] is not None:
        raise SystemExit(
            "one container has no canary: leave canary steps out of the plan, or use another platform"
        )
    runs = docker("inspect", "--format", RUNS, name, check=False)
    if runs == f"true {asked['key']}":
        return  # asked again for what runs already
    docker(
        "stop", "--time", "2", name, check=False
    )  # a roll-back waits for it: podman's rm would give it ten seconds
    docker("rm", "--force", name, check=False)
    docker(
        "run", "--detach", "--restart", "unless-stopped", "--name", name,
        "--label", f"pilothouse.key={asked['key']}",
        "--label", f"pilothouse.version={asked['version']}",
        "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
        "--publish", f"127.0.0.1:{port}:8080",
        "--volume", f"{asked['artifact']['path']}:/model/model.skops:ro",
        "--volume", f"{asked['schema']['path']}:/model/schema.json:ro",
        image,
    )  # fmt: skip
    print(f"{name} runs {asked['model']}/{asked['version']}")


if __name__ == "__main__":
    main()
