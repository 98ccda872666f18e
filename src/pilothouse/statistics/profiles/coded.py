"""A column of texts by dictionary: coded once, where it arrives, and never spelt out again on the way to its counts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np

from pilothouse.domain.wire import CodedTexts, code_texts, code_width
from pilothouse.statistics.arrays import AnyArray


@dataclass(frozen=True, slots=True, eq=False)
class CodedColumn:
    """Row i holds ``vocabulary[codes[i]]``; None is a missing value. ``codes``: unsigned[n]."""

    vocabulary: Sequence[str | None]
    codes: AnyArray

    @staticmethod
    def of(values: "Sequence[str | None] | CodedTexts | CodedColumn") -> "CodedColumn":
        """The column of plain texts, or of what the wire brings. Raises ValueError for codes beyond the vocabulary."""
        if isinstance(values, CodedColumn):
            return values
        coded = values if isinstance(values, CodedTexts) else code_texts(values)
        codes = np.frombuffer(coded.codes, f"<u{code_width(len(coded.vocabulary))}")
        if codes.size and int(codes.max()) >= len(coded.vocabulary):
            raise ValueError(f"code {int(codes.max())} of a vocabulary of {len(coded.vocabulary)}")
        return CodedColumn(coded.vocabulary, codes)

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[str | None]:
        return iter(self.texts())

    def texts(self) -> list[str | None]:
        """Spelt out, one a row."""
        return [self.vocabulary[code] for code in self.codes.tolist()]

    def take(self, rows: AnyArray | slice) -> "CodedColumn":
        """Some rows, under the same vocabulary."""
        return CodedColumn(self.vocabulary, self.codes[rows])

    def mapped(self, numbers: dict[str | None, int], other: int) -> AnyArray:
        """The number of each row's text, ``other`` where it has none: int64[n]."""
        table = np.fromiter(map(numbers.get, self.vocabulary, repeat(other)), np.int64, len(self.vocabulary))
        return table[self.codes] if table.size else np.empty(0, np.int64)


def concatenate(columns: Sequence[CodedColumn]) -> CodedColumn:
    """The rows of all, one column after another, under one vocabulary in its narrowest codes."""
    if len(columns) == 1:
        return columns[0]
    places: dict[str | None, int] = {}
    for column in columns:
        for text in column.vocabulary:
            places.setdefault(text, len(places))
    parts = [column.mapped(places, 0) for column in columns]
    kind = f"<u{code_width(len(places))}"
    return CodedColumn(list(places), np.concatenate(parts).astype(kind) if parts else np.empty(0, kind))
