"""Hold the manifest of docs/deployers/kserve.py against the types of KServe's published models: each key is known, each value
of its type, what is required is there. Prints the number of keys that were held."""

import importlib
import importlib.util
import re
from pathlib import Path
from typing import Any

DEPLOYER = Path(__file__).parents[2] / "docs" / "deployers" / "kserve.py"
PLAIN = {"str": str, "int": int, "float": float, "bool": bool}


def model(name: str) -> Any:
    """Class of a type by its name: one of KServe's, or of Kubernetes's own."""
    found = getattr(importlib.import_module("kserve.models"), name, None)
    return found or getattr(importlib.import_module("kubernetes.client"), name)


def held(value: Any, kind: str, path: str) -> int:
    """Number of keys below a value, each of which the type knows. Raises AssertionError."""
    if kind == "object":
        return 0
    if kind in PLAIN:
        assert type(value) is PLAIN[kind], f"{path}: {value!r} is no {kind}"
        return 0
    if (of_list := re.fullmatch(r"[Ll]ist\[(.+)\]", kind)) is not None:
        assert isinstance(value, list), path
        return sum(held(item, of_list[1], f"{path}[{i}]") for i, item in enumerate(value))
    if (of_map := re.fullmatch(r"[Dd]ict[(\[]str, (.+)[)\]]", kind)) is not None:
        assert isinstance(value, dict), path
        return sum(held(item, of_map[1], f"{path}.{key}") for key, item in value.items())
    known = model(kind)
    names = {said: name for name, said in known.attribute_map.items()}
    assert isinstance(value, dict), path
    unknown = value.keys() - names.keys()
    assert not unknown, f"{path}: {kind} has no {', '.join(sorted(unknown))}"
    known(**{names[key]: item for key, item in value.items()})  # raises where one that is required is missing
    return sum(
        1 + held(item, known.openapi_types[names[key]], f"{path}.{key}") for key, item in value.items()
    )


def main() -> None:
    spec = importlib.util.spec_from_file_location("deployer_example", DEPLOYER)
    assert spec is not None
    assert spec.loader is not None
    deployer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(deployer)
    file = {"path": "/w/state/artifacts/sha256/aa/aa", "digest": "a" * 64}
    asked = {
        "action": "deploy", "target": "prod-eu", "model": "delay", "version": 4, "artifact": file,
        "key": "0123456789abcdef", "canary": None,
    }  # fmt: skip
    canary = {"version": 5, "artifact": file, "share": 0.1, "rollout": 3}
    count = 0
    for tried in (None, canary):
        manifest = deployer.manifest({**asked, "canary": tried}, "models", "s3://bucket/models")
        assert (manifest["apiVersion"], manifest["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
        count += held(manifest, "V1beta1InferenceService", "manifest")
    wrong = {**manifest, "spec": {**manifest["spec"], "canaries": []}}
    try:
        held(wrong, "V1beta1InferenceService", "manifest")
    except AssertionError as error:
        assert "has no canaries" in str(error), error
    else:
        raise AssertionError("a key that is not there was taken")
    print(count)


if __name__ == "__main__":
    main()
