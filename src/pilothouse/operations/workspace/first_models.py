"""A first model from a file: looked at, tried with a quick fit, written as a commented ``model.toml``."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from pilothouse.domain.errors import ConflictError, InvalidInputError
from pilothouse.domain.identifiers import check_name
from pilothouse.domain.models import first_settings, model_guesses
from pilothouse.domain.models.first_model import FirstModel, model_text
from pilothouse.domain.models.first_settings import QuickFit
from pilothouse.domain.models.model_file import load_spec
from pilothouse.domain.models.model_guesses import Guess
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.models.target_file import TARGETS_FILE, TargetDescription, targets_text
from pilothouse.domain.tables.column_facts import ColumnFacts, FileFacts
from pilothouse.domain.tables.source_url import source_url
from pilothouse.operations.automation.schedule_times import is_zone
from pilothouse.operations.models.file_facts import (
    FileSample,
    missing_word,
    nearly_times,
    parts_of,
    sample_file,
)
from pilothouse.operations.models.quick_fit import SOURCE, QuickFits
from pilothouse.operations.models.source_reach import Reached
from pilothouse.operations.workspace.file_reading import MODEL_FILE
from pilothouse.operations.workspace_texts import read_targets
from pilothouse.system.files import write_atomically
from pilothouse.system.paths import WorkspacePaths

_LOCAL = TargetDescription("local", environment="development")
"""Target of a workspace that describes none."""
_ROUNDS = 3
"""Quick fits at most: each one after features that tell the target were left out."""
_NAMED = "as you said"

Ask = Callable[[str, str, str, Sequence[str]], str]
"""Question ``ask(what, reason, guess, choices)``, answered with the guess or another value; no choices: any text."""
Tell = Callable[[str], None]


def take_guess(what: str, reason: str, guess: str, choices: Sequence[str]) -> str:
    """Answer to every question where nobody is asked."""
    return guess


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of a first model. ``root`` is the workspace's folder, which need not exist yet."""

    root: Path
    file: Path
    name: str
    owner: str
    target: str | None = None
    source: str = ""
    """The source by URL whose rows the file has; empty where the file is the source itself."""
    reached: Reached = field(default_factory=Reached)


def name_of(named: str) -> str:
    """Name of a model after its file or source: ``Bike share.csv.gz`` gives ``bike-share``, ``s3://box/air`` ``air``."""
    url = source_url(named)
    place, _, table = url.location.partition("#") if url.is_remote else (url.location, "", "")
    stem = (table.rpartition(".")[2] or Path(place).name.split(".")[0]).lower()
    words = "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in stem).split()
    return "-".join(words)[:64].strip("-") or "model"


def look(wanted: Wanted, *, ask: Ask = take_guess, tell: Tell = lambda _: None) -> FirstModel:
    """Look at a file and guess a model; nothing is written. Raises InvalidInputError, or ConflictError (the model is there)."""
    check_name(wanted.name, "model")
    if _model_file(wanted).exists():
        raise ConflictError(f"{_model_file(wanted)} exists already: choose another name, or edit it")
    tell(f"looking at {wanted.source or wanted.file}")
    sample = sample_file(wanted.file)
    if wanted.source:
        sample = replace(sample, facts=replace(sample.facts, file=wanted.source))
    model = _asked(wanted, sample, ask)
    _spec_of_sample(wanted, model)  # refused before anything is tried, where the times allow no hold-out
    names = [*model.roles.features, model.target.value, model.time.value]
    table = sample.table if model.task.value == "regression" else sample.with_classes(model.target.value)
    rows = table.select(names)
    with QuickFits(rows.filter(rows.column(model.time.value).is_valid())) as fits:
        for _ in range(_ROUNDS):
            tell(f"trying {len(model.roles.features)} features")
            fit = fits.fit(_spec_of_sample(wanted, model), lambda _: None)
            leaks = first_settings.leaks(fit, model.task.value)
            model = replace(model, fit=fit)
            if not leaks:
                break
            model = replace(model, roles=model_guesses.without(model.roles, leaks))
    tell(_result_line(model))
    _load(wanted, model_text(model), f"models/{wanted.name}/{MODEL_FILE}")
    return model


def write(wanted: Wanted, model: FirstModel) -> list[Path]:
    """Write the model file, and a ``targets.toml`` where there is none; returns the files. Raises ConflictError."""
    path = _model_file(wanted)
    if path.exists():
        raise ConflictError(f"{path} exists already: choose another name, or edit it")
    written = []
    targets = wanted.root / TARGETS_FILE
    if not targets.exists():
        write_atomically(targets, targets_text([_LOCAL]).encode(), mode=0o644)
        written.append(targets)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, model_text(model).encode(), mode=0o644)
    return [*written, path]


