"""Categories to numbers: ordinal codes, one-hot columns, texts for missing ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pilothouse.inference.columns import RepeatedTexts
from pilothouse.inference.portable.evaluation.operation import Frame, Operation
from pilothouse.inference.portable.evaluation.scaling import column_numbers
from pilothouse.inference.portable.program import Array, Node

NOWHERE, REFUSED = -1, -2
"""Places of a value that sets no column, and of one that is refused."""


class _TextLookup:
    """From texts of a column to what was stored for each category; any other text is unknown, None is missing."""

    def __init__(self, texts: list[str], stored: list[Any]) -> None:
        """``stored`` has one more for unknown texts, and a last one for missing values."""
        self._stored = dict(zip(texts, stored, strict=False)) | {None: stored[-1]}
        self._unknown = stored[-2]

    def of(self, column: Any) -> Any:
        find, unknown = self._stored.get, self._unknown
        if isinstance(column, RepeatedTexts) and column:
            return np.array([find(text, unknown) for text in column.distinct])[column.numbers]
        if not isinstance(column, list):  # of a matrix of objects, where a missing value is NaN
            column = [None if value != value else value for value in column]
        return [find(value, unknown) for value in column]


class _NumberLookup:
    """As ``_TextLookup``, of numbers; NaN is missing."""

    def __init__(self, numbers: Array, stored: list[Any]) -> None:
        self._numbers, self._stored = numbers, np.array(stored)

    def of(self, column: Any) -> Any:
        values = np.asarray(column, dtype=np.float64)
        if len(self._numbers) == 0:
            return np.where(np.isnan(values), self._stored[-1], self._stored[-2])
        at = np.minimum(self._numbers.searchsorted(values), len(self._numbers) - 1)
        known = self._numbers[at] == values
        found = np.where(known, self._stored[at], self._stored[-2])
        return np.where(np.isnan(values), self._stored[-1], found)


def _lookups(node: Node, role: str, dtype: str) -> list[_TextLookup | _NumberLookup]:
    """A lookup for each column. ``texts``: the categories of each column, null for one of numbers, whose categories lie in the
    array ``numbers-I``. The array ``role`` has for each column what is stored for its categories, then for unknown and for
    missing values."""
    stored = node.array(role, dtype, (None,)).tolist()
    found: list[_TextLookup | _NumberLookup] = []
    start = 0
    for i, texts in enumerate(node.items("texts")):
        if texts is None:
            numbers = node.array(f"numbers-{i}", "f8", (None,))
            own = stored[start : start + len(numbers) + 2]
            if not (np.diff(numbers) > 0).all():
                node.fault("the categories of a column of numbers are not in order")
        else:
            if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
                node.fault("the categories of a column are no texts")
            own = stored[start : start + len(texts) + 2]
        start += len(own)
        if start > len(stored) or len(own) < 2:
            node.fault(f"{role} is shorter than the categories")
        found.append(_NumberLookup(numbers, own) if texts is None else _TextLookup(texts, own))
    if start != len(stored):
        node.fault(f"{role} is longer than the categories")
    return found


def _columns(X: Any) -> list[Any]:
    if isinstance(X, Frame):
        return list(X.columns.values())
    if not isinstance(X, np.ndarray):
        X = X.toarray()
    return [X[:, i] for i in range(X.shape[1])]


class Ordinal(Operation):
    """``ordinal``: the code of each category. ``texts`` has the categories of each column, null for one of numbers, whose
    categories lie in ``numbers-I`` f8[n], in order; ``codes`` f8[n] has for each column the codes of its categories, then of
    unknown and of missing values. ``refuse``: unknown values are refused, as ``places`` i8[n] (likewise) says by −2."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        self._lookups = _lookups(node, "codes", "f8")
        self._refuse = node.flag("refuse")
        self.inputs = self.outputs = len(self._lookups)
        if self._refuse:
            self._lookups_of_places = _lookups(node, "places", "i8")

    def transform(self, X: Any) -> Any:
        columns = _columns(X)
        codes = np.empty((len(columns[0]), len(self._lookups)))
        for i, (lookup, column) in enumerate(zip(self._lookups, columns, strict=True)):
            codes[:, i] = lookup.of(column)
        if self._refuse:
            for lookup, column in zip(self._lookups_of_places, columns, strict=True):
                _check_places(np.asarray(lookup.of(column)))
        return codes


