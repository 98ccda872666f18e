"""Checks of the hub before any store sees a body: numbers in range, lengths that fit, texts of bounded length.

``msgspec`` has checked the types already. A batch of the right shape may still hold rows that are not believable; those
are judged, and counted, where telemetry is stored.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
import numpy as np

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.formats.wire import (
    AN_OUTCOME,
    BaselineQuestion,
    CodedTexts,
    Outcome,
    PairBatch,
    PredictionBatch,
    RequestSpan,
    ServingReport,
    code_width,
    is_outcome,
)
from pilothouse.domain.identifiers import check_name

MAXIMUM_BATCH_ROWS = 200_000
MAXIMUM_OUTCOMES = 100_000
_MAXIMUM_TEXT = 1_024
"""Characters of one text."""
_MAXIMUM_NAMES = 4_096
"""Names in one body, of columns or of models."""
_LARGEST = 2**63 - 1
"""Largest integer that SQLite stores."""
_MOST_SPANS = 1_000
_HEXADECIMAL = re.compile(r"[0-9a-f]*")
_LARGEST_STRETCH = 1e6
"""Times that a call may last longer than its processor time."""
_LARGEST_SKEW_US = 10**15
"""Some thirty years, in which no clock is off."""
_PRODUCER = re.compile(r"[A-Za-z0-9_-]{1,64}")


def decoded(body: bytes, kind: Any, name: str) -> Any:
    """Body in msgpack as what it is to be, by that name. Raises InvalidInputError."""
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInputError(f"the body is not {name} in msgpack: {one_line(str(error), 500)}") from None


def check_batch(batch: PredictionBatch) -> None:
    """Check a batch. Raises InvalidInputError naming what does not fit."""
    check_name(batch.model, "model")
    _check_producers([batch.producer])
    _check_range("sequence", batch.sequence, _LARGEST)
    _check_range("version", batch.version, _LARGEST)
    _check_range("errors", batch.errors, _LARGEST)
    _check_range("rows", batch.rows, MAXIMUM_BATCH_ROWS)
    _check_range("rollout", batch.rollout, _LARGEST)
    if not 0 <= batch.share <= 1:
        raise InvalidInputError(f"share: found {batch.share:g}; expected 0 to 1")
    lengths = {"event_times": len(batch.event_times) / 8, "scores": len(batch.scores) / 8}
    lengths.update({name: len(column) / 8 for name, column in batch.numeric.items()})
    lengths.update({name: len(column) for name, column in batch.categorical.items()})
    if batch.labels:
        lengths["labels"] = len(batch.labels)
    if batch.foreign_ids:
        lengths["foreign_ids"] = len(batch.foreign_ids)
    if len(batch.traces):
        lengths["traces"] = len(batch.traces)
    for name, length in lengths.items():
        if length != batch.rows:
            raise InvalidInputError(f"{name[:80]!a}: {length:g} values for {batch.rows} rows")
    _check_texts("column names", [*batch.numeric, *batch.categorical], _MAXIMUM_NAMES)
    _check_texts("labels", _distinct("labels", batch.labels))
    _check_texts("traces", _distinct("traces", batch.traces))
    _check_texts("foreign_ids", batch.foreign_ids)
    for name, column in batch.categorical.items():
        _check_texts(f"{name[:80]!a}", _distinct(f"{name[:80]!a}", column))
    if len(batch.requests) > MAXIMUM_BATCH_ROWS:
        raise InvalidInputError(f"requests: {len(batch.requests)}; expected {MAXIMUM_BATCH_ROWS} at most")
    for request in batch.requests if isinstance(batch.requests, list) else ():
        _check_range("requests.rows", request.rows, batch.rows)
        _check_range("requests.latency_us", request.latency_us, _LARGEST)
        _check_range("requests.at_us", request.at_us, _LARGEST)


def check_pairs(batch: PairBatch) -> None:
    """Check a batch of pairs. Raises InvalidInputError naming what does not fit."""
    check_name(batch.model, "model")
    asked = batch.requests
    _check_producers([batch.producer, *asked.producers.vocabulary])
    for name in (
        "sequence", "rollout", "champion", "challenger", "dropped", "failed", "unfit",
    ):  # fmt: skip
        _check_range(name, getattr(batch, name), _LARGEST)
    _check_range("rows", batch.rows, MAXIMUM_BATCH_ROWS)
    columns = (batch.event_times, batch.champion_scores, batch.challenger_scores)
    lengths = {len(column) / 8 for column in columns} | {
        float(len(labels)) for labels in (batch.champion_labels, batch.challenger_labels) if len(labels)
    }
    if lengths - {batch.rows}:
        raise InvalidInputError(
            f"pairs: columns of {min(lengths):g} and {max(lengths):g} values for {batch.rows} rows"
        )
    if len(batch.champion_labels) != len(batch.challenger_labels):
        raise InvalidInputError("pairs: one of two versions has labels")
    for labels in (batch.champion_labels, batch.challenger_labels, asked.producers):
        _check_texts("pairs", _distinct("pairs", labels))
        _check_codes(labels)
    listed = (asked.sequences, asked.offsets, asked.rows, asked.champion_us, asked.challenger_us)
    if {len(column) for column in listed} != {8 * len(asked.producers)}:
        raise InvalidInputError("pairs: the columns of their requests have not one length")
    numbers = np.array([np.frombuffer(column, "<i8") for column in listed])
    if (numbers < 0).any():
        raise InvalidInputError("pairs: a number of a request is below 0")
    rows = numbers[2]
    if (rows == 0).any() or (rows > batch.rows).any() or int(rows.sum()) != batch.rows:
        raise InvalidInputError(f"pairs: the requests have {int(rows.sum())} rows; expected {batch.rows}")


def _check_codes(column: CodedTexts) -> None:
    width = code_width(len(column.vocabulary))
    if len(column.codes) % width or None in column.vocabulary:
        raise InvalidInputError("pairs: a column of texts is cut, or has none in a row")
    if column.codes and int(np.frombuffer(column.codes, f"<u{width}").max()) >= len(column.vocabulary):
        raise InvalidInputError("pairs: a text beyond its vocabulary")


def _check_producers(names: Iterable[str | None]) -> None:
    if not all(name is not None and _PRODUCER.fullmatch(name) for name in names):
        raise InvalidInputError(
            "producer: expected 1 to 64 letters, digits, hyphens or underscores; a prediction id is made from it"
        )


def _distinct(name: str, column: Sequence[str | None] | CodedTexts) -> set[str]:
    if not isinstance(column, CodedTexts):
        return {value for value in column if value is not None}
    if len(column.vocabulary) > MAXIMUM_BATCH_ROWS:
        raise InvalidInputError(
            f"{name}: {len(column.vocabulary)} different texts; expected {MAXIMUM_BATCH_ROWS} at most"
        )
    return {value for value in column.vocabulary if value is not None}


def check_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Check a list of outcomes. Raises InvalidInputError naming what does not fit."""
    if len(outcomes) > MAXIMUM_OUTCOMES:
        raise InvalidInputError(f"{len(outcomes)} outcomes at once; expected {MAXIMUM_OUTCOMES} at most")
    _check_texts("prediction_id", [outcome.prediction_id for outcome in outcomes])
    for i, outcome in enumerate(outcomes):
        if not is_outcome(outcome.value) or not outcome.prediction_id:
            raise InvalidInputError(f"outcome {i}: expected an id, and {AN_OUTCOME}")


