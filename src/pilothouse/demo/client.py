"""The demo's clients: inference requests over TCP, outcomes over the hub's socket. Both try again until answered.

One request at a time a connection; a refused or broken connection is tried again for a minute, because killing a
serving process or the daemon in mid-replay is part of what the demo is for.
"""

import http.client
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from pilothouse.demo.traffic import Request
from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.inference import infer_body
from pilothouse.domain.wire import LabelReceipt, Outcome

T = TypeVar("T")
_PATIENCE_S = 60.0
_PAUSE_S = 0.1


class ServingClient:
    """Asks one target's server for predictions. ``port`` is looked up again after each broken connection."""

    def __init__(self, target: str, port: Callable[[], int | None]) -> None:
        self._target = target
        self._port = port
        self._connection: http.client.HTTPConnection | None = None

    def predict(self, model: str, request: Request, timestamp: str, categoricals: frozenset[str]) -> list[str]:
        """The prediction ids, one a row. Raises UnavailableError after a minute without an answer."""
        body = msgspec.json.encode(infer_body(request.columns, categoricals, timestamp, request.times_us))
        answer = _patiently(lambda: self._post(f"/v2/models/{model}/infer", body), f"target {self._target}", self.close)
        outputs = {output["name"]: output["data"] for output in answer["outputs"]}
        ids: list[str] = outputs["prediction_id"]
        return ids

    def close(self) -> None:
        """Give the connection up; the next request makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post(self, path: str, body: bytes) -> dict:  # type: ignore[type-arg]
        if self._connection is None:
            port = self._port()
            if port is None:
                raise ConnectionError("no port yet")
            self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        data = response.read()
        if response.status == 503:
            raise ConnectionError(data.decode(errors="replace"))
        if response.status != 200:
            raise UnavailableError(f"target {self._target} answered {response.status}: {data.decode(errors='replace')}")
        return json.loads(data)  # type: ignore[no-any-return]


class HubClient:
    """Hands in outcomes with the token of a target."""

    def __init__(self, hub: Path, token_file: Path) -> None:
        self._hub = hub
        self._token_file = token_file

    def send_outcomes(self, outcomes: list[Outcome]) -> LabelReceipt:
        """Raises UnavailableError after a minute without an answer."""
        return _patiently(lambda: self._post(msgspec.msgpack.encode(outcomes)), "the daemon's hub", lambda: None)

    def _post(self, body: bytes) -> LabelReceipt:
        connection = _UnixConnection(self._hub)
        try:
            token = self._token_file.read_text().strip()
            connection.request("POST", "/v1/labels", body, {"Authorization": f"Bearer {token}"})
            response = connection.getresponse()
            data = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise UnavailableError(f"the hub answered {response.status}: {data.decode(errors='replace')}")
        return msgspec.msgpack.decode(data, type=LabelReceipt)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("hub", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _patiently(act: Callable[[], T], whom: str, reset: Callable[[], None]) -> T:
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return act()
        except (OSError, http.client.HTTPException) as error:
            reset()
            if time.monotonic() > deadline:
                raise UnavailableError(f"{whom} has not answered for {_PATIENCE_S:.0f} s: {error}") from error
            time.sleep(_PAUSE_S)
