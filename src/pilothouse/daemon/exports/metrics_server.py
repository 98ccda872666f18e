"""The daemon's page of metrics: on the hub's socket, and on an address of TCP where ``integrations.toml`` names one."""

import asyncio
import hmac
import logging
import re
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pilothouse.daemon.logs import say
from pilothouse.daemon.thread_loop import Wakeup, repeat
from pilothouse.domain.errors import InvalidInputError, PilothouseError, UnavailableError
from pilothouse.domain.formats import openmetrics
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.identity.roles import DAEMON
from pilothouse.domain.integrations.integration_file import MetricsSettings, address_of, is_loopback
from pilothouse.domain.integrations.metric_table import families
from pilothouse.operations.integrations import integration_files, metrics
from pilothouse.operations.services import Services
from pilothouse.serving.web import http
from pilothouse.serving.web.http import Receive, Scope, Send
from pilothouse.serving.web.http_server import QuietServer, quiet_server
from pilothouse.serving.web.listening import BoundedListener
from pilothouse.system.files import write_atomically

log = logging.getLogger(__name__)

PATH = "/metrics"
_LOOPBACK = re.compile(r"(127(\.\d{1,3}){3}|localhost|\[::1\])(:\d{0,5})?", re.IGNORECASE)
_GRACE_S = 1
_LOOK_EVERY_S = 5.0
_FRESH_S = 0.5
"""Seconds for which what was gathered answers further scrapes."""


@dataclass(frozen=True, slots=True)
class HubStanding:
    """What waits for the hub's writer: number, age of the oldest in seconds, and the longest commit of the last minute."""

    waiting: int = 0
    oldest_s: float = 0.0
    commit_s: float = 0.0


class MetricsPage:
    """Page of one daemon. ``hub`` and ``parts`` say what only the process knows."""

    def __init__(self, services: Services) -> None:
        self.hub: Callable[[], HubStanding] = HubStanding
        self.parts: Callable[[], Iterable[tuple[str, float, bool]]] = tuple
        """Name of each part, seconds since its last turn began, and whether it is stuck."""
        self._services = services
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="metrics")
        self._gathered: metrics.Gathered = {}
        self._gathered_at = float("-inf")

    async def answer(self, accept: str) -> http.Answer:
        """The page, by what a scraper accepts."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.sleep(0)
        lag = loop.time() - began
        as_openmetrics = openmetrics.wants_openmetrics(accept)
        body = await loop.run_in_executor(self._thread, self._page, lag, as_openmetrics)
        kind = openmetrics.OPENMETRICS if as_openmetrics else openmetrics.TEXT
        return 200, body, {"content-type": kind, "vary": "accept", "cache-control": "no-store"}

    def close(self) -> None:
        """End the thread that gathers."""
        self._thread.shutdown(wait=True)

    def _page(self, lag: float, as_openmetrics: bool) -> bytes:
        began = time.monotonic()
        if began - self._gathered_at >= _FRESH_S:
            self._gathered, self._gathered_at = metrics.gather(self._services, DAEMON), began
        samples = metrics.Samples()
        samples.found.update(self._gathered)
        hub = self.hub()
        samples.found["hub_waiting_batches"] = [("", hub.waiting)]
        samples.found["hub_oldest_waiting_seconds"] = [("", hub.oldest_s)]
        samples.found["hub_commit_seconds"] = [("", hub.commit_s)]
        samples.found["daemon_loop_lag_seconds"] = [("", lag)]
        for name in ("daemon_turn_age_seconds", "daemon_part_stuck"):
            samples.found[name] = []
        for part, age, stuck in self.parts():
            samples.many("daemon_turn_age_seconds", [((part,), age)])
            samples.many("daemon_part_stuck", [((part,), int(stuck))])
        samples.found["page_seconds"] = [("", time.monotonic() - began)]
        return openmetrics.page(families(samples.found), openmetrics=as_openmetrics)


def hub_token(services: Services) -> str:
    """Token with which the owner of the workspace reads the page on the hub's socket; made where there is none."""
    path = services.paths.metrics_token
    if not path.exists():
        write_atomically(path, f"{secrets.token_urlsafe(32)}\n".encode(), mode=0o600)
    return integration_files.token_in(path)


def is_token(given: str, token: str) -> bool:
    """True for the token; how long it takes to say so says nothing about it."""
    return hmac.compare_digest(given.encode(), token.encode())


