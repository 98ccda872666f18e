"""Model files into the registry: all of them, or none where one has a fault."""

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilothouse.domain.canonical import canonical_digest
from pilothouse.domain.dataclass_reader import format_duration
from pilothouse.domain.errors import InvalidInputError, ModelFileError, NotAllowedError
from pilothouse.domain.model_file import load_spec, spec_from_plain, spec_to_plain
from pilothouse.domain.model_spec import STORED_KEYS, ModelSpec, TargetSpec
from pilothouse.domain.promotion import loosened
from pilothouse.domain.records import Target
from pilothouse.domain.roles import Actor, Permission
from pilothouse.domain.time_parsing import moment
from pilothouse.operations.authorisation import Change, authorise, changing, check, reading
from pilothouse.operations.automation.schedule_times import check_rule, gives_either_day, is_zone
from pilothouse.operations.models.source_columns import source_problems
from pilothouse.operations.monitoring import window_forecast
from pilothouse.operations.services import Services
from pilothouse.operations.states import states
from pilothouse.sqlite import Connection
from pilothouse.store import models, schedules, targets

MODEL_FILE = "model.toml"
_FILE_LIMIT = 1 << 20
_DURATIONS = frozenset(
    {"outcome_delay", "holdout", "lookback", "timeout", "expires", "window", "step", "performance_window",
     "performance_step", "silence", "cooldown", "every"}
)  # fmt: skip
_FILE_KEYS = {stored: key for key, stored in STORED_KEYS.items()}


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """Change that applying makes, or made, to one model.

    ``action``: ``create``, ``update``, ``unchanged``, or ``missing`` for a model whose file is gone; it stays in the
    registry as it is. ``differences`` are lines such as ``training.seed: 7 → 8``. ``loosens`` needs an admin. ``notes``
    name settings that may be misread.
    """

    model: str
    action: str
    differences: tuple[str, ...] = ()
    loosens: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _ReadFile:
    spec: ModelSpec
    source: str
    folder: str


def plan(services: Services, actor: Actor, folder: Path | None = None) -> list[PlannedChange]:
    """Changes that ``apply`` would make, by model. Raises ModelFileError with all faults of all files, NotAllowedError."""
    authorise(services, actor)
    root = folder or services.paths.models
    files = _read_files(services, root)
    with reading(services, actor) as connection:
        return _planned(services, connection, files, root)


def apply(services: Services, actor: Actor, folder: Path | None = None) -> list[PlannedChange]:
    """Read the model files below ``folder`` (``models`` otherwise) and put them in force, in one transaction.

    Raises ModelFileError with all faults of all files (nothing is applied then), or NotAllowedError: only an admin may apply
    what loosens gates or policies.
    """
    authorise(services, actor)
    root = folder or services.paths.models
    files = _read_files(services, root)
    with changing(services, actor, Permission.READ) as change:
        changes = _planned(services, change.connection, files, root)
        for planned in changes:
            if planned.action in ("create", "update"):
                _apply_one(change, files[planned.model], planned)
                states.refresh_model(services, change.connection, planned.model)
    return changes


def check_may_loosen(change: Change, model: str, lines: Sequence[str]) -> None:
    """Raise NotAllowedError, which names the lines, unless the actor may loosen gates and policies."""
    if not lines:
        return
    try:
        check(change.connection, change.actor, Permission.LOOSEN, model)
    except NotAllowedError as error:
        raise NotAllowedError(f"{model}: {error}; it loosens {'; '.join(lines)}") from None


def _apply_one(change: Change, file: _ReadFile, planned: PlannedChange) -> None:
    spec, connection = file.spec, change.connection
    check(connection, change.actor, Permission.APPLY, spec.name)
    check_may_loosen(change, spec.name, planned.loosens)
    before = models.spec_in_force(connection, spec.name)
    model_id = (
        before.model_id if before else models.add(connection, spec.name, by=change.actor.name, at=change.at)
    )
    plain = spec_to_plain(spec)
    new = models.NewSpec(
        model_id=model_id,
        digest=canonical_digest(plain),
        spec=plain,
        source=file.source,
        folder=file.folder,
        loosened=planned.loosens,
        applied_by=change.actor.name,
    )
    models.add_spec(connection, new, at=change.at)
    keys = [
        targets.put_target(connection, _described(connection, target), at=change.at)
        for target in spec.targets
    ]
    targets.set_model_targets(connection, model_id, keys)
    schedules.set_schedules(connection, model_id, spec.automation.schedule, at=change.at)
    change.record(
        "model.created" if before is None else "model.updated",
        spec.name,
        {
            "digest": new.digest,
            "before": before.digest if before else None,
            "differences": list(planned.differences),
            "loosens": list(planned.loosens),
        },
    )


def _described(connection: Connection, spec: TargetSpec) -> Target:
    """Target as the file describes it; what the file leaves empty stays as another model's file has set it."""
    stored = {target.name: target for target in targets.all_targets(connection)}.get(spec.name)
    return Target(
        spec.name,
        spec.region or (stored.region if stored else ""),
        spec.product or (stored.product if stored else ""),
        spec.business_unit or (stored.business_unit if stored else ""),
    )


