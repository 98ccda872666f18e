"""Cache of a training's steps, by all that a step depends on: code, data, parameters, environment, earlier outputs.

A step's key is a digest of its dependencies. Its outputs are used again where a job has had the same key and every byte of
them still exists: in the artifact store (of jobs that made a version), or in the folder of the job itself (its earlier
attempts). A source counts by its entry in the file system; ``verify``, which always runs, then hashes its bytes, so that a
training never succeeds on rows that are not in the source.
"""

from pathlib import Path
from typing import Any

from pilothouse.domain.formats.canonical import canonical_digest
from pilothouse.domain.identity.roles import DAEMON
from pilothouse.domain.jobs.jobs import StepExit, StepRequest, StepResult
from pilothouse.execution.own_program import environment_digest, environment_facts
from pilothouse.operations.authorisation import change_in
from pilothouse.operations.jobs.code_facts import folder_digest
from pilothouse.operations.jobs.job_inputs import judging_copy, model_copy, read_prepared
from pilothouse.operations.jobs.jobs import ClaimedJob
from pilothouse.operations.jobs.step_records import finite
from pilothouse.operations.services import Services
from pilothouse.store.work import jobs, step_results
from pilothouse.store.work.step_results import CachedStep, Output
from pilothouse.system.files import sha256_file
from pilothouse.system.fingerprint import fingerprint

_NEVER_USED = ("owner", "description", "promotion", "automation")
_UNUSED_BY_STEP = {
    "snapshot": (*_NEVER_USED, "training", "monitoring"),
    "fit": (*_NEVER_USED, "gates"),
    "evaluate": _NEVER_USED,
    "gate": _NEVER_USED,
}
"""Steps that are cached, each with the tables of the model file that it does not use. Every other table is part of its key."""

_LIMITS = ("timeout", "cpu_time", "memory_mb", "concurrency", "retries", "retry_after", "retry_on")
"""Keys of ``[training]`` that decide whether a step succeeds, and do not change its outputs."""


class StepMemory:
    """Cache for the steps of one job. With the option ``fresh`` nothing is recalled, but everything is kept."""

    def __init__(self, services: Services, claim: ClaimedJob) -> None:
        self._services, self._claim = services, claim
        self._fresh = bool(claim.job.options.get("fresh"))
        self._environment = environment_facts()
        self._digests = {
            str(model_copy(services, claim)): str(read_prepared(services, claim).code["folder_digest"])
        }
        judging = judging_copy(services, claim)
        if judging.is_dir():
            self._digests[str(judging)] = folder_digest(judging)
        with services.registry.read() as connection:
            # A source that changed without a trace in the file system is read again once ``verify`` has found it out.
            self._changed_sources = sum(
                1
                for _, step, exit_ in jobs.steps_of(connection, claim.job.id)
                if step == "verify" and exit_.exit_code == 0
            )

    def recall(self, request: StepRequest) -> tuple[StepResult, str] | None:
        """Result of the step on the same inputs, and the job or attempt that made it; None where it has to run."""
        if request.step not in _UNUSED_BY_STEP or self._fresh:
            return None
        key = self._key(request)
        with self._services.registry.read() as connection:
            cached = step_results.by_key(connection, key)
        for step in cached:
            outputs = self._files(step)
            if outputs is not None:
                self._digests |= {path: step.outputs[name].digest for name, path in outputs.items()}
                is_own = step.job == self._claim.job.id
                origin = f"attempt {step.attempt}" if is_own else f"job {step.job}"
                return StepResult(ok=True, outputs=outputs, record=step.record), origin
        return None

    def keep(self, request: StepRequest, result: StepResult, exit_: StepExit) -> None:
        """Store the result of a step, but for one of a worker whose environment is another: here it might have been another."""
        if request.step not in _UNUSED_BY_STEP or exit_.environment not in ("", environment_digest()):
            return
        digests = {name: sha256_file(Path(path)) for name, path in result.outputs.items()}
        self._digests |= {result.outputs[name]: digest for name, digest in digests.items()}
        folder = self._services.paths.job_folder(self._claim.job.id).resolve()
        outputs = {
            name: Output(digest, Path(result.outputs[name]).resolve().relative_to(folder).as_posix())
            for name, digest in digests.items()
        }
        with self._services.registry.transaction() as connection:
            change = change_in(self._services, connection, DAEMON)
            step_results.add(
                connection,
                key=self._key(request),
                job_id=self._claim.job.id,
                attempt=self._claim.attempt,
                step=request.step,
                record=finite(result.record),
                outputs=outputs,
                at=change.at,
            )
            change.record(
                "step.kept",
                f"job {self._claim.job.id}",
                {"step": request.step, "attempt": self._claim.attempt},
            )

    def _files(self, step: CachedStep) -> dict[str, str] | None:
        """Paths of the outputs, each hashed again; None where one is missing or changed."""
        files = {}
        for name, output in step.outputs.items():
            paths = []
            if self._services.artifacts.has(output.digest):
                paths.append(self._services.artifacts.path(output.digest))
            if step.job == self._claim.job.id:
                paths.append(self._services.paths.job_folder(step.job) / output.file)
            file = next(
                (path for path in paths if path.is_file() and sha256_file(path) == output.digest), None
            )
            if file is None:
                return None
            files[name] = str(file)
        return files

    def _key(self, request: StepRequest) -> str:
        spec = {
            part: value for part, value in request.spec.items() if part not in _UNUSED_BY_STEP[request.step]
        }
        if "training" in spec:
            spec["training"] = {k: v for k, v in spec["training"].items() if k not in _LIMITS}
        facts: dict[str, Any] = {
            "step": request.step,
            "spec": spec,
            "options": finite(request.options),
            "inputs": {name: self._digest(name, path) for name, path in request.inputs.items()},
            "environment": self._environment,
        }
        if request.step == "snapshot":
            facts["deceived"] = self._changed_sources
        else:
            facts |= {"seed": request.seed, "threads": request.threads}
        return canonical_digest(facts)

    def _digest(self, name: str, path: str) -> str:
        if path in self._digests:
            return self._digests[path]
        if name == "source" and not Path(path).is_relative_to(self._services.paths.state):
            return fingerprint(Path(path)) or "nothing"
        return sha256_file(Path(path))
