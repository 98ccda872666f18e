"""Model files and targets into the registry: all of them, or none where one has a fault."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import ModelFileError, NotAllowedError
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.integrations.integration_file import INTEGRATIONS_FILE, Integrations
from pilothouse.domain.models.contract import unchecked_notes
from pilothouse.domain.models.model_file import spec_from_plain
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.models.spec_differences import TARGETS, differences, summary
from pilothouse.domain.models.target_file import TARGETS_FILE, HubDoor, TargetDescription
from pilothouse.domain.outbox.settings import AlertSettings
from pilothouse.domain.outbox.settings_file import ALERTS_FILE
from pilothouse.domain.promotion.loosening import differing_files, loosened, loosened_by_new
from pilothouse.domain.rollouts.plan import Plan
from pilothouse.domain.rollouts.plan_file import PLANS_FILE
from pilothouse.domain.workspace_files import WORKSPACE_FILES
from pilothouse.operations.authorisation import (
    Change,
    as_now,
    authorise,
    changing,
    check,
    check_second,
    reading,
    roles_needed,
)
from pilothouse.operations.automation.schedule_times import gives_either_day
from pilothouse.operations.integrations import integration_files
from pilothouse.operations.integrations.integration_files import IntegrationChanges
from pilothouse.operations.models.git_state import git_states
from pilothouse.operations.models.source_places import places_to_look_at
from pilothouse.operations.outbox import settings_files
from pilothouse.operations.outbox.settings_files import AlertChanges
from pilothouse.operations.plans import plan_files
from pilothouse.operations.plans.plan_files import PlanChanges
from pilothouse.operations.promotion import promotions
from pilothouse.operations.services import Services
from pilothouse.operations.states import states
from pilothouse.operations.workspace import target_files
from pilothouse.operations.workspace.file_reading import MODEL_FILE, Examination, ReadFile, read_model_files
from pilothouse.operations.workspace.target_files import TargetChanges
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import deployments
from pilothouse.store.governance import access
from pilothouse.store.log import audit
from pilothouse.store.models import models, remote_targets, targets
from pilothouse.store.work import schedules

_CHANGING = ("create", "update")


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """Change that applying makes, or made, to one model, or to targets, plans or receivers where ``model`` is the name of their
    file.

    ``action``: ``create``, ``update``, ``unchanged``, or ``missing`` for a model whose file is gone; it stays in the
    registry as it is. ``differences`` are lines such as ``training.seed: 7 → 8``. ``loosens`` are those that need an admin,
    each with its reason; then ``admins`` names who may apply them. ``notes`` name settings that may be misread.
    ``may_apply`` names who may apply the change; ``permitted`` is True where the actor may, and ``refusal`` says otherwise
    why not.
    """

    model: str
    action: str
    differences: tuple[str, ...] = ()
    loosens: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    admins: tuple[str, ...] = ()
    may_apply: tuple[str, ...] = ()
    permitted: bool = False
    refusal: str = ""
    git: Mapping[str, Any] = field(default_factory=dict)
    """Repository that the file lies in (``GitState``), of one that is new or changes; empty where it lies in none."""


@dataclass(frozen=True, slots=True)
class _Files:
    """What was read: model files by model, and the files of the workspace where there are any."""

    root: Path
    models: dict[str, ReadFile]
    targets: Mapping[str, TargetDescription] | None
    plans: Mapping[str, Plan] | None
    integrations: Integrations | None
    alerts: AlertSettings | None
    door: HubDoor | None


@dataclass(frozen=True, slots=True)
class _Plan:
    """Changes that the files make to the registry as it was when its audit log had so many entries."""

    entries: int
    targets: TargetChanges
    plans: PlanChanges
    integrations: IntegrationChanges
    alerts: AlertChanges
    models: list[PlannedChange]
    shown: list[PlannedChange]
    """The changes of targets, plans and receivers, where there are any, and those of the models."""

    @property
    def changes_anything(self) -> bool:
        targets = self.targets.put or self.targets.differences
        of_files = (targets, self.plans.put, self.integrations.put, self.alerts.put)
        return any(of_files) or any(one.action in _CHANGING for one in self.models)


def plan(services: Services, actor: Actor, folder: Path | None = None) -> list[PlannedChange]:
    """Changes that ``apply`` would make: to the targets where there is a ``targets.toml``, then by model.

    Of models that are new or change, everything is looked for that a training would refuse, in the rows of their sources too.
    Raises ModelFileError with all faults of all files, NotAllowedError.
    """
    authorise(services, actor)
    files = _read_files(services, actor, folder, thorough=True)
    with reading(services, actor) as connection:
        planned = _planned(services, connection, actor, files)
    return _with_git(planned.shown, _git(services, files, planned))


def apply(services: Services, actor: Actor, folder: Path | None = None) -> list[PlannedChange]:
    """Read ``targets.toml`` and the model files below ``folder`` (``models`` otherwise) and put them in force, in one
    transaction.

    Raises ModelFileError with all faults of all files (nothing is applied then), or NotAllowedError: only an admin may apply
    what loosens gates or policies.
    """
    authorise(services, actor)
    files = _read_files(services, actor, folder, thorough=False)
    with reading(services, actor) as connection:
        planned = _planned(services, connection, actor, files)
    if not planned.changes_anything:
        return planned.shown
    git = _git(services, files, planned)
    with changing(services, actor, Permission.READ) as change:
        if audit.head(change.connection).count != planned.entries:  # somebody has changed something meanwhile
            planned = _planned(services, change.connection, actor, files)
            git = _git(services, files, planned)
        _check_permitted(services, change, planned)
        _apply_targets(change, planned.targets, git.get(TARGETS_FILE, {}))
        states.refresh_targets(services, change.connection, [one.name for one in planned.targets.put])
        plan_files.put_plans(change, planned.plans, git.get(PLANS_FILE, {}))
        integration_files.put(change, planned.integrations, git.get(INTEGRATIONS_FILE, {}))
        settings_files.put_alerts(change, planned.alerts, git.get(ALERTS_FILE, {}))
        keys = targets.target_ids(change.connection)
        for one in planned.models:
            if one.action in _CHANGING:
                of_git = replace(one, git=git.get(one.model, {}))
                _apply_one(change, files.models[one.model], of_git, keys)
                states.refresh_model(services, change.connection, one.model)
    return _with_git(planned.shown, git)


def _git(services: Services, files: _Files, planned: _Plan) -> dict[str, dict[str, Any]]:
    """Repositories that the changed files lie in, by what they are of."""
    groups: dict[str, list[Path]] = {}
    for one in planned.shown:
        if one.action in _CHANGING:
            read = files.models.get(one.model)
            groups[one.model] = [services.paths.root / (read.folder if read else one.model)]
    return {name: state.to_plain() for name, state in git_states(groups).items()}


def _with_git(shown: Sequence[PlannedChange], git: Mapping[str, Mapping[str, Any]]) -> list[PlannedChange]:
    return [replace(one, git=git[one.model]) if one.model in git else one for one in shown]


def _check_permitted(services: Services, change: Change, planned: _Plan) -> None:
    """Raise NotAllowedError where the actor may not apply one of the changes; of loosenings it names every one."""
    actor = change.actor
    for one in planned.models:
        if one.action in _CHANGING:
            check(change.connection, actor, Permission.APPLY, one.model)
    refused = [one for one in planned.shown if one.loosens and not one.permitted]
    for one in planned.shown:
        if one.loosens and one.permitted:
            of_model = "" if one.model in WORKSPACE_FILES else one.model
            check_second(services, change.connection, actor, Permission.LOOSEN, of_model)
    if not refused:
        return
    admins = " or ".join(sorted({name for one in refused for name in one.admins}))
    lines = [f"{one.model}: it loosens {line}" for one in refused for line in one.loosens]
    head = (
        f"{actor.name} may not {Permission.LOOSEN}: that takes an admin ({admins}), and nothing was applied"
    )
    raise NotAllowedError("\n".join([head, *lines]))


def _apply_targets(change: Change, planned: TargetChanges, git: Mapping[str, Any]) -> None:
    """Bring the descriptions of targets up to date. Those that a model file alone gives are recorded with the model."""
    if planned.differences:
        check(change.connection, change.actor, Permission.APPLY)
        detail: dict[str, Any] = {"differences": list(planned.differences)}
        change.record("targets.described", TARGETS_FILE, detail | ({"git": dict(git)} if git else {}))
    targets.put_targets(change.connection, planned.put, at=change.at)
    if planned.door != remote_targets.door(change.connection):
        remote_targets.put_door(change.connection, planned.door)


def _apply_one(change: Change, file: ReadFile, planned: PlannedChange, keys: Mapping[str, int]) -> None:
    """Put a model file in force. ``keys`` are those of all targets, by name."""
    spec, connection = file.spec, change.connection
    reached = {*targets.targets_of(connection, spec.name), *(target.name for target in spec.targets)}
    check(connection, change.actor, Permission.APPLY, spec.name, reached)
    before = models.spec_in_force(connection, spec.name)
    model_id = (
        before.model_id if before else models.add(connection, spec.name, by=change.actor.name, at=change.at)
    )
    new = models.NewSpec(
        model_id=model_id,
        digest=file.digest,
        spec=file.plain,
        source=file.source,
        folder=file.folder,
        loosened=planned.loosens,
        applied_by=change.actor.name,
        judging_code=file.judging_code,
        git=dict(planned.git) or None,
    )
    models.add_spec(connection, new, at=change.at)
    if before is None or _names(before.spec) != _names(file.plain):
        targets.set_model_targets(connection, model_id, [keys[target.name] for target in spec.targets])
    schedules.set_schedules(connection, model_id, spec.automation.schedule, at=change.at)
    change.record(
        "model.created" if before is None else "model.updated",
        spec.name,
        {
            "digest": new.digest,
            "before": before.digest if before else None,
            "differences": list(planned.differences),
            "loosens": list(planned.loosens),
            **({"judging_code": file.judging_code} if file.judging_code else {}),
            **({"git": dict(planned.git)} if planned.git else {}),
        },
    )
    if spec.inventory is not None and spec.inventory.retired:
        promotions.withdraw_of_retired(change, spec.name, spec.inventory.retired)


def _read_files(services: Services, actor: Actor, folder: Path | None, *, thorough: bool) -> _Files:
    """All that is applied; rows are looked at of models that are new or change. Raises ModelFileError with all faults."""
    root = folder or services.paths.models
    problems: list[str] = []
    described = target_files.read_targets_file(services, problems)
    plans = plan_files.read_plans_file(services, problems)
    integrations = integration_files.read_integrations_file(services, problems)
    described_alerts = settings_files.read_alerts_file(services, problems)
    with reading(services, actor) as connection:
        known = {facts.digest for facts in models.facts(connection).values()}
        reachable = places_to_look_at(services, connection, actor, integrations, applied=not thorough)
        examination = Examination(known, reachable, thorough)
    files = read_model_files(services, root, described, problems, examination=examination)
    problems += target_files.disagreements(files.values(), described)
    if not problems:
        with reading(services, actor) as connection:
            places = target_files.planned_targets(connection, files.values(), described).put
            specs = [file.spec for file in files.values()]
            problems += plan_files.plan_faults(connection, plans, specs, places)
    if problems:
        raise ModelFileError(problems)
    door = target_files.read_door(services)
    return _Files(root, files, described, plans, integrations, described_alerts, door)


def _planned(services: Services, connection: Connection, actor: Actor, files: _Files) -> _Plan:
    known = models.facts(connection)
    root = files.root.resolve()
    here = {
        name for name, facts in known.items() if (services.paths.root / facts.folder).resolve().parent == root
    }
    planned = [
        _with_appliers(
            connection,
            actor,
            _planned_one(services, connection, name, files.models.get(name), files.targets, known.get(name)),
        )
        for name in sorted({*files.models, *here})
    ]
    changed = [files.models[one.model] for one in planned if one.action in _CHANGING]
    described = target_files.planned_targets(connection, changed, files.targets, files.door)
    plans = plan_files.planned_plans(connection, files.plans)
    integrations = integration_files.planned(connection, files.integrations)
    alerts = settings_files.planned_alerts(connection, files.alerts)
    faults = (
        target_files.serving_faults(services, files.targets or {}, files.door) if described.action else ()
    )
    of_files = (
        PlannedChange(
            TARGETS_FILE, described.action, described.differences, described.loosens, tuple(faults)
        ),
        PlannedChange(PLANS_FILE, plans.action, plans.differences, plans.loosens, plans.notes),
        PlannedChange(INTEGRATIONS_FILE, integrations.action, integrations.differences, integrations.loosens),
        PlannedChange(ALERTS_FILE, alerts.action, alerts.differences, alerts.differences),
    )
    shown = [_with_appliers(connection, actor, one, of_model="") for one in of_files if one.action]
    shown += planned
    return _Plan(audit.head(connection).count, described, plans, integrations, alerts, planned, shown)


def _with_appliers(
    connection: Connection, actor: Actor, planned: PlannedChange, *, of_model: str | None = None
) -> PlannedChange:
    """The change with the names of those who may apply it. ``of_model``: whose permission it takes (empty: for all models)."""
    model = planned.model if of_model is None else of_model
    permission = Permission.LOOSEN if planned.loosens else Permission.APPLY
    needed = {Permission.APPLY, permission}
    holders = (Actor(name, grants) for name, grants in access.all_grants(connection).items())
    able = tuple(one.name for one in holders if all(one.allows(each, model) for each in needed))
    reader = as_now(connection, actor)
    permitted = all(reader.allows(each, model) for each in needed)
    return replace(
        planned,
        admins=able if planned.loosens else (),
        may_apply=able,
        permitted=permitted,
        refusal="" if permitted else f"{actor.name} may not: {roles_needed(permission)}",
    )


def _planned_one(
    services: Services,
    connection: Connection,
    name: str,
    file: ReadFile | None,
    described: Mapping[str, TargetDescription] | None,
    known: models.SpecFacts | None,
) -> PlannedChange:
    if file is None:
        gone = f"its {MODEL_FILE} is gone; the model, its versions and deployments stay as they are"
        return PlannedChange(name, "missing", (gone,))
    same = known == models.SpecFacts(file.digest, file.folder, file.judging_code)
    notes = [*_notes(file.spec), *file.rows.notes, *(file.rows.forecast if known is None else ())]
    notes += [] if same else unchecked_notes(file.spec.contract or {}, file.spec.data.features)
    if (note := target_files.described_in(file, described)) != "":
        notes.append(note)
    if known is None:
        made_looser = tuple(loosened_by_new(file.spec))
        return PlannedChange(name, "create", tuple(summary(file.spec)), made_looser, tuple(notes))
    if same:
        return PlannedChange(name, "unchanged", notes=tuple(notes))
    before = models.spec_in_force(connection, name)
    assert before is not None
    found = list(differences(before.spec, file.plain))
    if before.folder != file.folder:
        found.append(f"folder: {before.folder} → {file.folder}")
    if files := differing_files(before.judging_code or {}, file.judging_code):
        found.append(f"gates.function: {', '.join(files)}")
    if not found:
        return PlannedChange(name, "unchanged", notes=tuple(notes))
    named = set(_names(file.plain))
    live = [deployment.target for deployment in deployments.live(connection, model=name)]
    left = [target for target in live if target not in named]
    if left:
        notes.append(
            f"is live on {', '.join(left)}, which it no longer names: that stays until it is rolled back"
        )
    if live and file.spec.inventory is not None and file.spec.inventory.retired:
        notes.append(
            f"is retired, and goes on answering on {', '.join(live)}: take those targets out to end that"
        )
    loosens = loosened(
        spec_from_plain(before.spec),
        file.spec,
        code_before=before.judging_code or {},
        code_after=file.judging_code,
        earlier_matches=models.earlier_matches(connection, name),
    )
    if before.folder != file.folder and not Path(file.spec.data.source).is_absolute():
        loosens.append(f"folder: {before.folder} → {file.folder} (not comparable: the source lies beside it)")
    from pilothouse.operations.monitoring import window_forecast  # numpy

    notes += window_forecast.expected_rows(services, file.spec)
    return PlannedChange(name, "update", tuple(found), tuple(loosens), tuple(notes))


def _names(plain: Mapping[str, Any]) -> list[str]:
    """Names of the targets of a specification as plain data, in its order."""
    return [target["name"] for target in plain[TARGETS]]


def _notes(spec: ModelSpec) -> Iterator[str]:
    for schedule in spec.automation.schedule:
        if schedule.cron is not None and gives_either_day(schedule.cron):
            _, _, day, _, weekday = schedule.cron.split()
            fires = f"fires on the day of the month {day} and on the weekday {weekday}, either (both had to fit before)"
            yield f"schedule {schedule.name}: {schedule.cron!r} {fires}"
