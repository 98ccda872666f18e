"""Model files as they are read: strictly, all faults of all files at once, before anything is written."""

import ast
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import InvalidInputError, ModelFileError
from pilothouse.domain.formats.canonical import canonical_digest
from pilothouse.domain.formats.time_parsing import moment
from pilothouse.domain.formats.toml_lines import load_with_lines, with_lines
from pilothouse.domain.integrations.integration_file import INTEGRATIONS_FILE
from pilothouse.domain.models.model_file import read_spec, spec_to_plain
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.models.target_file import TARGETS_FILE, TargetDescription, load_targets
from pilothouse.domain.models.target_selection import without_places
from pilothouse.domain.outbox.settings_file import ALERTS_FILE
from pilothouse.domain.rollouts.plan_file import PLANS_FILE, load_plans
from pilothouse.domain.tables.source_url import source_url
from pilothouse.operations.automation.schedule_times import check_rule, is_zone
from pilothouse.operations.integrations import integration_files
from pilothouse.operations.jobs.judging_code import judging_code
from pilothouse.operations.models.estimator_faults import estimator_faults
from pilothouse.operations.models.source_columns import (
    columns_by_url,
    local_sources,
    source_path,
    source_problems,
)
from pilothouse.operations.models.source_reach import Places
from pilothouse.operations.models.source_values import MOST_ROWS, NOTED_ROWS, SourceReport, look_at_rows
from pilothouse.operations.outbox import settings_files
from pilothouse.operations.services import Services
from pilothouse.operations.workspace_texts import read_text

MODEL_FILE = "model.toml"


@dataclass(frozen=True, slots=True)
class ReadFile:
    """Model file that has no fault. ``source`` is its text."""

    spec: ModelSpec
    plain: dict[str, Any]
    """The specification as it is stored, and its digest."""
    digest: str
    source: str
    folder: str
    """Folder of the model, relative to the workspace where it lies inside, else absolute."""
    rows: SourceReport
    """What the rows of its source say of its settings, where they were looked at."""
    judging_code: dict[str, str]
    """Digests of the files that its gate function can reach, by name."""


@dataclass(frozen=True, slots=True)
class Examination:
    """Rows are looked at of model files whose digest is not ``known``: for notes, or (``thorough``) for everything that a
    training would refuse, and then the estimator is tried too."""

    known: Collection[str]
    places: Places
    thorough: bool = False


def read_model_files(
    services: Services,
    root: Path,
    targets: Mapping[str, TargetDescription] | None,
    problems: list[str],
    *,
    examination: Examination | None = None,
) -> dict[str, ReadFile]:
    """Model files below ``root``, by the model's name. Faults are added to ``problems``.

    ``targets`` are those of ``targets.toml`` (see ``target_selection.resolved``). Raises InvalidInputError.
    """
    if not root.is_dir():
        raise InvalidInputError(f"{root} is not a folder: expected one that holds NAME/{MODEL_FILE}")
    read: list[_Reading] = []
    for path in sorted(root.glob(f"*/{MODEL_FILE}")):
        name = _named(path)
        try:
            text = read_text(path, name)
        except ModelFileError as error:
            problems += error.problems
            continue
        spec, found = read_spec(text, name, targets)
        if spec is None:
            problems += with_lines(found, text, name)
        else:
            faults = [line.removeprefix(f"{name}: ") for line in found]
            read.append(_read_file(services, path, text, spec, faults, examination))
    tried = [one for one in read if one.is_tried]
    for one, of_estimator in zip(tried, estimator_faults([one.file.spec for one in tried]), strict=True):
        one.problems.extend(of_estimator)
    for one in read:
        lines = [f"{one.name}: {problem}" for problem in without_places(one.problems)]
        problems += with_lines(lines, one.file.source, one.name)
    return {one.file.spec.name: one.file for one in read if not one.problems}


def check_files(files: Sequence[Path]) -> list[str]:
    """Faults of files of a workspace, read by themselves: neither a workspace, data nor code of theirs is needed. Targets
    that a model selects are those of the ``targets.toml`` two folders above it, where there is one."""
    problems: list[str] = []
    for path in files:
        if path.exists() and not path.is_file():
            problems.append(f"{path}: is no plain file; expected {', '.join(sorted(_CHECKS))}")
            continue
        try:
            problems += _CHECKS[path.name](path) if path.name in _CHECKS else [_not_known(path)]
        except ModelFileError as error:
            problems += error.problems
    return list(dict.fromkeys(problems))


def _check_model(path: Path) -> list[str]:
    name, folder = str(path), path.absolute().parent
    text = read_text(path, name)
    beside = folder.parent.parent / TARGETS_FILE
    described = load_targets(read_text(beside, str(beside)), str(beside)) if beside.exists() else None
    spec, found = read_spec(text, name, described)
    if spec is not None:
        found += [f"{name}: {problem}" for problem in without_places(list(_folder_problems(spec, folder)))]
    return list(with_lines(found, text, name))


