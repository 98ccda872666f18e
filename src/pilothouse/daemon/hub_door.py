"""Door of the hub for other machines: TCP with TLS, only where ``targets.toml`` names it.

The door follows the registry: it opens, moves and closes as ``[hub]`` is applied, and takes a renewed certificate within
seconds. One that cannot be opened, or whose server has ended, is opened again, and holds nothing else of the daemon; whether
it is open stands on record.
"""

import asyncio
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pilothouse.daemon.logs import say
from pilothouse.daemon.thread_loop import Wakeup
from pilothouse.domain.errors import PilothouseError, UnavailableError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.models.hub_limits import Limits
from pilothouse.domain.models.target_file import HubDoor
from pilothouse.operations.fleet import hub_door
from pilothouse.operations.services import Services
from pilothouse.serving.web.http_protocol import HttpLimits
from pilothouse.serving.web.http_server import QuietServer, quiet_server
from pilothouse.serving.web.listening import BoundedListener
from pilothouse.store.models import remote_targets
from pilothouse.system.serving_files import ServingFiles, marks

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 1.0
_AGAIN_AFTER_S = 5.0
"""Seconds after which a door that could not be opened is tried again."""
_GRACE_S = 3
"""Seconds that open requests have when a door closes."""
_LIMITS = HttpLimits(body_s=120)
"""A far machine's line may be slow: a segment of 4 MiB needs 35 KB/s. What waits so long holds its own target's room alone."""


@dataclass(slots=True)
class _Open:
    """Door that is open, with what it was opened by."""

    door: HubDoor
    seen: object
    tls: ssl.SSLContext
    server: QuietServer
    listener: socket.socket
    thread: threading.Thread
    ended: list[str]
    """What ended the thread, where it was not asked to end."""


class HubDoorKeeper:
    """Keeper of the door. ``run`` in a thread of its own."""

    def __init__(self, services: Services, app: Callable[..., Any]) -> None:
        self._services, self._app = services, app
        self._open: _Open | None = None
        self._failed: tuple[HubDoor, object] | None = None
        self._tried_at = 0.0

    @property
    def port(self) -> int | None:
        """Port of the open door; None where none is."""
        return self._open.listener.getsockname()[1] if self._open is not None else None

    @property
    def door(self) -> HubDoor | None:
        """Description by which the door that is open was opened; None where none is."""
        return self._open.door if self._open is not None else None

    def run(self, wakeup: Wakeup) -> None:
        """Keep the door until the daemon stops."""
        try:
            while not wakeup.stop.is_set():
                try:
                    self.look()
                except PilothouseError as error:  # the registry, not the door
                    log.error("%s", error)
                wakeup.turned = time.monotonic()
                wakeup.wait(_LOOK_EVERY_S)
        finally:
            self._close("the daemon stops")

    def look(self) -> None:
        """Open, move or close the door as the registry has it, and take a renewed certificate."""
        with self._services.registry.read() as connection:
            wanted = remote_targets.door(connection)
        if wanted is not None:
            wanted = replace(wanted, limits=Limits())  # the door stays open where they change
        if self._open is not None and not self._open.thread.is_alive():
            ended = self._open
            why = ended.ended[0] if ended.ended else "its server ended"
            say(
                log,
                logging.CRITICAL,
                f"the hub's door on {ended.door.listen} died: {why}; it is opened again",
            )
            self._note(ended.door.listen, f"its server died: {why}")
            self._close("it died")
        if self._open is not None and self._open.door != wanted:
            self._close("targets.toml names another, or none")
        if wanted is None:
            self._failed = None
            self._note("")
            return
        seen = marks(self._services.paths.root, _files(wanted))
        if self._open is not None:
            self._renew(self._open, seen)
        elif (wanted, seen) != self._failed or time.monotonic() - self._tried_at >= _AGAIN_AFTER_S:
            self._try(wanted, seen)

    def _try(self, wanted: HubDoor, seen: object) -> None:
        is_news, self._tried_at = (wanted, seen) != self._failed, time.monotonic()
        try:
            self._open = self._opened(wanted, seen)
            self._failed = None
            self._note(wanted.listen)
            say(log, logging.INFO, f"the hub listens for other machines on {wanted.listen}", port=self.port)
        except PilothouseError as error:
            self._failed = wanted, seen
            if is_news:
                say(log, logging.ERROR, f"the hub does not listen on {wanted.listen}: {error}")
            self._note(wanted.listen, str(error))

    def _note(self, listen: str, fault: str = "") -> None:
        """Have on record where the door is, or why it is not; a registry that cannot be written holds no door."""
        try:
            hub_door.note_door(self._services, listen, fault)
        except PilothouseError as error:
            log.error("%s", error)

    def _opened(self, wanted: HubDoor, seen: object) -> _Open:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        self._load(tls, wanted)
        host, port = wanted.address
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            listener = BoundedListener(family, kind, protocol)
        except OSError as error:
            raise UnavailableError(f"{host} cannot be listened on: {error.strerror}") from None
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            listener.bind(address)
            listener.listen(256)
        except OSError as error:
            listener.close()
            raise UnavailableError(error.strerror or str(error)) from None
        server = quiet_server(self._app, grace_s=_GRACE_S, limits=_LIMITS, tls=tls)
        ended: list[str] = []

        def run() -> None:
            try:
                asyncio.run(server.serve(sockets=[listener]))
            except BaseException as error:
                log.critical("the hub's door died", exc_info=True)
                ended.append(one_line(f"{type(error).__name__}: {error}", 200))

        thread = threading.Thread(target=run, name="hub door", daemon=True)
        thread.start()
        return _Open(wanted, seen, tls, server, listener, thread, ended)

    def _load(self, tls: ssl.SSLContext, wanted: HubDoor) -> None:
        root = self._services.paths.root
        certificate, key = root / wanted.tls_certificate, root / wanted.tls_key
        try:
            tls.load_cert_chain(certificate, key, password=_no_password)
        except (OSError, ValueError) as error:
            why = one_line(str(error), 200)
            raise UnavailableError(f"{certificate} with {key} cannot be used: {why}") from None

    def _renew(self, is_open: _Open, seen: object) -> None:
        """Take a certificate that has changed for new connections; where it cannot be used, the one before stays in force."""
        if seen == is_open.seen:
            return
        is_open.seen = seen
        try:
            self._load(
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), is_open.door
            )  # tried first: a half load would stay
            self._load(is_open.tls, is_open.door)
        except PilothouseError as error:
            say(log, logging.WARNING, f"the hub's certificate: {error}; the one before stays in force")
            return
        log.info("the hub's certificate was read again")

    def _close(self, why: str) -> None:
        is_open, self._open = self._open, None
        if is_open is None:
            return
        is_open.server.should_exit = True
        is_open.thread.join(_GRACE_S + 2.0)
        is_open.listener.close()
        say(log, logging.INFO, f"the hub listens on {is_open.door.listen} no more: {why}")


def _files(door: HubDoor) -> ServingFiles:
    return ServingFiles(door.tls_certificate, door.tls_key)


def _no_password() -> str:
    raise ValueError("the key is encrypted; expected one without a password")
