"""Everything that a claimed job needs, laid out on disk before its first process starts.

A job's folder is ``state/jobs/ID/ATTEMPT/``: ``model/`` is an immutable copy of the model's folder, so that code which
changes during the run is not mixed in; ``prepared.json`` and ``code.diff`` are what ``results`` records later; each step
has a folder of its own, the only one that its process may write.
"""

import json
import shutil
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import ConflictError, IntegrityError, InvalidInputError, NotFoundError
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.job_kinds import KINDS
from pilothouse.domain.jobs import StepRequest
from pilothouse.domain.model_file import spec_from_plain, spec_to_plain
from pilothouse.domain.model_spec import ModelSpec
from pilothouse.domain.records import Run, Version
from pilothouse.domain.time_units import to_us
from pilothouse.operations.catalogue import require_run, require_version
from pilothouse.operations.jobs.code_facts import (
    CodeFacts,
    code_facts,
    copy_folder,
    folder_digest,
    unpack_folder,
)
from pilothouse.operations.jobs.jobs import ClaimedJob
from pilothouse.operations.jobs.trainings import merge_overrides
from pilothouse.operations.models.source_columns import source_path
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import deployments, jobs, models, runs
from pilothouse.system.files import read_json, write_atomically

_COPY_ATTEMPTS = 3
_PREPARED = "prepared.json"
_DIFF = "code.diff"

StepInputs = dict[str, tuple[dict[str, str], dict[str, Any]]]
"""Inputs and options by step."""


