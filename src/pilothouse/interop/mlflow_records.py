"""A version as MLflow's run and registered version: parameters, metrics with their points, data set and tags, as its REST API
takes them, without its library.

What MLflow takes is read from its API and tried against MLflow 3.17: https://mlflow.org/docs/latest/api_reference/rest-api.html
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.models.evaluation import GateOutcome
from pilothouse.domain.records import PromotionRequest, Run, Version

VERSION_TAG = "pilothouse.version"
DIGEST_TAG = "pilothouse.model_sha256"
MODEL_TAG = "pilothouse.model"
"""Of a registered model that this program made: its aliases are ours to move."""
HELD_OUT = "holdout."
"""What begins the name of a metric on the hold-out: a metric that training code logged never has it."""
_LONGEST_KEY = 250
_LONGEST_PARAMETER = 6_000
_LONGEST_TAG = 5_000
_LONGEST_DIGEST = 36
_DESCRIPTION = "mlflow.note.content"
_TRAINING = {"mlflow.data.context": "training"}
_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@dataclass(frozen=True, slots=True)
class MlflowRecords:
    """What a version says. ``metrics``: name, value, time in ms and step of each point; a value that is no number is a word."""

    uri: str
    digest: str
    run_name: str
    started_ms: int
    ended_ms: int
    run_tags: Mapping[str, str]
    parameters: Mapping[str, str]
    metrics: Sequence[tuple[str, float | str, int, int]]
    data_sets: Sequence[tuple[Mapping[str, str], Mapping[str, str]]]
    """The rows of the training, then what its code has named; each with its tags."""
    logged_tags: Mapping[str, str] = field(default_factory=dict)
    """Tags that training code has set."""
    prefixes: Mapping[str, str] = field(default_factory=dict)
    """Of each run that training code logged, by its id: what begins the names of all that is from it."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Of the registered version: where it is from, its gates, who approved it."""


def records_of(
    version: Version, run: Run, requests: Sequence[PromotionRequest], logged: Mapping[str, Any] | None
) -> MlflowRecords:
    """Records of a version. ``logged``: what its training code logged with MLflow."""
    uri = version_uri(version.model, version.number)
    ours = {VERSION_TAG: uri, DIGEST_TAG: version.model_digest}
    metrics, parameters = _held_out(version), dict(run.parameters)
    logged_tags: dict[str, str] = {}
    prefixes: dict[str, str] = {}
    data_sets: list[tuple[Mapping[str, str], Mapping[str, str]]] = [(_dataset(version, run), _TRAINING)]
    for number, one in enumerate(_mappings(logged, "runs")):
        prefix = "" if number == 0 else f"{one.get('name') or number + 1}/"
        prefixes[str(one.get("run", ""))] = prefix
        for name, value in _mapping(one, "params").items():
            parameters.setdefault(f"{prefix}{name}", value)
        metrics += _logged(prefix, _mapping(one, "metrics"))
        for name, value in _mapping(one, "tags").items():
            if name == _DESCRIPTION or not name.startswith(("mlflow.", "pilothouse.")):
                logged_tags[f"{prefix}{name}"] = str(value)[:_LONGEST_TAG]
        data_sets += map(_named, _mappings(one, "data_sets"))
    return MlflowRecords(
        uri=uri,
        digest=version.model_digest,
        run_name=f"{version.model} {version.number}",
        started_ms=_ms(run.started_at),
        ended_ms=_ms(run.ended_at),
        run_tags={
            **ours,
            "mlflow.user": run.started_by,
            "pilothouse.reason": one_line(run.reason, _LONGEST_TAG),
            "pilothouse.seed": str(run.seed),
            "pilothouse.spec_sha256": run.spec_digest,
            **({"mlflow.source.git.commit": str(run.code["commit"])} if run.code.get("commit") else {}),
        },
        parameters=dict(_keyed([(name, _parameter(value)) for name, value in parameters.items()])),
        metrics=_renamed(metrics),
        data_sets=[found for place, found in enumerate(data_sets) if found not in data_sets[:place]],
        logged_tags=dict(_keyed(list(logged_tags.items()))),
        prefixes=prefixes,
        tags={**ours, **_told(version, run, requests)},
    )


def _held_out(version: Version) -> list[tuple[str, float | str, int, int]]:
    at, found = _ms(version.created_at), list[tuple[str, float | str, int, int]]()
    for one in version.metrics:
        name = f"{HELD_OUT}{one.metric}" + (f"/{one.slice.replace('=', ':')}" if one.slice else "")
        found += [
            (name, one.value, at, 0),
            (f"{name}.low", one.low, at, 0),
            (f"{name}.high", one.high, at, 0),
            (f"{name}.rows", float(one.rows), at, 0),
        ]
    return found


