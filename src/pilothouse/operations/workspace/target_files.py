"""Targets of a workspace: what ``targets.toml`` and model files say of them, for the registry, and for the file itself."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from importlib.util import find_spec
from typing import Any

from pilothouse.domain.errors import ModelFileError
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.models.dataclass_reader import format_duration, to_plain
from pilothouse.domain.models.hub_limits import Limits
from pilothouse.domain.models.target_file import (
    FILE_KEYS,
    TARGETS_FILE,
    HubDoor,
    TargetDescription,
    load_file,
    load_targets,
    targets_text,
)
from pilothouse.domain.records import Target
from pilothouse.domain.rollouts.plan_changes import moved_targets
from pilothouse.operations.authorisation import authorise, reading
from pilothouse.operations.services import Services
from pilothouse.operations.workspace.file_reading import MODEL_FILE, ReadFile, read_model_files
from pilothouse.operations.workspace_texts import read_targets, read_text
from pilothouse.sqlite import Connection
from pilothouse.store import workspace
from pilothouse.store.models import models, remote_targets
from pilothouse.store.models import targets as target_store
from pilothouse.store.promotion import rollouts
from pilothouse.system.files import write_atomically
from pilothouse.system.serving_files import ServingFiles, faults

_GUARDED = (*FILE_KEYS, "place", "deployer", "limits")
"""Keys whose change is an admin's matter: who may ask a serving process, where it runs, what the daemon runs for it, and how
much it may send."""
_DESCRIBED = ("region", "product", "business_unit")
"""Keys of a target that a model file may give too."""


@dataclass(frozen=True, slots=True)
class TargetChanges:
    """Descriptions to put into the registry, and what differs of the file's: lines such as ``ewr.port: none → 8101``."""

    put: tuple[Target, ...]
    action: str
    """``create``, ``update``, ``unchanged``; ``missing`` where the file was there before; empty where there never was one."""
    differences: tuple[str, ...]
    loosens: tuple[str, ...] = ()
    """Those of the differences that say who may ask and how, what is run for a target, and targets that come into another wave
    of a plan: an admin's matter."""
    door: HubDoor | None = None
    """Where the hub is to listen for other machines."""


def read_targets_file(services: Services, problems: list[str]) -> dict[str, TargetDescription] | None:
    """Targets of the file by name; None without one, empty where it has faults, which are added to ``problems``."""
    try:
        return read_targets(services.paths.root)
    except ModelFileError as error:
        problems += error.problems
        return {}


def read_door(services: Services) -> HubDoor | None:
    """Where the file says that the hub listens for other machines; None without a file. Raises ModelFileError."""
    path = services.paths.root / TARGETS_FILE
    return load_file(read_text(path, TARGETS_FILE)).hub if path.exists() else None


def disagreements(
    files: Iterable[ReadFile], described: Mapping[str, TargetDescription] | None
) -> Iterator[str]:
    """Faults of targets that several files describe: the descriptions must agree."""
    said = {
        (target.name, key): (TARGETS_FILE, getattr(target, key))
        for target in (described or {}).values()
        for key in _DESCRIBED
    }
    for file in files:
        for i, target in enumerate(file.spec.targets):
            for key in _DESCRIBED:
                value = getattr(target, key)
                if not value:
                    continue
                where, before = said.setdefault((target.name, key), (f"the file of {file.spec.name}", value))
                if before != value:
                    expected = f"{before!r} as in {where}" if before else f"none, as in {where}"
                    yield (
                        f"{file.folder}/{MODEL_FILE}: targets[{i}].{key}: found {value!r} for {target.name!r}; "
                        f"expected {expected}"
                    )


def planned_targets(
    connection: Connection,
    changed: Iterable[ReadFile],
    described: Mapping[str, TargetDescription] | None,
    door: HubDoor | None = None,
) -> TargetChanges:
    """What ``targets.toml`` and the model files that are to be applied change of the registry's targets, and of where the hub
    listens."""
    door_before = remote_targets.door(connection)
    door = door_before if described is None else door
    stored = {target.name: target for target in target_store.all_targets(connection)}
    wanted = _listed(described or {}) | _named_in_model_files(changed, described or {}, stored)
    gone = {name: replace(t, listed=False) for name, t in stored.items() if t.listed and name not in wanted}
    put = [target for name, target in {**wanted, **gone}.items() if stored.get(name) != target]
    was_there = any(target.listed for target in stored.values())
    differences = [
        line
        for name in sorted({*(described or {}), *(name for name, target in stored.items() if target.listed)})
        for line in _differences(name, stored.get(name), wanted.get(name))
    ]
    of_door = [f"hub.{line}" for line in _door_differences(door_before, door)]
    differences = [*of_door, *differences]
    if described is None:
        action = "missing" if was_there else ""
    else:
        action = "create" if not was_there else "update" if differences else "unchanged"
    guarded = [line for line in differences if line.partition(":")[0].rpartition(".")[2] in _GUARDED]
    moved = tuple(_moved(connection, stored, put))
    if described is None and moved:
        action = "update"
    loosens = tuple(dict.fromkeys([*of_door, *guarded, *moved]))
    return TargetChanges(tuple(put), action, tuple(differences), loosens, door)


def _moved(connection: Connection, stored: Mapping[str, Target], put: Iterable[Target]) -> Iterator[str]:
    """Targets that new descriptions move between the waves of a plan by which some version goes out."""
    changed = [target for target in put if target.name in stored]
    before = [stored[target.name] for target in changed]
    for name, recorded in rollouts.plans(connection).items() if changed else ():
        if name == workspace.policy(connection).plan or models.plans_named(connection, [name]):
            yield from moved_targets(recorded.plan, before, changed)


