"""Inputs of a claimed job, laid out on disk before its first process starts.

A job's folder is ``state/jobs/ID/ATTEMPT/``: ``model/`` is an immutable copy of the model's folder, so that changes of
the code during the run have no effect; ``prepared.json`` and ``code.diff`` are recorded later by ``results``; each step has a
folder of its own, the only one that its process may write.
"""

import json
import shutil
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import ConflictError, IntegrityError, InvalidInputError, NotFoundError
from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.jobs.job_kinds import KINDS
from pilothouse.domain.jobs.jobs import StepRequest
from pilothouse.domain.models.model_file import spec_from_plain, spec_to_plain
from pilothouse.domain.models.model_spec import ConnectionSpec, ModelSpec
from pilothouse.domain.records import Version
from pilothouse.domain.tables.source_url import source_url
from pilothouse.operations.catalogue import require_run, require_version
from pilothouse.operations.jobs.code_facts import (
    CodeFacts,
    code_facts,
    copy_files,
    copy_folder,
    folder_digest,
    unpack_folder,
)
from pilothouse.operations.jobs.jobs import ClaimedJob
from pilothouse.operations.jobs.judging_code import check_as_applied, judging_code
from pilothouse.operations.jobs.lost_rows import check_reproducible
from pilothouse.operations.jobs.trainings import spec_of_job, stored_spec
from pilothouse.operations.models.source_columns import log_fault, source_path
from pilothouse.operations.models.source_places import allowed_places
from pilothouse.operations.models.what_is_left import left_of
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import deployments
from pilothouse.store.models.models import StoredSpec
from pilothouse.store.work import runs
from pilothouse.system.files import read_json, write_atomically

_COPY_ATTEMPTS = 3
_PREPARED = "prepared.json"
_DIFF = "code.diff"

StepInputs = dict[str, tuple[dict[str, str], dict[str, Any]]]
"""Inputs and options by step."""


