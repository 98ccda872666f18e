"""A dossier before the real tools: the verifier of OpenSSF Model Signing, and CycloneDX's strict validator."""

import subprocess
from pathlib import Path

import pytest

from fixtures.registries import Example, make_example
from pilothouse.operations.dossier import dossiers
from pilothouse.operations.promotion import promotions
from pilothouse.presentation.dossier.pages import dossier_pages

TOOLS = Path(__file__).parents[2] / ".interop"
VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read())
sys.exit(str(fault) if fault else 0)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    example: Example = make_example(
        tmp_path / "workspace",
        inventory={"risk_tier": "high", "intended_use": "plan", "limits": ["no snow"], "users": ["dispatch"],
                   "not_intended_for": ["medicine"]},
    )  # fmt: skip
    example.add_version()
    request = promotions.request_promotion(example.services, example.actor("oscar"), "delay/1")
    promotions.approve(example.services, example.actor("pat"), request.id, request.evidence_digest)
    written = dossiers.write_dossier(
        example.services, example.actor("aud"), "delay/1", tmp_path / "dossier", dossier_pages
    )
    example.close()
    return written.folder


def _model_signing(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(TOOLS / "signing" / "bin" / "model_signing"), "verify", "key", "model"]
    return subprocess.run(
        [*command, "--signature", "model.sig", "--public_key", "signing-key.pem"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_model_signing_accepts_the_model_and_refuses_a_changed_or_added_file(folder: Path) -> None:
    assert _model_signing(folder).returncode == 0, _model_signing(folder).stderr
    (folder / "model" / "more").write_text("x")
    assert "more" in _model_signing(folder).stderr
    (folder / "model" / "more").unlink()
    (folder / "model" / "model.skops").write_bytes(b"other bytes")
    assert "model.skops" in _model_signing(folder).stderr


def test_cyclonedx_accepts_the_bill_of_materials_strictly(folder: Path) -> None:
    python = str(TOOLS / "cyclonedx" / "bin" / "python")
    answer = subprocess.run(
        [python, "-I", "-c", VALIDATE, str(folder / "ml-bom.cdx.json")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
