"""``domain_classifier`` step: can the rows of a window be told from the version's training rows, all features together?

Inputs: ``window`` (parquet: the features and ``event_time``), ``train`` (the training rows of the version's snapshot) and
``schema``. Options: ``match`` (the target's column values; those rows are the reference where there are enough),
``start_us`` and ``end_us`` of the window, ``ignore`` (features left out). Record: ``separation`` (the
fields of a MultivariateFinding), ``reference`` (``target`` or ``pooled``). Runs no user code and loads no model.
"""

from dataclasses import asdict, replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.time_units import DAY_US
from pilothouse.domain.jobs.jobs import StepRequest, StepResult
from pilothouse.inference.schema import InputSchema
from pilothouse.statistics.reference import FEWEST_DAYS, FEWEST_ROWS
from pilothouse.training.data import domain_classifier as classifier
from pilothouse.training.data.domain_classifier import Side
from pilothouse.training.data.rows import Rows
from pilothouse.training.data.times import micros
from pilothouse.training.steps.common import Report, input_path, spec_of, step

MOST_ROWS = 60_000
"""Training rows in the random sample of which windows of the reference are made."""


@step
def run(request: StepRequest, report: Report) -> StepResult:
    """Read the rows, sample them, classify and judge."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    spec = spec_of(request)
    options = request.options
    schema = InputSchema.from_bytes(input_path(request, "schema").read_bytes())
    report(0.0, "reading training rows and window", {})
    window = _rows(request, "window", "event_time")
    train, kind = _reference(_rows(request, "train", schema.timestamp), options.get("match") or {})
    names = [column.name for column in schema.columns if column.name not in options.get("ignore", ())]
    if not names:
        raise InvalidInputError(
            "domain_classifier: monitoring.ignore names every feature; leave at least one to look at"
        )
    train = _drawn(train, request.seed)
    before, now = (rows.columns(schema) for rows in (train, window))
    reference_values, window_values, categorical = classifier.encode(names, before, now)
    report(0.1, f"telling {window.count} rows from {train.count}", {})
    with threadpool_limits(1):  # small fits: threads that wait for each other cost more than they give
        separation = classifier.separate(
            names,
            categorical,
            Side(reference_values, train.times),
            Side(window_values, window.times),
            false_alarm_rate=spec.monitoring.false_alarm_rate,
            length_us=max(1, int(options["end_us"]) - int(options["start_us"])),
            seed=request.seed,
        )
    if separation is None:
        raise InvalidInputError(
            f"domain_classifier: {window.count} rows in the window and {train.count} training rows; "
            f"expected {classifier.FEWEST_ROWS} of each"
        )
    separation = replace(separation, reference=kind)
    return StepResult(ok=True, record={"separation": asdict(separation), "reference": kind})


def _rows(request: StepRequest, name: str, timestamp: str) -> Rows:
    table = pq.read_table(input_path(request, name))
    return Rows(table, micros(table, timestamp), np.empty(0))


def _reference(train: Rows, match: dict[str, str | int | float | bool]) -> tuple[Rows, str]:
    """The target's own rows where there are enough of them, else all, as for single columns."""
    if not match:
        return train, "pooled"
    chosen = train.matching(match)
    days = np.unique(train.times[chosen] // DAY_US).size
    if chosen.sum() < FEWEST_ROWS or days < FEWEST_DAYS:
        return train, "pooled"
    return Rows(train.table.filter(pa.array(chosen)), train.times[chosen], train.outcomes), "target"


def _drawn(rows: Rows, seed: int) -> Rows:
    if rows.count <= MOST_ROWS:
        return rows
    chosen = np.sort(np.random.default_rng(seed).choice(rows.count, MOST_ROWS, replace=False))
    return Rows(rows.table.take(pa.array(chosen)), rows.times[chosen], rows.outcomes)
