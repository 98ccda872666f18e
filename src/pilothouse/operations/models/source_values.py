"""Faults that a training would find in the rows of a source, all at once: each column read as the model file says."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilothouse.domain.errors import InvalidInputError, NotFoundError
from pilothouse.domain.formats.missing_words import word_like_a_value
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.formats.time_units import DAY_US, SECOND_US
from pilothouse.domain.models.dataclass_reader import format_duration
from pilothouse.domain.models.model_spec import CsvSpec, ModelSpec, Scalar
from pilothouse.domain.monitoring.categories import category_text
from pilothouse.domain.monitoring.judging import window_notes
from pilothouse.domain.tables.source_url import source_url
from pilothouse.domain.tables.table_form import TableForm, training_form

if TYPE_CHECKING:
    import pyarrow as pa

MOST_ROWS = 5_000_000
"""Rows that a plan looks at; a larger source is judged by its first ones."""
NOTED_ROWS = 200_000
"""Rows that are looked at when a file is applied, for notes alone."""
_MOST_CLASSES = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SourceReport:
    """``faults`` would have a training refused; ``notes`` would not. ``forecast``: what a plan says beside them, windows that
    will hold too few rows above all."""

    faults: tuple[str, ...]
    notes: tuple[str, ...] = ()
    forecast: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Fault:
    """The first value of a column that is not what the model file says."""

    place: str
    found: str
    expected: str


@dataclass(slots=True)
class _Seen:
    """What the rows hold, as far as they were read."""

    rows: int = 0
    complete: bool = True
    faults: dict[str, _Fault] = field(default_factory=dict)
    without_time: int = 0
    labelled: int = 0
    first_us: int | None = None
    """The oldest and the newest time of rows with an outcome that is known."""
    last_us: int | None = None
    to_come_us: int | None = None
    """The oldest time of rows whose outcome nobody knows yet."""
    classes: dict[str, int] = field(default_factory=dict)
    """Oldest time of each class, or of the least and the greatest number."""
    of_target: dict[str, int] = field(default_factory=dict)
    """Rows of each target with a match."""
    words: dict[str, Counter[str]] = field(default_factory=dict)
    """Rows of each word for missing, by column of categories; an empty field is none."""
    categories: dict[str, Counter[str]] = field(default_factory=dict)


def look_at_rows(spec: ModelSpec, path: Path | None, most: int, now: datetime) -> SourceReport:
    """Report on the first ``most`` rows of a source that is a file or a folder of them, as a training at ``now`` would know
    them. A query is not run and no URL is opened: nothing is said of their rows."""
    if path is None or source_url(spec.data.source).is_fetched:
        return SourceReport(
            (), forecast=("data.source: is opened by the training alone; its rows were not looked at",)
        )
    if spec.data.query is not None:
        return SourceReport(())
    seen = _Seen()
    try:
        _read(spec, path, seen, most, now)
    except (InvalidInputError, NotFoundError) as error:
        return SourceReport((f"data.source: {str(error).removeprefix('data.source: ')}",))
    except (
        ValueError,
        TypeError,
        OSError,
    ) as error:  # what Arrow says of a file that it cannot make a table of
        return SourceReport((f"data.source: {path} cannot be read: {one_line(str(error), 300)}",))
    forecast = [] if seen.complete else [f"data.source: its first {seen.rows:,} rows were looked at"]
    windows = window_notes(_rows_a_day(spec, seen), spec.monitoring)
    forecast += [f"monitoring.minimum_rows: {note}" for note in windows]
    return SourceReport(tuple(_faults(spec, seen)), tuple(_missing_notes(seen)), tuple(forecast))


def _read(spec: ModelSpec, path: Path, seen: _Seen, most: int, now: datetime) -> None:
    from pilothouse.tables.reader import folder_files, open_table

    form = training_form(spec)
    known_us = (now - _EPOCH) // timedelta(microseconds=1) - spec.data.outcome_delay * SECOND_US
    for file in folder_files(path):
        marks = open_table(file, form).marks
        # as texts, so that the fault of one column does not hide those of the others
        csv = replace(spec.data.csv or CsvSpec(), decimal=marks[0], thousands=marks[1])
        table = open_table(file, replace(form, kinds={}, csv=csv, missing=()))
        before = 0
        for batch in table.batches():
            columns = _look(form, batch, (file, before, marks), seen)
            _count(spec, columns, seen, known_us)
            for name in spec.data.categoricals:
                if name in columns:
                    _count_words(name, batch.column(name), columns[name], form, seen)
            before += batch.num_rows
            if seen.rows >= most:
                seen.complete = False
                return


def _look(
    form: TableForm, batch: "pa.RecordBatch", place: tuple[Path, int, Any], seen: _Seen
) -> "dict[str, pa.Array]":
    """Columns of a batch that are what the model file says; the fault of any other is kept."""
    from pilothouse.tables.cells import CellError, converted

    file, before, marks = place
    columns = {}
    for name, kind in form.kinds.items():
        if name not in batch.schema.names or name in seen.faults:
            continue
        try:
            columns[name] = converted(batch.column(name), kind, form, marks)
        except CellError as fault:
            where = file.name if fault.row is None else f"{file.name}, row {before + fault.row + 1}"
            seen.faults[name] = _Fault(where, fault.found, fault.expected.partition(";")[0])
    seen.rows += batch.num_rows
    return columns


def _count(spec: ModelSpec, columns: "dict[str, pa.Array]", seen: _Seen, known_us: int) -> None:
    """Count the rows whose time is at most ``known_us``."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for target in spec.targets:
        parts = [_equals(columns[name], value) for name, value in target.match.items() if name in columns]
        if parts:
            found = parts[0]
            for part in parts[1:]:
                found = pc.and_(found, part)
            seen.of_target[target.name] = seen.of_target.get(target.name, 0) + (pc.sum(found).as_py() or 0)
    times, outcomes = columns.get(spec.data.timestamp), columns.get(spec.data.target)
    if times is None or outcomes is None:
        return
    seen.without_time += times.null_count
    known = pc.and_(pc.is_valid(outcomes), pc.is_valid(times))
    rows = pa.table({"outcome": outcomes.filter(known), "us": times.filter(known).cast(pa.int64())})
    early = pc.less_equal(rows["us"], known_us)
    to_come = pc.min(rows["us"].filter(pc.invert(early))).as_py()
    if to_come is not None:
        seen.to_come_us = to_come if seen.to_come_us is None else min(seen.to_come_us, to_come)
    rows = rows.filter(early)
    if not rows.num_rows:
        return
    seen.labelled += rows.num_rows
    bounds = pc.min_max(rows["us"]).as_py()
    seen.first_us = bounds["min"] if seen.first_us is None else min(seen.first_us, bounds["min"])
    seen.last_us = bounds["max"] if seen.last_us is None else max(seen.last_us, bounds["max"])
    if len(seen.classes) > _MOST_CLASSES:
        return
    if spec.task == "regression":
        ends = pc.min_max(rows["outcome"]).as_py()
        rows = rows.filter(pc.is_in(rows["outcome"], pa.array(list(dict.fromkeys(ends.values())))))
    for group in rows.group_by("outcome").aggregate([("us", "min")]).slice(0, _MOST_CLASSES + 1).to_pylist():
        name = str(group["outcome"])
        seen.classes[name] = min(seen.classes.get(name, group["us_min"]), group["us_min"])


