"""What is known of a table before it is read: the kind of each column, the words for missing, the dialect of csv."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from math import isfinite
from typing import Any

from pilothouse.domain.models.model_spec import CsvSpec, ModelSpec

MISSING_WORDS = (
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL",
    "NaN", "NaT", "None", "n/a", "nan", "null",
)  # fmt: skip
"""Words that mean missing where a model file does not say otherwise: those of pandas' readers, and ``NaT``. An empty field is
missing everywhere."""

EVENT_TIME = "event_time"
REQUEST_KEY = "request_key"
"""Name of the column of a log that says by which key the version of a request was drawn."""
OUTCOME_COLUMNS = ("outcome", "truth", "value", "label")
"""Names of the column of outcomes, the first that there is."""


class ColumnKind(Enum):
    """Meaning of a column's values, whatever they look like."""

    TEXT = "text"
    """Identifiers, categories, classes: ``02116``, ``3.10`` and ``1e3`` are kept as they are written."""
    NUMBER = "number"
    TIME = "time"
    OUTCOME = "outcome"
    """A class or a number, as the model may be: a number where the file has a type for numbers, else text."""


@dataclass(frozen=True, slots=True)
class TableForm:
    """How a table is to be read. Columns that ``kinds`` does not name are text in csv and keep their type in parquet and jsonl;
    columns in ``skipped`` are not read at all."""

    kinds: Mapping[str, ColumnKind] = field(default_factory=dict)
    missing: tuple[str, ...] = MISSING_WORDS
    csv: CsvSpec = field(default_factory=CsvSpec)
    timezone: str | None = None
    """IANA name for times without a zone."""
    skipped: frozenset[str] = frozenset()
    only: bool = False
    """True where columns that ``kinds`` does not name are not read."""
    remedy: str = ""
    """What to do about a value that is no number, for the end of the error."""


def training_form(spec: ModelSpec) -> TableForm:
    """Form of a model's source."""
    data = spec.data
    texts = (*data.categoricals, *data.slices, *(name for target in spec.targets for name in target.match))
    numbers = [name for name in data.features if name not in data.categoricals]
    kinds = dict.fromkeys(texts, ColumnKind.TEXT) | dict.fromkeys(numbers, ColumnKind.NUMBER)
    kinds[data.target] = ColumnKind.NUMBER if spec.task == "regression" else ColumnKind.TEXT
    kinds[data.timestamp] = ColumnKind.TIME
    remedy = "list the column under data.categoricals too, or the word under data.missing"
    return _form(spec, kinds, skipped=frozenset({*data.exclude, *data.private} - kinds.keys()), remedy=remedy)


def prediction_form(spec: ModelSpec, numeric: Iterable[str], categorical: Iterable[str]) -> TableForm:
    """Form of a log of predictions, with these features."""
    kinds = dict.fromkeys(numeric, ColumnKind.NUMBER) | dict.fromkeys(categorical, ColumnKind.TEXT)
    kinds |= dict.fromkeys(("score", "latency_ms"), ColumnKind.NUMBER)
    kinds |= dict.fromkeys(("label", "prediction_id"), ColumnKind.TEXT) | {"truth": ColumnKind.OUTCOME}
    kinds |= dict.fromkeys((EVENT_TIME, spec.data.timestamp), ColumnKind.TIME)
    return _form(spec, kinds, only=True)


def outcome_form() -> TableForm:
    """Form of a file of outcomes: of which models they are, and so whether ``None`` is a class, is known by their predictions
    alone."""
    kinds = dict.fromkeys(OUTCOME_COLUMNS, ColumnKind.OUTCOME) | {"prediction_id": ColumnKind.TEXT}
    return TableForm(kinds, missing=(), only=True)


def _form(spec: ModelSpec, kinds: dict[str, ColumnKind], **more: Any) -> TableForm:
    data = spec.data
    missing = MISSING_WORDS if data.missing is None else data.missing
    return TableForm(kinds, missing=missing, csv=data.csv or CsvSpec(), timezone=data.timezone, **more)


def missing_numbers(words: Iterable[str]) -> list[float]:
    """Words for missing that are numbers, such as ``-999``, as numbers."""
    numbers = []
    for word in words:
        try:
            number = float(word)
        except ValueError:
            continue
        if isfinite(number):
            numbers.append(number)
    return numbers
