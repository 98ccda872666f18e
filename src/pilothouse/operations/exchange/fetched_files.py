"""Files of an imported version, fetched into the artifact store; what is left out says why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pilothouse.artifacts import ArtifactStore
from pilothouse.domain.errors import NotFoundError, PilothouseError, UnavailableError
from pilothouse.domain.imported.names import path_fault, stored_text
from pilothouse.domain.imported.records import ForeignFile, ForeignVersion
from pilothouse.foreign.source import FoundFile, Source

_PICKLES = (".pkl", ".pickle", ".joblib", ".cloudpickle")
_OF_RUN = "run/"


@dataclass(frozen=True, slots=True)
class FetchedFiles:
    """Files of one version as they were fetched, and what kind of model they are; or why they could not be."""

    form: str = ""
    files: tuple[ForeignFile, ...] = ()
    fault: str = ""


def fetch(
    artifacts: ArtifactStore, source: Source, version: ForeignVersion, run_place: str | None, most: int
) -> FetchedFiles:
    """Files of a version of ``most`` bytes each, with those of its run where ``run_place`` names their folder. Any thread may
    call it. Raises UnavailableError where our own disk takes no more."""
    try:
        files = [_stored(artifacts, one, most) for one in source.files(version)]
        form = _form(files)
        if run_place is not None and version.run:
            of_run = ForeignVersion(
                version.workspace,
                version.model,
                version.number,
                source=f"runs:/{version.run}",
                location=run_place,
            )
            files += [_stored(artifacts, one, most, _OF_RUN) for one in _present(source, of_run)]
    except UnavailableError as error:
        if "cannot be written" in str(error):  # our own disk: nothing would come after it either
            raise
        return FetchedFiles(fault=stored_text(str(error), 500))
    except PilothouseError as error:
        return FetchedFiles(fault=stored_text(str(error), 500))
    return FetchedFiles(form, tuple(files))


def _present(source: Source, version: ForeignVersion) -> Iterator[FoundFile]:
    """Files of a run; none where it has logged none, and so has no folder."""
    try:
        yield from source.files(version)
    except NotFoundError:
        return


def _stored(artifacts: ArtifactStore, found: FoundFile, most: int, prefix: str = "") -> ForeignFile:
    path = stored_text(prefix + found.path)
    size = found.size or 0
    fault = path_fault(found.path)
    if not fault and found.path.lower().endswith(_PICKLES):
        fault = "a pickle, which is never loaded: not fetched"
    if not fault and size > most:
        fault = f"{size:,} bytes, more than {most:,}: not fetched"
    if fault:
        return ForeignFile(path, size, "", fault)
    stored = artifacts.put_chunks(found.chunks(), most)
    if stored is None:
        return ForeignFile(path, size, "", f"more than {most:,} bytes: not fetched")
    return ForeignFile(path, stored[1], stored[0])


def _form(files: Sequence[ForeignFile]) -> str:
    names = [one.path.lower() for one in files]
    if any(name.endswith(".skops") for name in names):
        return "skops"
    if any(name.endswith(_PICKLES) for name in names):
        return "pickle"
    return "other" if names else "none"
