"""Versions as folders that MLflow loads, with how they answer there. Nothing is decided by them and nothing recorded.

The model is loaded in a step, in a confined process of its own.
"""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import IntegrityError, InvalidInputError, NotFoundError, UnavailableError
from pilothouse.domain.models.evaluation import ComparedRows
from pilothouse.interop.mlflow_model import MlflowModel, files
from pilothouse.operations.catalogue import require_run, require_version
from pilothouse.operations.jobs.step_records import compared_in
from pilothouse.operations.services import Services
from pilothouse.operations.workspace.upgrades import Trials
from pilothouse.store.models.used_versions import used_versions

_KINDS = frozenset({"number", "category"})


@dataclass(frozen=True, slots=True)
class MlflowExport:
    """Version as MLflow's folder, and how the bare estimator in it answers beside the version."""

    model: str
    version: int
    compared: Sequence[ComparedRows]
    trusted_types: Sequence[str]
    files: dict[str, bytes]

    @property
    def differing(self) -> int:
        """Rows with another label or value, or without an answer."""
        return sum(
            rows.labels + rows.unanswered + (rows.rows if rows.largest else 0) for rows in self.compared
        )


def export_mlflow(services: Services, tries: Trials, reference: str) -> MlflowExport:
    """Version as MLflow's folder, compared on its hold-out. Raises PilothouseError."""
    with services.registry.read() as connection:
        found = require_version(connection, reference)
        (version,) = used_versions(connection, found.id)
        run = require_run(connection, found)
    name = f"{version.model}/{version.number}"
    if not version.holdout_digest:
        raise NotFoundError(
            f"{name}: no sample of it is stored, so that nothing could be compared; train it again"
        )
    result, error = tries.run("export_mlflow", version)
    if result is None:
        raise InvalidInputError(f"{name}: {error}")
    record = result.record
    inputs, types, output = (
        _inputs(record.get("inputs")),
        _texts(record.get("trusted_types")),
        record.get("output"),
    )
    if inputs is None or types is None or not isinstance(output, str):
        raise IntegrityError("export_mlflow: its record does not describe a model")
    model = MlflowModel(
        model=version.model,
        version=version.number,
        made_at=found.created_at,
        data=services.artifacts.read(version.model_digest),
        digest=version.model_digest,
        trusted_types=types,
        inputs=inputs,
        output=output,
        python=str(run.environment.get("python", "")),
        packages={str(key): str(value) for key, value in run.environment.get("packages", {}).items()},
    )
    compared = compared_in("export_mlflow", record.get("compared"))
    return MlflowExport(version.model, version.number, compared, types, files(model))


def write(export: MlflowExport, folder: Path) -> None:
    """Write the folder, whole or not at all. Raises UnavailableError."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            for name, data in export.files.items():
                (beside / name).write_bytes(data)
            beside.chmod(0o755)
            if folder.is_dir():
                folder.rmdir()
            beside.replace(folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise UnavailableError(f"{folder} cannot be written: {error.strerror}") from error


def _inputs(plain: Any) -> list[tuple[str, str]] | None:
    if not isinstance(plain, list):
        return None
    pairs = [(one[0], one[1]) for one in plain if isinstance(one, list) and len(one) == 2]
    are_named = all(isinstance(name, str) and kind in _KINDS for name, kind in pairs)
    return pairs if are_named and len(pairs) == len(plain) else None


def _texts(plain: Any) -> list[str] | None:
    return plain if isinstance(plain, list) and all(isinstance(one, str) for one in plain) else None
