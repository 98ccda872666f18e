"""Where everything of a workspace lies."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

_LONGEST_SOCKET_PATH = 107
"""``sun_path`` holds 108 bytes with its final zero."""


@dataclass(frozen=True, slots=True)
class WorkspacePaths:
    """The files and folders of one workspace. Computes, and creates only in ``make_folders``."""

    root: Path

    @property
    def models(self) -> Path:
        """What users write: one folder a model."""
        return self.root / "models"

    @property
    def state(self) -> Path:
        """What Pilothouse writes; readable by its owner alone."""
        return self.root / "state"

    @property
    def registry(self) -> Path:
        """The database of models, versions, requests, deployments, jobs, alerts and the audit log."""
        return self.state / "registry.db"

    @property
    def telemetry(self) -> Path:
        """The database of predictions and profiles."""
        return self.state / "telemetry.db"

    @property
    def artifacts(self) -> Path:
        """Content-addressed files."""
        return self.state / "artifacts"

    @property
    def jobs(self) -> Path:
        """Working folders of jobs."""
        return self.state / "jobs"

    @property
    def serving(self) -> Path:
        """Spools and process files of serving processes."""
        return self.state / "serving"

    @property
    def daemon_lock(self) -> Path:
        """Held by the daemon that leads."""
        return self.state / "daemon.lock"

    @property
    def read_only(self) -> Path:
        """There while nothing may be written; says why."""
        return self.state / "read-only.json"

    @property
    def daemon_log(self) -> Path:
        """What the daemon did."""
        return self.state / "daemon.log"

    @property
    def hub_socket(self) -> Path:
        """The hub's unix socket; in the user's runtime folder where the workspace's own path is too long for one."""
        direct = self.state / "hub.sock"
        if len(os.fsencode(direct.absolute())) <= _LONGEST_SOCKET_PATH:
            return direct
        name = hashlib.sha256(os.fsencode(self.root.absolute())).hexdigest()[:16]
        runtime = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
        return Path(runtime) / f"pilothouse-{os.getuid()}-{name}" / "hub.sock"

    def job_folder(self, job: int) -> Path:
        """Everything of one job."""
        return self.jobs / str(job)

    def step_folder(self, job: int, attempt: int, index: int, step: str) -> Path:
        """What one process of one attempt may write."""
        return self.job_folder(job) / str(attempt) / f"{index:02d}-{step}"

    def serving_folder(self, target: str) -> Path:
        """What the serving process of one target may write."""
        return self.serving / target

    def make_folders(self) -> None:
        """Create all folders; those under ``state`` only for their owner. Raises OSError."""
        self.models.mkdir(parents=True, exist_ok=True)
        for folder in (self.state, self.artifacts, self.jobs, self.serving):
            folder.mkdir(mode=0o700, exist_ok=True)
            folder.chmod(0o700)
        self.make_socket_folder()

    def make_socket_folder(self) -> None:
        """Create the hub socket's folder, ours alone. Raises PermissionError if somebody else owns it."""
        folder = self.hub_socket.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.lstat().st_uid != os.getuid() or folder.is_symlink():
            raise PermissionError(f"{folder} belongs to somebody else: remove it or set XDG_RUNTIME_DIR")
        folder.chmod(0o700)
