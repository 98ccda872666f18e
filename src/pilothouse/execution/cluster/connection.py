"""Connection to a cluster: kept, made again, and what its scheduler tells of the workers. Needs the extra ``dask``."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

from distributed import Client, Future
from distributed.security import Security

from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.integrations.execution_settings import ExecutionSettings
from pilothouse.execution.cluster import agent
from pilothouse.execution.own_program import program_digest

_AGAIN_AFTER_S = 2.0
_PATIENCE_S = 20.0
"""Seconds that a scheduler has to answer at first."""
_LOOK_EVERY_S = 1.0
_CALL_S = 20.0
"""Seconds that a worker has to answer a call."""
_LONGEST_FAULT = 300


class WorkerGoneError(Exception):
    """A worker, or the way to it, is gone."""


class Connection:
    """Client of one scheduler. ``connected`` is set while there is one; ``generation`` counts them."""

    def __init__(
        self,
        settings: ExecutionSettings,
        files: tuple[str, str, str],
        manner: dict[str, Any],
        hear: Callable[[dict[str, Any]], None],
        tell: Callable[[dict[str, Any]], None],
    ) -> None:
        """``manner``: the Manner of launchers that workers make ready. ``hear`` is given what agents announce, ``tell`` the
        state of the cluster once a second."""
        self._settings = settings
        self._files = files
        self._manner = manner
        self._hear, self._tell = hear, tell
        self._client: Any = None
        self._facts: dict[str, dict[str, Any]] = {}
        self._fault = "not connected yet"
        self.topic = ""
        self.connected = asyncio.Event()
        self.lost = asyncio.Event()
        """Set when the connection in use is lost; a new one has a new event."""
        self.lost.set()
        self.workers: set[str] = set()

    async def keep(self) -> None:
        """Connect, watch, and connect again, for ever."""
        while True:
            try:
                await self._connect()
                self.lost, self._fault = asyncio.Event(), ""
                self.connected.set()
                await self._watch()
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever the library raises, it is tried again and said
                self._fault = one_line(f"{type(error).__name__}: {error}", _LONGEST_FAULT)
            self.connected.clear()
            self.lost.set()
            self.workers = set()
            self._say({})
            await self.close()
            await asyncio.sleep(_AGAIN_AFTER_S)

    async def close(self) -> None:
        """Leave the cluster; what runs there for this client is forgotten by the scheduler."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(client.close(timeout=2), 5)

    def submit(self, text: str, step: str, token: str) -> Future:
        """Hand the cluster a step. Raises WorkerGoneError where there is no connection."""
        if self._client is None:
            raise WorkerGoneError("the connection to the scheduler is lost")
        future: Future = self._client.submit(
            agent.run_step, text, key=f"pilothouse-{step}-{token}", pure=False, retries=0
        )
        return future

    async def call(self, worker: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Answer of a function of the agent on a worker. Raises WorkerGoneError."""
        if self._client is None:
            raise WorkerGoneError("the connection to the scheduler is lost")
        try:
            answers = await asyncio.wait_for(
                self._client.run(function, *arguments, workers=[worker]), timeout=_CALL_S
            )
            return answers[worker]
        except (OSError, TimeoutError, KeyError, ValueError) as error:
            raise WorkerGoneError(f"worker {worker} does not answer: {type(error).__name__}") from None

    async def _connect(self) -> None:
        ca, certificate, key = self._files
        security = Security(
            tls_ca_file=ca or None,
            tls_client_cert=certificate or None,
            tls_client_key=key or None,
            require_encryption=bool(ca),
        )
        client: Any = Client(
            self._settings.scheduler,
            asynchronous=True,
            security=security,
            set_as_default=False,
            direct_to_workers=False,
            timeout=_PATIENCE_S,
            name="pilothouse",
        )
        self._client = client
        await client
        self.topic = f"pilothouse-{client.id}"
        client.subscribe_topic(self.topic, lambda event: self._hear(event[1]))

    async def _watch(self) -> None:
        """Ask the scheduler for its workers until it does not answer."""
        client = self._client
        while True:
            identity = await asyncio.wait_for(client.scheduler.identity(n_workers=-1), _CALL_S)
            if client.status != "running":
                raise WorkerGoneError("the connection to the scheduler is lost")
            workers = {
                address: facts
                for address, facts in identity["workers"].items()
                if facts.get("status") == "running"
            }
            self.workers = set(workers)
            for address in self.workers - self._facts.keys():
                await self._ask_facts(address)
            self._facts = {address: facts for address, facts in self._facts.items() if address in workers}
            self._say(workers)
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _ask_facts(self, address: str) -> None:
        try:
            self._facts[address] = await self.call(address, agent.facts, self._manner)
        except WorkerGoneError:
            return
        except Exception as error:  # noqa: BLE001 - what a worker lacks is anything: Pilothouse itself, for one
            self._facts[address] = {"fault": one_line(f"{type(error).__name__}: {error}", _LONGEST_FAULT)}

    def _say(self, workers: dict[str, Any]) -> None:
        own = program_digest()
        self._tell(
            {
                "at": time.time(),
                "scheduler": self._settings.scheduler,
                "connected": self.connected.is_set(),
                "fault": self._fault,
                "workers": [
                    {
                        "address": address,
                        "host": self._facts.get(address, {}).get("host", facts.get("host", "")),
                        "threads": int(facts.get("nthreads", 0)),
                        "memory_mb": round((facts.get("memory_limit") or 0) / 2**20),
                        "used_mb": round((facts.get("metrics", {}).get("memory") or 0) / 2**20),
                        "confined": bool(self._facts.get(address, {}).get("confined")),
                        "fault": self._facts.get(address, {}).get("fault")
                        or (
                            "other code of Pilothouse: install the same release there"
                            if self._facts.get(address, {}).get("program", own) != own
                            else ""
                        ),
                    }
                    for address, facts in sorted(workers.items())
                ],
            }
        )
