"""Notebook runs as values: one with its entries, and several side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from pilothouse.api.showing import Shown, table_html
from pilothouse.domain.jobs.notebook_runs import run_uri


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a metric. ``step`` is None where none was given."""

    value: float
    step: int | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Artifact:
    """File of a run: its name, the sha256 of its bytes, and their number."""

    name: str
    digest: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Data:
    """Rows that a run was about: their digest, their number, and (name, type) of each column. The rows are not kept."""

    name: str
    digest: str
    rows: int
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RecordedRun(Shown):
    """A notebook run on record. ``metrics`` are the newest values; ``curves``, ``tags``, ``artifacts``, ``data`` and ``code``
    are empty in lists."""

    _ROW: ClassVar = (
        "number",
        "model",
        "name",
        "state",
        "started_by",
        "started_at",
        "parameters",
        "metrics",
        "error",
    )

    number: int
    model: str
    name: str
    state: str
    """``running``, ``done``, ``failed``, or ``lost``: its process ended without saying how the run ended."""
    started_by: str
    started_at: datetime
    ended_at: datetime | None
    error: str
    parameters: dict[str, str]
    metrics: dict[str, float]
    curves: dict[str, tuple[Point, ...]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    artifacts: tuple[Artifact, ...] = ()
    data: tuple[Data, ...] = ()
    code: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    digest: str = ""
    """sha256 over the entries, as the audit log has it; empty until the run has ended."""
    picture: str = field(default="", repr=False, compare=False)
    """Its metrics over time, as SVG; empty in lists."""

    @property
    def uri(self) -> str:
        """``runs:/12``."""
        return run_uri(self.number)

    def _html(self) -> str:
        facts = [
            ("model", self.model), ("state", self.state), ("error", self.error), ("started by", self.started_by),
            ("started", f"{self.started_at:%Y-%m-%d %H:%M} UTC"), ("commit", self.code.get("commit") or ""),
        ]  # fmt: skip
        return (
            table_html(f"{self.uri} {self.name}".strip(), (), [fact for fact in facts if fact[1]])
            + table_html("", ("parameter", "value"), sorted(self.parameters.items()))
            + table_html("", ("metric", "newest"), [(n, f"{v:.6g}") for n, v in sorted(self.metrics.items())])
            + self.picture
        )


_FIELDS = {"parameter": "parameters", "metric": "metrics", "data": "data"}
"""Field of a run in which each kind of row is."""


@dataclass(frozen=True, slots=True)
class Comparison(Shown):
    """Runs side by side: a row for each parameter, metric and data set, with the value of each run, None where it has none."""

    runs: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[str | float | None, ...]], ...]

    @property
    def differing(self) -> tuple[tuple[str, str, tuple[str | float | None, ...]], ...]:
        """The rows in which not all runs have the same value."""
        return tuple(row for row in self.rows if len(set(row[2])) > 1)

    def to_pandas(self) -> Any:
        """A DataFrame with a row for each run, and a column for each parameter, metric and data set, named as in a list of runs
        (``parameters.depth``, ``metrics.auc``, ``data.train``)."""
        from pilothouse.api.listed import frame_of

        told = [
            {"run": uri, **{f"{_FIELDS[kind]}.{name}": values[place] for kind, name, values in self.rows}}
            for place, uri in enumerate(self.runs)
        ]
        return frame_of(told)

    def _html(self) -> str:
        rows = [(kind, name, *_shown(values)) for kind, name, values in self.rows]
        return table_html("", ("", "", *self.runs), rows)


def _shown(values: Sequence[str | float | None]) -> list[str]:
    return ["" if v is None else f"{v:.6g}" if isinstance(v, float) else v for v in values]