@dataclass(frozen=True, slots=True)
class PreparedJob:
    """A job that can run. ``requests`` lack only what the pipeline takes from one step to the next."""

    kind: str
    requests: tuple[StepRequest, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What ``prepare`` found out, as ``results`` reads it back. Plain JSON data.

    ``incumbents``: ``number``, ``targets``, ``trained_until_us`` of each version that is live on the model's targets.
    """

    spec: dict[str, Any]
    started_us: int
    code: dict[str, Any] = field(default_factory=dict)
    as_of_us: int | None = None
    incumbents: list[dict[str, Any]] = field(default_factory=list)


def make_attempt_folder(services: Services, claim: ClaimedJob) -> Path:
    """An empty folder for an attempt of a job."""
    folder = attempt_folder(services, claim)
    if folder.exists():  # of a registry that was put back to an earlier state
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700, parents=True)
    return folder


def attempt_folder(services: Services, claim: ClaimedJob) -> Path:
    """What belongs to one attempt of a job."""
    return services.paths.job_folder(claim.job.id) / str(claim.attempt)


def read_prepared(services: Services, claim: ClaimedJob) -> Prepared:
    """What ``prepare`` wrote for this attempt. Raises NotFoundError or IntegrityError."""
    return Prepared(**read_json(attempt_folder(services, claim) / _PREPARED))


def code_diff(services: Services, claim: ClaimedJob) -> Path | None:
    """The diff of the model's folder against its commit, where there is one."""
    path = attempt_folder(services, claim) / _DIFF
    return path if path.exists() else None


def model_copy(services: Services, claim: ClaimedJob) -> Path:
    """The copy of the model's folder that the attempt ran."""
    return attempt_folder(services, claim) / "model"


def prepare_training(services: Services, claim: ClaimedJob, folder: Path) -> PreparedJob:
    """The model's folder copied, the source named, and the versions to compare with."""
    job = claim.job
    with services.registry.read() as connection:
        stored = models.spec_by_id(connection, jobs.origin_of(connection, job.id).spec_id)
        assert stored is not None
        spec = merge_overrides(spec_from_plain(stored.spec), job.options.get("overrides", {}))
        incumbents = _incumbents(connection, spec)
    model_folder = services.paths.root / stored.folder
    if not model_folder.is_dir():
        raise NotFoundError(
            f"{model_folder} is gone, and the training needs it: put it back, or apply {job.model} from its new place"
        )
    source = _source(services, spec, model_folder)
    code = _code_of_earlier_attempt(services, claim, folder)
    if code is None:
        facts = _copy_model(model_folder, source, model_copy(services, claim))
        code = facts.to_plain(None)
        if facts.diff:
            write_atomically(folder / _DIFF, facts.diff)
    as_of = datetime.fromisoformat(job.options["as_of"]) if job.options.get("as_of") else None
    prepared = Prepared(
        spec=spec_to_plain(spec),
        started_us=to_us(services.now()),
        code=code,
        as_of_us=to_us(as_of),
        incumbents=[
            {
                "number": version.number,
                "targets": targets,
                "trained_until_us": to_us(run.snapshot.trained_until),
            }
            for version, run, targets in incumbents
        ],
    )
    write_prepared(folder, prepared)
    copy = str(model_copy(services, claim))
    judged = {"incumbents": prepared.incumbents}
    requests: StepInputs = {
        "snapshot": ({"source": str(source)}, {"as_of_us": prepared.as_of_us}),
        "search": ({"model_folder": copy}, {}),
        "fit": ({"model_folder": copy}, {}),
        "evaluate": (
            _version_inputs(services, "incumbent", [version for version, _, _ in incumbents]),
            judged,
        ),
        "gate": ({"model_folder": copy}, {}),
        "verify": ({"source": str(source)}, {}),
    }
    if spec.gates.function is None:
        del requests["gate"]
    if spec.training.search is None:
        del requests["search"]
    return requests_of(services, claim, spec, requests)


def _code_of_earlier_attempt(services: Services, claim: ClaimedJob, folder: Path) -> dict[str, Any] | None:
    """A job keeps the code of its first attempt: what is tried again is the same training. None at the first."""
    for attempt in range(claim.attempt - 1, 0, -1):
        before = services.paths.job_folder(claim.job.id) / str(attempt)
        if not (before / _PREPARED).exists():  # it ended while it was laid out
            continue
        code: dict[str, Any] = Prepared(**read_json(before / _PREPARED)).code
        if copy_folder(before / "model", model_copy(services, claim)) != code.get("folder_digest"):
            raise IntegrityError(f"{before / 'model'}: the copy of the code is not what was copied")
        if (before / _DIFF).exists():
            shutil.copyfile(before / _DIFF, folder / _DIFF)
        return code
    return None


def prepare_trial(services: Services, claim: ClaimedJob, folder: Path) -> PreparedJob:
    """The rows and the code of the training that searches."""
    job, options = claim.job, claim.job.options
    with services.registry.read() as connection:
        stored = models.spec_by_id(connection, jobs.origin_of(connection, job.id).spec_id)
        assert stored is not None
    spec = merge_overrides(spec_from_plain(stored.spec), options.get("overrides", {}))
    train, code = (services.paths.state / options[name] for name in ("train", "model_folder"))
    if not train.is_file() or not code.is_dir():
        raise NotFoundError(f"the rows of job {job.parent} are gone: its training has ended")
    write_prepared(folder, Prepared(spec=spec_to_plain(spec), started_us=to_us(services.now())))
    asked = {name: options[name] for name in ("parameters", "folds")}
    return requests_of(
        services, claim, spec, {"trial": ({"train": str(train), "model_folder": str(code)}, asked)}
    )


def prepare_reproduction(services: Services, claim: ClaimedJob, folder: Path) -> PreparedJob:
    """The rows, the code and the files of a version as its record has them."""
    with services.registry.read() as connection:
        reference = version_uri(claim.job.model, int(claim.job.options["version"]))
        version = require_version(connection, reference)
        run = require_run(connection, version)
        files = runs.files_of(connection, run.id)
        plain = runs.spec_of(connection, run.id)
        record = runs.record_of(connection, run.id)
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
    train, holdout = (artifact_path(services, files[name].digest) for name in ("train", "holdout"))
    recorded = {
        "parameters": run.parameters,
        **run.environment,
        "train_digest": record.get("train_digest"),
        "holdout_digest": record.get("holdout_digest"),
    }
    inputs = {
        "train": train,
        "holdout": holdout,
        "recorded_model": artifact_path(services, version.model_digest),
        "recorded_schema": artifact_path(services, version.schema_digest),
        "recorded_predictions": artifact_path(services, version.predictions_digest),
    }
    # What the search chose is in the record: the search itself is not run again.
    tried = spec.training.search.parameters if spec.training.search else {}
    chosen = {name: run.parameters[name] for name in tried if name in run.parameters}
    searched: dict[str, Any] = {"searched": {"parameters": chosen, "trials": []}} if tried else {}
    requests: StepInputs = {
        "fit": ({"train": train, "model_folder": str(model_copy(services, claim))}, searched),
        "compare": (inputs, {"recorded": recorded}),
    }
    return requests_of(services, claim, spec, requests)


def prepare_backtest(services: Services, claim: ClaimedJob, folder: Path) -> PreparedJob:
    """The labelled rows that were served, and the versions to score."""
    from pilothouse.operations.jobs import exports

    job, options = claim.job, claim.job.options
    with services.registry.read() as connection:
        stored = models.spec_by_id(connection, jobs.origin_of(connection, job.id).spec_id)
        assert stored is not None
        spec = spec_from_plain(stored.spec)
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
    # Telemetry holds features alone.
    slice_by = next((column for column in spec.data.slices if column in spec.data.features), None)
    asked = {"versions": options["versions"], "slice_by": slice_by}
    return requests_of(services, claim, spec, {"backtest": (inputs, asked)})


def _incumbents(connection: Connection, spec: ModelSpec) -> list[tuple[Version, Run, list[str]]]:
    """The versions that are live on the targets that the model file names, each with those targets."""
    wanted = {target.name for target in spec.targets}
    live: dict[int, list[str]] = {}
    for deployment in deployments.live(connection, model=spec.name):
        if deployment.target in wanted:
            live.setdefault(deployment.version, []).append(deployment.target)
    found = []
    for number, targets in sorted(live.items()):
        version = require_version(connection, version_uri(spec.name, number))
        found.append((version, require_run(connection, version), sorted(targets)))
    return found


def _source(services: Services, spec: ModelSpec, model_folder: Path) -> Path:
    source = source_path(spec, model_folder)
    if source.is_relative_to(services.paths.state.resolve()):
        raise InvalidInputError(
            f"data.source: {source} lies in the workspace's state folder; expected data of yours"
        )
    if not source.exists():
        raise NotFoundError(
            f"data.source: {source} does not exist; expected a file or a folder of dated files"
        )
    return source


def _copy_model(folder: Path, source: Path, destination: Path) -> CodeFacts:
    """Copy until the copy, what git says and the folder agree. Raises ConflictError where the folder keeps changing."""
    for _ in range(_COPY_ATTEMPTS):
        copied = copy_folder(folder, destination, [source])
        facts = code_facts(folder, [source])
        if copied == facts.folder_digest == folder_digest(folder, [source]):
            return facts
        shutil.rmtree(destination)
    raise ConflictError(f"{folder} keeps changing while it is copied: train again when nobody writes to it")


def _version_inputs(services: Services, prefix: str, versions: list[Version]) -> dict[str, str]:
    inputs = {}
    for version in versions:
        inputs[f"{prefix}_{version.number}_model"] = artifact_path(services, version.model_digest)
        inputs[f"{prefix}_{version.number}_schema"] = artifact_path(services, version.schema_digest)
    return inputs


def artifact_path(services: Services, digest: str) -> str:
    """The artifact's path, after a look at its bytes. Raises IntegrityError or NotFoundError."""
    services.artifacts.read(digest)
    return str(services.artifacts.path(digest))


def requests_of(
    services: Services,
    claim: ClaimedJob,
    spec: ModelSpec,
    wanted: StepInputs,
) -> PreparedJob:
    """The requests of the steps that are wanted, in the order of the job's kind."""
    kind, plain = claim.job.kind, spec_to_plain(spec)
    steps = [step.name for step in KINDS[kind].steps if step.name in wanted]
    return PreparedJob(
        kind,
        tuple(
            StepRequest(
                job=claim.job.id,
                attempt=claim.attempt,
                step=step,
                folder=str(services.paths.step_folder(claim.job.id, claim.attempt, index, step)),
                spec=plain,
                inputs=wanted[step][0],
                options=wanted[step][1],
                seed=spec.training.seed,
                threads=spec.training.threads,
                memory_mb=spec.training.memory_mb,
                timeout_s=spec.training.timeout,
                cpu_s=spec.training.cpu_time,
            )
            for index, step in enumerate(steps)
        ),
    )


def write_prepared(folder: Path, prepared: Prepared) -> None:
    """Keep what was found out for ``results``."""
    write_atomically(folder / _PREPARED, json.dumps(asdict(prepared)).encode())
