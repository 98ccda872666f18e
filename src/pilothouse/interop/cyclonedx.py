"""ML-BOM of a version: CycloneDX 1.6 with a model card, written by hand, since the usual library drops model cards.

Intervals and slices of the figures have places of their own in the format, so nothing is lost.
"""

import re
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from pilothouse.domain.audit.dossier import Dossier
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.models.evaluation import MetricValue

SPECIFICATION = "1.6"
_SPACE = uuid.UUID("5f0f3c0e-1a49-4b5a-9a53-6f0c7d1f3a11")
_TASKS = {"binary": "binary classification", "multiclass": "classification", "regression": "regression"}


def ml_bom(dossier: Dossier, *, tool_version: str) -> dict[str, Any]:
    """The bill of materials as JSON data: the model with its card, its rows as data, the packages as libraries."""
    model, data = _reference(dossier), _data_reference(dossier)
    libraries = list(_libraries(dossier))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPECIFICATION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(_SPACE, f'{model} {dossier.version.model_digest} {dossier.made_at}')}",
        "version": 1,
        "metadata": {
            "timestamp": dossier.made_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tools": {"components": [{"type": "application", "name": "pilothouse", "version": tool_version}]},
            "component": _model(dossier),
        },
        "components": [_data(dossier), *libraries],
        "dependencies": [
            {"ref": model, "dependsOn": [data, *(library["bom-ref"] for library in libraries)]},
            {"ref": data},
            *({"ref": library["bom-ref"]} for library in libraries),
        ],
    }


def _reference(dossier: Dossier) -> str:
    return version_uri(dossier.version.model, dossier.version.number)


def _data_reference(dossier: Dossier) -> str:
    return f"snapshot:{dossier.run.snapshot.content_digest}"


def _model(dossier: Dossier) -> dict[str, Any]:
    version = dossier.version
    return {
        "type": "machine-learning-model",
        "bom-ref": _reference(dossier),
        "name": version.model,
        "version": str(version.number),
        "description": dossier.inventory.description or version.model,
        "hashes": [{"alg": "SHA-256", "content": version.model_digest}],
        "modelCard": {
            "bom-ref": f"{_reference(dossier)}#card",
            "modelParameters": _parameters(dossier),
            "quantitativeAnalysis": {"performanceMetrics": [_metric(metric) for metric in version.metrics]},
            "considerations": _considerations(dossier),
            "properties": _properties(_card_facts(dossier)),
        },
        "properties": _properties(_digests(dossier)),
    }


def _parameters(dossier: Dossier) -> dict[str, Any]:
    training, task = dossier.specification["training"], dossier.specification["task"]
    outputs = [f"class: {', '.join(dossier.classes)}", "score"] if dossier.classes else ["number"]
    return {
        "approach": {"type": "supervised"},
        "task": _TASKS.get(task, task),
        "architectureFamily": "scikit-learn",
        "modelArchitecture": str(training.get("estimator") or training.get("function")),
        "datasets": [{"ref": _data_reference(dossier)}],
        "inputs": [{"format": f"{name}: {kind}"} for name, kind in dossier.inputs.items()],
        "outputs": [{"format": output} for output in outputs],
    }


def _metric(metric: MetricValue) -> dict[str, Any]:
    return {
        "type": metric.metric,
        "value": repr(metric.value),
        "slice": metric.slice or "hold-out",
        "confidenceInterval": {"lowerBound": repr(metric.low), "upperBound": repr(metric.high)},
    }


def _considerations(dossier: Dossier) -> dict[str, Any]:
    said = dossier.inventory.said
    doubted = [gate.reason for gate in dossier.version.gates if gate.doubt]
    found = {
        "users": list(said.users) if said else [],
        "useCases": [said.intended_use] if said and said.intended_use else [],
        "technicalLimitations": [*(said.limits if said else ()), *dossier.run.window_notes],
        "performanceTradeoffs": doubted,
        "ethicalConsiderations": [
            {"name": f"not intended for {use}"} for use in (said.not_intended_for if said else ())
        ],
    }
    return {name: listed for name, listed in found.items() if listed}


def _card_facts(dossier: Dossier) -> Iterator[tuple[str, object]]:
    said = dossier.inventory.said
    yield "owner", dossier.inventory.owner
    yield "risk tier", said.risk_tier if said else None
    yield "validator", said.validator if said else None
    yield "next review", dossier.inventory.due
    yield "seed", dossier.run.seed
    for name, value in sorted(dossier.run.parameters.items()):
        yield f"parameter {name}", value
    for number, step in enumerate(dossier.run.fitted, 1):
        yield f"fitted {number}", step
    for gate in dossier.version.gates:
        yield f"gate {gate.gate}", f"{gate.outcome}: {gate.reason}"
    for metric in dossier.version.metrics:
        yield f"rows {metric.metric} {metric.slice or 'hold-out'}", metric.rows


def _digests(dossier: Dossier) -> Iterator[tuple[str, object]]:
    version = dossier.version
    yield "specification sha256", dossier.run.spec_digest
    yield "input schema sha256", version.schema_digest
    yield "predictions sha256", version.predictions_digest
    yield "reference sha256", version.reference_digest
    if version.portable is not None:
        yield "portable form sha256", version.portable.digest or version.portable.tied
    yield "code folder sha256", dossier.run.code.get("folder_digest")
    yield "commit", dossier.run.code.get("commit")


def _data(dossier: Dossier) -> dict[str, Any]:
    rows = dossier.run.snapshot
    facts = (
        ("rows", rows.rows),
        ("training rows", rows.training_rows),
        ("hold-out rows", rows.holdout_rows),
        ("first row", rows.first_row_at.isoformat()),
        ("last row", rows.last_row_at.isoformat()),
        ("trained until", rows.trained_until.isoformat()),
        ("source sha256", rows.source_digest),
        ("private columns", ", ".join(dossier.specification["data"].get("private", ()))),
    )
    return {
        "type": "data",
        "bom-ref": _data_reference(dossier),
        "name": f"rows of {dossier.version.model}",
        "version": rows.content_digest[:12],
        "hashes": [{"alg": "SHA-256", "content": rows.artifact_digest}],
        "data": [
            {
                "type": "dataset",
                "name": str(dossier.specification["data"]["source"]),
                "contents": {"properties": _properties(facts)},
            }
        ],
    }


def _libraries(dossier: Dossier) -> Iterator[dict[str, Any]]:
    packages = dossier.run.environment.get("packages") or {}
    for name, release in sorted(packages.items()):
        package = re.sub(r"[-_.]+", "-", str(name)).lower()
        address = f"pkg:pypi/{quote(package)}@{quote(str(release))}"
        yield {
            "type": "library",
            "bom-ref": address,
            "name": str(name),
            "version": str(release),
            "purl": address,
        }


def _properties(facts: Any) -> list[dict[str, str]]:
    """Facts that are known, under names of our own."""
    return [
        {"name": f"pilothouse:{name}", "value": str(value)}
        for name, value in facts
        if value not in (None, "")
    ]
