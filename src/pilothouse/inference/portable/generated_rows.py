"""Rows that try a model: missing values, unseen categories, the model's own thresholds and their neighbours, ±0, huge."""

import numpy as np

from pilothouse.inference.columns import InputColumns
from pilothouse.inference.portable.program import Array, Node, Program
from pilothouse.inference.schema import InputSchema

_EXTREMES = np.array([0.0, -0.0, 5e-324, -5e-324, 1e16, -1e16, 1e38, -1e39, 1e300, -1e300, 1.7e308, -1.7e308])
_UNSEEN = "\u2022 never seen"


def generated_rows(
    program: Program,
    schema: InputSchema,
    sample: InputColumns,
    count: int,
    seed: int,
    *,
    missing: bool = True,
    extreme: bool = True,
) -> InputColumns:
    """Rows drawn column by column: three in five values are the sample's own, the others try the model."""
    draw = np.random.default_rng(seed)
    by_feature, others = boundaries(program)
    numeric = {}
    for name in schema.numeric:
        own = sample.numeric[name]
        own = own[np.isfinite(own)]
        values = draw.choice(own, count) if len(own) else draw.normal(size=count)
        pool = by_feature.get(name, others)
        if len(pool):
            at = draw.random(count) < 0.25
            chosen = draw.choice(pool, int(at.sum()))
            aside = np.nextafter(chosen, draw.choice([-np.inf, np.inf], len(chosen)))
            values[at] = np.where(draw.random(len(chosen)) < 1 / 3, chosen, aside)
        if extreme:
            at = draw.random(count) < 0.05
            values[at] = draw.choice(_EXTREMES, int(at.sum()))
        if missing:
            values[draw.random(count) < 0.1] = np.nan
        numeric[name] = values
    categorical: dict[str, list[str | None]] = {}
    for name in schema.categorical:
        own_texts = [text for text in sample.categorical[name] if text is not None] or [_UNSEEN]
        known = list(program.known.get(name, ())) or own_texts
        kinds = draw.random(count)
        texts: list[str | None] = [own_texts[i] for i in draw.integers(0, len(own_texts), count)]
        for i in np.flatnonzero(kinds < 0.4):
            texts[i] = known[int(draw.integers(0, len(known)))] if kinds[i] > 0.15 else _UNSEEN
        if missing:
            for i in np.flatnonzero(draw.random(count) < 0.1):
                texts[i] = None
        categorical[name] = texts
    return InputColumns(count, numeric, categorical)


def boundaries(program: Program) -> tuple[dict[str, Array], Array]:
    """Finite values at which an answer may change: by feature where the program tells which it is, and all together.

    They are the numbers that a node holds beside the numbers of the columns (``feature``) that they are compared with, the
    edges of bins, and categories that are numbers.
    """
    names = _column_names(program.root)
    by_feature: dict[str, list[Array]] = {}
    everything = []
    for node in program.root.walk():
        columns = next((array for role, array in node.arrays.items() if "feature" in role), None)
        for role, array in node.arrays.items():
            if array.dtype.kind != "f" or array.ndim != 1:
                continue
            compared = columns is not None and columns.dtype.kind in "iu" and columns.shape == array.shape
            if compared or role == "edges" or role.startswith("numbers-"):
                values = array.astype(np.float64)
                everything.append(values)
                for column, name in enumerate(names if compared else ()):
                    by_feature.setdefault(name, []).append(values[columns == column])
    all_values = _finite(everything)
    found = {name: _finite(parts) for name, parts in by_feature.items()}
    return {name: values for name, values in found.items() if len(values)}, all_values


def _column_names(root: Node) -> list[str]:
    """Features behind the columns of the matrix that a model of codes and plain numbers compares."""
    first = root.children[0] if root.op == "pipeline" and root.children else root
    return [*first.texts("coded"), *first.texts("plain")] if first.op == "coded-columns" else []


def _finite(parts: list[Array]) -> Array:
    values = np.unique(np.concatenate([*parts, np.empty(0)]))
    finite: Array = values[np.isfinite(values)]
    return finite
