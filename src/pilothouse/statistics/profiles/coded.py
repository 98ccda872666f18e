"""Dictionary-coded column of texts: coded once, where it arrives, and counted without being spelt out again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np

from pilothouse.domain.formats.wire import CodedTexts, code_texts, code_width
from pilothouse.statistics.arrays import AnyArray

_MANY = 16
"""Columns from which the codes of all are looked up at once."""
_CODES = {width: np.dtype(f"<u{width}") for width in (1, 2, 4)}
"""Types of codes by their width in bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class CodedColumn:
    """Column in which row i holds ``vocabulary[codes[i]]``; None is a missing value. ``codes`` is unsigned[n], 1, 2
    or 4 bytes wide."""

    vocabulary: Sequence[str | None]
    codes: AnyArray

    @staticmethod
    def of(values: "Sequence[str | None] | CodedTexts | CodedColumn") -> "CodedColumn":
        """Column of plain texts, of what the wire brings, or the given column itself. Raises ValueError for codes
        beyond the vocabulary."""
        if isinstance(values, CodedColumn):
            return values
        coded = values if isinstance(values, CodedTexts) else code_texts(values)
        many = len(coded.vocabulary)
        codes = np.frombuffer(coded.codes, _CODES[code_width(many)])
        if codes.size and (top := codes[0] if codes.size == 1 else codes.max()) >= many:
            raise ValueError(f"code {top} of a vocabulary of {many}")
        return CodedColumn(coded.vocabulary, codes)

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[str | None]:
        return iter(self.texts())

    def texts(self) -> list[str | None]:
        """Texts of all rows, a new list of n; None where missing."""
        return [self.vocabulary[code] for code in self.codes.tolist()]

    def take(self, rows: AnyArray | slice) -> "CodedColumn":
        """Column of some rows (a mask bool[n], row numbers or a slice), under the same vocabulary."""
        return CodedColumn(self.vocabulary, self.codes[rows])

    def mapped(self, numbers: dict[str | None, int], other: int) -> AnyArray:
        """Number of each row's text by ``numbers``, int64[n]; ``other`` where it has none. None (missing) is looked
        up like a text."""
        table = np.fromiter(map(numbers.get, self.vocabulary, repeat(other)), np.int64, len(self.vocabulary))
        return table[self.codes] if table.size else np.empty(0, np.int64)


def concatenate(columns: Sequence[CodedColumn]) -> CodedColumn:
    """Column of all rows, one column after another, under one vocabulary in the narrowest codes that hold it. No
    columns give an empty one."""
    if len(columns) == 1:
        return columns[0]
    codes: dict[str | None, int] = {}
    for column in columns:
        for text in column.vocabulary:
            codes.setdefault(text, len(codes))
    kind = f"<u{code_width(len(codes))}"
    if len(columns) >= _MANY:  # of few rows each: one look-up for all of them
        sizes = np.array([len(column.vocabulary) for column in columns], np.int64)
        table = np.array([codes[text] for column in columns for text in column.vocabulary], kind)
        before = np.repeat(sizes.cumsum() - sizes, [len(column.codes) for column in columns])
        joint = np.concatenate([column.codes for column in columns])
        return CodedColumn(list(codes), table[before + joint] if joint.size else np.empty(0, kind))
    parts = [column.mapped(codes, 0) for column in columns]
    return CodedColumn(list(codes), np.concatenate(parts).astype(kind) if parts else np.empty(0, kind))