def _planned(
    services: Services, connection: Connection, files: dict[str, _ReadFile], root: Path
) -> list[PlannedChange]:
    registered = {
        model.name
        for model in models.listed(connection)
        if (services.paths.root / model.folder).resolve().parent == root.resolve()
    }
    return [
        _planned_one(services, connection, name, files.get(name)) for name in sorted({*files, *registered})
    ]


def _planned_one(
    services: Services, connection: Connection, name: str, file: _ReadFile | None
) -> PlannedChange:
    before = models.spec_in_force(connection, name)
    if file is None:
        gone = f"its {MODEL_FILE} is gone; the model, its versions and deployments stay as they are"
        return PlannedChange(name, "missing", (gone,))
    plain = spec_to_plain(file.spec)
    notes = tuple(_notes(file.spec))
    if before is None:
        return PlannedChange(name, "create", tuple(_summary(file.spec)), notes=notes)
    differences = list(_differences(before.spec, plain, ""))
    if before.folder != file.folder:
        differences.append(f"folder: {before.folder} → {file.folder}")
    if not differences:
        return PlannedChange(name, "unchanged", notes=notes)
    loosens = tuple(loosened(spec_from_plain(before.spec), file.spec))
    notes += tuple(window_forecast.expected_rows(services, file.spec))
    return PlannedChange(name, "update", tuple(differences), loosens, notes)


def _notes(spec: ModelSpec) -> Iterator[str]:
    for schedule in spec.automation.schedule:
        if schedule.cron is not None and gives_either_day(schedule.cron):
            _, _, day, _, weekday = schedule.cron.split()
            yield (
                f"schedule {schedule.name}: {schedule.cron!r} fires on the day of the month {day} and on the weekday "
                f"{weekday}, either (both had to fit before)"
            )


def _summary(spec: ModelSpec) -> Iterator[str]:
    yield f"task: {spec.task}"
    yield f"data.source: {spec.data.source}"
    yield f"training: {spec.training.estimator or spec.training.function}"
    yield f"targets: {', '.join(target.name for target in spec.targets)}"


def _differences(before: Any, after: Any, path: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            name = _FILE_KEYS.get(key, key)
            key_path = f"{path}.{name}" if path else str(name)
            yield from _differences(before.get(key), after.get(key), key_path)
    elif isinstance(before, list) and isinstance(after, list) and _are_tables(*before, *after):
        for i in range(max(len(before), len(after))):
            old, new = (items[i] if i < len(items) else None for items in (before, after))
            yield from _differences(old, new, f"{path}[{i}]")
    elif before != after:
        yield f"{path}: {_shown(before, path)} → {_shown(after, path)}"


def _are_tables(*items: Any) -> bool:
    return all(isinstance(item, dict) for item in items)


def _shown(value: Any, path: str) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and path.rpartition(".")[2] in _DURATIONS:
        return format_duration(value)
    if isinstance(value, list):
        return "[" + ", ".join(_shown(item, "") for item in value) + "]"
    if isinstance(value, dict):
        inner = ", ".join(
            f"{key} = {_shown(item, key)}" for key, item in value.items() if item not in (None, "", {})
        )
        return f"{{ {inner} }}"
    return str(value)


def _read_files(services: Services, root: Path) -> dict[str, _ReadFile]:
    """Model files below ``root``, by the model's name. Raises ModelFileError with all faults, InvalidInputError."""
    if not root.is_dir():
        raise InvalidInputError(f"{root} is not a folder: expected one that holds NAME/{MODEL_FILE}")
    files: dict[str, _ReadFile] = {}
    problems: list[str] = []
    for path in sorted(root.glob(f"*/{MODEL_FILE}")):
        name = f"{root.name}/{path.parent.name}/{MODEL_FILE}"
        try:
            file = _read_file(services, path, name)
            files[file.spec.name] = file
        except ModelFileError as error:
            problems += error.problems
    problems += _disagreements(files.values())
    if problems:
        raise ModelFileError(problems)
    return files


def _read_file(services: Services, path: Path, name: str) -> _ReadFile:
    try:
        if path.stat().st_size > _FILE_LIMIT:
            raise ModelFileError([f"{name}: is over {_FILE_LIMIT >> 20} MiB; expected a model file"])
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelFileError([f"{name}: is not UTF-8 at byte {error.start}; save it as UTF-8"]) from None
    except OSError as error:
        raise ModelFileError([f"{name}: cannot be read: {error.strerror}"]) from None
    spec = load_spec(text, name)
    folder = path.parent.resolve()
    problems = [*_folder_problems(spec, folder), *source_problems(spec, folder, services.paths.state)]
    if problems:
        raise ModelFileError([f"{name}: {problem}" for problem in problems])
    return _ReadFile(spec, text, _recorded_folder(services, folder))


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


def _disagreements(files: Iterable[_ReadFile]) -> Iterator[str]:
    """Faults of targets that several models name: their descriptions must agree."""
    described: dict[tuple[str, str], tuple[str, str]] = {}
    for file in files:
        for i, target in enumerate(file.spec.targets):
            for key in ("region", "product", "business_unit"):
                value = getattr(target, key)
                other, before = (
                    described.setdefault((target.name, key), (file.spec.name, value)) if value else ("", "")
                )
                if value and before != value:
                    yield (
                        f"{file.folder}/{MODEL_FILE}: targets[{i}].{key}: found {value!r} for {target.name!r}; "
                        f"expected {before!r} as in the file of {other}"
                    )