@dataclass(frozen=True, slots=True)
class PreparedJob:
    """A job that can run. ``requests`` lack only the inputs that the pipeline takes from one step to the next."""

    kind: str
    requests: tuple[StepRequest, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Facts that ``prepare`` keeps for ``results``, as plain JSON data.

    ``incumbents``: ``number``, ``targets``, ``trained_until_us`` of each version that is live on the model's targets.
    """

    spec: dict[str, Any]
    started_us: int
    code: dict[str, Any] = field(default_factory=dict)
    as_of_us: int | None = None
    incumbents: list[dict[str, Any]] = field(default_factory=list)


def make_attempt_folder(services: Services, claim: ClaimedJob) -> Path:
    """Create the folder of an attempt of a job, empty."""
    folder = attempt_folder(services, claim)
    if folder.exists():  # left by a registry that was restored to an earlier state since
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700, parents=True)
    return folder


def attempt_folder(services: Services, claim: ClaimedJob) -> Path:
    return services.paths.job_folder(claim.job.id) / str(claim.attempt)


def read_prepared(services: Services, claim: ClaimedJob) -> Prepared:
    """Facts that ``prepare`` has kept for this attempt. Raises NotFoundError or IntegrityError."""
    return Prepared(**read_json(attempt_folder(services, claim) / _PREPARED))


def code_diff(services: Services, claim: ClaimedJob) -> Path | None:
    """File with the diff of the model's folder against its commit, or None."""
    path = attempt_folder(services, claim) / _DIFF
    return path if path.exists() else None


def model_copy(services: Services, claim: ClaimedJob) -> Path:
    """Copy of the model's folder that the attempt runs."""
    return attempt_folder(services, claim) / "model"


def judging_copy(services: Services, claim: ClaimedJob) -> Path:
    """Copy of the files of the model's folder that its gate function can reach; not there without such a function."""
    return attempt_folder(services, claim) / "judging"


def prepare_training(services: Services, claim: ClaimedJob, folder: Path) -> PreparedJob:
    """Prepare a training: a copy of the model's folder, the source, and the versions to compare with."""
    job = claim.job
    with services.registry.read() as connection:
        spec = spec_of_job(connection, job)
        incumbents = _incumbents(connection, spec)
        applied = stored_spec(connection, job.id)
        places = allowed_places(connection)
    model_folder = services.paths.root / applied.folder
    if not model_folder.is_dir():
        raise NotFoundError(
            f"{model_folder} is gone, and the training needs it: put it back, or apply {job.model} from its new folder"
        )
    source = _source(services, spec, model_folder)
    code = _code_of_earlier_attempt(services, claim, folder)
    if code is None:
        facts = _copy_model(
            model_folder, [Path(path) for path in source.values()], model_copy(services, claim)
        )
        code = facts.to_plain(None)
        if facts.diff:
            write_atomically(folder / _DIFF, facts.diff)
    as_of = datetime.fromisoformat(job.options["as_of"]) if job.options.get("as_of") else None
    prepared = Prepared(
        spec=spec_to_plain(spec),
        started_us=to_us(services.now()),
        code=code,
        as_of_us=to_us(as_of),
        incumbents=[facts for _, facts in incumbents],
    )
    write_prepared(folder, prepared)
    copy = str(model_copy(services, claim))
    _copy_judging(services, claim, spec, applied)
    versions = _version_inputs(services, "incumbent", [version for version, _ in incumbents])
    of_rows: dict[str, Any] = {"as_of_us": prepared.as_of_us}
    if job.options.get("changed_at"):
        of_rows["changed_us"] = to_us(datetime.fromisoformat(job.options["changed_at"]))
    requests: StepInputs = {
        "read": (source, {"allow": list(places)}),
        "snapshot": (source, of_rows),
        "search": ({"model_folder": copy}, {}),
        "fit": ({"model_folder": copy}, {}),
        "evaluate": (versions, {"incumbents": prepared.incumbents}),
        "gate": ({"model_folder": str(judging_copy(services, claim))}, {}),
        "verify": (source, {}),
    }
    if source_url(spec.data.source).is_fetched:
        requests |= {"snapshot": ({}, of_rows), "verify": ({}, {})}
    else:
        del requests["read"]
    adopted = job.options.get("adopted")
    if adopted is not None:  # a model file of another registry in place of the fit
        requests["fit"] = ({"model_folder": copy, "adopted": artifact_path(services, adopted["model"])}, {})
        requests["evaluate"] = (versions, {"incumbents": prepared.incumbents, "made_us": adopted["made_us"]})
    if spec.gates.function is None:
        del requests["gate"]
    if spec.training.search is None or adopted is not None:
        del requests["search"]
    return requests_of(services, claim, spec, requests)


def _copy_judging(services: Services, claim: ClaimedJob, spec: ModelSpec, applied: StoredSpec) -> None:
    """Copy the files that the gate function can reach apart, so that nothing else can judge.

    Raises ConflictError where they are not those that were applied with the model file.
    """
    copy = model_copy(services, claim)
    code = judging_code(copy, spec.gates.function)
    check_as_applied(spec.gates.function, applied.judging_code, code)
    if code:
        copy_files(copy, code, judging_copy(services, claim))


def _code_of_earlier_attempt(services: Services, claim: ClaimedJob, folder: Path) -> dict[str, Any] | None:
    """Code of the job's first attempt, which all its attempts run; None at the first."""
    for attempt in range(claim.attempt - 1, 0, -1):
        before = services.paths.job_folder(claim.job.id) / str(attempt)
        if not (before / _PREPARED).exists():  # it ended while it was prepared
            continue
        code: dict[str, Any] = Prepared(**read_json(before / _PREPARED)).code
        if copy_folder(before / "model", model_copy(services, claim)) != code.get("folder_digest"):
            raise IntegrityError(f"{before / 'model'}: the copy of the code is not what was copied")
        if (before / _DIFF).exists():
            shutil.copyfile(before / _DIFF, folder / _DIFF)
        return code
    return None


def prepare_trial(services: Services, claim: ClaimedJob, folder: Path) -> PreparedJob:
    """Prepare a trial: the rows and the code of the training that searches."""
    job, options = claim.job, claim.job.options
    with services.registry.read() as connection:
        spec = spec_of_job(connection, job)
    train, code = (services.paths.state / options[name] for name in ("train", "model_folder"))
    if not train.is_file() or not code.is_dir():
        raise NotFoundError(f"the rows of job {job.parent} are gone: its training has ended")
    write_prepared(folder, Prepared(spec=spec_to_plain(spec), started_us=to_us(services.now())))
    step_options = {name: options[name] for name in ("parameters", "folds")}
    inputs = {"train": str(train), "model_folder": str(code)}
    return requests_of(services, claim, spec, {"trial": (inputs, step_options)})


def prepare_reproduction(services: Services, claim: ClaimedJob, folder: Path) -> PreparedJob:
    """Prepare a reproduction: the rows, the code and the files in the record of a version."""
    with services.registry.read() as connection:
        reference = version_uri(claim.job.model, int(claim.job.options["version"]))
        version = require_version(connection, reference)
        run = require_run(connection, version)
        files = runs.files_of(connection, run.id)
        plain = runs.spec_of(connection, run.id)
        record = runs.record_of(connection, run.id)
        is_whole = not check_reproducible(connection, version)
    missing = [name for name in ("train", "holdout", "model_folder") if name not in files]
    if missing:
        raise NotFoundError(
            f"{reference}: its record holds no {', '.join(missing)}: it cannot be trained again"
        )
    spec = spec_from_plain(plain, f"{reference} as it ran")
    unpack_folder(services.artifacts.read(files["model_folder"].digest), model_copy(services, claim))
    if folder_digest(model_copy(services, claim)) != run.code.get("folder_digest"):
        raise IntegrityError(f"{reference}: the stored code is not the code that was recorded")
    write_prepared(folder, Prepared(spec=plain, started_us=to_us(services.now()), code=dict(run.code)))
    train, holdout = (rows_path(services, files[name].digest) for name in ("train", "holdout"))
    recorded = {
        "parameters": run.parameters,
        **run.environment,
        "train_digest": record.get("train_digest"),
        "holdout_digest": record.get("holdout_digest") if is_whole else None,
    }
    inputs = {
        "train": train,
        "holdout": holdout,
        "recorded_model": model_path(services, version),
        "recorded_schema": artifact_path(services, version.schema_digest),
        "recorded_predictions": rows_path(services, version.predictions_digest),
    }
    # The record holds the parameters that the search chose: the search does not run again.
    tried = spec.training.search.parameters if spec.training.search else {}
    chosen = {name: run.parameters[name] for name in tried if name in run.parameters}
    of_fit: dict[str, Any] = {"searched": {"parameters": chosen, "trials": []}} if tried else {}
    if (changed_us := record.get("snapshot", {}).get("changed_us")) is not None:
        of_fit["changed_us"] = changed_us
        of_fit["older_rows"] = record.get("fit", {}).get("older_rows_choice")
    requests: StepInputs = {
        "fit": ({"train": train, "model_folder": str(model_copy(services, claim))}, of_fit),
        "compare": (inputs, {"recorded": recorded}),
    }
    return requests_of(services, claim, spec, requests)


def prepare_backtest(services: Services, claim: ClaimedJob, folder: Path) -> PreparedJob:
    """Prepare a backtest: the served rows with known outcome, and the versions to score."""
    from pilothouse.operations.jobs import exports

    job, options = claim.job, claim.job.options
    with services.registry.read() as connection:
        stored = stored_spec(connection, job.id)
        versions = [
            require_version(connection, version_uri(job.model, number)) for number in options["versions"]
        ]
    since, until = (
        datetime.fromisoformat(options[key]) if options[key] else None for key in ("since", "until")
    )
    rows = exports.labelled_rows(services, job.model, since, until, options["target"])
    write_atomically(folder / "rows.parquet", rows)
    write_prepared(folder, Prepared(spec=stored.spec, started_us=to_us(services.now())))
    inputs = {"rows": str(folder / "rows.parquet"), **_version_inputs(services, "version", versions)}
    spec = spec_from_plain(stored.spec)
    # Telemetry holds only features.
    slice_by = next((column for column in spec.data.slices if column in spec.data.features), None)
    step_options = {"versions": options["versions"], "slice_by": slice_by}
    return requests_of(services, claim, spec, {"backtest": (inputs, step_options)})


def _incumbents(connection: Connection, spec: ModelSpec) -> list[tuple[Version, dict[str, Any]]]:
    """Versions live on the targets that the model file names, each with the facts of it in ``Prepared``."""
    names = {target.name for target in spec.targets}
    live: dict[int, list[str]] = {}
    for deployment in deployments.live(connection, model=spec.name):
        if deployment.target in names:
            live.setdefault(deployment.version, []).append(deployment.target)
    incumbents = []
    for number, targets in sorted(live.items()):
        version = require_version(connection, version_uri(spec.name, number))
        trained_until_us = to_us(require_run(connection, version).snapshot.trained_until)
        facts = {"number": number, "targets": sorted(targets), "trained_until_us": trained_until_us}
        incumbents.append((version, facts))
    return incumbents


def _source(services: Services, spec: ModelSpec, model_folder: Path) -> dict[str, str]:
    """The source as input of the step that reads it; none where it is not on this machine."""
    source = source_path(spec, model_folder)
    if source is None:
        return {}
    if source.is_relative_to(services.paths.state.resolve()):
        raise InvalidInputError(
            f"data.source: {source} lies in the workspace's state folder; expected data of yours"
        )
    if not source.exists():
        raise NotFoundError(
            f"data.source: {source} does not exist; expected a file or a folder of dated files"
        )
    if fault := log_fault(spec, source):
        raise InvalidInputError(fault)
    return {"source": str(source)}


def _copy_model(folder: Path, sources: list[Path], destination: Path) -> CodeFacts:
    """Copy the folder until copy, git's facts and folder agree. Raises ConflictError where the folder keeps changing."""
    for _ in range(_COPY_ATTEMPTS):
        copied = copy_folder(folder, destination, sources)
        facts = code_facts(folder, sources)
        if copied == facts.folder_digest == folder_digest(folder, sources):
            return facts
        shutil.rmtree(destination)
    raise ConflictError(f"{folder} keeps changing while it is copied: train again when nobody writes to it")


def _version_inputs(services: Services, prefix: str, versions: list[Version]) -> dict[str, str]:
    inputs = {}
    for version in versions:
        inputs[f"{prefix}_{version.number}_model"] = model_path(services, version)
        inputs[f"{prefix}_{version.number}_schema"] = artifact_path(services, version.schema_digest)
    return inputs


def model_path(services: Services, version: Version) -> str:
    """Path of the file that answers as a version does: its portable form where it has one, which any release of scikit-learn
    leaves as it is. Raises IntegrityError or NotFoundError."""
    form = version.portable
    return artifact_path(services, form.digest if form and form.digest else version.model_digest)


def rows_path(services: Services, digest: str) -> str:
    """Path of a file with rows, of what is left of it where rows were erased. Raises IntegrityError or NotFoundError."""
    return artifact_path(services, left_of(services, digest))


def artifact_path(services: Services, digest: str) -> str:
    """Path of an artifact whose bytes have been checked. Raises IntegrityError or NotFoundError."""
    services.artifacts.read(digest)
    return str(services.artifacts.path(digest))


def requests_of(services: Services, claim: ClaimedJob, spec: ModelSpec, inputs_of: StepInputs) -> PreparedJob:
    """Requests of the steps that have inputs, in the order of the job's kind."""
    kind, plain = claim.job.kind, spec_to_plain(spec)
    connection = spec.data.connection or ConnectionSpec()
    connected = ("read",) if source_url(spec.data.source).is_remote else ()
    steps = [step.name for step in KINDS[kind].steps if step.name in inputs_of]
    return PreparedJob(
        kind,
        tuple(
            StepRequest(
                job=claim.job.id,
                attempt=claim.attempt,
                step=step,
                folder=str(services.paths.step_folder(claim.job.id, claim.attempt, index, step)),
                spec=plain,
                inputs=inputs_of[step][0],
                options=inputs_of[step][1],
                seed=spec.training.seed,
                threads=spec.training.threads,
                memory_mb=spec.training.memory_mb,
                timeout_s=spec.training.timeout,
                cpu_s=spec.training.cpu_time,
                network=step in connected,
                credentials=(connection.credentials or "") if step in connected else "",
            )
            for index, step in enumerate(steps)
        ),
    )


def write_prepared(folder: Path, prepared: Prepared) -> None:
    """Keep the facts for ``results``."""
    write_atomically(folder / _PREPARED, json.dumps(asdict(prepared)).encode())
