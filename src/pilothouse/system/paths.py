"""Paths of everything in a workspace."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

CLIENT_TOKENS = "client-tokens"
"""Name of the file with the tokens of a serving process's clients, in its folder."""
TLS_CERTIFICATE, TLS_KEY = "tls-certificate.pem", "tls-key.pem"
"""Names of the files in that folder which have the process speak TLS alone."""
LONGEST_SOCKET_PATH = 107
"""Bytes of a socket's path: ``sun_path`` holds 108 with its final zero."""


@dataclass(frozen=True, slots=True)
class WorkspacePaths:
    """Files and folders of one workspace. Only ``make_folders`` and ``make_socket_folder`` create any."""

    root: Path

    @property
    def models(self) -> Path:
        """Folder that users write: one folder a model."""
        return self.root / "models"

    @property
    def state(self) -> Path:
        """Folder that Pilothouse writes; readable by its owner alone."""
        return self.root / "state"

    @property
    def registry(self) -> Path:
        """Database of models, versions, requests, deployments, jobs, alerts and the audit log."""
        return self.state / "registry.db"

    @property
    def telemetry(self) -> Path:
        """Database of predictions and profiles."""
        return self.state / "telemetry.db"

    @property
    def artifacts(self) -> Path:
        """Folder of content-addressed files."""
        return self.state / "artifacts"

    @property
    def jobs(self) -> Path:
        """Folder of the jobs' working folders."""
        return self.state / "jobs"

    @property
    def serving(self) -> Path:
        """Folder of the serving processes' spools and process files."""
        return self.state / "serving"

    @property
    def log_key(self) -> Path:
        """Key that signs the heads of the audit log."""
        return self.state / "log.key"

    @property
    def metrics_token(self) -> Path:
        """Token with which the workspace's owner reads the daemon's metrics on the hub's socket; in no backup."""
        return self.state / "metrics.token"

    @property
    def outbox(self) -> Path:
        """Folder in which processes that send messages leave what receivers answered."""
        return self.state / "outbox"

    @property
    def restored_outbox(self) -> Path:
        """File that says that the outbox is of a backup: what waits in it may have been sent since."""
        return self.state / "outbox-restored"

    @property
    def cluster(self) -> Path:
        """State of the cluster that runs steps, where there is one; the daemon writes it every few seconds."""
        return self.state / "cluster.json"

    @property
    def daemon_lock(self) -> Path:
        """File that the leading daemon holds a lock on."""
        return self.state / "daemon.lock"

    @property
    def read_only(self) -> Path:
        """File that exists while nothing may be written, and says why."""
        return self.state / "read-only.json"

    @property
    def signing_key(self) -> Path:
        """Private key by which the workspace signs what it hands out."""
        return self.state / "signing-key.pem"

    @property
    def erasure_plans(self) -> Path:
        """Folder of plans of erasures that were looked at and not ordered yet."""
        return self.state / "erasures"

    @property
    def tombstones(self) -> Path:
        """Folder of the tombstones of erasures, to be kept with the backups; beside ``state``."""
        return self.root / "erasures"

    @property
    def copying_lock(self) -> Path:
        """File that backups lock together, and an erasure alone: a copy is of before it or of after it."""
        return self.state / "copying.lock"

    @property
    def restored(self) -> Path:
        """File that says of which backup the workspace was restored, until its erasures are known."""
        return self.state / "restored.json"

    @property
    def libraries(self) -> Path:
        """File that says under which scikit-learn the live versions were looked at last."""
        return self.state / "libraries.json"

    @property
    def replay(self) -> Path:
        """File in which a replay of past data says how far it is."""
        return self.state / "replay.json"

    @property
    def daemon_log(self) -> Path:
        return self.state / "daemon.log"

    @property
    def hub_socket(self) -> Path:
        """Unix socket of the hub; in the user's runtime folder where the workspace's own path is too long for one."""
        direct = self.state / "hub.sock"
        if len(os.fsencode(direct.absolute())) <= LONGEST_SOCKET_PATH:
            return direct
        name = hashlib.sha256(os.fsencode(self.root.absolute())).hexdigest()[:16]
        runtimes = (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp")  # noqa: S108 - the folder in it is ours
        folder = f"pilothouse-{os.getuid()}-{name}"
        places = [Path(runtime) / folder / "hub.sock" for runtime in runtimes if runtime]
        return next((p for p in places if len(os.fsencode(p)) <= LONGEST_SOCKET_PATH), places[-1])

    def job_folder(self, job: int) -> Path:
        """Folder of one job."""
        return self.jobs / str(job)

    def step_folder(self, job: int, attempt: int, index: int, step: str) -> Path:
        """Folder that one step's process of one attempt may write."""
        return self.job_folder(job) / str(attempt) / f"{index:02d}-{step}"

    def serving_folder(self, target: str) -> Path:
        """Folder that the serving process of one target may write."""
        return self.serving / target

    def client_tokens(self, target: str) -> Path:
        """File with the tokens of the clients of one target's serving process; absent where everybody may ask it."""
        return self.serving_folder(target) / CLIENT_TOKENS

    def asks_for_tls(self, target: str) -> bool:
        """True where the next serving process of a target speaks TLS alone."""
        return any((self.serving_folder(target) / name).exists() for name in (TLS_CERTIFICATE, TLS_KEY))

    def make_folders(self) -> None:
        """Create all folders; those under ``state`` for their owner alone. Raises OSError."""
        self.models.mkdir(parents=True, exist_ok=True)
        for folder in (self.state, self.artifacts, self.jobs, self.serving):
            folder.mkdir(mode=0o700, exist_ok=True)
            folder.chmod(0o700)
        self.make_socket_folder()

    def make_socket_folder(self) -> None:
        """Create the hub socket's folder for this user alone. Raises PermissionError where another user owns it."""
        folder = self.hub_socket.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.lstat().st_uid != os.getuid() or folder.is_symlink():
            raise PermissionError(f"{folder} belongs to somebody else: remove it or set XDG_RUNTIME_DIR")
        folder.chmod(0o700)
