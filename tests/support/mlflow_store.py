"""The small store that MLflow 3.17 has written (``tests/ecosystem/mlflow/make_fixture.py`` makes it)."""

import zipfile
from pathlib import Path

from support.recorded_http import Answers, read_answers

FIXTURES = Path(__file__).parents[1] / "fixtures" / "mlflow"


def unpacked(folder: Path) -> Path:
    """The store's SQLite file, unpacked with its files; elsewhere than it was written."""
    with zipfile.ZipFile(FIXTURES / "store.zip") as archive:
        archive.extractall(folder)
    return folder / "mlflow.db"


def recorded() -> Answers:
    """What its server answered to an import."""
    return read_answers(FIXTURES / "server.json.gz")
