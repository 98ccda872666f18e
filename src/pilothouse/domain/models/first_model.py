"""A first model file as commented text: every guess with its reason in a comment beside it."""

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.formats.toml_text import quoted
from pilothouse.domain.models import first_settings
from pilothouse.domain.models.dataclass_reader import format_duration
from pilothouse.domain.models.first_settings import QuickFit
from pilothouse.domain.models.model_guesses import ColumnRoles, Guess, calendar_features, positive_class
from pilothouse.domain.models.model_spec import PRIMARY_METRIC, Scalar, Task
from pilothouse.domain.tables.column_facts import FileFacts

_WIDTH = 100
_LONGEST_COMMENT = 160


@dataclass(frozen=True, slots=True)
class FirstModel:
    """Everything that a first model file says, guessed or answered."""

    name: str
    owner: str
    source: str
    """As it stands in the file: relative to the model's folder, or absolute."""
    facts: FileFacts
    target: Guess[str]
    task: Guess[Task]
    time: Guess[str]
    zone: Guess[str | None]
    roles: ColumnRoles
    targets: Guess[tuple[str, ...]]
    fit: QuickFit
    query: str | None = None
    credentials: str | None = None
    """Where the secret of a source by URL is, as ``data.connection.credentials`` says it."""


def model_text(model: FirstModel) -> str:
    """Text of the model file."""
    parts = (_head, _data, _training, _gates, _promotion, _targets, _monitoring)
    return "\n".join("\n".join(part(model)) + "\n" for part in parts)


def guesses(model: FirstModel) -> Iterator[tuple[str, str, str]]:
    """Key, value and reason of each guess, for a table."""
    times = model.facts.time(model.time.value)
    assert times is not None
    yield "task", model.task.value, model.task.reason
    yield "data.target", model.target.value, model.target.reason
    yield "data.timestamp", model.time.value, model.time.reason
    if model.zone.value is not None:
        yield "data.timezone", model.zone.value, model.zone.reason
    categories = len(model.roles.categoricals)
    features = ", ".join(model.roles.features)
    yield "data.features", features, f"{len(model.roles.features)} in all, {categories} of them categories"
    for name, reason in model.roles.excluded.items():
        yield "data.exclude", name, reason
    held_out = first_settings.holdout(times)
    yield "data.holdout", format_duration(held_out.value), held_out.reason
    watched = first_settings.windows(times, model.facts.rows)
    yield "monitoring.window", format_duration(watched.window), watched.reason
    yield "monitoring.minimum_rows", str(watched.minimum_rows), watched.reason
    yield "targets.names", ", ".join(model.targets.value), model.targets.reason
    for metric, side, bound, reason in first_settings.metric_bounds(model.task.value, model.fit):
        yield f"gates.metric {metric}", f"{side} {bound:g}", reason
    fewest = first_settings.fewest_rows(model.facts.rows)
    yield "gates.data.minimum_rows", str(fewest.value), fewest.reason


def _head(model: FirstModel) -> Iterator[str]:
    facts = model.facts
    yield from _comment(
        f"Guessed from {facts.file}: {facts.rows:,} rows, {len(facts.columns)} columns"
        + (f" ({facts.dialect})" if facts.dialect else "")
        + ". Each guess has its reason beside it; change what is wrong, then run pilothouse apply --plan."
    )
    yield f"name = {quoted(model.name)}"
    yield f"task = {quoted(model.task.value)}{_why(model.task.reason)}"
    yield f"owner = {quoted(model.owner)}"


def _data(model: FirstModel) -> Iterator[str]:
    times = model.facts.time(model.time.value)
    assert times is not None
    yield "[data]"
    yield f"source = {quoted(model.source)}"
    if model.query is not None:
        yield f"query = {quoted(model.query)}"
    yield f"target = {quoted(model.target.value)}{_why(model.target.reason)}"
    column = model.facts.column(model.target.value)
    if model.task.value == "binary" and column is not None:
        yield from _comment(
            f"scores are the probability of {positive_class(column)!r}, the second class in order"
        )
    yield f"timestamp = {quoted(model.time.value)}{_why(model.time.reason)}"
    if model.zone.value is not None:
        yield f"timezone = {quoted(model.zone.value)}{_why(model.zone.reason)}"
    yield from _array("features", model.roles.features)
    yield from _array("categoricals", model.roles.categoricals)
    yield from _reasoned("exclude", model.roles.excluded)
    yield f'outcome_delay = "0s"{_why("how long after its time a row is labelled: set it where that takes days")}'
    held_out = first_settings.holdout(times)
    yield f"holdout = {quoted(format_duration(held_out.value))}{_why(held_out.reason)}"
    if model.credentials is not None:
        yield ""
        yield "[data.connection]"
        yield f"credentials = {quoted(model.credentials)}"