def check_report(report: ServingReport) -> None:
    """Check a report. Raises InvalidInputError naming what does not fit."""
    _check_range("port", report.port, 65_535)
    _check_range("pid", report.pid, 2**31 - 1)
    _check_range("spooled_batches", report.spooled_batches, _LARGEST)
    for numbers in (report.loaded, report.baseline_latency_us):
        for name, number in numbers.items():
            _check_range(f"{name[:80]!a}", number, _LARGEST)
    if report.clock is not None:
        _check_range("clock.skew_us", abs(report.clock.skew_us), _LARGEST_SKEW_US)
        _check_range("clock.bound_us", report.clock.bound_us, _LARGEST_SKEW_US)
    names = [*report.loaded, *report.failed, *report.baseline_latency_us]
    for trial in report.trials:
        _check_range("rollout", trial.rollout, _LARGEST)
        _check_range("version", trial.version, _LARGEST)
        names += [trial.model, trial.mode, trial.state, trial.reason]
    _check_texts("models", [*names, *report.failed.values()], _MAXIMUM_NAMES)


def check_baseline(question: BaselineQuestion) -> None:
    """Check a question for a baseline. Raises InvalidInputError naming what does not fit."""
    for name, number in (("version", question.version), ("p95_us", question.p95_us)):
        _check_range(name, number, _LARGEST)
    if not 0.0 <= question.stretch <= _LARGEST_STRETCH:
        raise InvalidInputError(f"stretch: found {question.stretch}; expected 0 to {_LARGEST_STRETCH:g}")
    _check_texts("texts", [question.model, question.release])


def check_spans(spans: Sequence[RequestSpan]) -> None:
    """Check spans of requests. Raises InvalidInputError naming what does not fit."""
    _check_range("spans", len(spans), _MOST_SPANS)
    for span in spans:
        for name, text, digits in (
            ("trace", span.trace, 32),
            ("span", span.span, 16),
            ("parent", span.parent, 16),
        ):
            if not _HEXADECIMAL.fullmatch(text) or len(text) != (digits if text or name != "parent" else 0):
                raise InvalidInputError(f"{name}: found {text[:40]!a}; expected {digits} hexadecimal digits")
        for name, number in (("start_ns", span.start_ns), ("end_ns", span.end_ns), ("version", span.version),
            ("called_at_ns", span.called_at_ns), ("called_ns", span.called_ns),
        ):  # fmt: skip
            _check_range(name, number, _LARGEST)
        _check_range("rows", span.rows, _LARGEST)
        _check_range("status", span.status, 599)
        _check_texts("texts", [span.model, span.prediction])


def _check_range(name: str, value: int, largest: int) -> None:
    if not 0 <= value <= largest:
        raise InvalidInputError(f"{name}: found {str(value)[:40]}; expected 0 to {largest}")


def _check_texts(name: str, texts: Collection[str], count: int | None = None) -> None:
    if count is not None and len(texts) > count:
        raise InvalidInputError(f"{name}: {len(texts)}; expected {count} at most")
    if any(len(text) > _MAXIMUM_TEXT for text in texts):
        raise InvalidInputError(f"{name}: one is longer than {_MAXIMUM_TEXT} characters")