def _not_known(path: Path) -> str:
    return f"{path}: is no file of a workspace; expected {', '.join(sorted(_CHECKS))}"


def _check_by(load: Callable[[str, str], object]) -> Callable[[Path], list[str]]:
    def check_one(path: Path) -> list[str]:
        load_with_lines(load, read_text(path, str(path)), str(path))
        return []

    return check_one


_CHECKS: Mapping[str, Callable[[Path], list[str]]] = {
    MODEL_FILE: _check_model,
    TARGETS_FILE: _check_by(load_targets),
    PLANS_FILE: _check_by(load_plans),
    INTEGRATIONS_FILE: _check_by(integration_files.load),
    ALERTS_FILE: _check_by(settings_files.load),
}


@dataclass(frozen=True, slots=True)
class _Reading:
    """A file whose specification could be read, with its faults so far."""

    name: str
    file: ReadFile
    problems: list[str]
    is_tried: bool
    """True where everything that a training would refuse is looked for."""


def _read_file(
    services: Services,
    path: Path,
    text: str,
    spec: ModelSpec,
    faults: list[str],
    examination: Examination | None,
) -> _Reading:
    folder = path.parent.resolve()
    problems = [*faults, *_folder_problems(spec, folder)]
    if not any(problem.startswith(_NO_ROWS) for problem in faults):
        problems += source_problems(spec, folder, services.paths.state)
    judging: dict[str, str] = {}
    if not any(problem.startswith("gates.function:") for problem in problems):
        try:
            judging = judging_code(folder, spec.gates.function, local_sources(spec, folder))
        except (InvalidInputError, OSError) as error:
            problems.append(f"gates.function: {str(error).removeprefix('gates.function: ')}")
    plain = spec_to_plain(spec)
    digest = canonical_digest(plain)
    examined = examination is not None and digest not in examination.known
    thorough = examination is not None and examination.thorough and examined
    rows = SourceReport(())
    has_rows = examined and not any(problem.startswith(_NO_ROWS) for problem in problems)
    if has_rows and source_url(spec.data.source).is_fetched:
        assert examination is not None
        rows = columns_by_url(spec, source_path(spec, folder), examination.places)
        problems += rows.faults
    elif has_rows:
        rows = look_at_rows(
            spec, source_path(spec, folder), MOST_ROWS if thorough else NOTED_ROWS, services.now()
        )
        problems += [fault for fault in rows.faults if thorough and not _is_said(fault, problems)]
    rows = rows if thorough else replace(rows, forecast=())
    file = ReadFile(spec, plain, digest, text, _recorded_folder(services, folder), rows, judging)
    return _Reading(_named(path), file, problems, thorough)


def _named(path: Path) -> str:
    """Name of a model file in messages: ``models/demo/model.toml``."""
    return f"{path.parent.parent.name}/{path.parent.name}/{MODEL_FILE}"


_NO_ROWS = ("data.source:", "data.query:", "data.timezone: found")
"""Faults with which rows are not looked at: there is no source, or its times cannot be read."""


def _is_said(fault: str, problems: Sequence[str]) -> bool:
    """True for a fault of a key and a column that has been found without reading rows."""
    head = fault.partition(" holds text")[0].partition(" carries no zone")[0]
    return any(problem.startswith(head) for problem in problems)


def _recorded_folder(services: Services, folder: Path) -> str:
    """Folder of a model as it is recorded: relative where it lies in the workspace, so that a workspace can be moved."""
    root = services.paths.root.resolve()
    return folder.relative_to(root).as_posix() if folder.is_relative_to(root) else str(folder)


def _folder_problems(spec: ModelSpec, folder: Path) -> Iterator[str]:
    if spec.name != folder.name:
        yield f"name: found {spec.name!r} in the folder {folder.name!r}; expected both to be the same"
    for key, function in (
        ("training.function", spec.training.function),
        ("gates.function", spec.gates.function),
    ):
        if function is not None:
            yield from _function_problems(key, function, folder)
    if spec.data.timezone is not None and not is_zone(spec.data.timezone):
        yield f"data.timezone: found {spec.data.timezone!r}; expected an IANA name, e.g. Europe/Berlin"
    for i, schedule in enumerate(spec.automation.schedule):
        try:
            check_rule(schedule.cron, schedule.timezone)
            if schedule.at is not None:
                moment(schedule.at, schedule.timezone)
        except InvalidInputError as error:
            yield f"automation.schedule[{i}]: {error}"


def _function_problems(key: str, reference: str, folder: Path) -> Iterator[str]:
    """Faults of a reference to a function. The file is parsed, not run."""
    file, _, function = reference.partition(":")
    try:
        tree = ast.parse((folder / file).read_bytes(), file)
    except OSError:
        yield f"{key}: {file} is not beside {MODEL_FILE}; expected it to define {function}"
    except (SyntaxError, ValueError) as error:
        yield f"{key}: {file} is not valid Python: {error}"
    else:
        if function not in _top_level_names(tree):
            yield f"{key}: {file} defines no function {function!r}"


def _top_level_names(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (name.asname or name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