def _training(model: FirstModel) -> Iterator[str]:
    training_rows = int(0.8 * model.facts.rows)
    estimator, parameters = first_settings.estimator(model.task.value, training_rows)
    yield "[training]"
    yield f"estimator = {quoted(estimator.value)}{_why(estimator.reason)}"
    if parameters:
        yield ""
        yield "[training.parameters]"
        yield from (f"{key} = {_scalar(value)}" for key, value in parameters.items())
    columns = map(model.facts.column, model.roles.categoricals)
    most = max((column.distinct for column in columns if column is not None), default=0)
    yield ""
    yield "[training.preprocessing]"
    for key, guess in first_settings.preprocessing(training_rows, most).items():
        yield f"{key} = {quoted(guess.value)}{_why(guess.reason)}"


def _gates(model: FirstModel) -> Iterator[str]:
    fit, task = model.fit, model.task.value
    if fit.error:
        yield from _comment(f"No bound on a metric: the quick fit failed: {fit.error}")
    if weak := first_settings.weakness(task, fit):
        yield from _comment(f"The quick fit is {weak}.")
    for metric, side, bound, reason in first_settings.metric_bounds(task, fit):
        yield "[[gates.metric]]"
        yield f"metric = {quoted(metric)}"
        yield f"{side} = {_number(bound)}{_why(reason)}"
        yield ""
    margin, rows = first_settings.comparison(task, fit)
    yield "[gates.comparison]"
    yield f"margin = {_number(margin.value)}{_why(margin.reason)}"
    yield f"minimum_rows = {rows}"
    if not fit.error:
        budget = first_settings.latency_ms(fit)
        yield ""
        yield "[gates.latency]"
        yield f"p95_ms = {_number(budget.value)}{_why(budget.reason)}"
    yield ""
    yield "[gates.data]"
    features = [column for column in model.facts.columns if column.name in model.roles.features]
    for key, guess in first_settings.data_bounds(model.facts.rows, features, fit).items():
        yield f"{key} = {_number(guess.value)}{_why(guess.reason)}"


def _promotion(model: FirstModel) -> Iterator[str]:
    yield "[promotion]"
    yield "approvals = 1"
    yield f"four_eyes = true{_why('off in a workspace of one person (pilothouse init --solo)')}"


def _targets(model: FirstModel) -> Iterator[str]:
    yield "[targets]"
    names = ", ".join(quoted(name) for name in model.targets.value)
    yield f"names = [{names}]{_why(model.targets.reason)}"


def _monitoring(model: FirstModel) -> Iterator[str]:
    times = model.facts.time(model.time.value)
    assert times is not None
    watched = first_settings.windows(times, model.facts.rows)
    yield "[monitoring]"
    yield f"metric = {quoted(PRIMARY_METRIC[model.task.value])}"
    yield f"window = {quoted(format_duration(watched.window))}{_why(watched.reason)}"
    yield f"step = {quoted(format_duration(watched.window))}"
    yield f"performance_window = {quoted(format_duration(watched.performance_window))}"
    yield f"performance_step = {quoted(format_duration(watched.performance_step))}"
    yield f"minimum_rows = {watched.minimum_rows}{_why('what a window holds, with room for a weak one')}"
    if calendar := calendar_features(model.roles):
        yield f"ignore = [{', '.join(map(quoted, calendar))}]{_why('the calendar drifts: shown, without an alert')}"
    yield f"silence = {quoted(format_duration(watched.silence))}{_why(watched.silence_reason)}"


def _comment(text: str) -> Iterable[str]:
    line = one_line(text, 1_000)
    return textwrap.wrap(line, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False)


def _why(reason: str) -> str:
    """Comment behind a value. Texts from the file are brought to one line: a line break would end the comment."""
    return f"  # {one_line(reason, _LONGEST_COMMENT)}" if reason else ""


def _array(key: str, names: Iterable[str]) -> Iterator[str]:
    items = [quoted(name) for name in names]
    flat = f"{key} = [{', '.join(items)}]"
    if len(flat) <= _WIDTH:
        yield flat
        return
    yield f"{key} = ["
    line = "   "
    for item in items:
        if len(line) + len(item) + 2 > _WIDTH and line.strip():
            yield line
            line = "   "
        line += f" {item},"
    yield line
    yield "]"


def _reasoned(key: str, reasons: dict[str, str]) -> Iterator[str]:
    if not reasons:
        return
    yield f"{key} = ["
    for name, reason in reasons.items():
        yield f"    {quoted(name)},{_why(reason)}"
    yield "]"


def _scalar(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return quoted(value) if isinstance(value, str) else _number(value)


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(float(f"{value:.6g}"))
