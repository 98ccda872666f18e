"""``snapshot`` step: the exact rows of a training, cut in time, checked and digested. Runs no user code.

Inputs: ``source`` (a file or folder). Options: ``as_of_us`` (microseconds or None) and, where a training is about a change,
``changed_us``, its moment (see ``change_split``). Outputs: ``snapshot``, ``train`` and ``holdout`` (parquet, sorted by time,
without private and excluded columns). Record: the digests of rows and source, counts, times in microseconds, the schema, a
summary of each column, the results of the data checks, and ``split``, how hold-out and training rows were chosen.
"""

from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.jobs.jobs import StepRequest, StepResult
from pilothouse.domain.models.dataclass_reader import format_duration
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.tables.digests import content_digest
from pilothouse.training.data.change_split import split_since
from pilothouse.training.data.data_checks import check_columns, contract_gates, data_gates, duplicate_rows
from pilothouse.training.data.leakage import single_feature_scores
from pilothouse.training.data.sources import class_order, read_source, source_digest
from pilothouse.training.data.summaries import summarise
from pilothouse.training.data.times import check_times, holdout_start, known_rows, micros
from pilothouse.training.steps.common import Report, input_path, output_path, spec_of, step


@step
def run(request: StepRequest, report: Report) -> StepResult:
    """Read the source, keep the rows that were known, split, check and write them."""
    spec = spec_of(request)
    source = input_path(request, "source")
    digest = source_digest(source)
    report(0.1, f"reading {source.name}", {})
    table, dialect = read_source(source, spec)
    check_columns(table, spec)
    check_times(table, spec.data)
    known = known_rows(table, spec.data, request.options.get("as_of_us"))
    rows = known.table
    read_as = f" ({dialect})" if dialect else ""
    report(0.4, f"{rows.num_rows} rows are known{read_as}", {"rows": rows.num_rows})
    changed_us = request.options.get("changed_us")
    train, holdout, split, is_cut = _split(rows, spec, changed_us)
    files = {"snapshot": rows, "train": train, "holdout": holdout}
    outputs = {name: _write(request, name, part) for name, part in files.items()}
    report(0.6, "checking the rows", {"training_rows": train.num_rows, "holdout_rows": holdout.num_rows})
    record = {
        **_facts(rows, train, holdout, spec),
        "content_digest": content_digest(rows),
        "train_digest": content_digest(train),
        "holdout_digest": content_digest(holdout),
        "source_digest": digest,
        "unlabelled_rows": known.unlabelled,
        "dialect": dialect,
        **({"split": split} if split else {}),
        **({"changed_us": changed_us} if is_cut else {}),
    }
    return StepResult(ok=True, outputs=outputs, record=record)


def _split(rows: pa.Table, spec: ModelSpec, changed_us: int | None) -> tuple[pa.Table, pa.Table, str, bool]:
    """Rows for training and hold-out; how they were chosen where there was a change, and whether days since it were held out in
    turn: only then are rows from before it in question (see ``recency``)."""
    if not rows.num_rows:
        raise InvalidInputError(
            "data: no row of the source has an outcome that is known by then"
            + (
                f" and lies in data.lookback, the {format_duration(spec.data.lookback)} before"
                if spec.data.lookback
                else ""
            )
            + "; expected some: see as_of, data.outcome_delay and the times in the source"
        )
    times = micros(rows, spec.data.timestamp)
    text = ""
    if changed_us is not None:
        fewest = spec.gates.comparison.minimum_rows if spec.gates.comparison else 1
        split = split_since(times, spec.data.holdout, changed_us, fewest)
        text = split.text
        if split.holdout is not None:
            return rows.filter(pa.array(~split.holdout)), rows.filter(pa.array(split.holdout)), text, True
    start = holdout_start(times, spec.data.holdout)
    if start == 0:
        raise InvalidInputError(
            f"data.holdout: all {rows.num_rows} rows lie in the newest {format_duration(spec.data.holdout)}; "
            "expected older rows to train on"
        )
    return rows.slice(0, start), rows.slice(start), text, False


def _facts(rows: pa.Table, train: pa.Table, holdout: pa.Table, spec: ModelSpec) -> dict[str, Any]:
    times = micros(rows, spec.data.timestamp)
    columns = summarise(rows, spec.data)
    duplicates = duplicate_rows(rows)
    leakage = single_feature_scores(rows, spec)
    classes = 0 if spec.task == "regression" else len(class_order(rows.column(spec.data.target)))
    gates = data_gates(spec.gates.data, spec, rows.num_rows, columns, duplicates, leakage, classes)
    gates += contract_gates(rows, spec)
    return {
        "rows": rows.num_rows,
        "training_rows": train.num_rows,
        "holdout_rows": holdout.num_rows,
        "first_row_us": int(times[0]),
        "last_row_us": int(times[-1]),
        "trained_until_us": int(micros(train, spec.data.timestamp)[-1]),
        "schema": {field.name: str(field.type) for field in rows.schema},
        "columns": [asdict(column) for column in columns],
        "duplicates": duplicates,
        "single_feature_leakage": leakage,
        "gates": [asdict(gate) for gate in gates],
    }


def _write(request: StepRequest, name: str, table: pa.Table) -> str:
    path = output_path(request, f"{name}.parquet")
    pq.write_table(table, path, compression="zstd")
    return str(path)
