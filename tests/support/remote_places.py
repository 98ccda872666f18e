"""A workspace whose hub listens with TLS for other machines, and serving processes that come to it without a workspace."""

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pilothouse.daemon.hub import Door, Hub
from pilothouse.daemon.hub_door import HubDoorKeeper
from pilothouse.daemon.thread_loop import Wakeup
from pilothouse.operations.fleet import remote_tokens
from pilothouse.operations.fleet.processes import Pulse
from pilothouse.operations.workspace import apply_models
from pilothouse.system.processes import own_name
from support import wait_until
from support.certificates import made_certificate
from support.registered_versions import promote, register
from support.small_workspace import SmallWorkspace, make_small_workspace

FAR = "far"
"""The remote target."""
_TARGETS = """
[hub]
listen = "{host}:{port}"
tls_certificate = "hub.pem"
tls_key = "hub-key.pem"

[[target]]
name = "ewr"

[[target]]
name = "far"
place = "remote"
"""


@dataclass
class RemoteHub:
    """A workspace, its hub behind the door of the network, and the authority of its certificate. ``open`` and ``close`` as
    often as wanted: the port stays."""

    shop: SmallWorkspace
    authority: Path
    port: int = 0
    host: str = "127.0.0.1"
    keeper: HubDoorKeeper | None = None
    pulse: Pulse | None = None
    hub: Hub | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def describe(self, port: int) -> None:
        """Have the hub listen on a port."""
        (self.shop.root / "targets.toml").write_text(_TARGETS.format(host=self.host, port=port))
        apply_models.apply(self.shop.services, self.shop.admin)

    def open(self) -> None:
        self.pulse = Pulse(self.shop.services, own_name())
        self.stop = threading.Event()
        self.hub = Hub(self.shop.services, self.pulse)
        self.keeper = HubDoorKeeper(self.shop.services, self.hub.app(Door.NETWORK))
        self.thread = threading.Thread(target=self.keeper.run, args=(Wakeup(self.stop),))
        self.thread.start()
        wait_until(lambda: self.keeper is not None and self.keeper.port is not None)
        if not self.port:
            assert self.keeper.port is not None
            self.port = self.keeper.port
            self.describe(self.port)
            # the door at the free port answers too, until the keeper has moved it
            wait_until(lambda: self.keeper.door is not None and self.keeper.door.address[1] == self.port)  # type: ignore[union-attr]
            wait_until(lambda: self.answers())

    def answers(self) -> bool:
        try:
            return self.ask("GET", "/v1/desired", "none")[0] == 401
        except OSError:
            return False

    def close(self) -> None:
        self.stop.set()
        if self.thread is not None:
            self.thread.join()
            self.thread = None
        self.keeper = self.pulse = self.hub = None  # the hub's threads end with what holds them

    def token(self, valid: timedelta = timedelta(days=1), target: str = FAR) -> remote_tokens.IssuedToken:
        return remote_tokens.issue(self.shop.services, self.shop.admin, target, valid)

    def ask(self, method: str, path: str, token: str, body: bytes | None = None) -> tuple[int, bytes]:
        """One request over TLS."""
        context = ssl.create_default_context(cafile=self.authority)
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=20, context=context)
        try:
            connection.request(method, path, body, {"Authorization": f"Bearer {token}"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def make_remote_hub(
    folder: Path, names: Sequence[str] = ("localhost",), listen: str = "127.0.0.1"
) -> RemoteHub:
    """A hub with ``delay/1`` live on ``far``; it is not open yet."""
    shop = make_small_workspace(folder / "w")
    now = datetime.now(UTC)
    certificate, key = made_certificate(now, names=names)
    (shop.root / "hub.pem").write_bytes(certificate)
    (shop.root / "hub-key.pem").write_bytes(key)
    shop.write_model(more=f'[[targets]]\nname = "{FAR}"')
    hub = RemoteHub(shop, shop.root / "hub.pem", host=listen)
    hub.describe(0)
    register(shop, 1)
    promote(shop, 1, FAR)
    return hub


@dataclass
class FarProcess:
    """``pilothouse serve`` as another machine runs it: in a folder of its own, without a workspace."""

    process: subprocess.Popen[bytes]
    folder: Path
    log: Path

    @property
    def port(self) -> int:
        return int(json.loads((self.folder / "process.json").read_bytes())["port"])

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def predict(self, rows: int = 1, at: datetime | None = None) -> tuple[int, list[str]]:
        """Ask for rows; the status and the ids of what was answered."""
        time = {"at": at.isoformat()} if at is not None else {}
        asked = [{"wind": 3.0 + row, "load": 0.5, **time} for row in range(rows)]
        status, body = self.ask("POST", "/v2/models/delay/predict", json.dumps({"rows": asked}).encode())
        answer: dict[str, Any] = json.loads(body)
        return status, [row["prediction_id"] for row in answer.get("rows", [])]

    def wait_until_ready(self) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            if not (self.folder / "process.json").exists():
                return False
            try:
                return self.ask("GET", "/v2/health/ready")[0] == 200
            except OSError:
                return False

        wait_until(ready, 60)

    def end(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill_child(self) -> None:
        """Kill the process that answers; its parent holds the port and forks the next one."""
        os.kill(json.loads((self.folder / "process.json").read_bytes())["process"]["pid"], signal.SIGKILL)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)


def serve_far(
    folder: Path,
    url: str,
    authority: Path | None,
    *options: str,
    token: str = "",
    environment: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
) -> FarProcess:
    """Start it, behind the command ``prefix``. ``token``: written to a file; the environment may hold one instead."""
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "process.json").unlink(missing_ok=True)
    log = folder.parent / f"{folder.name}.log"
    command = [sys.executable, "-I", "-m", "pilothouse.cli.main", "serve", "--on", FAR, "--hub", url]
    command += ["--folder", str(folder), "--port", "0"]
    command += ["--ca", str(authority)] if authority is not None else []
    if token:
        (folder / "token").write_text(token)
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [*prefix, *command, *options],
            stdout=stream,
            stderr=stream,
            cwd="/",
            env={**os.environ, **(environment or {})},
        )
    return FarProcess(process, folder, log)