def _count_words(name: str, raw: "pa.Array", column: "pa.Array", form: TableForm, seen: _Seen) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_string(raw.type):
        return
    words = raw.filter(
        pc.is_in(raw, value_set=pa.array([word for word in form.missing if word], pa.string()))
    )
    for texts, counts in ((words, seen.words), (column, seen.categories)):
        counter = counts.setdefault(name, Counter())
        if len(counter) <= _MOST_CLASSES:
            for group in pc.value_counts(texts.drop_null()).slice(0, _MOST_CLASSES + 1).to_pylist():
                counter[group["values"]] += group["counts"]


def _missing_notes(seen: _Seen) -> Iterator[str]:
    for name, words in seen.words.items():
        if word := word_like_a_value(words, seen.categories[name]):
            yield (
                f"data.missing: {name!r} is taken for missing where it is {word!r}, in {words[word]:,} of {seen.rows:,} rows, "
                "as often as a category: if it is one, name the words for missing without it, e.g. missing = []"
            )


def _faults(spec: ModelSpec, seen: _Seen) -> Iterator[str]:
    data = spec.data
    if not seen.rows:
        yield "data.source: holds no rows; expected some to train on"
        return
    for name in data.features:
        if (fault := seen.faults.get(name)) is not None:
            yield (
                f"data.features: {name!r} holds text ({fault.place}: found {fault.found}; expected {fault.expected}); "
                "list it under data.categoricals too, or the word under data.missing"
            )
    if (fault := seen.faults.get(data.timestamp)) is not None:
        yield _time_fault(spec, fault)
    elif seen.without_time:
        yield (
            f"data.timestamp: {seen.without_time:,} of {seen.rows:,} rows have no {data.timestamp!r}; expected a time in "
            "each: leave these rows out of the source"
        )
    if (fault := seen.faults.get(data.target)) is not None:
        yield (
            f"data.target: {fault.place}: found {fault.found} in {data.target!r}; expected {fault.expected} for a regression; "
            'set task = "binary" or "multiclass", or list the word under data.missing'
        )
    elif not {data.timestamp, data.target} & seen.faults.keys():
        yield from _target_faults(spec, seen)


