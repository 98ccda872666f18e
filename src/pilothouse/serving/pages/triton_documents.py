"""Documents of the protocol's extensions as Triton's clients read them: configuration, statistics, shared memory."""

from collections.abc import Sequence
from typing import Any

from pilothouse.serving.bodies.protocol import MAXIMUM_ROWS, model_metadata
from pilothouse.serving.pages.traffic import Traffic
from pilothouse.serving.versions.live_versions import LoadedVersion

_TYPES = {"BYTES": "TYPE_STRING", "FP64": "TYPE_FP64"}


def model_config(loaded: LoadedVersion, versions: Sequence[int]) -> dict[str, Any]:
    """Document of ``GET /v2/models/NAME/config``. ``dims`` leave the rows out, as Triton's do where rows are batched."""
    metadata = model_metadata(loaded.schema, versions, portable=loaded.predictor.portable)

    def tensors(side: str) -> list[dict[str, Any]]:
        return [
            {
                "name": tensor["name"],
                "data_type": _TYPES[tensor["datatype"]],
                "dims": tensor["shape"][1:] or [1],
                **({"optional": True} if (tensor.get("parameters") or {}).get("optional") else {}),
            }
            for tensor in metadata[side]
        ]

    return {
        "name": metadata["name"],
        "platform": metadata["platform"],
        "backend": "pilothouse",
        "version_policy": {"specific": {"versions": list(versions)}},
        "max_batch_size": MAXIMUM_ROWS,
        "input": tensors("inputs"),
        "output": tensors("outputs"),
    }


def statistics(versions: list[LoadedVersion], traffic: Traffic) -> dict[str, Any]:
    """Document of ``GET /v2/models[/NAME]/stats``: durations of whole requests, and no parts of them."""
    return {"model_stats": [_statistics(loaded, traffic) for loaded in versions]}


def _statistics(loaded: LoadedVersion, traffic: Traffic) -> dict[str, Any]:
    counts = traffic.of((loaded.version.model, loaded.version.version))
    nothing = {"count": 0, "ns": 0}
    parts = ("queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss")
    return {
        "name": loaded.version.model,
        "version": str(loaded.version.version),
        "last_inference": counts.last_ms,
        "inference_count": counts.rows,
        "execution_count": counts.answered,
        "inference_stats": {
            "success": {"count": counts.answered, "ns": counts.answered_ns},
            "fail": {"count": counts.failed, "ns": counts.failed_ns},
            **dict.fromkeys(parts, nothing),
        },
        "batch_stats": [],
    }
