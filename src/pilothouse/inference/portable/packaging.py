"""Packaging: a model's file written a second time in the portable form, if that answers equal to the bit.

It is compared with scikit-learn on a sample (the hold-out) and on generated rows, all in one call, in blocks and one by one,
since a sum may depend on how many rows there are. There is no tolerance.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.inference.columns import InputColumns, Numbers
from pilothouse.inference.portable.archive import from_bytes, to_bytes
from pilothouse.inference.portable.conversion.model import converted
from pilothouse.inference.portable.conversion.seam import NotPortable
from pilothouse.inference.portable.generated_rows import (
    KINDS,
    OF_NUMBERS,
    OF_TEXTS,
    Tries,
    generated_rows,
)
from pilothouse.inference.portable.program import Array
from pilothouse.inference.predictor import Prediction, Predictor

Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]

GENERATED_ROWS = 10_000
BLOCK_ROWS = 17
SINGLE_ROWS = 40
"""Rows that are compared one by one, of the sample and of the generated rows each; a third as many blocks."""
_WHOLE_ROWS = 20_000
"""Rows in one call at most."""
_MOST_PARTS = 10_000
"""Calls at most that find the rows that are refused."""
_PROBE_ROWS = 64
_SINGLE_PROBES = 2
"""Rows of a refused kind that are compared one by one."""
_LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class Packaged:
    """Portable form of a model, or why there is none."""

    data: bytes | None
    reason: str
    """Empty where there is one."""
    rows: int
    """Rows that both forms answered, generated ones among them; those that both refuse do not count."""


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
    if generated:
        compared.take(_tries(compared, data, sample, seed, generated), "generated rows")
    if not compared.reason and not compared.rows:
        compared.reason = "scikit-learn refuses every row on which it could be compared"
    return Packaged(None if compared.reason else data, compared.reason, compared.rows)


def rows_compared(
    original: Predictor, sample: InputColumns, *, seed: int = 0
) -> tuple[InputColumns | None, str]:
    """Generated rows that the model answers, as its portable form is compared on; None, and why, where it has none."""
    try:
        data = to_bytes(converted(original.model, original.schema))
        compared = _Comparison(original, Predictor(data, original.schema), np.random.default_rng(seed), 0)
        columns = _tries(compared, data, sample, seed, GENERATED_ROWS)
        rows = compared.answered(columns)
    except (ValueError, TypeError, PilothouseError, NotPortable) as why:
        return None, one_line(f"it has no portable form: {why}", _LONGEST_REASON)
    return (None, compared.reason) if compared.reason else (chosen_rows(columns, rows), "")


def _tries(compared: "_Comparison", data: bytes, sample: InputColumns, seed: int, count: int) -> InputColumns:
    """Generated rows of the kinds of values that each column takes; that both forms refuse the others is compared on a few
    rows of their own."""
    program, schema = from_bytes(data), compared.original.schema
    of_column = dict.fromkeys(schema.numeric, OF_NUMBERS) | dict.fromkeys(schema.categorical, OF_TEXTS)

    def taken(tries: Tries) -> bool:
        return compared.probe(generated_rows(program, schema, sample, _PROBE_ROWS, seed, tries))

    takes: Tries = {name: frozenset() for name in of_column}
    for kind in KINDS:
        tried = {name: frozenset({kind}) for name, kinds in of_column.items() if kind in kinds}
        if tried and not taken(tried):
            tried = {name: kinds for name, kinds in tried.items() if taken({name: kinds})}
        for name in tried:
            takes[name] |= {kind}
    return generated_rows(program, schema, sample, count, seed, takes)


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
        """Compare all rows; of those that are answered, blocks and single rows too."""
        if columns.rows == 0 or self.reason:
            return
        parts = [
            self._answered(
                columns, np.arange(start, min(start + _WHOLE_ROWS, columns.rows)), name, self._single_rows
            )
            for start in range(0, columns.rows, _WHOLE_ROWS)
        ]
        rows = np.concatenate(parts)
        if not len(rows):
            return
        self.rows += len(rows)
        for _ in range(self._single_rows // 3):
            self.equal(chosen_rows(columns, self._draw.choice(rows, BLOCK_ROWS)), name)
        for row in self._draw.choice(rows, self._single_rows):
            self.equal(chosen_rows(columns, np.array([row])), name)

    def _answered(self, columns: InputColumns, rows: Rows, name: str, singles: int) -> Rows:
        """Those of ``rows`` that both answer, in one call; the portable form, being the faster one, tells which they are. Of
        those that it refuses, ``singles`` are compared one by one."""
        if self.equal(chosen_rows(columns, rows), name):
            return rows
        waiting, found, refused, room = [rows], [rows[:0]], [rows[:0]], _MOST_PARTS
        while waiting and room and not self.reason:
            part = waiting.pop()
            room -= 1
            if _answer(self._portable, chosen_rows(columns, part)) is not None:
                found.append(part)
            elif len(part) > 1:
                waiting.extend(reversed(np.array_split(part, 2)))
            else:
                refused.append(part)
        for row in self._draw.permutation(np.concatenate(refused))[:singles]:
            self.equal(chosen_rows(columns, np.array([row])), name)
        answered = np.concatenate(found)
        return answered if len(answered) and self.equal(chosen_rows(columns, answered), name) else rows[:0]

    def answered(self, columns: InputColumns) -> Rows:
        """Rows that both answer."""
        return self._answered(columns, np.arange(columns.rows), "generated rows", 0)

    def probe(self, columns: InputColumns) -> bool:
        """True where both answer all of the rows."""
        rows = np.arange(columns.rows)
        return len(self._answered(columns, rows, "generated rows", _SINGLE_PROBES)) == columns.rows

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
