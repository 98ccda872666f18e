"""Model files as they are read: strictly, all faults of all files at once, before anything is written."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilothouse.domain.canonical import canonical_digest
from pilothouse.domain.errors import InvalidInputError, ModelFileError
from pilothouse.domain.model_file import load_spec, spec_to_plain
from pilothouse.domain.model_spec import ModelSpec
from pilothouse.domain.target_file import TargetDescription
from pilothouse.domain.target_selection import without_places
from pilothouse.domain.time_parsing import moment
from pilothouse.operations.automation.schedule_times import check_rule, is_zone
from pilothouse.operations.models.source_columns import source_problems
from pilothouse.operations.services import Services

MODEL_FILE = "model.toml"
_FILE_LIMIT = 1 << 20


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


def read_model_files(
    services: Services, root: Path, targets: Mapping[str, TargetDescription] | None, problems: list[str]
) -> dict[str, ReadFile]:
    """Model files below ``root``, by the model's name. Faults are added to ``problems``.

    ``targets`` are those of ``targets.toml`` (see ``target_selection.resolved``). Raises InvalidInputError.
    """
    if not root.is_dir():
        raise InvalidInputError(f"{root} is not a folder: expected one that holds NAME/{MODEL_FILE}")
    files: dict[str, ReadFile] = {}
    for path in sorted(root.glob(f"*/{MODEL_FILE}")):
        try:
            file = _read_file(services, path, f"{root.name}/{path.parent.name}/{MODEL_FILE}", targets)
            files[file.spec.name] = file
        except ModelFileError as error:
            problems += error.problems
    return files


def read_text(path: Path, name: str) -> str:
    """Text of a file that a user writes. Raises ModelFileError (unreadable, too large, not UTF-8)."""
    try:
        if path.stat().st_size > _FILE_LIMIT:
            raise ModelFileError([f"{name}: is over {_FILE_LIMIT >> 20} MiB; expected a file of settings"])
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelFileError([f"{name}: is not UTF-8 at byte {error.start}; save it as UTF-8"]) from None
    except OSError as error:
        raise ModelFileError([f"{name}: cannot be read: {error.strerror}"]) from None


def _read_file(
    services: Services, path: Path, name: str, targets: Mapping[str, TargetDescription] | None
) -> ReadFile:
    text = read_text(path, name)
    spec = load_spec(text, name, targets)
    folder = path.parent.resolve()
    problems = [*_folder_problems(spec, folder), *source_problems(spec, folder, services.paths.state)]
    if problems:
        raise ModelFileError([f"{name}: {problem}" for problem in without_places(problems)])
    plain = spec_to_plain(spec)
    return ReadFile(spec, plain, canonical_digest(plain), text, _recorded_folder(services, folder))


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
