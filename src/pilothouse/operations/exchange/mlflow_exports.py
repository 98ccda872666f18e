"""Versions as folders that MLflow loads, with how they answer there."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import IntegrityError, UnavailableError
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.models.evaluation import ComparedRows
from pilothouse.interop.mlflow_model import MlflowModel, files
from pilothouse.operations.exchange.version_exports import hand_out, try_export
from pilothouse.operations.services import Services
from pilothouse.operations.workspace.upgrades import Trials

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


def export_mlflow(services: Services, actor: Actor, tries: Trials, reference: str) -> MlflowExport:
    """Version as MLflow's folder, compared on its hold-out. Raises PilothouseError."""
    tried = try_export(services, actor, tries, reference, "export_mlflow")
    record, used = tried.record, tried.used
    inputs, types, output = (
        _inputs(record.get("inputs")),
        _texts(record.get("trusted_types")),
        record.get("output"),
    )
    if inputs is None or types is None or not isinstance(output, str):
        raise IntegrityError("export_mlflow: its record does not describe a model")
    environment = tried.run.environment
    model = MlflowModel(
        model=used.model,
        version=used.number,
        made_at=tried.version.created_at,
        data=services.artifacts.read(used.model_digest),
        digest=used.model_digest,
        trusted_types=types,
        inputs=inputs,
        output=output,
        python=str(environment.get("python", "")),
        packages={str(key): str(value) for key, value in environment.get("packages", {}).items()},
    )
    return MlflowExport(used.model, used.number, tried.compared, types, files(model))


def write(services: Services, actor: Actor, export: MlflowExport, folder: Path) -> None:
    """Write the folder, whole or not at all, and record who took it away. Raises NotAllowedError or UnavailableError."""
    hand_out(services, actor, export, "mlflow", export.files)
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
