"""Packaging: a model's file written a second time in the portable form, if that answers equal to the bit.

It is compared with scikit-learn on a sample (the hold-out) and on generated rows, all in one call, in blocks and one by one,
since a sum may depend on how many rows there are. There is no tolerance.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.safe_text import one_line
from pilothouse.inference.columns import InputColumns, Numbers
from pilothouse.inference.portable.archive import from_bytes, to_bytes
from pilothouse.inference.portable.conversion.model import converted
from pilothouse.inference.portable.conversion.seam import NotPortable
from pilothouse.inference.portable.generated_rows import generated_rows
from pilothouse.inference.portable.program import Array
from pilothouse.inference.predictor import Prediction, Predictor

Flags = npt.NDArray[np.bool_]

GENERATED_ROWS = 10_000
BLOCK_ROWS = 17
SINGLE_ROWS = 40
"""Rows that are compared one by one, of the sample and of the generated rows each; a third as many blocks."""
_WHOLE_ROWS = 20_000
"""Rows in one call at most."""
_PART_ROWS = 250
"""Rows at a time where scikit-learn refuses some of all."""
_PROBE_ROWS = 64
_LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class Packaged:
    """Portable form of a model, or why there is none."""

    data: bytes | None
    reason: str
    """Empty where there is one."""
    rows: int
    """Rows on which it was compared, generated ones among them."""


def packaged(
    original: Predictor,
    sample: InputColumns,
    *,
    seed: int = 0,
    generated: int = GENERATED_ROWS,
    single_rows: int = SINGLE_ROWS,
) -> Packaged:
    """Portable form of the model of ``original``, which was read from a skops file; ``sample``: rows as it is asked for."""
    schema = original.schema
    try:
        data = to_bytes(converted(original.model, schema))
        portable = Predictor(data, schema)
    except NotPortable as why:
        return Packaged(None, one_line(str(why), _LONGEST_REASON), 0)
    except (ValueError, TypeError, PilothouseError) as error:
        return Packaged(None, one_line(f"it cannot be written: {error}", _LONGEST_REASON), 0)
    compared = _Comparison(original, portable, np.random.default_rng(seed), single_rows)
    compared.take(sample, "the hold-out")
    compared.take(_tries(compared, data, sample, seed, generated), "generated rows")
    return Packaged(None if compared.reason else data, compared.reason, compared.rows)


def _tries(compared: "_Comparison", data: bytes, sample: InputColumns, seed: int, count: int) -> InputColumns:
    """Generated rows of the kinds that the model takes; it is enough that both refuse the others."""
    program, schema = from_bytes(data), compared.original.schema
    takes = {"missing": True, "extreme": True}
    for kind in takes:
        asked = {name: name == kind for name in takes}
        probe = generated_rows(program, schema, sample, _PROBE_ROWS, seed, **asked)
        compared.equal(probe, "generated rows")
        takes[kind] = _answer(compared.original, probe) is not None
    return generated_rows(program, schema, sample, count, seed, **takes)


class _Comparison:
    """Comparison of two predictors, which ends with the first difference."""

    def __init__(
        self, original: Predictor, portable: Predictor, draw: np.random.Generator, single_rows: int
    ) -> None:
        self.original, self._portable, self._draw = original, portable, draw
        self._single_rows = single_rows
        self.reason = ""
        self.rows = 0

    def take(self, columns: InputColumns, name: str) -> None:
        if columns.rows == 0 or self.reason:
            return
        self.rows += columns.rows
        for start in range(0, columns.rows, _WHOLE_ROWS):
            whole = np.arange(start, min(start + _WHOLE_ROWS, columns.rows))
            if not self.equal(chosen_rows(columns, whole), name):
                for part in np.array_split(whole, -(-len(whole) // _PART_ROWS)):
                    self.equal(chosen_rows(columns, part), name)
        for _ in range(self._single_rows // 3):
            self.equal(chosen_rows(columns, self._draw.integers(0, columns.rows, BLOCK_ROWS)), name)
        for row in self._draw.integers(0, columns.rows, self._single_rows):
            self.equal(chosen_rows(columns, np.array([row])), name)

    def equal(self, columns: InputColumns, name: str) -> bool:
        """True where both answered; a difference is noted."""
        if self.reason:
            return True
        expected, found = _answer(self.original, columns), _answer(self._portable, columns)
        if (expected is None) != (found is None):
            which = "the portable form" if found is None else "scikit-learn"
            self.reason = f"{which} alone refuses some of {columns.rows} rows of {name}"
        elif expected is not None and found is not None:
            unequal = int((~same_answers(expected, found)).sum())
            if unequal:
                self.reason = f"{unequal} of {columns.rows} answers on {name} differ in their last bits"
        return expected is not None


def same_answers(one: Prediction, other: Prediction) -> Flags:
    """True for each row whose answers are equal to the bit; a NaN equals any other NaN."""
    same = _same(one.scores, other.scores)
    if one.probabilities is not None and other.probabilities is not None:
        same &= _same(one.probabilities, other.probabilities).all(axis=1)
    if one.labels != other.labels:
        same &= np.array([a == b for a, b in zip(one.labels, other.labels, strict=True)], dtype=bool)
    return same


def _same(a: Numbers, b: Numbers) -> Flags:
    bits = np.ascontiguousarray(a).view(np.uint64) == np.ascontiguousarray(b).view(np.uint64)
    same: Flags = bits | (np.isnan(a) & np.isnan(b))
    return same


def chosen_rows(columns: InputColumns, rows: Array) -> InputColumns:
    return InputColumns(
        len(rows),
        {name: values[rows] for name, values in columns.numeric.items()},
        {name: [texts[i] for i in rows] for name, texts in columns.categorical.items()},
    )


def _answer(predictor: Predictor, columns: InputColumns) -> Prediction | None:
    """Prediction, None where the model refuses the rows."""
    try:
        with np.errstate(all="ignore"):
            return predictor.predict_columns(columns)
    except (ValueError, TypeError, PilothouseError):
        return None
