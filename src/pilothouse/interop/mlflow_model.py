"""A version as a folder that MLflow loads (``mlflow.sklearn.load_model``, ``mlflow.pyfunc.load_model``), without its library.

Form of the file ``MLmodel``: https://mlflow.org/docs/latest/ml/model/ (read from files that MLflow 3.17 wrote). The types
that a skops file holds beyond those that skops trusts by itself stand in it, so that no flag is needed to load it.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

MODEL_FILE = "model.skops"
_NAMESPACE = uuid.UUID("5b7a8a52-4a0c-5d0e-9d0e-0c1f3f6e2c11")
_OURS = ("numpy", "pandas", "scikit-learn", "scipy", "skops")


@dataclass(frozen=True, slots=True)
class MlflowModel:
    """What the folder says. ``inputs``: name and kind (``number`` or ``category``) of each column, in order."""

    model: str
    version: int
    made_at: datetime
    data: bytes
    digest: str
    trusted_types: Sequence[str]
    inputs: Sequence[tuple[str, str]]
    output: str
    """``numpy`` name of the type of a prediction, or ``str`` for classes that are texts."""
    python: str
    packages: Mapping[str, str]


def files(model: MlflowModel) -> dict[str, bytes]:
    """Files of the folder by name. Equal facts give equal bytes."""
    requirements = [
        "mlflow",
        *(f"{name}=={model.packages[name]}" for name in _OURS if name in model.packages),
    ]
    described = {
        "flavors": {
            "python_function": {
                "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
                "loader_module": "mlflow.sklearn",
                "model_path": MODEL_FILE,
                "predict_fn": "predict",
                "python_version": model.python,
            },
            "sklearn": {
                "code": None,
                "pickled_model": MODEL_FILE,
                "serialization_format": "skops",
                "sklearn_version": model.packages.get("scikit-learn", ""),
                "skops_trusted_types": list(model.trusted_types),
            },
        },
        "metadata": {
            "pilothouse_version": f"models:/{model.model}/{model.version}",
            "pilothouse_model_sha256": model.digest,
        },
        "model_size_bytes": len(model.data),
        "model_uuid": uuid.uuid5(_NAMESPACE, f"{model.model}/{model.version}/{model.digest}").hex,
        "signature": {
            "inputs": json.dumps(_inputs(model)),
            "outputs": json.dumps(_outputs(model)),
            "params": None,
        },
        "utc_time_created": f"{model.made_at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}",
    }
    environment = {
        "python": model.python,
        "build_dependencies": ["pip", "setuptools", "wheel"],
        "dependencies": ["-r requirements.txt"],
    }
    conda = {
        "channels": ["conda-forge"],
        "dependencies": [f"python={model.python}", "pip", {"pip": requirements}],
        "name": "mlflow-env",
    }
    return {
        "MLmodel": _yaml(described),
        MODEL_FILE: model.data,
        "requirements.txt": ("\n".join(requirements) + "\n").encode(),
        "python_env.yaml": _yaml(environment),
        "conda.yaml": _yaml(conda),
    }


def _inputs(model: MlflowModel) -> list[dict[str, Any]]:
    """Columns that may be missing: ours always may."""
    types = {"number": "double", "category": "string"}
    return [{"type": types[kind], "name": name, "required": False} for name, kind in model.inputs]


def _outputs(model: MlflowModel) -> list[dict[str, Any]]:
    if model.output == "str":
        return [{"type": "string", "required": True}]
    return [{"type": "tensor", "tensor-spec": {"dtype": model.output, "shape": [-1]}}]


def _yaml(value: Mapping[str, Any]) -> bytes:
    """YAML in blocks. Its texts are JSON's, which YAML reads as the same."""
    return ("\n".join(_lines(value, 0)) + "\n").encode()


def _lines(value: Any, depth: int) -> list[str]:
    indent = "  " * depth
    lines: list[str] = []
    if isinstance(value, Mapping):
        for key, one in value.items():
            if isinstance(one, Mapping | list) and one:
                lines += [f"{indent}{key}:", *_lines(one, depth + isinstance(one, Mapping))]
            else:
                lines.append(f"{indent}{key}: {_scalar(one)}")
        return lines
    for one in value:
        if isinstance(one, Mapping):
            first, *rest = _lines(one, depth + 1)
            lines += [f"{indent}- {first.lstrip()}", *rest]
        else:
            lines.append(f"{indent}- {_scalar(one)}")
    return lines


def _scalar(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
