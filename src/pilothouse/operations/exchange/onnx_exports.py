"""ONNX files of versions for other systems, with how their answers differ."""

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pilothouse.domain.errors import IntegrityError, UnavailableError
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.models.evaluation import ComparedRows
from pilothouse.operations.exchange.version_exports import hand_out, try_export
from pilothouse.operations.services import Services
from pilothouse.operations.workspace.upgrades import Trials
from pilothouse.system.files import write_atomically

PACKAGES = ("skl2onnx", "onnx", "onnxruntime", "protobuf")
_INSTALL = "pip install 'pilothouse[onnx]'"
_NUMBERS = ("float32", "float64")


@dataclass(frozen=True, slots=True)
class OnnxExport:
    """Version in ONNX, and how that answers."""

    model: str
    version: int
    numbers: str
    """Type of the numbers that go in: ``float32`` or ``float64``."""
    compared: Sequence[ComparedRows]
    not_generated: str
    """Why no generated rows were compared; empty where they were."""
    data: bytes

    @property
    def differing(self) -> int:
        """Rows with another label or without an answer, and those of kinds whose probabilities are others."""
        return sum(rows.differing for rows in self.compared)


def check_installed() -> None:
    """Raise UnavailableError where a package is missing that the export needs."""
    missing = [name for name in PACKAGES if not _release(name)]
    if missing:
        raise UnavailableError(f"an export to ONNX needs {', '.join(missing)}: {_INSTALL}")
    protobuf = _release("protobuf")
    if int(protobuf.partition(".")[0]) >= 7:  # skl2onnx 1.20 fails on booleans among integers
        raise UnavailableError(f"boosted models do not convert with protobuf {protobuf}: {_INSTALL}")


def export_onnx(services: Services, actor: Actor, tries: Trials, reference: str) -> OnnxExport:
    """Version in ONNX, compared on its hold-out and on generated rows; ``check_installed`` goes before. Raises
    PilothouseError."""
    tried = try_export(services, actor, tries, reference, "export_onnx")
    numbers = tried.record.get("numbers")
    if numbers not in _NUMBERS or "onnx" not in tried.outputs:
        raise IntegrityError("export_onnx: its record tells of no file")
    reason = safe(str(tried.record.get("not_generated", "")), limit=300)
    data = Path(tried.outputs["onnx"]).read_bytes()
    return OnnxExport(tried.used.model, tried.used.number, numbers, tried.compared, reason, data)


def write(services: Services, actor: Actor, export: OnnxExport, file: Path) -> None:
    """Write the file, and record who took it away. Raises NotAllowedError or UnavailableError."""
    hand_out(services, actor, export, "onnx", {file.name: export.data})
    try:
        write_atomically(file, export.data, 0o644)
    except OSError as error:
        raise UnavailableError(f"{file} cannot be written: {error.strerror}") from error


def _release(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
