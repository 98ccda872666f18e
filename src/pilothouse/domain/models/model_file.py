"""Reading a ``model.toml``: strictly, all faults at once, one line each with the file and the key path."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from pilothouse.domain.errors import InvalidInputError, ModelFileError
from pilothouse.domain.formats.bounded_toml import one_line_each, parse_toml
from pilothouse.domain.identifiers import NAME
from pilothouse.domain.identity.persons import folded
from pilothouse.domain.models.contract import contract_faults
from pilothouse.domain.models.dataclass_reader import bare_durations, read_dataclass, to_plain
from pilothouse.domain.models.model_spec import METRICS, NOT_WATCHED, ModelSpec, TargetSpec
from pilothouse.domain.models.target_file import TargetDescription
from pilothouse.domain.models.target_selection import resolved, without_places
from pilothouse.domain.promotion.documents import MOST, name_fault
from pilothouse.domain.tables.csv_dialect import csv_faults
from pilothouse.domain.tables.source_url import source_faults

_ESTIMATOR = re.compile(r"sklearn(\.[A-Za-z_]\w*)+")
_LONGEST_JITTER = 86_400
_FUNCTION = re.compile(r"[A-Za-z_]\w*\.py:[A-Za-z_]\w*")

RESERVED_FEATURES = {
    "score": "the model's own score",
    "label": "the predicted class",
    "truth": "the outcome",
    "prediction_id": "the id of the prediction",
    "event_time": "the time of the event",
    "latency_ms": "the time that the answer took",
}
"""Names that a feature cannot have, and what they stand for."""


def load_spec(text: str, file: str, targets: Mapping[str, TargetDescription] | None = None) -> ModelSpec:
    """Read the text of a model file. ``file`` is how messages name it; ``targets`` are those that it may select among (see
    ``target_selection.resolved``). Raises ModelFileError with every fault.
    """
    spec, problems = read_spec(text, file, targets)
    if spec is None or problems:
        raise ModelFileError(problems)
    return spec


def read_spec(
    text: str, file: str, targets: Mapping[str, TargetDescription] | None = None
) -> tuple[ModelSpec | None, list[str]]:
    """As ``load_spec``, but with the faults beside the specification, which is None where they leave nothing to go on with."""
    try:
        plain = parse_toml(text, file)
    except InvalidInputError as error:
        return None, [str(error)]
    _write_out_dates(plain)
    later: list[str] = []
    chosen: tuple[TargetSpec, ...] | None = None
    if isinstance(plain.get("targets"), dict):
        chosen = resolved(plain["targets"], targets, later)
        plain["targets"] = []
    later += bare_durations(ModelSpec, plain)
    problems: list[str] = []
    spec = _read(plain, problems, chosen)
    if chosen is not None:
        problems = without_places(problems)
    return spec, one_line_each(f"{file}: {problem}" for problem in [*problems, *later])


def _write_out_dates(plain: dict[str, Any]) -> None:
    """Make text of a date that stands without quotes, as TOML allows."""
    inventory = plain.get("inventory")
    if isinstance(inventory, dict) and isinstance(inventory.get("next_review"), date):
        inventory["next_review"] = inventory["next_review"].isoformat()


def spec_from_plain(plain: object, file: str = "model") -> ModelSpec:
    """Build a spec from plain data (a parsed file, or what ``spec_to_plain`` gave). Raises ModelFileError."""
    problems: list[str] = []
    spec = _read(plain, problems, None)
    if spec is None or problems:
        raise ModelFileError(one_line_each(f"{file}: {problem}" for problem in problems))
    return spec


def _read(plain: object, problems: list[str], chosen: tuple[TargetSpec, ...] | None) -> ModelSpec | None:
    """The spec of plain data, with the chosen targets where they are given. Faults are added to ``problems``."""
    spec = read_dataclass(ModelSpec, plain, "", problems)
    if spec is not None:
        spec = spec if chosen is None else replace(spec, targets=chosen)
        for check in _CHECKS:
            problems.extend(check(spec))
    return spec


def spec_to_plain(spec: ModelSpec) -> dict[str, Any]:
    """The spec as plain data, complete with defaults; ``spec_from_plain`` reads it back to an equal spec."""
    plain: dict[str, Any] = to_plain(spec)
    return plain


def _names(spec: ModelSpec) -> Iterable[str]:
    rule = "1 to 64 lower-case letters, digits and inner hyphens"
    if not NAME.fullmatch(spec.name):
        yield f"name: found {spec.name!r}; expected {rule}"
    if not spec.targets:
        yield "targets: found none; expected a [targets] table that selects, or [[targets]] tables with a name each"
    seen: set[str] = set()
    for i, target in enumerate(spec.targets):
        if not NAME.fullmatch(target.name):
            yield f"targets[{i}].name: found {target.name!r}; expected {rule}"
        if target.name in seen:
            yield f"targets[{i}].name: {target.name!r} is named twice; expected each target once"
        seen.add(target.name)


def _columns(spec: ModelSpec) -> Iterable[str]:
    data = spec.data
    yield from source_faults(data)
    for key in ("features", "categoricals", "exclude", "private", "slices"):
        columns = getattr(data, key)
        for column in dict.fromkeys(name for name in columns if columns.count(name) > 1):
            yield f"data.{key}: {column!r} is named twice; expected each column once"
    if not data.features:
        yield "data.features: found none; expected at least one column"
    for name, column in (("target", data.target), ("timestamp", data.timestamp)):
        if column in data.features:
            yield f"data.features: holds the {name} {column!r}; take it out, a model must not see it"
    for column in data.features:
        if column in RESERVED_FEATURES:
            yield (
                f"data.features: holds {column!r}, which in charts and prediction logs is {RESERVED_FEATURES[column]}; "
                "rename the column"
            )
    if data.target == data.timestamp:
        yield f"data.timestamp: {data.timestamp!r} is the target too; expected another column"
    for key, columns in (("private", data.private), ("exclude", data.exclude)):
        for column in columns:
            if column in data.features:
                yield f"data.{key}: {column!r} is in data.features too; expected in one of the two"
            if column in (data.target, data.timestamp):
                yield f"data.{key}: {column!r} is the target or the timestamp, which every row needs"
            if column in data.slices:
                yield f"data.{key}: {column!r} is in data.slices too; expected in one of the two"
            for i, target in enumerate(spec.targets):
                if column in target.match:
                    yield f"data.{key}: {column!r} is in targets[{i}].match too; expected in one of the two"
    for column in data.categoricals:
        if column not in data.features:
            yield f"data.categoricals: {column!r} is not in data.features; expected a feature"
    if data.target in data.slices:
        yield f"data.slices: holds the target {data.target!r}; expected other columns"
    if data.holdout <= 0:
        yield f'data.holdout: found {data.holdout} s; expected more than nothing, e.g. "14d"'
    if data.lookback is not None and data.lookback <= data.holdout:
        yield "data.lookback: not longer than data.holdout, which would leave no rows to train on"


def _csv(spec: ModelSpec) -> Iterable[str]:
    return csv_faults(spec.data.csv) if spec.data.csv is not None else ()


def _contract(spec: ModelSpec) -> Iterable[str]:
    return contract_faults(spec.contract, (*spec.data.private, *spec.data.exclude)) if spec.contract else ()


def _training(spec: ModelSpec) -> Iterable[str]:
    training = spec.training
    if (training.estimator is None) == (training.function is None):
        yield "training: expected one of estimator and function"
    if training.estimator is not None and not _ESTIMATOR.fullmatch(training.estimator):
        yield (
            f"training.estimator: found {training.estimator!r}; expected a scikit-learn class by dotted name, "
            "e.g. sklearn.linear_model.LogisticRegression"
        )
    if training.function is not None and not _FUNCTION.fullmatch(training.function):
        yield f'training.function: found {training.function!r}; expected "FILE.py:FUNCTION" beside model.toml'
    if training.function is not None and training.preprocessing is not None:
        yield "training.preprocessing: expected with an estimator; a function does what it wants with the features"
    if spec.gates.function is not None and not _FUNCTION.fullmatch(spec.gates.function):
        yield f'gates.function: found {spec.gates.function!r}; expected "FILE.py:FUNCTION" beside model.toml'
    if training.search is not None:
        if not training.search.parameters or not all(training.search.parameters.values()):
            yield "training.search.parameters: expected at least one parameter, each with values to try"
        if training.search.candidates < 1 or training.search.folds < 2:
            yield "training.search: expected candidates of 1 or more and folds of 2 or more"
    if training.retries < 0 or training.retries > 20:
        yield f"training.retries: found {training.retries}; expected 0 to 20"
    for key in ("timeout", "cpu_time", "memory_mb", "threads", "concurrency", "retry_after"):
        value = getattr(training, key)
        if value is not None and value < 1:
            yield f"training.{key}: found {getattr(training, key)}; expected 1 or more"
    if not 0 <= training.seed < 2**32:
        yield f"training.seed: found {training.seed}; expected 0 to 4294967295"


def _metrics(spec: ModelSpec) -> Iterable[str]:
    comparison = spec.gates.comparison
    named = [("monitoring.metric", spec.monitoring.metric)]
    named += [("gates.comparison.metric", comparison.metric)] if comparison else []
    named += [(f"gates.metric[{i}].metric", bound.metric) for i, bound in enumerate(spec.gates.metric)]
    defined = [name for name, (_, tasks) in METRICS.items() if spec.task in tasks]
    for path, metric in named:
        if metric is not None and metric not in defined:
            yield f"{path}: found {metric!r}; expected one of {', '.join(defined)} for {spec.task}"
    if spec.monitoring.metric in NOT_WATCHED[spec.task]:
        watched = [name for name in defined if name not in NOT_WATCHED[spec.task]]
        yield (
            f"monitoring.metric: {spec.monitoring.metric!r} needs every class's probability, which predictions do not "
            f"carry; expected one of {', '.join(watched)} for {spec.task}"
        )
    for i, bound in enumerate(spec.gates.metric):
        if bound.minimum is None and bound.maximum is None:
            yield f"gates.metric[{i}]: expected a minimum, a maximum or both"
        if bound.minimum is not None and bound.maximum is not None and bound.minimum > bound.maximum:
            yield f"gates.metric[{i}]: minimum {bound.minimum:g} is above maximum {bound.maximum:g}; none can pass"
        if bound.slice is not None and bound.slice not in spec.data.slices:
            yield f"gates.metric[{i}].slice: {bound.slice!r} is not in data.slices; expected one of them"
    if comparison is not None and not 0 < comparison.confidence < 1:
        yield f"gates.comparison.confidence: found {comparison.confidence}; expected between 0 and 1"
    if comparison is not None and comparison.block is not None and comparison.block < 3_600:
        yield f"gates.comparison.block: found {comparison.block} s; expected an hour or more, a day as a rule"
    if comparison is not None and comparison.margin < 0:
        yield f"gates.comparison.margin: found {comparison.margin}; expected 0 or more"


def _ranges(spec: ModelSpec) -> Iterable[str]:
    watch = spec.monitoring
    for key in ("window", "step", "performance_window", "performance_step", "silence"):
        if getattr(watch, key) < 60:
            yield f"monitoring.{key}: found {getattr(watch, key)} s; expected a minute or more"
    for window, step in (("window", "step"), ("performance_window", "performance_step")):
        if getattr(watch, step) > getattr(watch, window):
            yield f"monitoring.{step}: longer than monitoring.{window}; rows would fall between two windows"
    if watch.keep_rows is not None and watch.keep_rows < 86_400:
        yield f"monitoring.keep_rows: found {watch.keep_rows} s; expected a day or more"
    if not 1 <= watch.fire <= watch.of:
        yield f"monitoring.fire: found {watch.fire} of {watch.of}; expected 1 to monitoring.of"
    if not 0 < watch.false_alarm_rate < 1:
        yield f"monitoring.false_alarm_rate: found {watch.false_alarm_rate}; expected between 0 and 1"
    for feature in watch.ignore:
        if feature not in spec.data.features:
            yield f"monitoring.ignore: {feature!r} is not in data.features; expected a feature"
    if spec.promotion.approvals < 0:
        yield f"promotion.approvals: found {spec.promotion.approvals}; expected 0 or more"
    if spec.promotion.approvals == 0 and not spec.promotion.automatic:
        yield "promotion.approvals: 0 needs promotion.automatic = true; expected 1 or more otherwise"
    yield from _documents(spec.promotion.documents or ())
    if spec.promotion.replay is not None and spec.promotion.replay < 86_400:
        yield f"promotion.replay: found {spec.promotion.replay} s; expected a day or more"
    if spec.promotion.expires < 60:
        yield f"promotion.expires: found {spec.promotion.expires} s; expected a minute or more"


def _documents(names: Sequence[str]) -> Iterable[str]:
    if len({*names}) != len(names) or len(names) > MOST:
        yield f"promotion.documents: found {len(names)} names; expected {MOST} at most, each once"
    for fault in filter(None, map(name_fault, names)):
        yield f"promotion.documents: {fault}"


def _inventory(spec: ModelSpec) -> Iterable[str]:
    inventory = spec.inventory
    if inventory is None:
        return
    if inventory.next_review and not _is_day(inventory.next_review):
        yield f'inventory.next_review: found {inventory.next_review!r}; expected a date such as "2027-03-31"'
    if inventory.validator and spec.promotion.four_eyes and folded(inventory.validator) == folded(spec.owner):
        yield (
            f"inventory.validator: {inventory.validator!r} is the owner too; expected somebody else while "
            "promotion.four_eyes is true"
        )


def _schedules(spec: ModelSpec) -> Iterable[str]:
    seen: set[str] = set()
    for i, schedule in enumerate(spec.automation.schedule):
        path = f"automation.schedule[{i}]"
        if sum(rule is not None for rule in (schedule.cron, schedule.every, schedule.at)) != 1:
            yield f"{path}: expected one of cron, every and at"
        if schedule.cron is not None and len(schedule.cron.split()) != 5:
            yield f'{path}.cron: found {schedule.cron!r}; expected five fields, e.g. "0 3 * * mon"'
        if schedule.every is not None and schedule.every < 60:
            yield f"{path}.every: found {schedule.every} s; expected a minute or more"
        if schedule.at is not None and not _is_time(schedule.at):
            yield f'{path}.at: found {schedule.at!r}; expected a time such as "2026-12-24T06:00"'
        if schedule.every is not None and schedule.jitter >= schedule.every:
            yield f"{path}.jitter: found {schedule.jitter} s; expected less than every"
        if schedule.jitter > _LONGEST_JITTER:
            yield f"{path}.jitter: found {schedule.jitter} s; expected a day at most"
        if not NAME.fullmatch(schedule.name) or schedule.name in seen:
            yield f"{path}.name: found {schedule.name!r}; expected a name of its own (lower case, digits, hyphens)"
        seen.add(schedule.name)


def _triggers(spec: ModelSpec) -> Iterable[str]:
    seen: set[str] = set()
    if spec.automation.budget_per_day < 0:
        yield f"automation.budget_per_day: found {spec.automation.budget_per_day}; expected 0 or more"
    for i, trigger in enumerate(spec.automation.trigger):
        path = f"automation.trigger[{i}]"
        if not NAME.fullmatch(trigger.name) or trigger.name in seen:
            yield f"{path}.name: found {trigger.name!r}; expected a name of its own (lower case, digits, hyphens)"
        if (trigger.on == "version") != (trigger.model is not None):
            yield f'{path}.model: expected with on = "version", and with nothing else'
        if (
            trigger.on == "data"
            and spec.data.connection is not None
            and spec.data.connection.version is not None
        ):
            yield f"{path}.on: data.connection.version holds the rows as they were; expected it away, or a schedule"
        if trigger.every < _LEAST_EVERY_S:
            yield f"{path}.every: found {trigger.every} s; expected 60 s or more: each look asks the source"
        if trigger.model == spec.name:
            yield f"{path}.model: {trigger.model!r} is this model itself, which would train for ever; expected another"
        seen.add(trigger.name)


_LEAST_EVERY_S = 60


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


_CHECKS: tuple[Callable[[ModelSpec], Iterable[str]], ...] = (
    _names,
    _columns,
    _csv,
    _contract,
    _training,
    _metrics,
    _ranges,
    _inventory,
    _schedules,
    _triggers,
)
