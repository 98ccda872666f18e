"""What the tests of the steps share: a small model, its rows, and running a step as the launcher would."""

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pilothouse.domain.jobs.jobs import StepRequest, StepResult
from pilothouse.domain.models.model_file import load_spec, spec_to_plain
from pilothouse.domain.models.spec_keys import STORED_KEYS

MODEL = """
name = "late"
task = "binary"
owner = "somebody"

[data]
source = "rows.parquet"
target = "late"
timestamp = "at"
features = ["wind", "rain", "port"]
categoricals = ["port"]
slices = ["port"]
exclude = ["delay"]
private = ["passenger"]
outcome_delay = "1d"
holdout = "10d"

[training]
estimator = "sklearn.ensemble.HistGradientBoostingClassifier"
seed = 3

[training.parameters]
max_iter = 20
early_stopping = false

[gates.latency]
p95_ms = 500.0

[[gates.metric]]
metric = "auc"
minimum = 0.6

[[targets]]
name = "north"
match = { port = "N" }

[[targets]]
name = "south"
match = { port = "S" }
"""


def spec(**changes: Any) -> dict[str, Any]:
    """The model above as plain data; ``data__holdout=5`` changes a key."""
    plain = spec_to_plain(load_spec(MODEL, "model.toml"))
    for key, value in changes.items():
        table = plain
        *path, last = key.split("__")
        for part in path:
            table = table[part]
        table[STORED_KEYS.get(last, last)] = value
    return plain


def rows(days: int = 60, per_day: int = 60, seed: int = 0) -> pd.DataFrame:
    """Arrivals at two ports, late when wind and rain are strong, the more so in the south."""
    rng = np.random.default_rng(seed)
    n = days * per_day
    at = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(np.arange(n) * 86_400 // per_day, unit="s")
    wind, rain = rng.gamma(2, 3, n), rng.exponential(2, n)
    port = np.where(rng.random(n) < 0.5, "N", "S")
    probability = 1 / (1 + np.exp(4 - wind / 3 - rain / 2 - (port == "S")))
    late = (rng.random(n) < probability).astype(int)
    return pd.DataFrame(
        {
            "at": at,
            "wind": np.where(rng.random(n) < 0.05, np.nan, wind),
            "rain": rain,
            "port": port,
            "late": late,
            "delay": late * 30.0,
            "passenger": [f"P{i}" for i in range(n)],
        }
    )


@dataclass
class Bench:
    """Runs steps in a folder, each in a folder of its own."""

    folder: Path
    progress: list[tuple[float, str]] = field(default_factory=list)

    def run(
        self,
        step: str,
        plain: Mapping[str, Any],
        inputs: Mapping[str, str | Path],
        options: Mapping[str, Any] | None = None,
        name: str = "",
        seed: int = 3,
    ) -> StepResult:
        """Run one step; its record must survive JSON, as it will."""
        folder = self.folder / (name or step)
        folder.mkdir(parents=True, exist_ok=True)
        paths = {key: str(value) for key, value in inputs.items()}
        request = StepRequest(1, 1, step, str(folder), dict(plain), paths, dict(options or {}), seed)
        module = importlib.import_module(f"pilothouse.training.steps.{step}")
        result: StepResult = module.run(
            request, lambda fraction, message, _: self.progress.append((fraction, message))
        )
        json.dumps(result.record, allow_nan=False)
        assert "\n" not in result.error
        assert all(Path(path).parent == folder for path in result.outputs.values())
        return result

    def source(self, frame: pd.DataFrame | None = None, name: str = "rows.parquet") -> Path:
        """Write rows as a source."""
        path = self.folder / name
        (rows() if frame is None else frame).to_parquet(path, index=False)
        return path

    def trained(
        self,
        plain: Mapping[str, Any] | None = None,
        frame: pd.DataFrame | None = None,
        name: str = "a",
        **options: Any,
    ) -> dict[str, StepResult]:
        """Snapshot and fit, both of which must succeed."""
        plain = plain or spec()
        source = self.source(frame, f"{name}.parquet")
        snapshot = self.run("snapshot", plain, {"source": source}, options, f"{name}-snapshot")
        assert snapshot.ok, snapshot.error
        inputs = {"train": snapshot.outputs["train"], "model_folder": self.folder}
        fit = self.run("fit", plain, inputs, name=f"{name}-fit")
        assert fit.ok, fit.error
        return {"snapshot": snapshot, "fit": fit}

    def evaluated(
        self,
        plain: Mapping[str, Any] | None = None,
        frame: pd.DataFrame | None = None,
        name: str = "a",
        incumbents: Mapping[int, tuple[dict[str, StepResult], list[str]]] | None = None,
        **options: Any,
    ) -> dict[str, StepResult]:
        """Snapshot, fit and evaluate against ``incumbents`` {number: (its steps, its targets)}."""
        plain = plain or spec()
        steps = self.trained(plain, frame, name, **options)
        inputs: dict[str, str | Path] = {
            **{key: steps["snapshot"].outputs[key] for key in ("train", "holdout")},
            **{key: steps["fit"].outputs[key] for key in ("model", "schema")},
        }
        live = []
        for number, (theirs, targets) in (incumbents or {}).items():
            for key in ("model", "schema"):
                inputs[f"incumbent_{number}_{key}"] = theirs["fit"].outputs[key]
            until = theirs["snapshot"].record["trained_until_us"]
            live.append({"number": number, "targets": targets, "trained_until_us": until})
        given = {"incumbents": live, "data_gates": steps["snapshot"].record["gates"]}
        steps["evaluate"] = self.run("evaluate", plain, inputs, given, f"{name}-evaluate")
        assert steps["evaluate"].ok, steps["evaluate"].error
        return steps
