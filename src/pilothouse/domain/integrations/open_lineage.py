"""Events of OpenLineage 2-0-2 as plain data: runs of jobs with the data that they read and made. No row's value is in them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.models.evaluation import ColumnSummary

PRODUCER = "urn:pilothouse"
_SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = "https://openlineage.io/spec/facets"
_LONGEST = 2_000

Facets = dict[str, dict[str, Any]]


class EventType(StrEnum):
    """What has become of a run."""

    START = "START"
    COMPLETE = "COMPLETE"
    ABORT = "ABORT"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Dataset:
    """Data that a run reads or makes. ``quality``: facets of inputs alone."""

    namespace: str
    name: str
    facets: Facets = field(default_factory=dict)
    quality: Facets = field(default_factory=dict)

    def to_plain(self, *, is_input: bool) -> dict[str, Any]:
        plain: dict[str, Any] = {"namespace": self.namespace, "name": self.name, "facets": self.facets}
        if is_input and self.quality:
            plain["inputFacets"] = self.quality
        return plain


@dataclass(frozen=True, slots=True)
class Event:
    """Event of one run."""

    kind: EventType
    at: datetime
    run: str
    """UUID."""
    namespace: str
    job: str
    run_facets: Facets = field(default_factory=dict)
    job_facets: Facets = field(default_factory=dict)
    inputs: Sequence[Dataset] = ()
    outputs: Sequence[Dataset] = ()

    def to_plain(self) -> dict[str, Any]:
        """As it is sent; numbers that JSON has not are None."""
        plain = {
            "eventType": str(self.kind),
            "eventTime": self.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "run": {"runId": self.run, "facets": self.run_facets},
            "job": {"namespace": self.namespace, "name": self.job, "facets": self.job_facets},
            "inputs": [one.to_plain(is_input=True) for one in self.inputs],
            "outputs": [one.to_plain(is_input=False) for one in self.outputs],
            "producer": PRODUCER,
            "schemaURL": _SCHEMA,
        }
        return dict(_finite(plain))


def job_type(kind: str) -> Facets:
    """Facet of every job."""
    said = {"processingType": "BATCH", "integration": "PILOTHOUSE", "jobType": kind.upper()}
    return {"jobType": _facet("2-0-4", "JobTypeJobFacet", said)}


def source_code(code: Mapping[str, Any], remote: str) -> Facets:
    """Facet of a job's code, where it lies in a repository."""
    commit = str(code.get("commit") or "")
    if not commit:
        return {}
    said = {"type": "git", "url": remote or "unknown:", "version": commit}
    if remote:
        said["repoUrl"] = remote
    if code.get("branch"):
        said["branch"] = str(code["branch"])
    return {"sourceCodeLocation": _facet("1-1-0", "SourceCodeLocationJobFacet", said)}


def engine(release: str) -> Facets:
    """Facet of what ran it."""
    said = {"version": release, "name": "pilothouse", "openlineageAdapterVersion": release}
    return {"processing_engine": _facet("1-1-1", "ProcessingEngineRunFacet", said)}


def environment(known: Mapping[str, Any]) -> Facets:
    """Facet of Python and packages, as name and version. Variables of the process are not looked at."""
    pairs = [("python", known.get("python")), ("platform", known.get("platform"))]
    pairs += sorted((known.get("packages") or {}).items())
    said = [{"name": str(name), "value": str(value)} for name, value in pairs if value]
    if not said:
        return {}
    facet = _facet("1-0-0", "EnvironmentVariablesRunFacet", {"environmentVariables": said})
    return {"environmentVariables": facet}


def parameters(known: Mapping[str, Any]) -> Facets:
    """Facet of a training's parameters."""
    said = [{"key": str(name), "name": str(name), "value": _text(value)} for name, value in known.items()]
    if not said:
        return {}
    return {"executionParameters": _facet("1-0-0", "ExecutionParametersRunFacet", {"parameters": said})}


def error(message: str) -> Facets:
    """Facet of why a run failed; empty without a message."""
    if not message:
        return {}
    said = {"message": _text(message), "programmingLanguage": "Python"}
    return {"errorMessage": _facet("1-0-1", "ErrorMessageRunFacet", said)}


def schema(columns: Iterable[tuple[str, str]]) -> Facets:
    """Facet of a data set's columns: name and type."""
    said = [{"name": name, "type": kind} for name, kind in columns]
    return {"schema": _facet("1-2-0", "SchemaDatasetFacet", {"fields": said})} if said else {}


def version(text: str) -> Facets:
    """Facet of a data set's version."""
    return {"version": _facet("1-0-1", "DatasetVersionDatasetFacet", {"datasetVersion": text})}


def quality(rows: int, columns: Iterable[ColumnSummary] = ()) -> Facets:
    """Facet of an input: rows, and of each column missing and distinct values. Least and largest are rows' own: left out."""
    metrics = {c.name: {"nullCount": c.missing, "distinctCount": c.distinct} for c in columns}
    said = {"rowCount": rows, "columnMetrics": metrics}
    return {"dataQualityMetrics": _facet("1-0-3", "DataQualityMetricsInputDatasetFacet", said)}


def assertions(found: Iterable[Mapping[str, Any]]) -> Facets:
    """Facet of an input: what was looked for, and whether it was so."""
    said = [dict(one) for one in found]
    if not said:
        return {}
    facet = _facet("1-1-0", "DataQualityAssertionsDatasetFacet", {"assertions": said})
    return {"dataQualityAssertions": facet}


def _facet(number: str, name: str, said: Mapping[str, Any]) -> dict[str, Any]:
    return {"_producer": PRODUCER, "_schemaURL": f"{_FACETS}/{number}/{name}.json#/$defs/{name}", **said}


def _text(value: object) -> str:
    return one_line(str(value), _LONGEST)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
