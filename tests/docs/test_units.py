"""The units of ``docs/systemd`` as systemd itself reads them."""

import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = sorted((Path(__file__).parents[2] / "docs" / "systemd").glob("*.service"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (systemd)")
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_finds_no_fault_in_a_unit(unit: Path, tmp_path: Path) -> None:
    # the program alone is not there: another stands for it
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace("/opt/pilothouse/.venv/bin/pilothouse", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False
    )
    assert unit.name not in done.stdout + done.stderr
    copy.write_text(copy.read_text().replace("[Service]", "[Service]\nNoSuchKey=1"))
    again = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True
    )
    assert "NoSuchKey" in again.stderr
