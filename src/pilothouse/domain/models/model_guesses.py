"""Guesses of a first model file from facts about a file, each with its reason: target, task, time, features."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.models.model_file import RESERVED_FEATURES
from pilothouse.domain.models.model_spec import Task
from pilothouse.domain.tables.column_facts import ColumnFacts, FileFacts

T = TypeVar("T")

_TARGET_NAMES = (
    "target", "label", "outcome", "y", "class", "truth", "response", "churn", "churned", "default", "fraud", "is_fraud",
    "converted", "conversion", "clicked", "survived", "late", "approved", "result", "price", "sales", "demand", "revenue",
    "cnt", "count",
)  # fmt: skip
"""Names that columns to predict have, the surest first."""
_ID_NAME = re.compile(
    r"(^|[_\s.-])(?i:id|ids|uuid|guid|key|number|no)$|[a-z]I[dD]$|^(id|uuid|guid|index)$|^Unnamed: \d+$|^__index_level_\d+__$"
)
_CALENDAR = frozenset(
    {"year", "yr", "quarter", "season", "month", "mnth", "mon", "week", "weekofyear", "week_of_year", "dayofyear"}
)  # fmt: skip
"""Names of columns that move with the calendar."""
_FEWEST_IDS = 50
"""Different values from which a column that is called an id is one, and not a small code."""
_MOST_CLASSES = 50
_MOST_WHOLE_CLASSES = 10
"""Different whole numbers up to which they are taken for classes, and not for a quantity."""
_MOST_CATEGORIES = 1_000
_MOST_MISSING = 0.95
_MOST_UNLABELLED = 0.5
"""Share of missing values above which a column is a remark on some rows, rather than what is predicted of each."""


@dataclass(frozen=True, slots=True)
class Guess(Generic[T]):
    value: T
    reason: str


@dataclass(frozen=True, slots=True)
class ColumnRoles:
    """Features with what each is (number, category), and excluded columns with the reason."""

    features: dict[str, str]
    categoricals: tuple[str, ...]
    excluded: dict[str, str]


def guess_time(facts: FileFacts) -> Guess[str]:
    """Column that says when a row happened. Raises InvalidInputError where no column holds times."""
    if not facts.times:
        names = ", ".join(column.name for column in facts.columns)
        raise InvalidInputError(
            f"{facts.file}: no column holds times, which a model's rows need; expected one of ISO 8601 times "
            f"(2013-06-01T05:00:00Z); it has {_short(names)}"
        )
    if len(facts.times) == 1:
        name = facts.times[0].name
        return Guess(name, f"the only column of times{_gaps(facts, name)}")

    def badness(name: str) -> tuple[int, int]:
        column = facts.column(name)
        assert column is not None
        return (column.missing, -column.distinct)

    best = min((time.name for time in facts.times), key=badness)
    others = ", ".join(time.name for time in facts.times if time.name != best)
    why = f"the column of times with the fewest gaps and the most values, before {others}"
    return Guess(best, why + _gaps(facts, best))


def _gaps(facts: FileFacts, time: str) -> str:
    column = facts.column(time)
    if column is None or not column.missing:
        return ""
    return f"; {column.missing / column.rows:.1%} of rows lack it: leave them out of the source, a training refuses them"


def guess_zone(facts: FileFacts, time: str) -> Guess[str | None]:
    """Zone of times that carry none."""
    known = facts.time(time)
    if known is None or known.zoned:
        return Guess(None, f"the times of {time} carry their zone")
    return Guess("UTC", f"the times of {time} carry no zone: name that of the clock that wrote them")


def guess_target(facts: FileFacts, time: str) -> Guess[str]:
    """Column to predict. Raises InvalidInputError where no column can be one."""
    able = [column for column in facts.columns if column.name != time and not target_fault(column)]
    if not able:
        raise InvalidInputError(
            f"{facts.file}: no column can be predicted: each is constant, an id or a time"
        )
    by_name = {column.name.lower(): column.name for column in able}
    for name in _TARGET_NAMES:
        if name in by_name:
            return Guess(by_name[name], "by its name")
    likely = [column for column in able if column.missing <= _MOST_UNLABELLED * column.rows] or able
    return Guess(likely[-1].name, "the last column that can be one: name another with --target")


def target_fault(column: ColumnFacts) -> str:
    """Reason why a column cannot be predicted; empty where it can."""
    if column.kind in ("time", "other"):
        return "it holds no numbers and no classes"
    if column.class_count < 2:
        return (
            "it has one value only, so that there is nothing to learn" if column.distinct else "it is empty"
        )
    if _is_id(column):
        return "it is an id"
    if column.kind == "text" and column.distinct > _MOST_CLASSES:
        return f"its {column.distinct:,} texts are no classes (expected {_MOST_CLASSES} at most)"
    return ""


def guess_task(column: ColumnFacts) -> Guess[Task]:
    """Task by the values of the column to predict. Raises InvalidInputError where it cannot be predicted."""
    if fault := target_fault(column):
        raise InvalidInputError(f"the target {column.name!r} cannot be predicted: {fault}")
    values = ", ".join(sorted((value for value, _ in column.classes[:_MOST_WHOLE_CLASSES]), key=_order)[:5])
    if column.class_count == 2:
        return Guess("binary", f"{column.name} has two values: {_short(values)}")
    if column.kind == "text":
        return Guess("multiclass", f"{column.name} has {column.distinct} classes: {_short(values)}")
    if column.whole and column.distinct <= _MOST_WHOLE_CLASSES:
        return Guess(
            "multiclass", f"{column.name} has only {column.distinct} whole numbers: {_short(values)}"
        )
    if column.distinct < column.class_count <= _MOST_WHOLE_CLASSES:
        return Guess(
            "multiclass", f"{column.name} writes one number in several ways, as classes are: {_short(values)}"
        )
    return Guess("regression", f"{column.name} has {column.distinct:,} different numbers")


def positive_class(column: ColumnFacts) -> str:
    """The class of a binary target whose probability is the score: the second in the order of numbers, else of the alphabet."""
    return sorted((value for value, _ in column.classes[:2]), key=_order)[-1]


def guess_columns(facts: FileFacts, target: str, time: str) -> ColumnRoles:
    """Features and excluded columns. Raises InvalidInputError where no feature is left."""
    features: dict[str, str] = {}
    excluded: dict[str, str] = {}
    for column in facts.columns:
        if column.name in (target, time):
            continue
        if reason := _exclusion(column):
            excluded[column.name] = reason
        else:
            features[column.name] = "category" if column.kind == "text" else "number"
    if not features:
        raise InvalidInputError(f"{facts.file}: no column is left to predict {target!r} from")
    return ColumnRoles(
        features, tuple(name for name, kind in features.items() if kind == "category"), excluded
    )


def calendar_features(roles: ColumnRoles) -> tuple[str, ...]:
    """Features whose values differ from window to window by what they are."""
    return tuple(name for name in roles.features if name.lower() in _CALENDAR)


def without(roles: ColumnRoles, left_out: dict[str, str]) -> ColumnRoles:
    """Roles with further columns excluded. Raises InvalidInputError where no feature is left."""
    features = {name: kind for name, kind in roles.features.items() if name not in left_out}
    if not features:
        raise InvalidInputError(
            "no feature is left: " + "; ".join(f"{name}: {why}" for name, why in left_out.items())
        )
    return ColumnRoles(
        features, tuple(name for name in roles.categoricals if name in features), roles.excluded | left_out
    )


def _exclusion(column: ColumnFacts) -> str:
    if column.kind == "other":
        return "holds neither numbers nor texts nor times"
    if column.kind == "time":
        return "a further time: a model takes numbers and categories"
    if column.present == 0:
        return "empty"
    if column.distinct == 1:
        return f"constant: always {_short(column.common[0][0], 30)}" + (
            " or missing" if column.missing else ""
        )
    if column.missing > _MOST_MISSING * column.rows:
        return f"missing in {column.missing / column.rows:.0%} of rows"
    if _is_id(column):
        return f"an id: {column.distinct:,} values in {column.present:,} rows"
    if column.kind == "text" and column.distinct > _MOST_CATEGORIES:
        return f"free text or too many categories: {column.distinct:,}"
    if column.name in RESERVED_FEATURES:
        return f"stands for {RESERVED_FEATURES[column.name]} in prediction logs: rename it to use it"
    return ""


def _is_id(column: ColumnFacts) -> bool:
    if column.kind not in ("text", "number") or column.distinct < _FEWEST_IDS:
        return False
    if column.counts_up:
        return True
    if column.kind == "text" and column.distinct > 0.9 * column.present:
        return True
    return (column.kind == "text" or column.whole) and bool(_ID_NAME.search(column.name))


def _order(value: str) -> tuple[int, float, str]:
    try:
        return (0, float(value), value)
    except ValueError:
        return (1, 0.0, value)


def _short(text: str, longest: int = 120) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def parts_of_target(pairs: Iterable[tuple[str, str]], target: str) -> dict[str, str]:
    """Columns of pairs that add up to the target, with the reason why they cannot be features."""
    return {
        name: f"{name} + {other} = {target}: known only with it"
        for pair in pairs
        for name, other in (pair, pair[::-1])
    }
