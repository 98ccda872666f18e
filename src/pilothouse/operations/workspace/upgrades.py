"""Upgrades: what would become of the versions in use under this environment, and portable forms for those that have none.

Models are loaded in steps, in confined processes of their own. The check reads a registry as it is: an older release goes on
running on it meanwhile.
"""

import hashlib
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pilothouse.artifacts import ArtifactStore
from pilothouse.confinement import probe
from pilothouse.domain.confinement import confines
from pilothouse.domain.errors import IntegrityError, PilothouseError
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.jobs.jobs import JobStatus, StepRequest, StepResult
from pilothouse.domain.models.evaluation import PortableForm
from pilothouse.domain.models.upgrade import Outcome, VersionCheck, judged, tied_text
from pilothouse.execution.launcher_client import Launcher
from pilothouse.execution.pipeline import judge
from pilothouse.operations.authorisation import authorise
from pilothouse.operations.jobs.step_records import portable_in
from pilothouse.operations.models.portable_forms import Converted, record_form
from pilothouse.operations.models.what_is_left import left_by
from pilothouse.operations.services import Services
from pilothouse.store.models import portable_models
from pilothouse.store.models.used_versions import UsedVersion, read_as_it_is, used_versions
from pilothouse.store.work.runs import RunFile
from pilothouse.system.paths import WorkspacePaths

_TIMEOUT_S = 600


@dataclass(frozen=True, slots=True)
class Trials:
    """Steps on single versions: a launcher, the artifacts, and a folder for the steps' own."""

    launcher: Launcher
    artifacts: ArtifactStore
    folder: Path
    registry: Path
    """Whose erasures say which marks of files are followed."""

    def run(self, step: str, version: UsedVersion) -> tuple[StepResult | None, str]:
        """Result of a step on a version's files, and why there is none that is good, in one line. Raises PilothouseError."""
        digests = {
            "model": version.model_digest,
            "schema": version.schema_digest,
            "holdout": self._left(version.holdout_digest),
            "predictions": self._left(version.predictions_digest),
            **({"portable": version.portable_digest} if version.portable_digest else {}),
        }
        for digest in digests.values():
            self.artifacts.read(digest)  # raises where its bytes are not those of the digest
        work = Path(tempfile.mkdtemp(dir=self.folder))
        request = StepRequest(
            job=0,
            attempt=1,
            step=step,
            folder=str(work),
            spec=version.spec,
            inputs={name: str(self.artifacts.path(digest)) for name, digest in digests.items()},
            timeout_s=_TIMEOUT_S,
            threads=1,
            options={"version": version.number},
        )
        exit_, result = self.launcher.run_step(request, threading.Event(), lambda _: None)
        status, error, _ = judge(request, exit_, result)
        return (result, "") if status is JobStatus.SUCCEEDED else (None, error)

    def _left(self, digest: str) -> str:
        if self.artifacts.left_of(digest) == digest:
            return digest
        with read_as_it_is(self.registry) as (connection, _):
            return left_by(self.artifacts, connection, digest)


@contextmanager
def trials(paths: WorkspacePaths, launcher: Launcher | None = None) -> Iterator[Trials]:
    """Trials on the versions of a workspace, with a launcher of their own where none is given. Enter it before a database is
    opened. Raises UnavailableError."""
    with tempfile.TemporaryDirectory(prefix="pilothouse-") as folder:
        artifacts = ArtifactStore(paths.artifacts)
        if launcher is not None:
            yield Trials(launcher, artifacts, Path(folder), paths.registry)
            return
        with Launcher(
            closed=[paths.state],
            opened=[paths.jobs, paths.artifacts],
            isolation="require" if confines(probe.offered()) else "warn",
        ) as own:
            yield Trials(own, artifacts, Path(folder), paths.registry)


def versions_as_they_are(paths: WorkspacePaths) -> tuple[list[UsedVersion], int]:
    """Versions that are live, requested or were live, and the version of the registry's schema. Nothing is written: the file's
    rights say who may read it. Raises PilothouseError."""
    with read_as_it_is(paths.registry) as (connection, schema):
        return used_versions(connection), schema


def check(tries: Trials, versions: Sequence[UsedVersion]) -> Iterator[VersionCheck]:
    """Load each version in this environment, let it answer its hold-out, and compare with what it answered when it was
    evaluated."""
    for version in versions:
        outcome, finding = _checked(tries, version)
        yield VersionCheck(
            version.model, version.number, version.place, bool(version.live_on), outcome, finding
        )


def _checked(tries: Trials, version: UsedVersion) -> tuple[Outcome, str]:
    if not version.holdout_digest:
        form = "portable" if version.portable_digest else tied_text(version.scikit_learn)
        return Outcome.NOT_CHECKED, f"{form}: not checked, for no sample of it is stored"
    try:
        result, error = tries.run("answers", version)
    except PilothouseError as fault:
        return Outcome.FAILS, str(fault)
    if result is None:
        return Outcome.FAILS, f"could not be tried: {error}"
    return judged(result.record, version.scikit_learn)


@dataclass(frozen=True, slots=True)
class Conversion:
    """What became of one version that had no portable form."""

    model: str
    version: int
    place: str
    converted: bool
    finding: str
    """``portable: equal to the bit on 10,500 rows``, or why there is no portable form."""


def convert(services: Services, actor: Actor, tries: Trials) -> Iterator[Conversion]:
    """Write a portable form of each version in use that has none, and record it, or why it cannot have one.

    A version that does not load here, or answers otherwise than it did, is left as it is. Raises NotAllowedError.
    """
    authorise(services, actor, Permission.CONVERT)
    with services.registry.read() as connection:
        versions = [version for version in used_versions(connection) if not version.portable_digest]
    return (
        Conversion(version.model, version.number, version.place, *_converted(services, actor, tries, version))
        for version in versions
    )


def _converted(services: Services, actor: Actor, tries: Trials, version: UsedVersion) -> tuple[bool, str]:
    left = f"{tied_text(version.scikit_learn)}: not converted"
    if not version.holdout_digest:
        return False, f"{left}, for no sample of it is stored"
    try:
        result, error = tries.run("convert", version)
        if result is None:
            return False, f"{left}: {error}"
        made = _made(result)
    except PilothouseError as fault:
        return False, f"{left}: {fault}"
    form = _recorded(services, actor, version, made)
    if form.digest is None:
        return False, form.tied
    return True, f"portable: equal to the bit on {form.rows:,} rows"


def _made(result: StepResult) -> Converted:
    """Portable form in the result of a step. Raises IntegrityError."""
    data = Path(result.outputs["portable"]).read_bytes() if "portable" in result.outputs else None
    file = RunFile("portable", hashlib.sha256(data).hexdigest(), len(data)) if data is not None else None
    form = portable_in("convert", result.record.get("portable"), result.record.get("packages"), file)
    if form is None:
        raise IntegrityError("convert: its record tells of no portable form")
    return Converted(data, form.reason, form.rows, form.made_with)


def _recorded(services: Services, actor: Actor, version: UsedVersion, made: Converted) -> PortableForm:
    """Form on record, which this one becomes unless it says what is there already."""
    with services.registry.read() as connection:
        known = portable_models.of_versions(connection, [version.id]).get(version.id)
    if known is not None and (
        known.digest or (known.reason, known.made_with) == (made.reason, made.made_with)
    ):
        return known
    recorded = record_form(services, actor, f"{version.model}/{version.number}", made).portable
    assert recorded is not None
    return recorded