def _asked(wanted: Wanted, sample: FileSample, ask: Ask) -> FirstModel:
    """Model without a quick fit: guesses, and answers where somebody is asked."""
    facts = sample.facts
    if not facts.times and (nearly := nearly_times(wanted.file, sample)):
        name, fault = nearly
        raise InvalidInputError(
            f"no column holds times, which a model's rows need; {name!r} nearly does: {fault}"
        )
    time = model_guesses.guess_time(facts)
    if len(facts.times) > 1:
        time = _answer(ask, "the column of times", time, [one.name for one in facts.times])
    zone = model_guesses.guess_zone(facts, time.value)
    if zone.value is not None:
        answer = ask("the zone of its times", zone.reason, zone.value, ())
        if not is_zone(answer):
            raise InvalidInputError(f"{answer!r} is no zone; expected an IANA name, e.g. Europe/Berlin")
        zone = zone if answer == zone.value else Guess(answer, _NAMED)
    _check_known(facts, time.value)
    target = _target(wanted, sample, time.value, ask)
    column = facts.column(target.value)
    assert column is not None
    _check_target(wanted, column)
    task = model_guesses.guess_task(column)
    if task.value != "binary" and column.kind == "number":
        answer = ask("the task", task.reason, task.value, ("multiclass", "regression"))
        if answer != task.value:
            task = Guess("regression" if answer == "regression" else "multiclass", _NAMED)
    roles = model_guesses.guess_columns(facts, target.value, time.value)
    parts = model_guesses.parts_of_target(parts_of(sample, target.value), target.value)
    if parts:
        roles = model_guesses.without(
            roles, {name: why for name, why in parts.items() if name in roles.features}
        )
    return FirstModel(
        name=wanted.name,
        owner=wanted.owner,
        source=_source(wanted),
        query=wanted.reached.query,
        credentials=wanted.reached.credentials,
        facts=facts,
        target=target,
        task=task,
        time=time,
        zone=zone,
        roles=roles,
        targets=_first_target(list(_described(wanted))),
        fit=QuickFit(),
    )


def _first_target(names: list[str]) -> Guess[tuple[str, ...]]:
    if len(names) == 1:
        return Guess((names[0],), "where it runs: described in targets.toml")
    return Guess(
        (names[0],), f"the first of {len(names)} in targets.toml: name the others too, or select them"
    )


def _check_known(facts: FileFacts, time: str) -> None:
    """Refuse rows that all lie in the future, as a training would. Raises InvalidInputError."""
    times = facts.time(time)
    if times is not None and times.first > datetime.now(UTC):
        raise InvalidInputError(
            f"{facts.file}: no row is known yet: all times of {time!r} lie in the future, {times.first:%Y-%m-%d %H:%M} to "
            f"{times.last:%Y-%m-%d %H:%M} by UTC; expected some before now"
        )


def _target(wanted: Wanted, sample: FileSample, time: str, ask: Ask) -> Guess[str]:
    facts = sample.facts
    if wanted.target is None:
        able = [c.name for c in facts.columns if c.name != time and not model_guesses.target_fault(c)]
        return _answer(ask, "the column to predict", model_guesses.guess_target(facts, time), able)
    names = ", ".join(column.name for column in facts.columns if column.name != time)
    if wanted.target == time:
        raise InvalidInputError(
            f"--target: {time!r} is the column of times, which says when a row happened; expected one of {names}"
        )
    if facts.column(wanted.target) is None:
        raise InvalidInputError(f"--target: {facts.file} has no column {wanted.target!r}; it has {names}")
    return Guess(wanted.target, _NAMED)


def _check_target(wanted: Wanted, column: ColumnFacts) -> None:
    """Refuse a target of one class beside a word that is read as missing. Raises InvalidInputError."""
    if column.class_count != 1 or not column.missing:
        return
    if word := missing_word(wanted.file, column.name):
        raise InvalidInputError(
            f"the target {column.name!r} cannot be predicted: beside {column.classes[0][0]!r} it has only {word!r}, a word "
            f"that means missing; write it otherwise in the file, or write the model file and name the words that mean "
            f"missing under data.missing ([] for none)"
        )


def _answer(ask: Ask, what: str, guess: Guess[str], choices: Sequence[str]) -> Guess[str]:
    answer = ask(what, guess.reason, guess.value, choices)
    return guess if answer == guess.value else Guess(answer, _NAMED)


def _spec_of_sample(wanted: Wanted, model: FirstModel) -> ModelSpec:
    spec = _load(wanted, model_text(model), "model.toml")
    return replace(spec, data=replace(spec.data, source=SOURCE, query=None, connection=None, exclude=()))


def _load(wanted: Wanted, text: str, name: str) -> ModelSpec:
    return load_spec(text, name, _described(wanted))


def _described(wanted: Wanted) -> dict[str, TargetDescription]:
    """Targets of the workspace; the one that is written where there are none."""
    return read_targets(wanted.root) or {_LOCAL.name: _LOCAL}


def _model_file(wanted: Wanted) -> Path:
    return WorkspacePaths(wanted.root).models / wanted.name / MODEL_FILE


def _source(wanted: Wanted) -> str:
    """The source as the model file has it: a path is relative where it lies in the workspace or beside it."""
    if not wanted.source:
        return _near(wanted, wanted.file)
    url = source_url(wanted.source)
    if url.is_remote:
        return wanted.source
    return f"{wanted.source.partition(':')[0]}:{_near(wanted, Path(url.location))}"


def _near(wanted: Wanted, path: Path) -> str:
    file, folder = path.resolve(), _model_file(wanted).parent.resolve()
    near = file.is_relative_to(wanted.root.resolve().parent)
    return Path(os.path.relpath(file, folder)).as_posix() if near else file.as_posix()


def _result_line(model: FirstModel) -> str:
    fit = model.fit
    if fit.error:
        return f"the quick fit failed: {fit.error}"
    figures = ", ".join(
        f"{metric} {value.value:.4g} ({value.low:.4g} to {value.high:.4g})"
        for metric, *_ in first_settings.metric_bounds(model.task.value, fit)
        if (value := fit.metric(metric)) is not None
    )
    weak = first_settings.weakness(model.task.value, fit)
    return f"a quick fit reaches {figures} on {fit.holdout_rows:,} held-out rows" + (
        f"; it is {weak}" if weak else ""
    )
