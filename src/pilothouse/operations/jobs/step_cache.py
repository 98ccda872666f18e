"""Sparing a training the steps of which nothing has changed: code, data, parameters, environment, what earlier steps made.

A step's key is a digest over all that it depends on. Its outputs are used again where a job has had the same key and every
byte of them is still there: in the artifact store (of jobs that made a version), or in the folder of the job itself (its
earlier attempts). The source counts by what the file system says of it; ``verify``, which is never spared, then hashes its
bytes, so that a training never ends well on rows that are not in the source.
"""

import functools
import hashlib
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pilothouse
from pilothouse.domain.canonical import canonical_digest
from pilothouse.domain.jobs import StepRequest, StepResult
from pilothouse.operations.jobs.job_inputs import model_copy, read_prepared
from pilothouse.operations.jobs.jobs import ClaimedJob
from pilothouse.operations.jobs.step_records import finite
from pilothouse.operations.services import Services
from pilothouse.store import jobs, step_results
from pilothouse.store.step_results import CachedStep, Output
from pilothouse.system.files import sha256_file
from pilothouse.system.fingerprint import fingerprint

_WORDS = ("owner", "description", "promotion", "automation")
_LEFT_OUT = {
    "snapshot": (*_WORDS, "training", "monitoring"),
    "fit": (*_WORDS, "gates"),
    "evaluate": _WORDS,
    "gate": _WORDS,
}
"""The steps that can be spared, and the tables of the model file that each does not look at. A table that is new to the
program counts until somebody names it here."""

_NOT_WHAT_IS_MADE = ("timeout", "cpu_time", "memory_mb", "concurrency", "retries", "retry_after", "retry_on")
"""Keys of ``[training]`` that decide whether a step gets through, and not what it makes."""


class StepMemory:
    """What is known of the steps of one job. ``fresh``: nothing is recalled, all is kept."""

    def __init__(self, services: Services, claim: ClaimedJob) -> None:
        self._services, self._claim = services, claim
        self._fresh = bool(claim.job.options.get("fresh"))
        self._environment = environment_facts()
        self._digests = {
            str(model_copy(services, claim)): str(read_prepared(services, claim).code["folder_digest"])
        }
        with services.registry.read() as connection:
            # A source that changed without the file system saying so is read anew after ``verify`` has found it out.
            self._deceived = sum(
                1
                for _, step, exit_ in jobs.steps_of(connection, claim.job.id)
                if step == "verify" and exit_.exit_code == 0
            )

    def recall(self, request: StepRequest) -> tuple[StepResult, str] | None:
        """What the step made of the very same inputs, and where; None where it has to run."""
        if request.step not in _LEFT_OUT or self._fresh:
            return None
        key = self._key(request)
        with self._services.registry.read() as connection:
            known = step_results.by_key(connection, key)
        for remembered in known:
            outputs = self._files(remembered)
            if outputs is not None:
                self._digests |= {path: remembered.outputs[name].digest for name, path in outputs.items()}
                return StepResult(ok=True, outputs=outputs, record=remembered.record), self._where(remembered)
        return None

    def keep(self, request: StepRequest, result: StepResult) -> None:
        """Remember what a step made."""
        if request.step not in _LEFT_OUT:
            return
        found = {name: sha256_file(Path(path)) for name, path in result.outputs.items()}
        self._digests |= {result.outputs[name]: digest for name, digest in found.items()}
        folder = self._services.paths.job_folder(self._claim.job.id).resolve()
        outputs = {
            name: Output(digest, Path(result.outputs[name]).resolve().relative_to(folder).as_posix())
            for name, digest in found.items()
        }
        with self._services.registry.transaction() as connection:
            step_results.add(
                connection,
                key=self._key(request),
                job_id=self._claim.job.id,
                attempt=self._claim.attempt,
                step=request.step,
                record=finite(result.record),
                outputs=outputs,
                at=self._services.now(),
            )

    def _where(self, remembered: CachedStep) -> str:
        own = remembered.job == self._claim.job.id
        return f"attempt {remembered.attempt}" if own else f"job {remembered.job}"

    def _files(self, remembered: CachedStep) -> dict[str, str] | None:
        """Where the outputs lie now, each hashed again; None where one is gone or changed."""
        found = {}
        for name, output in remembered.outputs.items():
            places = []
            if self._services.artifacts.has(output.digest):
                places.append(self._services.artifacts.path(output.digest))
            if remembered.job == self._claim.job.id:
                places.append(self._services.paths.job_folder(remembered.job) / output.file)
            place = next(
                (path for path in places if path.is_file() and sha256_file(path) == output.digest), None
            )
            if place is None:
                return None
            found[name] = str(place)
        return found

    def _key(self, request: StepRequest) -> str:
        spec = {part: value for part, value in request.spec.items() if part not in _LEFT_OUT[request.step]}
        if "training" in spec:
            spec["training"] = {k: v for k, v in spec["training"].items() if k not in _NOT_WHAT_IS_MADE}
        facts: dict[str, Any] = {
            "step": request.step,
            "spec": spec,
            "options": finite(request.options),
            "inputs": {name: self._digest(name, path) for name, path in request.inputs.items()},
            "environment": self._environment,
        }
        if request.step == "snapshot":
            facts["deceived"] = self._deceived
        else:
            facts |= {"seed": request.seed, "threads": request.threads}
        return canonical_digest(facts)

    def _digest(self, name: str, path: str) -> str:
        if path in self._digests:
            return self._digests[path]
        if name == "source":
            return fingerprint(Path(path)) or "nothing"
        return sha256_file(Path(path))


def environment_facts() -> dict[str, Any]:
    """Python, platform, every package, and the program's own code: a step is never spared across a change of these."""
    packages = {str(found.name).lower(): found.version for found in metadata.distributions() if found.name}
    return {
        "python": sys.version,
        "platform": platform.platform(),
        "packages": packages,
        "code": _own_code(),
    }


@functools.cache
def _own_code() -> str:
    """A digest of the modules that run inside steps, as they were when the daemon first asked."""
    total = hashlib.sha256()
    root = Path(pilothouse.__file__).parent
    for part in ("training", "inference", "statistics", "domain", "system"):
        for file in sorted((root / part).rglob("*.py")):
            total.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes())
    return total.hexdigest()
