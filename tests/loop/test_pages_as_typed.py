"""The tutorial and the how-to pages, typed line by line in a folder of their own, as a reader would."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import mlflow_store, typed_pages
from support.typed_pages import blocks_of, script_of

ROOT = Path(__file__).parents[2]
DOCUMENTS = ROOT / "docs"

pytestmark = pytest.mark.loop


def typed(folder: Path, *names: str) -> str:
    """What is shown where these pages are typed one after the other; every line ends as the page says."""
    done = typed_pages.run(script_of([DOCUMENTS / f"{name}.md" for name in names], folder), folder)
    shown = done.stdout + done.stderr
    assert done.returncode == 0, shown
    assert "Traceback" not in shown
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the sample data of the tutorial."""
    shutil.copy(ROOT / "sample_data" / "bikeshare.parquet", tmp_path)
    return tmp_path


def test_a_table_becomes_a_watched_model_that_is_taken_back_at_night_and_has_code_of_its_own(
    folder: Path,
) -> None:
    shown = typed(folder, "tutorial", "served-elsewhere", "incident-at-night", "training-code")
    assert "better by" in shown, "the comparison that the tutorial speaks of"
    assert "the worst hour is" in shown
    assert "\nidentical" in shown


def test_somebody_else_approves_on_the_evidence_and_an_auditor_verifies_it(folder: Path) -> None:
    (split,) = [one for one in blocks_of(DOCUMENTS / "tutorial.md") if one.argument == "split.py"]
    (folder / "split.py").write_text(split.text, "utf-8")
    subprocess.run([sys.executable, "split.py"], cwd=folder, check=True)
    typed(folder, "regulated-approval")
    assert (folder / "bank" / "seen.txt").read_text() == "Validated on hours that no training saw.\n"


def test_a_registry_of_mlflow_moves_in(folder: Path) -> None:
    mlflow_store.unpacked(folder)
    (folder / "moved").mkdir()
    for item in folder.iterdir():
        if item.name not in ("moved", "bikeshare.parquet"):
            shutil.move(item, folder / "moved")
    shown = typed(folder, "from-mlflow")
    assert "credit" in shown.lower()
