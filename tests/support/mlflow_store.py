"""The small store that MLflow 3.17 has written (``tests/ecosystem/mlflow/make_fixture.py`` makes it)."""

import zipfile
from pathlib import Path

from pilothouse.operations.exchange.mlflow_exports import MlflowExport
from pilothouse.operations.exchange.mlflow_publishing import Published, publish
from pilothouse.operations.exchange.tracking_server import TrackingServer
from pilothouse.operations.services import Services
from support import example
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


def sent() -> Answers:
    """What its server answered to a version that was sent twice (``make_sent_fixture.py`` makes it)."""
    return read_answers(FIXTURES / "sent.json.gz")


def send_twice(services: Services, address: str) -> tuple[Published, Published]:
    """Send a version of the example to a server, and again. Its files stand for a model."""
    sam, export = example.person(services, "sam"), export_of_the_example()
    first = publish(services, sam, export, TrackingServer(address, {}))
    return first, publish(services, sam, export, TrackingServer(address, {}))


def export_of_the_example() -> MlflowExport:
    """A version of the example as MLflow's folder; the files stand for real ones."""
    return MlflowExport("flight-delay", 1, (), (), {"MLmodel": b"flavors: {}\n", "model.skops": b"bytes"})