def _time_fault(spec: ModelSpec, fault: _Fault) -> str:
    name = spec.data.timestamp
    if spec.data.timezone is None and "zone" in fault.found:
        return (
            f"data.timezone: missing, and {name!r} carries no zone ({fault.place}); expected the zone that its times are in, "
            'e.g. "UTC"'
        )
    return f"data.timestamp: {fault.place}: found {fault.found} in {name!r}; expected {fault.expected}"


def _target_faults(spec: ModelSpec, seen: _Seen) -> Iterator[str]:
    name, classes = spec.data.target, seen.classes
    if not seen.labelled and seen.to_come_us is not None:
        if seen.complete:
            yield no_row_is_known(seen.to_come_us, spec.data.outcome_delay)
        return
    if not seen.labelled or seen.first_us is None or seen.last_us is None:
        yield f"data.target: {name!r} is missing in all {seen.rows:,} rows; expected outcomes to learn from"
        return
    if len(classes) == 1:
        yield (
            f"data.target: {name!r} is {next(iter(classes))!r} in all {seen.labelled:,} rows that have it; expected two values "
            "or more: name another column, or add rows"
        )
        return
    if spec.task == "binary" and len(classes) > 2:
        shown = ", ".join(repr(value) for value in sorted(classes)[:5])
        yield (
            f"data.target: {name!r} has {_number(len(classes))} values ({one_line(shown)}); expected two for a binary task: "
            'set task = "multiclass" or "regression", or name another column'
        )
    elif len(classes) > _MOST_CLASSES:
        yield (
            f"data.target: {name!r} has over {_MOST_CLASSES:,} values; expected classes: "
            'set task = "regression", or name another column'
        )
    yield from _split_faults(spec, seen, seen.first_us, seen.last_us)


def no_row_is_known(first_us: int, outcome_delay_s: int) -> str:
    """Fault of a source whose oldest row with an outcome is still to come, or so new that its outcome is."""
    delay = f" and its outcome is known {format_duration(outcome_delay_s)} later" if outcome_delay_s else ""
    return (
        f"data: no row of the source has an outcome that is known yet: the oldest is of {_time(first_us)}{delay}; expected "
        "some before now: see data.outcome_delay and the times in the source"
    )


def _split_faults(spec: ModelSpec, seen: _Seen, first_us: int, last_us: int) -> Iterator[str]:
    data, start = spec.data, last_us - spec.data.holdout * SECOND_US
    fifth = _fifth((last_us - first_us) // SECOND_US)
    if first_us >= start:
        yield (
            f"data.holdout: found {format_duration(data.holdout)}, in which all {seen.labelled:,} rows lie ({_time(first_us)} "
            f"to {_time(last_us)}); expected older rows to train on: a fifth of the time would be {fifth!r}"
        )
    elif spec.task != "regression" and sum(time < start for time in seen.classes.values()) < 2:
        yield (
            f"data.holdout: found {format_duration(data.holdout)}, before which {data.target!r} has one class only; expected "
            f"two or more to train on: a fifth of the time would be {fifth!r}"
        )


def _fifth(seconds: int) -> str:
    """A fifth of a time, in round units."""
    unit = next((unit for unit in (86_400, 3_600, 60) if seconds >= 10 * unit), 1)
    return format_duration(max(1, seconds // 5 // unit) * unit)


def _rows_a_day(spec: ModelSpec, seen: _Seen) -> dict[str, float]:
    """Rows a day of each target: of those that its match marks, or of all where it is the only one."""
    if seen.first_us is None or seen.last_us is None:
        return {}
    days = max(1.0, (seen.last_us - seen.first_us) / DAY_US)
    if len(spec.targets) == 1 and not spec.targets[0].match:
        return {spec.targets[0].name: seen.labelled / days}
    return {name: rows / days for name, rows in seen.of_target.items() if rows}


def _equals(column: "pa.Array", value: Scalar) -> "pa.Array":
    """Where a column has the value of a match: a number where the column is one of numbers, else its text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_floating(column.type):
        return pc.equal(column, category_text(value) or "")
    try:
        return pc.equal(column, float(value))
    except ValueError:
        return pa.array([False] * len(column))


def _number(classes: int) -> str:
    return f"{classes:,}" if classes <= _MOST_CLASSES else f"over {_MOST_CLASSES:,}"


def _time(us: int) -> str:
    return f"{_EPOCH + timedelta(microseconds=us):%Y-%m-%d %H:%M}"
