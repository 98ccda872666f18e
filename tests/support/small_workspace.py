"""A small real workspace for tests of the daemon and the command line: people, a data file, a model, and waiting for jobs."""

import csv
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pilothouse.composition import open_workspace
from pilothouse.domain.identity.roles import Actor, Role
from pilothouse.domain.records import Job
from pilothouse.operations.jobs import jobs, trainings
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import apply_models, workspaces
from support import until_the_test_ends, wait_until
from support.templates import copy_of

MODEL = """
name = "delay"
task = "binary"
owner = "tests"

[data]
source = "../../data/rows.csv"
target = "late"
timestamp = "at"
timezone = "UTC"
features = ["wind", "load"]
holdout = "10d"

[training]
{training}
threads = 1
timeout = "60s"

[gates.data]
maximum_missing = 0.5

[promotion]
approvals = 1
four_eyes = true

[[targets]]
name = "ewr"

{more}
"""
_FURTHER = datetime(2025, 1, 2, tzinfo=UTC)
ESTIMATOR = 'estimator = "sklearn.ensemble.HistGradientBoostingClassifier"\nparameters = { max_iter = 8 }'


@dataclass(frozen=True)
class SmallWorkspace:
    """An open workspace with a data scientist and an approver. Its model ``delay`` runs on the target ``ewr``."""

    root: Path
    services: Services
    admin: Actor
    scientist: Actor
    approver: Actor

    def write_model(
        self, training: str = ESTIMATOR, *, code: str = "", more: str = "", timeout: str = "60s"
    ) -> None:
        """Write and apply the model file."""
        folder = self.root / "models" / "delay"
        folder.mkdir(parents=True, exist_ok=True)
        text = MODEL.format(training=training, more=more).replace('timeout = "60s"', f'timeout = "{timeout}"')
        (folder / "model.toml").write_text(text)
        if code:
            (folder / "train.py").write_text(code)
        apply_models.apply(self.services, self.admin)

    def renew(self) -> None:
        """A further row, and the model as it was at first: no job before has a step that a job after it could reuse."""
        source = self.root / "data" / "rows.csv"
        at = _FURTHER + timedelta(hours=len(source.read_text().splitlines()))
        with source.open("a") as stream:
            stream.write(f"{at:%Y-%m-%d %H:%M:%S},9.000,0.5000,0\n")
        self.write_model()

    def train(self) -> Job:
        """Ask for a training."""
        return trainings.start_training(self.services, self.scientist, "delay", reason="a test")

    def job(self, number: int) -> Job:
        """The job as it is now."""
        return jobs.get_job(self.services, self.scientist, number)

    def ended(self, number: int, timeout: float = 60.0) -> Job:
        """The job, once it has ended."""
        wait_until(lambda: self.job(number).status.ended, timeout)
        return self.job(number)


def make_small_workspace(root: Path) -> SmallWorkspace:
    """Make the workspace in ``root``."""
    copy_of("small_workspace", _build, root)
    return open_small_workspace(root)


def open_small_workspace(root: Path) -> SmallWorkspace:
    """Open one that was made, maybe by another process."""
    services = until_the_test_ends(open_workspace(root))
    return SmallWorkspace(
        root, services, *(workspaces.identify(services, name) for name in ("ada", "sam", "pat"))
    )


def _build(root: Path) -> None:
    workspaces.initialise(root, "ada")
    services = open_workspace(root)
    admin = workspaces.identify(services, "ada")
    for name, role in (("sam", Role.DATA_SCIENTIST), ("pat", Role.APPROVER)):
        workspaces.grant_role(services, admin, name, role)
    (root / "data").mkdir()
    write_rows(root / "data" / "rows.csv", 1_500)
    SmallWorkspace(root, services, admin, admin, admin).write_model()
    services.close()


def write_rows(path: Path, rows: int) -> None:
    """Write hourly rows from 2025 on, in which the class ``late`` depends on wind and load."""
    chance = random.Random(5)
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["at", "wind", "load", "late"])
        for hour in range(rows):
            at = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
            wind, load = chance.gauss(10, 3), chance.random()
            late = int(wind + 4 * load + chance.gauss(0, 2) > 13)
            writer.writerow([at.strftime("%Y-%m-%d %H:%M:%S"), f"{wind:.3f}", f"{load:.4f}", late])
