"""Input schema of a model: the columns that it needs, their kinds, and its classes."""

import json
from dataclasses import asdict, dataclass
from typing import Literal

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.bounded_json import parse_json
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.models.model_spec import Task

ColumnKind = Literal["number", "category"]


@dataclass(frozen=True, slots=True)
class InputColumn:
    """Feature of a model. Numbers are float64 with NaN where missing; categories are text with None where missing."""

    name: str
    kind: ColumnKind


@dataclass(frozen=True, slots=True)
class InputSchema:
    """Columns in the order in which the model was trained on them, and its classes in the order of its probabilities.

    ``classes`` is empty for a regression; of two classes the second is the positive one, whose probability is the score.
    ``timestamp`` names the column that holds the time of an event; it is not a feature. ``private`` columns may arrive
    with a request and are never kept.
    """

    model: str
    task: Task
    classes: tuple[str, ...]
    timestamp: str
    columns: tuple[InputColumn, ...]
    private: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    """Texts of a category that mean missing, as they did in training; none in schemas of earlier releases."""
    timezone: str = ""
    """Zone of times in requests that carry none; empty: they are refused. Said with the version, not stored here."""
    excluded: tuple[str, ...] = ()
    """Columns that were left out of the training, so that a request may bring them. Said with the version, not stored here."""

    @property
    def dropped(self) -> frozenset[str]:
        """Columns that may arrive with a request and are dropped: private ones, and those that were left out."""
        needed = {self.timestamp, *(column.name for column in self.columns)}
        return frozenset((*self.private, *(name for name in self.excluded if name not in needed)))

    @property
    def numeric(self) -> tuple[str, ...]:
        """Names of the numeric features."""
        return tuple(column.name for column in self.columns if column.kind == "number")

    @property
    def categorical(self) -> tuple[str, ...]:
        """Names of the categorical features."""
        return tuple(column.name for column in self.columns if column.kind == "category")

    def to_bytes(self) -> bytes:
        """Canonical JSON: equal schemas have equal bytes, so equal digests."""
        plain = asdict(self)
        del plain["timezone"], plain["excluded"]
        if not self.missing:  # as in earlier releases, so that their schemas keep their bytes
            del plain["missing"]
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "InputSchema":
        """Schema from the bytes that ``to_bytes`` gave. Raises IntegrityError."""
        try:
            plain = parse_json(data)
            columns = tuple(InputColumn(c["name"], c["kind"]) for c in plain.pop("columns"))
            classes, private = tuple(plain.pop("classes")), tuple(plain.pop("private"))
            missing = tuple(plain.pop("missing", ()))
            return cls(columns=columns, classes=classes, private=private, missing=missing, **plain)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise IntegrityError(
                f"the input schema of a model cannot be read: {one_line(str(error))}"
            ) from None