def _door_differences(before: HubDoor | None, after: HubDoor | None) -> Iterator[str]:
    for field in fields(HubDoor):
        old, new = getattr(before, field.name, ""), getattr(after, field.name, "")
        if _shown(old) != _shown(new):
            yield f"{field.name}: {_shown(old)} → {_shown(new)}"


def serving_faults(
    services: Services, described: Mapping[str, TargetDescription], door: HubDoor | None = None
) -> Iterator[str]:
    """What is wrong with the files that targets name for their serving processes, and the hub for its door, as ``ewr: …``."""
    root = services.paths.root
    if door is not None:
        for fault in faults(ServingFiles(door.tls_certificate, door.tls_key).sources(root), services.now()):
            yield f"hub: {fault}"
    for name, target in described.items():
        named = ServingFiles(target.tls_certificate, target.tls_key, target.client_tokens)
        for fault in faults(named.sources(root), services.now()):
            yield f"{name}: {fault}"
        if target.grpc_port is not None and find_spec("h2") is None:
            yield f"{name}: gRPC needs h2 in the environment of the daemon: pip install 'pilothouse[grpc]'"


def described_in(file: ReadFile, described: Mapping[str, TargetDescription] | None) -> str:
    """Note on the targets that only a model file describes; empty where there is none."""
    names = [target.name for target in file.spec.targets if target.name not in (described or {})]
    if not names:
        return ""
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    verb, pronoun = ("are", "them") if len(names) > 1 else ("is", "it")
    return (
        f"{shown} {verb} described here and not in {TARGETS_FILE}: pilothouse targets --write adds {pronoun}"
    )


def write_targets_file(services: Services, actor: Actor) -> list[str]:
    """Add the targets that model files name and ``targets.toml`` lacks to its end, as they are described now; what is there
    stays as it is. Returns their names.

    Raises ModelFileError (faults of the files) or NotAllowedError.
    """
    authorise(services, actor, Permission.APPLY)
    problems: list[str] = []
    described = read_targets_file(services, problems)
    files = read_model_files(services, services.paths.models, described, problems)
    problems += disagreements(files.values(), described)
    if problems:
        raise ModelFileError(problems)
    with reading(services, actor) as connection:
        stored = {target.name: target for target in target_store.all_targets(connection)}
    named = _named_in_model_files(files.values(), described or {}, stored)
    added = [named[name] for name in sorted(named) if name not in (described or {})]
    if added:
        path = services.paths.root / TARGETS_FILE
        before = read_text(path, TARGETS_FILE).rstrip("\n") + "\n\n" if described else ""
        text = before + targets_text(_description(target) for target in added)
        load_targets(text)
        write_atomically(path, text.encode(), mode=0o644)
    return [target.name for target in added]


def _description(target: Target) -> TargetDescription:
    return TargetDescription(
        **{field.name: getattr(target, field.name) for field in fields(TargetDescription)}
    )


def _listed(described: Mapping[str, TargetDescription]) -> dict[str, Target]:
    return {name: Target(**to_plain(target), listed=True) for name, target in described.items()}


def _named_in_model_files(
    files: Iterable[ReadFile], described: Mapping[str, TargetDescription], stored: Mapping[str, Target]
) -> dict[str, Target]:
    """Targets that only model files name. What they leave empty stays as it has been set."""
    named: dict[str, Target] = {}
    for file in files:
        for spec in file.spec.targets:
            if spec.name not in described:
                before = named.get(spec.name) or stored.get(spec.name) or Target(spec.name, "", "", "")
                given = {key: value for key in _DESCRIBED if (value := getattr(spec, key))}
                named[spec.name] = replace(before, listed=False, **given)
    return named


def _differences(name: str, before: Target | None, after: Target | None) -> Iterator[str]:
    if after is None or not after.listed:
        yield f"{name}: gone; its description and what is live there stay as they are"
    elif before is None:
        yield f"{name}: new"
        if after.place != "local" or after.deployer:
            yield from _guarded_of(name, after)
    elif not before.listed:
        yield f"{name}: described here from now on"
        yield from _guarded_of(name, after)
    else:
        for field in fields(TargetDescription):
            old, new = getattr(before, field.name), getattr(after, field.name)
            if old != new:
                yield f"{name}.{field.name}: {_shown(old)} → {_shown(new)}"


def _guarded_of(name: str, target: Target) -> Iterator[str]:
    for key in _GUARDED:
        value = getattr(target, key)
        if value and value != "local":
            yield f"{name}.{key}: none → {_shown(value)}"


def _more_of_command(value: Mapping[str, Any]) -> Iterator[str]:
    """What else is said of a deployer, of which an admin approves the change: what its command is given, and its times."""
    for key, said in value.items():
        if key != "command" and said:
            yield f"{key} = {', '.join(said) if isinstance(said, list | tuple) else format_duration(said)}"


def _shown(value: object) -> str:
    if isinstance(value, dict) and "command" in value:
        return "; ".join([" ".join(value["command"]), *_more_of_command(value)])
    if isinstance(value, Limits):
        return _shown(to_plain(value))
    if isinstance(value, dict):
        said = ", ".join(f"{key} = {item}" for key, item in sorted(value.items()) if item is not None)
        return f"{{ {said} }}" if said else "none"
    return str(value) if value not in ("", None) else "none"
