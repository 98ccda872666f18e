"""Rows that try a model: missing values, unseen categories, the model's own thresholds and their neighbours, ±0, huge."""

import numpy as np

from pilothouse.inference.columns import InputColumns
from pilothouse.inference.portable.program import Array, Node, Program
from pilothouse.inference.schema import InputSchema

_EXTREMES = np.array([0.0, -0.0, 5e-324, -5e-324, 1e16, -1e16, 1e38])
_HUGE = np.array([-1e39, 1e300, -1e300, 1.7e308, -1.7e308])
"""Beyond what float32 holds."""
KINDS = ("missing", "unseen", "near", "extreme", "huge")
"""Values that try a model: none; a text that was never seen; the model's own thresholds and their neighbours; numbers."""
OF_NUMBERS, OF_TEXTS = frozenset({"missing", "near", "extreme", "huge"}), frozenset({"missing", "unseen"})
Tries = dict[str, frozenset[str]]
"""Kinds of values that each column is tried with."""
_UNSEEN = "\u2022 never seen"


def generated_rows(
    program: Program,
    schema: InputSchema,
    sample: InputColumns,
    count: int,
    seed: int,
    tries: Tries,
) -> InputColumns:
    """Rows drawn column by column: three in five values are the sample's own, the others are of the kinds of ``tries``. A
    column without ``unseen`` has no text that the model does not know."""
    draw = np.random.default_rng(seed)
    by_feature, others = boundaries(program)
    numeric = {}
    for name in schema.numeric:
        own = sample.numeric[name]
        own = own[np.isfinite(own)]
        values = draw.choice(own, count) if len(own) else draw.normal(size=count)
        kinds = tries.get(name, frozenset())
        pool = by_feature.get(name, others)
        if len(pool) and "near" in kinds:
            at = draw.random(count) < 0.25
            chosen = draw.choice(pool, int(at.sum()))
            aside = np.nextafter(chosen, draw.choice([-np.inf, np.inf], len(chosen)))
            values[at] = np.where(draw.random(len(chosen)) < 1 / 3, chosen, aside)
        for kind, extremes in (("extreme", _EXTREMES), ("huge", _HUGE)):
            if kind in kinds:
                at = draw.random(count) < 0.03
                values[at] = draw.choice(extremes, int(at.sum()))
        if "missing" in kinds:
            values[draw.random(count) < 0.1] = np.nan
        numeric[name] = values
    categorical = {
        name: _texts(
            draw,
            [text for text in sample.categorical[name] if text is not None],
            list(program.known.get(name, ())),
            count,
            tries.get(name, frozenset()),
        )
        for name in schema.categorical
    }
    return InputColumns(count, numeric, categorical)


def _texts(
    draw: np.random.Generator, own: list[str], known: list[str], count: int, kinds: frozenset[str]
) -> list[str | None]:
    if known and "unseen" not in kinds:
        among = frozenset(known)
        own = [text for text in own if text in among] or known
    own = own or [_UNSEEN]
    known = known or own
    texts: list[str | None] = [own[i] for i in draw.integers(0, len(own), count)]
    drawn = draw.random(count)
    for i in np.flatnonzero(drawn < 0.4):
        if drawn[i] > 0.15:
            texts[i] = known[int(draw.integers(0, len(known)))]
        elif "unseen" in kinds:
            texts[i] = _UNSEEN
    if "missing" in kinds:
        for i in np.flatnonzero(draw.random(count) < 0.1):
            texts[i] = None
    return texts


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