class OneHot(Operation):
    """``one-hot``: 1 in the column of each value's category, of ``width`` columns. ``texts``, ``numbers-I``: as in ``ordinal``;
    ``places`` i8[n] has for each column the places of its categories, then of unknown and of missing values: the column that is
    set, −1 for none, −2 where the value is refused. There are no more columns than places. ``sparse``: the result is a CSR
    matrix."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        places = node.array("places", "i8", (None,))
        self._width = node.integer("width", most=len(places))
        if len(places) and not REFUSED <= places.min() <= places.max() < self._width:
            node.fault(f"places lie beyond {self._width} columns")
        self._lookups = _lookups(node, "places", "i8")
        self._sparse = node.flag("sparse")
        self._refuses = bool((places == REFUSED).any())
        self._drops = bool((places < 0).any())
        self.inputs, self.outputs = len(self._lookups), self._width

    def transform(self, X: Any) -> Any:
        columns = _columns(X)
        rows = len(columns[0])
        if rows == 1 and not self._sparse:
            return self._one_row(columns)
        places = np.empty((rows, len(columns)), dtype=np.int64)
        for i, (lookup, column) in enumerate(zip(self._lookups, columns, strict=True)):
            places[:, i] = lookup.of(column)
        if self._refuses:
            _check_places(places)
        if self._sparse:
            return self._csr(places)
        hot = np.zeros((rows, self._width))
        if self._drops:
            at, which = np.nonzero(places >= 0)
            hot[at, places[at, which]] = 1.0
        else:
            hot[np.arange(rows)[:, None], places] = 1.0
        return hot

    def _one_row(self, columns: list[Any]) -> Array:
        hot = np.zeros((1, self._width))
        for lookup, column in zip(self._lookups, columns, strict=True):
            place = lookup.of(column)[0]
            if place >= 0:
                hot[0, place] = 1.0
            elif place == REFUSED:
                _check_places(np.array([place]))
        return hot

    def _csr(self, places: Array) -> Any:
        from scipy.sparse import csr_matrix

        kept = places >= 0
        ends = np.concatenate(([0], kept.sum(axis=1).cumsum())).astype(np.int32)
        indices = places.ravel()[kept.ravel()].astype(np.int32)
        return csr_matrix((np.ones(len(indices)), indices, ends), shape=(len(places), self._width))


def _check_places(places: Array) -> None:
    if (places == REFUSED).any():
        raise ValueError("the input has categories that were not there in training, which this model refuses")


class ImputeTexts(Operation):
    """``impute-texts``: a missing text becomes the column's ``fill`` (null: the column stays out, being empty in training);
    behind them come the columns of ``flagged`` i8[j], true where the text was missing. The result is a matrix of objects."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        fill = node.items("fill")
        if not all(text is None or isinstance(text, str) for text in fill):
            node.fault("fill holds what is no text")
        self._fill: list[str | None] = fill
        self._flagged = column_numbers(node, "flagged", len(fill)) if "flagged" in node.arrays else None
        self.inputs = len(fill)
        kept = sum(text is not None for text in fill)
        self.outputs = kept + (0 if self._flagged is None else len(self._flagged))

    def transform(self, X: Any) -> Any:
        columns = [
            column if isinstance(column, list) else [None if value != value else value for value in column]
            for column in _columns(X)
        ]
        filled: list[list[Any]] = [
            [fill if text is None else text for text in column]
            for fill, column in zip(self._fill, columns, strict=True)
            if fill is not None
        ]
        flagged = () if self._flagged is None else self._flagged
        filled += [[text is None for text in columns[i]] for i in flagged]
        result = np.empty((len(columns[0]), self.outputs or 0), dtype=object, order="F")
        for i, column in enumerate(filled):
            result[:, i] = column
        return result


class UnknownAsMissing(Operation):
    """``unknown-as-missing``: a text of a column of ``names`` that is not among its ``texts`` is missing."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        names, texts = node.texts("names"), node.items("texts")
        if len(names) != len(texts) or not all(isinstance(known, list) for known in texts):
            node.fault("names and texts differ in length")
        self._known = {name: frozenset(known) for name, known in zip(names, texts, strict=True)}

    def transform(self, X: Frame) -> Frame:
        columns = dict(X.columns)
        for name, known in self._known.items():
            column = columns[name]
            if isinstance(column, RepeatedTexts):
                if not known.issuperset(column.distinct):
                    kept = [text if text in known else None for text in column.distinct]
                    columns[name] = RepeatedTexts(kept, column.numbers)
            elif not known.issuperset(column):
                columns[name] = [text if text in known else None for text in column]
        return Frame(X.rows, columns)


class CodedColumns(Operation):
    """``coded-columns``: a matrix of the codes of the features ``coded``, then of the numbers ``plain``, row by row in memory.
    A text that is not among the ``texts`` of its feature, or a missing one, is NaN."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        names, texts = node.texts("coded"), node.items("texts")
        if len(names) != len(texts) or not all(isinstance(known, list) for known in texts):
            node.fault("coded and texts differ in length")
        self._codes = [
            (name, {text: float(code) for code, text in enumerate(known)})
            for name, known in zip(names, texts, strict=True)
        ]
        self._plain = node.texts("plain")
        if len({*names, *self._plain}) < len(names) + len(self._plain):
            node.fault("a feature is there twice")
        self.outputs = len(self._codes) + len(self._plain)

    def transform(self, X: Frame) -> Array:
        found = np.empty((X.rows, len(self._codes) + len(self._plain)))
        nan = np.nan
        i = 0
        for name, codes in self._codes:
            find, column = codes.get, X.columns[name]
            if isinstance(column, RepeatedTexts) and column:
                found[:, i] = np.array([find(text, nan) for text in column.distinct])[column.numbers]
            else:
                found[:, i] = [find(text, nan) for text in column]
            i += 1
        for name in self._plain:
            found[:, i] = X.columns[name]
            i += 1
        return found


OPERATIONS: dict[str, type[Operation]] = {
    "ordinal": Ordinal,
    "one-hot": OneHot,
    "impute-texts": ImputeTexts,
    "unknown-as-missing": UnknownAsMissing,
    "coded-columns": CodedColumns,
}
