"""What a step's key depends on beside its inputs."""

from pathlib import Path

import pytest

import pilothouse
from pilothouse.execution import own_program


@pytest.mark.parametrize("part", ["training", "inference", "statistics", "tables", "domain", "system"])
def test_the_programs_own_code_is_part_of_a_steps_key(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = tmp_path / part / "fitting.py"
    code.parent.mkdir()
    code.write_text("SLOW = True\n")
    monkeypatch.setattr(pilothouse, "__file__", str(tmp_path / "__init__.py"))
    digest = own_program._digest_of.__wrapped__

    before = digest(own_program._IN_STEPS)
    code.write_text("SLOW = False\n")

    assert digest(own_program._IN_STEPS) != before
