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
from pilothouse.execution.cluster.contract import key_of
from pilothouse.execution.cluster.places import Places
from pilothouse.execution.own_program import program_digest

_AGAIN_AFTER_S = 2.0
_PATIENCE_S = 20.0
"""Seconds that a scheduler has to answer at first."""
_LOOK_EVERY_S = 1.0
_PULSE_S = 0.2
"""Seconds between two looks at whether the connection still stands."""
_CALL_S = 20.0
"""Seconds that a worker has to answer a call."""
_LONGEST_FAULT = 300


class WorkerGoneError(Exception):
    """A worker, or the way to it, is gone."""


class _NamedSecurity(Security):  # type: ignore[misc]
    """TLS that compares the name in the scheduler's certificate with the one in ``extra_conn_args``. The library compares none
    by itself: any certificate that the authority has signed would be the scheduler's."""

    def get_connection_args(self, role: str) -> dict[str, Any]:
        arguments: dict[str, Any] = super().get_connection_args(role)
        arguments["ssl_context"].check_hostname = True
        arguments["server_hostname"] = self.extra_conn_args["server_hostname"]
        return arguments


class Connection:
    """Client of one scheduler. ``connected`` is set while there is one.

    The library's client reaches the next scheduler at the same address by itself, under the same name, and says nothing. What
    the scheduler before it knew of this client is gone then: its steps, and that it listens.
    """

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
        self._asked: dict[str, asyncio.Task[None]] = {}
        """Workers whose facts have not come yet."""
        self._fault = "not connected yet"
        self.topic = ""
        self.connected = asyncio.Event()
        self.lost = asyncio.Event()
        """Set when the connection in use is lost; a new one has a new event."""
        self.lost.set()
        self.workers: set[str] = set()
        self.places = Places()

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
            self.places.tell({})
            self._facts.clear()  # behind an address that comes back may be another worker
            self._say({})
            await self.close()
            await asyncio.sleep(_AGAIN_AFTER_S)

    async def close(self) -> None:
        """Leave the cluster; what runs there for this client is forgotten by the scheduler."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(client.close(timeout=2), 5)

    @property
    def store_mb(self) -> int:
        """MiB of carried files that a worker may keep."""
        return self._settings.worker_store_mb

    @property
    def stands(self) -> bool:
        """True while a step can be handed over."""
        return self.connected.is_set() and self._client is not None and self._client.status == "running"

    async def until_it_stands(self) -> None:
        """Wait for a connection; one that is being lost, and has not been found so yet, is none."""
        while not self.stands:
            await asyncio.sleep(_PULSE_S)

    def submit(self, text: str, step: str, token: str, worker: str = "") -> Future:
        """Hand the cluster a step, for one worker or whichever. Raises WorkerGoneError where there is no connection."""
        if not self.stands:
            raise WorkerGoneError("the connection to the scheduler is lost")
        # With each step, on the same stream and before it: so whichever scheduler gets the step knows who listens.
        self._client.subscribe_topic(self.topic, lambda event: self._hear(event[1]))
        future: Future = self._client.submit(
            agent.run_step,
            text,
            key=key_of(step, token),
            pure=False,
            retries=0,
            workers=[worker] if worker else None,
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
        name = self._settings.scheduler_name
        security = (_NamedSecurity if name else Security)(
            tls_ca_file=ca or None,
            tls_client_cert=certificate or None,
            tls_client_key=key or None,
            require_encryption=bool(ca),
            extra_conn_args={"server_hostname": name} if name else {},
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

    async def _watch(self) -> None:
        """Ask the scheduler for its workers until it does not answer."""
        client = self._client
        while True:
            identity = await self._identity(client)
            workers = {
                address: facts
                for address, facts in identity["workers"].items()
                if facts.get("status") == "running"
            }
            self.workers = set(workers)
            for address in self.workers - self._facts.keys() - self._asked.keys():
                self._asked[address] = asyncio.ensure_future(self._ask_facts(address))
            if self._asked:  # one that is gone, and the scheduler does not know it yet, answers late or never
                await asyncio.wait(self._asked.values(), timeout=_LOOK_EVERY_S)
            self._facts = {address: facts for address, facts in self._facts.items() if address in workers}
            self.places.tell({address: self._place(address, workers[address]) for address in self._facts})
            self._say(workers)
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _identity(self, client: Any) -> dict[str, Any]:
        """What the scheduler tells of itself and its workers. Raises WorkerGoneError where the connection breaks meanwhile: the
        library would wait for the next scheduler, and steps would not know what they wait for."""
        asked = asyncio.ensure_future(client.scheduler.identity(n_workers=-1))
        deadline = time.monotonic() + _CALL_S
        try:
            while not asked.done() and client.status == "running" and time.monotonic() < deadline:
                await asyncio.wait([asked], timeout=_PULSE_S)
            if client.status != "running":
                raise WorkerGoneError("the connection to the scheduler is lost")
            if not asked.done():
                raise WorkerGoneError(f"the scheduler has not answered for {_CALL_S:.0f} s")
            return dict(asked.result())
        finally:
            asked.cancel()

    async def _ask_facts(self, address: str) -> None:
        try:
            self._facts[address] = await self.call(address, agent.facts, self._manner)
        except WorkerGoneError:
            return
        except Exception as error:  # noqa: BLE001 - what a worker lacks is anything: Pilothouse itself, for one
            self._facts[address] = {"fault": one_line(f"{type(error).__name__}: {error}", _LONGEST_FAULT)}
        finally:
            del self._asked[address]

    def _say(self, workers: dict[str, Any]) -> None:
        self._tell(
            {
                "at": time.time(),
                "scheduler": self._settings.scheduler,
                "connected": self.connected.is_set(),
                "fault": self._fault,
                "workers": [self._worker(address, told) for address, told in sorted(workers.items())],
            }
        )

    def _place(self, address: str, told: dict[str, Any]) -> dict[str, Any]:
        """A worker as ``Places`` takes it."""
        facts, metrics = self._facts[address], told.get("metrics", {})
        unconfined = self._manner.get("isolation") == "require" and not facts.get("confined")
        return {
            "threads": int(told.get("nthreads", 0)),
            "agent": facts.get("agent", ""),
            "host": facts.get("host", told.get("host", "")),
            "fault": self._fault_of(facts) or ("nothing confines there" if unconfined else ""),
            "others": int(metrics.get("executing", 0)) + int(metrics.get("ready", 0)),
        }

    @staticmethod
    def _fault_of(facts: dict[str, Any]) -> str:
        fault = str(facts.get("fault", ""))
        if not fault and facts["program"] != program_digest():
            fault = "other code of Pilothouse: install the same release there"
        return fault

    def _worker(self, address: str, told: dict[str, Any]) -> dict[str, Any]:
        """A worker as plain data, from what the scheduler has told of it and its own facts."""
        facts = self._facts.get(address, {"fault": "it has not answered yet"})
        fault = self._fault_of(facts)
        if not fault and self.places.is_shunned(address):
            fault = "there was no room on its disk: for a minute other workers are given steps first"
        return {
            "address": address,
            "host": facts.get("host", told.get("host", "")),
            "threads": int(told.get("nthreads", 0)),
            "memory_mb": round((told.get("memory_limit") or 0) / 2**20),
            "used_mb": round((told.get("metrics", {}).get("memory") or 0) / 2**20),
            "confined": bool(facts.get("confined")),
            "fault": fault,
        }
