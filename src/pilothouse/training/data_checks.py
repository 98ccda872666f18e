"""Checks on the rows themselves: their number, missing values, duplicates, and features that leak the outcome."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.evaluation import ColumnSummary, GateOutcome, GateResult
from pilothouse.domain.model_spec import DataGate, ModelSpec
from pilothouse.inference.columns import categories, numbers
from pilothouse.training.sources import class_order

LEAKAGE_ROWS = 40_000
"""Rows that are searched for leaks, evenly spread over time: a leak shows in far fewer."""

Floats = npt.NDArray[np.float64]


def check_columns(table: pa.Table, spec: ModelSpec) -> None:
    """Check that the source has every column that the model file names. Raises InvalidInputError where it has not."""
    data = spec.data
    matched = {column: f"targets.match of {t.name}" for t in spec.targets for column in t.match}
    named = {data.target: "data.target", data.timestamp: "data.timestamp"}
    named |= (
        dict.fromkeys(data.features, "data.features") | dict.fromkeys(data.slices, "data.slices") | matched
    )
    for column, key in named.items():
        if column not in table.column_names:
            raise InvalidInputError(
                f"{key}: the source has no column {column!r}; it has {', '.join(table.column_names)}"
            )
    _check_target(table, spec)


def _check_target(table: pa.Table, spec: ModelSpec) -> None:
    column = table.column(spec.data.target)
    if spec.task == "regression":
        return
    if len(pc.unique(column)) > 1_000:
        raise InvalidInputError(f"data.target: {spec.data.target!r} has over 1000 values; expected classes")
    classes = class_order(column)
    if spec.task == "binary" and len(classes) > 2:
        shown = ", ".join(repr(value) for value in classes[:5])
        raise InvalidInputError(
            f"data.target: {spec.data.target!r} has {len(classes)} values ({shown}); expected two for a binary task"
        )


def duplicate_rows(table: pa.Table) -> int:
    """Number of rows that are equal, in every column, to a row before them. Rows are compared by a 64-bit hash."""
    keys = np.zeros(table.num_rows, dtype=np.uint64)
    for name in table.column_names:
        column = table.column(name)
        values = (
            column.to_pandas()
            if not pa.types.is_string(column.type)
            else column.to_pandas().astype("category")
        )
        keys = (
            # FNV-1a's prime, so that the order of the columns counts; uint64 wraps around
            keys * np.uint64(1_099_511_628_211) + pd.util.hash_pandas_object(values, index=False).to_numpy()
        )
    return int(table.num_rows - pd.unique(keys).size)


def single_feature_scores(table: pa.Table, spec: ModelSpec) -> dict[str, float]:
    """Score of each feature alone against the outcome: AUC in whichever direction is higher (of the best class), or
    |Spearman|.

    A category is scored by its mean outcome in the other half of the rows, so that a column of ids is not taken for a
    leak. Whether a number is missing is scored too. 0.5 (AUC) or 0 (Spearman) is no information.
    """
    step = max(1, table.num_rows // LEAKAGE_ROWS)
    rows = table.take(pa.array(np.arange(0, table.num_rows, step)))
    outcomes = _outcomes(rows.column(spec.data.target), spec)
    score = _spearman if spec.task == "regression" else _auc_either_way
    scores = {}
    for name in spec.data.features:
        values = rows.column(name).to_pandas()
        if name in spec.data.categoricals:
            codes = pd.factorize(pd.Series(categories(list(values)), dtype=object), use_na_sentinel=False)[0]
            scores[name] = max((score(_mean_outcome(codes, y), y) for y in outcomes), default=0.0)
        else:
            feature = numbers(name, values.to_numpy(dtype=object, na_value=None))
            missing = np.isnan(feature)
            scores[name] = max(
                max(score(feature[~missing], y[~missing]), score(missing.astype(np.float64), y))
                for y in outcomes
            )
    return scores


def data_gates(
    gate: DataGate,
    spec: ModelSpec,
    rows: int,
    columns: list[ColumnSummary],
    duplicates: int,
    leakage: dict[str, float],
) -> list[GateResult]:
    """Gate results on the rows, each with its figures."""
    share = duplicates / rows if rows else 0.0
    missing = {c.name: c.missing / rows for c in columns if c.name in spec.data.features and rows}
    worst = max(missing, key=lambda name: missing[name], default="")
    leaks = {name: value for name, value in leakage.items() if value >= gate.leakage_auc}
    strongest = max(leakage, key=lambda name: leakage[name], default="")
    measure = "|Spearman|" if spec.task == "regression" else "AUC"
    return [
        _verdict(
            "data.schema",
            True,
            f"all {len(spec.data.features)} features are there, of the kinds expected",
            {},
            "",
        ),
        _verdict(
            "data.rows",
            rows >= gate.minimum_rows,
            f"{rows} rows are known",
            {"rows": rows},
            f"≥ {gate.minimum_rows} rows",
        ),
        _verdict(
            "data.missing",
            not missing or missing[worst] <= gate.maximum_missing,
            f"{worst} is missing most often, in {missing[worst]:.1%} of rows"
            if missing.get(worst)
            else "no feature is missing in any row",
            {name: value for name, value in missing.items() if value},
            f"≤ {gate.maximum_missing:.1%} in each feature",
        ),
        _verdict(
            "data.duplicates",
            share <= gate.maximum_duplicates,
            f"rows that repeat another: {duplicates} ({share:.2%})",
            {"duplicates": duplicates, "share": share},
            f"≤ {gate.maximum_duplicates:.2%} of rows",
        ),
        _verdict(
            "data.leakage",
            not leaks,
            f"{', '.join(leaks)} alone tells the target: exclude it if it is not known when the model is asked"
            if leaks
            else f"no feature alone tells the target; {strongest} comes closest ({measure} {leakage[strongest]:.3f})",
            leakage,
            f"{measure} of a single feature < {gate.leakage_auc}",
        ),
    ]


def _verdict(gate: str, passed: bool, reason: str, figures: dict[str, float], bound: str) -> GateResult:
    outcome = GateOutcome.PASSED if passed else GateOutcome.FAILED
    return GateResult(gate, outcome, reason, {name: float(value) for name, value in figures.items()}, bound)


def _outcomes(target: pa.ChunkedArray, spec: ModelSpec) -> list[Floats]:
    """Outcomes as numbers: themselves for a regression, else a 0/1 array for each class (a single one for two classes)."""
    if spec.task == "regression":
        return [numbers(spec.data.target, target.to_numpy())]
    texts = np.asarray(categories(target.to_pylist()), dtype=object)
    classes = class_order(target)
    return [(texts == name).astype(np.float64) for name in (classes[1:] if len(classes) == 2 else classes)]


def _mean_outcome(codes: npt.NDArray[np.int64], outcome: Floats) -> Floats:
    halves = np.arange(len(codes)) % 2
    means_of_rows = np.empty(len(codes))
    for half in (0, 1):
        other = halves != half
        sums = np.bincount(codes[other], outcome[other], minlength=codes.max() + 1)
        counts = np.bincount(codes[other], minlength=codes.max() + 1)
        overall = outcome[other].mean() if other.any() else 0.0
        means = np.where(counts > 0, sums / np.maximum(counts, 1), overall)
        means_of_rows[~other] = means[codes[~other]]
    return means_of_rows


def _auc_either_way(feature: Floats, outcome: Floats) -> float:
    from scipy.stats import rankdata

    positives = int(outcome.sum())
    negatives = len(outcome) - positives
    if not positives or not negatives:
        return 0.5
    ranks = rankdata(feature)[outcome == 1].sum()
    auc = float((ranks - positives * (positives + 1) / 2) / (positives * negatives))
    return max(auc, 1 - auc)


def _spearman(feature: Floats, outcome: Floats) -> float:
    from scipy.stats import rankdata

    if len(feature) < 3 or np.ptp(feature) == 0 or np.ptp(outcome) == 0:
        return 0.0
    return float(abs(np.corrcoef(rankdata(feature), rankdata(outcome))[0, 1]))
