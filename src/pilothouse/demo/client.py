"""The demo's clients: inference requests over TCP, outcomes over the hub's socket. Both try again until answered.

One request at a time a connection; a refused or broken connection is tried again for a minute, because killing a
serving process or the daemon in mid-replay is part of what the demo is for.
"""

import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pilothouse.demo.traffic import Request
from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.formats.wire import LabelReceipt, Outcome
from pilothouse.serving.bodies.client_codec import columns_of, error_of, infer_body, read_answer
from pilothouse.serving.delivery.hub_address import HubConnection

T = TypeVar("T")
_PATIENCE_S = 60.0
_PAUSE_S = 0.1
_LATER = (404, 503)
"""Answers of a server that is up and not ready: its model is not loaded yet, or its disk is full."""
_TRIAL, _SHADOW = "pilothouse_trial_info", ("pilothouse_trial_info", "pilothouse_shadow_requests_total")
"""Samples of a server's metrics."""


@dataclass(frozen=True, slots=True)
class ShadowSaid:
    """``goes_on``: the version answers copies of the requests; ``lacks``: there are requests that it did not answer."""

    goes_on: bool
    lacks: bool


class ServingClient:
    """Asks one target's server for predictions. ``port`` is looked up again after each broken connection."""

    def __init__(self, target: str, port: Callable[[], int | None]) -> None:
        self._target = target
        self._port = port
        self.asked_again = 0
        """Rows whose answer was lost with the connection: they may have been predicted, and stored, twice."""
        self.answered = 0
        """Rows that were answered."""
        self._connection: http.client.HTTPConnection | None = None
        self._inputs: dict[str, tuple[list[tuple[str, str]], str]] = {}

    def predict(self, model: str, request: Request) -> list[str]:
        """The prediction ids, one a row. Raises UnavailableError after a minute without an answer."""

        def broken() -> None:
            self.close()
            self.asked_again += len(request.rows)

        answer = _patiently(lambda: self._infer(model, request), f"target {self._target}", broken)
        self.answered += len(request.rows)
        return answer["prediction_id"]

    def shadow(self, version: int) -> ShadowSaid:
        """What the server says of a version in the shadow. Raises UnavailableError after a minute without an answer."""
        page = _patiently(lambda: self._ask("GET", "/metrics"), f"target {self._target}", self.close).decode()
        named = f'version="{version}"'
        tried = [line for line in page.splitlines() if named in line and line.startswith(_SHADOW)]
        counts = {
            outcome: sum(float(line.rpartition(" ")[2]) for line in tried if f'outcome="{outcome}"' in line)
            for outcome in ("dropped", "failed", "unfit")
        }
        return ShadowSaid(
            any(line.startswith(_TRIAL) and 'mode="shadow"' in line for line in tried),
            sum(counts.values()) > 0,
        )

    def close(self) -> None:
        """Give the connection up; the next request makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _infer(self, model: str, request: Request) -> dict[str, list[Any]]:
        if model not in self._inputs:
            self._inputs[model] = columns_of(json.loads(self._ask("GET", f"/v2/models/{model}")))
        columns, timestamp = self._inputs[model]
        body = infer_body(columns, request.rows, timestamp, outputs=("prediction_id",))
        return read_answer(self._ask("POST", f"/v2/models/{model}/infer", body))

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        if self._connection is None:
            port = self._port()
            if port is None:
                raise ConnectionError("its server has not said yet where it listens")
            self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._connection.request(method, path, body, {"Content-Type": "application/json"})
        response = self._connection.getresponse()
        answer = response.read()
        if response.status in _LATER:
            raise ConnectionError(error_of(answer))
        if response.status != 200:
            raise UnavailableError(f"target {self._target} answered {response.status}: {error_of(answer)}")
        return answer


class HubClient:
    """Hands in outcomes with the token of a target."""

    def __init__(self, hub: Path, token_file: Path) -> None:
        self._hub = hub
        self._token_file = token_file

    def send_outcomes(self, outcomes: list[Outcome]) -> LabelReceipt:
        """Raises UnavailableError after a minute without an answer."""
        return _patiently(
            lambda: self._post(msgspec.msgpack.encode(outcomes)), "the daemon's hub", lambda: None
        )

    def _post(self, body: bytes) -> LabelReceipt:
        connection = HubConnection(self._hub, 30)
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
