#!/usr/bin/env python3
"""Deployer for KServe 0.20 or later in standard mode: an InferenceService a target and model, a canary by "spec.canary".

    [target.deployer]
    command = ["python3", "docs/deployers/kserve.py", "models", "s3://bucket/models"]
    environment = ["KUBECONFIG"]
    ready_within = "15m"

Arguments: the namespace, and where the model files lie for the cluster, each under its digest (copy them there in a job
of your own, or here before the manifest is applied). Set the variable KUBECTL (and name it under "environment") for another
program than kubectl.
"""

import json
import os
import subprocess
import sys

KUBECTL = os.environ.get("KUBECTL", "kubectl")


def kubectl(*words: str, sent: str = "") -> str:
    done = subprocess.run([KUBECTL, *words], input=sent, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{KUBECTL} {words[0]}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def predictor(version: dict, store: str) -> dict:
    """What serves one version. "storageUri" holds the digest: a manifest never means another file later."""
    return {
        "model": {
            "modelFormat": {"name": "sklearn"},
            "protocolVersion": "v2",
            "storageUri": f"{store.rstrip('/')}/{version['artifact']['digest']}",
        }
    }


def manifest(asked: dict, namespace: str, store: str) -> dict:
    spec = {"predictor": predictor(asked, store)}
    if (canary := asked["canary"]) is not None:
        name = f"v{canary['version']}"
        percent = round(100 * canary["share"])
        if percent < 1 or abs(percent - 100 * canary["share"]) > 1e-9:
            raise SystemExit(
                f"a share of {canary['share']:g} is no whole percent, and KServe knows no other: change the plan"
            )
        spec["canary"] = [
            {
                "trafficPercent": percent,
                "predictor": {"name": name, **predictor(canary, store)},
            }
        ]
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": f"{asked['model']}-{asked['target']}",
            "namespace": namespace,
            "annotations": {
                "serving.kserve.io/deploymentMode": "Standard",
                "pilothouse/key": asked["key"],
                "pilothouse/version": str(asked["version"]),
            },
        },
        "spec": spec,
    }


def main() -> None:
    namespace, store = sys.argv[1:3]
    asked = json.load(sys.stdin)
    wanted = manifest(asked, namespace, store)
    if asked["action"] != "probe":
        # the whole manifest each time, by replacing fields that are owned here: a canary that has ended is taken out
        kubectl(
            "apply", "--server-side", "--force-conflicts", "--field-manager", "pilothouse", "-f", "-",
            sent=json.dumps(wanted),
        )  # fmt: skip
        print(f"{wanted['metadata']['name']} is applied")
        return
    name = wanted["metadata"]["name"]
    there = json.loads(kubectl("get", "inferenceservice", name, "--namespace", namespace, "--output", "json"))
    if there["metadata"].get("annotations", {}).get("pilothouse/key") != asked["key"]:
        raise SystemExit(f"{name} is not what was applied")
    if there.get("status", {}).get("observedGeneration") != there["metadata"].get("generation"):
        raise SystemExit(f"{name} is not looked at yet")
    ready = [c for c in there["status"].get("conditions", []) if c["type"] == "Ready"]
    if not ready or ready[0]["status"] != "True":
        raise SystemExit(
            f"{name} is not ready: {ready[0].get('message', '') if ready else 'no condition yet'}"
        )


if __name__ == "__main__":
    main()
