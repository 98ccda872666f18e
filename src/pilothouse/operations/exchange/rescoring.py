"""Re-scoring of imported versions: a confined step loads the model file by our list of types and lets it answer its example.

That a version answers makes nothing of it that could be deployed: it says that the file is what its registry described.
"""

import importlib.util
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from pilothouse.domain.errors import InvalidInputError, UnavailableError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.imported.views import FORMS, ImportedVersion, Score
from pilothouse.domain.jobs.jobs import JobStatus, StepRequest
from pilothouse.execution.pipeline import judge
from pilothouse.operations.authorisation import authorise, changing, reading
from pilothouse.operations.exchange.imported import require_version
from pilothouse.operations.services import Services
from pilothouse.operations.workspace.upgrades import Trials
from pilothouse.store.models import imported, imports

_TIMEOUT_S = 300
_MEMORY_MB = 4_096
_RECORDED = (
    "inputs",
    "estimator",
    "rows",
    "type",
    "predictions",
    "classes",
    "has_probabilities",
    "written_with",
)
EXAMPLE = "input_example.json"
DESCRIPTION = "MLmodel"


def check_installed() -> None:
    """Raise UnavailableError where the parser of MLflow's descriptions is missing."""
    if importlib.util.find_spec("yaml") is None:
        raise UnavailableError("a re-scoring needs pyyaml: pip install 'pilothouse[mlflow]'")


def rescore(
    services: Services, actor: Actor, tries: Trials, reference: str
) -> Iterator[tuple[ImportedVersion, Score]]:
    """Re-score one imported version, or all skops files of a model that have no score yet, and record what was found.

    Raises NotAllowedError, NotFoundError, InvalidInputError (it has no file that is ever loaded) or UnavailableError.
    """
    authorise(services, actor, Permission.IMPORT)
    check_installed()
    with reading(services, actor) as connection:
        if "/" in reference or "@" in reference:
            versions = [require_version(connection, reference)]
            check_loadable(versions[0])
        else:
            named = list(imported.versions(connection, reference))
            versions = [one for one in named if one.skops_file is not None and one.score is None]
            if not named:
                raise InvalidInputError(
                    f"{reference[:80]!r} has no imported versions: pilothouse import list"
                )
    return ((version, _scored(services, actor, tries, version)) for version in versions)


def check_loadable(version: ImportedVersion) -> None:
    """Raise InvalidInputError where a version has no model file that is ever loaded."""
    name = f"{version.model}/{version.number}"
    if version.form == "pickle":
        raise InvalidInputError(f"{name} is a pickle, which may run any code: it is listed and never loaded")
    if version.skops_file is None:
        why = version.files_fault or FORMS[version.form]
        raise InvalidInputError(f"{name} has no skops file here ({why}): import it with its files")
    if version.file(DESCRIPTION) is None:
        raise InvalidInputError(f"{name} has no MLmodel here: import it with its files")


def _scored(services: Services, actor: Actor, tries: Trials, version: ImportedVersion) -> Score:
    model, description, example = version.skops_file, version.file(DESCRIPTION), version.file(EXAMPLE)
    assert model is not None
    digests = {"model": model.digest}
    if description is not None:
        digests["description"] = description.digest
    if example is not None:
        digests["example"] = example.digest
    for digest in digests.values():
        services.artifacts.read(digest)  # raises where its bytes are not those of the digest
    with tempfile.TemporaryDirectory(dir=tries.folder) as folder:
        request = StepRequest(
            job=0,
            attempt=1,
            step="rescore",
            folder=str(Path(folder) / "step"),
            spec={},
            inputs={name: str(services.artifacts.path(digest)) for name, digest in digests.items()},
            timeout_s=_TIMEOUT_S,
            memory_mb=_MEMORY_MB,
            threads=1,
        )
        Path(request.folder).mkdir()
        exit_, result = tries.launcher.run_step(request, threading.Event(), lambda _: None)
        status, error, _ = judge(request, exit_, result)
    if status is not JobStatus.SUCCEEDED or result is None:
        answers, finding, plain = False, one_line(f"could not be tried: {error}"), {}
    else:
        answers = result.record.get("answers") is True
        finding = one_line(str(result.record.get("finding") or "says nothing"))
        plain = {name: result.record[name] for name in _RECORDED if name in result.record}
    with changing(services, actor, Permission.IMPORT) as change:
        score = Score(model.digest, answers, finding, plain, actor.name, change.at)
        imports.add_score(change.connection, version.id, score)
        change.record(
            "import.scored",
            f"imported {version.model}/{version.number}",
            {"origin": version.origin, "model": model.digest, "answers": answers, "finding": finding},
        )
    return score