def _logged(prefix: str, metrics: Mapping[str, Any]) -> list[tuple[str, float | str, int, int]]:
    found: list[tuple[str, float | str, int, int]] = []
    for name, points in metrics.items():
        key = f"{prefix}{name}"
        key = f"logged.{key}" if key.startswith(HELD_OUT) else key
        for point in points if isinstance(points, list) else []:
            step, at, value = point
            found.append((key, value, int(at or 0), int(step or 0)))
    return found


def _told(version: Version, run: Run, requests: Sequence[PromotionRequest]) -> dict[str, str]:
    passed = sum(gate.outcome is not GateOutcome.FAILED for gate in version.gates)
    told = {
        "pilothouse.status": str(version.status),
        "pilothouse.schema_sha256": version.schema_digest,
        "pilothouse.rows_sha256": run.snapshot.content_digest,
        "pilothouse.trained_by": run.started_by,
        "pilothouse.gates": f"{passed} of {len(version.gates)} without a failure",
    }
    gates = [
        (f"pilothouse.gate.{gate.gate}", one_line(f"{gate.outcome}: {gate.reason}", _LONGEST_TAG))
        for gate in version.gates
    ]
    told |= dict(_keyed(gates))
    decided = [request for request in requests if request.decisions]
    if decided:
        newest = decided[-1]
        approvals = [one.actor for one in newest.decisions if one.verdict == "approve"]
        told["pilothouse.request"] = f"{newest.id}: {newest.status}"
        told["pilothouse.evidence_sha256"] = newest.evidence_digest
        if approvals:
            told["pilothouse.approved_by"] = one_line(", ".join(dict.fromkeys(approvals)), _LONGEST_TAG)
    return told


def _dataset(version: Version, run: Run) -> dict[str, str]:
    rows = run.snapshot
    columns = [{"name": one.name, "type": str(one.kind)} for one in rows.columns]
    return {
        "name": version.model,
        "digest": rows.content_digest[:_LONGEST_DIGEST],
        "source_type": "pilothouse",
        "source": json.dumps(
            {"version": version_uri(version.model, version.number), "sha256": rows.content_digest}
        ),
        "schema": json.dumps({"columns": columns}),
        "profile": json.dumps(
            {"num_rows": rows.rows, "training_rows": rows.training_rows, "holdout_rows": rows.holdout_rows}
        ),
    }


def _named(plain: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Data set that training code has named, as the API takes it, and its tags."""
    told = {
        name: str(plain.get(name, ""))
        for name in ("name", "digest", "source_type", "source", "schema", "profile")
    }
    told["digest"] = told["digest"][:_LONGEST_DIGEST]
    return told, {str(key): str(value) for key, value in _mapping(plain, "tags").items()}


def _parameter(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text[:_LONGEST_PARAMETER]


def _renamed(
    points: Sequence[tuple[str, float | str, int, int]],
) -> list[tuple[str, float | str, int, int]]:
    names = dict(
        _keyed([(name, name) for name in dict.fromkeys(point[0] for point in points)], inverted=True)
    )
    return [(names[name], _value(value), at, step) for name, value, at, step in points]


def _value(value: float | str) -> float | str:
    """A number, or the word by which protocol buffers write what JSON has no number for."""
    number = _WORDS.get(value, math.nan) if isinstance(value, str) else float(value)
    if math.isnan(number):
        return "NaN"
    return number if math.isfinite(number) else ("Infinity" if number > 0 else "-Infinity")


def _keyed(pairs: Sequence[tuple[str, str]], *, inverted: bool = False) -> list[tuple[str, str]]:
    """Pairs under names that MLflow takes, each once. ``inverted``: the names given, each with the one that is taken."""
    taken, found = set[str](), list[tuple[str, str]]()
    for name, value in pairs:
        plain = re.sub(r"[^\w.\- :/]", "_", name, flags=re.ASCII)
        # MLflow reads a name as a path, which stays within its folder
        plain = "/".join(part for part in plain.split("/") if part.strip(".")) or "_"
        key, number = plain[:_LONGEST_KEY], 2
        while key in taken:
            key, number = f"{plain[: _LONGEST_KEY - 8]} {number}", number + 1
        taken.add(key)
        found.append((name, key) if inverted else (key, value))
    return found


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1_000)


def _mapping(plain: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = plain.get(name)
    return found if isinstance(found, dict) else {}


def _mappings(plain: Mapping[str, Any] | None, name: str) -> list[Mapping[str, Any]]:
    found = plain.get(name) if plain else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
