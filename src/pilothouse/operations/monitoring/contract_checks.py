"""The contract in force, held against the rows of a window as they were served.

Profiles hold neither single values nor texts that were not there in training: a bounded sample of the stored rows is read. The
rule ``unique`` is of tables and not checked: two requests may ask the same.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.models.contract import ColumnRule
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.monitoring.alert_rules import Span
from pilothouse.domain.monitoring.findings import CONTRACT, Grounds, QualityFinding
from pilothouse.sqlite import Connection
from pilothouse.statistics.profiles.coded import CodedColumn, concatenate
from pilothouse.telemetry import Stream
from pilothouse.telemetry.rows.columns import Features
from pilothouse.telemetry.rows.stored_rows import ROWS_READ, sampled_rows

if TYPE_CHECKING:
    import pyarrow as pa

Flags = NDArray[np.bool_]
log = logging.getLogger(__name__)

MOST_ROWS = 20_000
"""Rows of a window that are held against the contract, drawn by chance; all of up to twice as many."""
_WORDS = {
    "with a value that is not in the list": "not in the list",
    "that do not match the pattern": "not of the pattern",
}
"""Rules as they follow the name of a feature."""


@dataclass(frozen=True, slots=True)
class CheckedColumn:
    """A column's rows that were held against its contract. ``broken`` of them break a rule; most of these break ``rule``, the
    first of which has the value ``example`` (empty where it is missing)."""

    rows: int
    broken: int
    rule: str = ""
    example: str = ""
    damaged: int = 0
    """Stored rows of the window that could not be read."""

    @property
    def share(self) -> float | None:
        """Share of rows that break a rule; None without a row."""
        return self.broken / self.rows if self.rows else None


def check_columns(
    connection: Connection,
    stream: Stream,
    contract: Mapping[str, ColumnRule] | None,
    span: Span,
    *,
    read: int = ROWS_READ,
) -> dict[str, CheckedColumn]:
    """The features of a contract in the stored rows of a stream from ``span``, of about ``read`` of them at most; nothing where
    none is stored any more. Damaged segments are left out, counted and named in the log."""
    if not contract:
        return {}
    lost: list[int] = []

    def damaged(segment: int, rows: int) -> None:
        lost.append(rows)
        uri = version_uri(stream.model, stream.version)
        log.error("segment %d of %s on %s is damaged: pilothouse doctor", segment, uri, stream.target)

    parts = [
        _part(features, chosen, contract)
        for _, features, chosen in sampled_rows(
            connection,
            stream.id,
            span.start_us,
            span.end_us,
            MOST_ROWS,
            seed=stream.id,
            read=read,
            damaged=damaged,
        )
    ]
    if not parts:
        return {name: CheckedColumn(0, 0, damaged=sum(lost)) for name in contract} if lost else {}
    numeric = {n: _numbers(np.concatenate([p.numeric[n] for p in parts])) for n in parts[0].numeric}
    texts = {n: concatenate([p.categorical[n] for p in parts]) for n in parts[0].categorical}
    found = {
        name: _checked(values, contract[name], np.zeros(len(values), bool))
        for name, values in numeric.items()
    }
    found |= {name: _checked_texts(column, contract[name]) for name, column in texts.items()}
    return {name: replace(found[name], damaged=sum(lost)) for name in contract if name in found}


def contract_findings(
    checked: Mapping[str, CheckedColumn], spec: ModelSpec, windows: int
) -> list[QualityFinding]:
    """A finding for each checked feature, significant where more rows break its contract than it tolerates. ``windows``: how
    many are judged as one. Features that the model file ignores, and columns of fewer rows than a verdict takes, as retention
    leaves them, are left out; where damage leaves them, the rule says that it was not judged."""
    monitoring, contract = spec.monitoring, spec.contract or {}
    findings = []
    for name, column in checked.items():
        if name in monitoring.ignore:
            continue
        tolerance, share = contract[name].tolerance, column.share
        if share is None or column.rows < monitoring.minimum_rows:
            if not column.damaged or name in (spec.data.target, spec.data.timestamp):
                continue
            share, column = (
                0.0,
                replace(column, rule=f"not judged: {column.damaged:,} stored rows are damaged"),
            )
            beyond = False
        else:
            beyond = share > tolerance
        findings.append(
            QualityFinding(
                feature=name,
                fault=CONTRACT,
                value=share,
                reference=0.0,
                threshold=tolerance,
                p_value=0.0 if beyond else 1.0,
                significant=beyond,
                grounds=Grounds(effect=tolerance, certain=beyond, together=windows),
                rule=column.rule,
                rows=column.rows,
            )
        )
    return findings


def _part(features: Features, chosen: NDArray[np.int64], contract: Mapping[str, ColumnRule]) -> Features:
    """Columns of the contract in the chosen rows of a segment."""
    return Features(
        {name: values[chosen] for name, values in features.numeric.items() if name in contract},
        {name: texts.take(chosen) for name, texts in features.categorical.items() if name in contract},
    )


def _numbers(values: NDArray[np.float64]) -> "pa.Array":
    import pyarrow as pa

    return pa.array(values, pa.float64())


def _checked_texts(column: CodedColumn, rule: ColumnRule) -> CheckedColumn:
    """A column of categories; one that the contract calls numbers is read back as those that it was made of."""
    import pyarrow as pa

    if rule.type not in ("number", "integer", "boolean"):
        return _checked(pa.array(column.texts(), pa.string()), rule, np.zeros(len(column), bool))
    read = [_number(text) for text in column.vocabulary]
    numbers = np.array([np.nan if value is None else value for value in read], np.float64)
    no_number = np.array([value is None for value in read], bool)
    odd = no_number[column.codes]
    checked = _checked(_numbers(numbers[column.codes]), rule, odd)
    if checked.rule == _NO_NUMBER:
        return replace(checked, example=_shown(column.vocabulary[column.codes[int(odd.argmax())]]))
    return checked


_NO_NUMBER = "no number"


def _number(text: str | None) -> float | None:
    """Number that a category was made of, NaN where it is missing; None where it is no number."""
    if text is None:
        return float("nan")
    try:
        return float(text)
    except ValueError:
        return None


def _checked(column: "pa.Array", rule: ColumnRule, odd: Flags) -> CheckedColumn:
    """The rows of a column held against its rules but ``unique``. ``odd``: rows that are of no number."""
    from pilothouse.tables.contracts import broken_rows

    rows = len(column)
    present = column.is_valid().to_numpy(zero_copy_only=False)
    masks: list[tuple[str, Flags]] = [(_NO_NUMBER, odd)]
    for words, mask in broken_rows(column, replace(rule, unique=False)):
        masks.append((_WORDS.get(words, words), (present if mask is None else mask) & ~odd))
    return _worst(column, rows, masks)


def _worst(column: "pa.Array", rows: int, masks: Sequence[tuple[str, Flags]]) -> CheckedColumn:
    broken = int(np.logical_or.reduce([mask for _, mask in masks]).sum())
    if not broken:
        return CheckedColumn(rows, 0)
    words, mask = max(masks, key=lambda one: int(one[1].sum()))
    value = column[int(mask.argmax())].as_py()
    return CheckedColumn(rows, broken, words, "" if words == "missing" else _shown(value))


def _shown(value: object) -> str:
    from pilothouse.tables.contracts import shown

    return shown(value)