class _Listener:
    """Server on one address, in a thread of its own."""

    def __init__(self, services: Services, page: MetricsPage, settings: MetricsSettings) -> None:
        """Bind the address. Raises UnavailableError, InvalidInputError (its token cannot be read)."""
        self.settings = settings
        integration_files.read_token(services.paths, settings.token_file)
        tls = _tls(services, settings)
        address = address_of(settings.listen)
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._socket = BoundedListener(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind(address)
            self._socket.listen(16)
        except OSError as error:
            self._socket.close()
            raise UnavailableError(
                f"metrics: cannot listen on {settings.listen}: {error.strerror}: name another address in integrations.toml"
            ) from None
        self.address: tuple[str, int] = self._socket.getsockname()[:2]
        self._server: QuietServer = quiet_server(_app(services, page, settings), grace_s=_GRACE_S, tls=tls)
        self.ended = "its server ended"
        """What ended the thread, where it was not asked to end."""
        self._thread = threading.Thread(target=self._run, name="metrics listener", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            asyncio.run(self._server.serve(sockets=[self._socket]))
        except (
            BaseException
        ) as error:  # whatever ends the thread is in the log, and the keeper opens another listener
            log.critical("the listener of metrics died", exc_info=True)
            self.ended = one_line(f"{type(error).__name__}: {error}", 200)

    def close(self) -> None:
        """Finish open requests and free the address."""
        self._server.should_exit = True
        self._thread.join(_GRACE_S + 2)
        self._socket.close()


def _tls(services: Services, settings: MetricsSettings) -> ssl.SSLContext | None:
    """Context of the server, None for plain HTTP. Raises InvalidInputError where its files cannot be used."""
    if not settings.tls_certificate:
        return None
    root = services.paths.root
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # an empty password, so that nobody is asked for one on a terminal
        context.load_cert_chain(root / settings.tls_certificate, root / settings.tls_key, lambda: "")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        said = getattr(error, "strerror", None) or str(error)
        raise InvalidInputError(
            f"metrics: {settings.tls_certificate} and its key cannot be used: {said}"
        ) from None
    return context


def _app(services: Services, page: MetricsPage, settings: MetricsSettings) -> Callable[..., object]:
    local = is_loopback(settings.listen)

    async def answered(scope: Scope) -> http.Answer:
        token = integration_files.read_token(services.paths, settings.token_file)
        if token and not is_token(http.bearer(scope), token):
            raise http.HttpError(401, "expected the token of the metrics", {"www-authenticate": "Bearer"})
        if not token and local and not _LOOPBACK.fullmatch(http.header(scope, b"host") or "127.0.0.1"):
            # a page in a browser on this machine must not read it by DNS rebinding
            raise http.HttpError(403, "this host is not served here; use 127.0.0.1")
        if scope["path"] != PATH:
            raise http.HttpError(404, f"there is only {PATH} here")
        if scope["method"] not in ("GET", "HEAD"):
            raise http.HttpError(405, "expected GET", {"allow": "GET, HEAD"})
        return await page.answer(http.header(scope, b"accept") or "")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await http.respond(send, answered(scope), log)

    return app


def keep_metrics(services: Services, page: MetricsPage, wakeup: Wakeup) -> None:
    """Listen where ``integrations.toml`` says, until the daemon stops."""
    listener: _Listener | None = None
    fault = ""

    def work() -> None:
        nonlocal listener, fault
        with services.registry.read() as connection:
            settings = integration_files.in_force(connection).metrics
        wanted = settings if settings and settings.listen else None
        if listener is not None and (listener.settings != wanted or not listener.is_alive):
            if not listener.is_alive:
                said = f"the listener of metrics on {listener.settings.listen} died: {listener.ended}"
                say(log, logging.CRITICAL, f"{said}; it is opened again")
            listener.close()
            listener = None
        if listener is not None or wanted is None:
            return
        try:
            listener = _Listener(services, page, wanted)
        except PilothouseError as error:
            if str(error) != fault:  # once for each fault: the address may be free in the next turn
                fault = str(error)
                log.error("%s", error)
            return
        fault = ""
        host, port = listener.address
        scheme = "https" if wanted.tls_certificate else "http"
        say(log, logging.INFO, f"metrics are at {scheme}://{wanted.listen}{PATH}", host=host, port=port)

    try:
        repeat(wakeup, work, at_least_every_s=_LOOK_EVERY_S)
    finally:
        if listener is not None:
            listener.close()
