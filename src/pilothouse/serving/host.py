"""Serving host, ``python -I -m pilothouse.serving.host``: a clean parent from which the serving processes are forked.

The daemon starts it once, by exec, with one socket. It imports the libraries, and forks a process for each target: their pages
are shared, and a start takes a fraction of a second. What reads skops files is imported once a target needs it.

It opens no database, knows no token, reads no request and no model, and
has one thread. A process confines itself after the fork, before it loads a model, and keeps nothing of the host's but its own
listening socket.

The host holds the listening sockets too. When a process ends, connections wait for the next one instead of being refused; after
``_HELD_S`` seconds without one they are refused.

It reads JSON lines, one ``Order`` each, and writes ``{"ended": TARGET, "code": N, "port_taken": false}``. When the socket ends,
so does the host; the serving processes live on.
"""

import argparse
import contextlib
import json
import logging
import os
import selectors
import signal
import socket
import sys
import time
import traceback
import warnings
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pilothouse.confinement import namespaces, probe, root
from pilothouse.domain.confinement import Offered
from pilothouse.domain.errors import PilothouseError
from pilothouse.serving.assignment import Assignment
from pilothouse.serving.delivery.credential import Credential
from pilothouse.serving.delivery.hub_address import HubAddress
from pilothouse.serving.libraries import LIBRARIES, SKOPS_LIBRARIES, prepare
from pilothouse.serving.main import locked, log_to_stderr, serve_on
from pilothouse.serving.web.listening import Address, Listeners, listen_on
from pilothouse.system.process_title import set_title
from pilothouse.system.processes import close_all_but

log = logging.getLogger("pilothouse.serving")

_AT_ONCE = max(2, os.cpu_count() or 1)
"""Processes that load their first versions at the same time: a start is work for a processor."""
_LONGEST_TURN_S = 10.0
"""Seconds after which a process that still loads makes room for the next one."""
_HELD_S = 2.0
"""Seconds for which the port of a process that has ended is held for the next one."""
_HOST = "127.0.0.1"
_NO_PROCESS = 71
"""Exit code that stands for a process that the system did not give (EX_OSERR of sysexits.h)."""
_FAILED = 70
"""Exit code of a process that failed in a way nobody thought of (EX_SOFTWARE of sysexits.h)."""


@dataclass(frozen=True, slots=True)
class Order:
    """Order to start a serving process. ``port`` 0: the one that is held for the target, else a free one."""

    target: str
    hub: str
    folder: str
    token_file: str
    isolation: str
    port: int
    log: str
    """File for what it writes."""
    grpc_port: int | None = None
    """Port for gRPC, which is not served where there is none."""
    skops: bool = True
    """False where all its versions have portable forms: then nothing that reads skops files is imported for it."""

    @property
    def further_ports(self) -> tuple[int, ...]:
        """Ports beside HTTP's."""
        return () if self.grpc_port is None else (self.grpc_port,)

    @property
    def assignment(self) -> Assignment:
        """The same as the process takes it."""
        isolation: Any = self.isolation
        return Assignment(
            self.target,
            HubAddress(Path(self.hub)),
            Path(self.folder),
            Credential(Path(self.token_file)),
            isolation=isolation,
        )


@dataclass(slots=True)
class _Turn:
    """Start of a process that is not over. ``told`` ends when it is."""

    told: int
    until: float


class _Host:
    """Control socket, listening sockets, and processes."""

    def __init__(self, control: socket.socket, offered: Offered) -> None:
        self._control = control
        self._offered = offered
        self._buffer = b""
        self._waiting: deque[Order] = deque()
        self._turns: list[_Turn] = []
        self._targets: dict[int, str] = {}
        """Targets of the processes that run, by pid."""
        self._without_port: set[int] = set()
        """Those of them that could not have their port, and are to say so."""
        self._listeners: dict[str, Listeners] = {}
        self._held_until: dict[str, float] = {}
        """Moments until which the listeners without a process are held."""
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ, self._read_control)
        children, self._child_ended = socket.socketpair()
        for end in (children, self._child_ended):
            end.setblocking(False)
        self._children = children
        self._selector.register(children, selectors.EVENT_READ, self._reap)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._child_ended.fileno(), warn_on_full_buffer=False)

    def serve(self) -> None:
        """Serve until the daemon's end of the socket is closed."""
        with contextlib.suppress(ConnectionError):
            while True:
                for key, _ in self._selector.select(self._patience()):
                    if key.data(key.fileobj) is False:
                        return
                self._end_turns()
                self._let_go_of_ports()
                while self._waiting and len(self._turns) < _AT_ONCE:
                    self._start(self._waiting.popleft())

    def _patience(self) -> float | None:
        moments = [*self._held_until.values(), *(turn.until for turn in self._turns)]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _read_control(self, control: socket.socket) -> bool:
        data = control.recv(1 << 16)
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            order = Order(**json.loads(line))
            if order.target in self._held_until:  # clients wait there
                self._waiting.appendleft(order)
            else:
                self._waiting.append(order)
        return bool(data)

    def _reap(self, children: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            children.recv(1 << 12)
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                target = self._targets.pop(ended[0])
                self._hold(target)
                port_taken = ended[0] in self._without_port
                self._without_port.discard(ended[0])
                self._say_end(target, os.waitstatus_to_exitcode(ended[1]), port_taken=port_taken)

    def _end_turns(self, told: int | None = None) -> None:
        now = time.monotonic()
        for turn in [turn for turn in self._turns if turn.told == told or turn.until <= now]:
            self._turns.remove(turn)
            self._selector.unregister(turn.told)
            os.close(turn.told)

    def _let_go_of_ports(self) -> None:
        now = time.monotonic()
        waiting = {order.target for order in self._waiting}
        for target in [target for target, until in self._held_until.items() if until <= now]:
            if target in waiting:
                self._held_until[target] = now + _HELD_S
                continue
            del self._held_until[target]
            self._listeners.pop(target).close()

    def _listener(self, order: Order) -> Listeners:
        """Listeners of the target. Raises PilothouseError where a port cannot be had."""
        held = self._listeners.get(order.target)
        if held is not None and order.port in (0, held.ports[0]) and held.ports[1:] == order.further_ports:
            return held
        if held is not None:
            del self._listeners[order.target]
            held.close()
        made = self._listeners[order.target] = listen_on(Address(_HOST, order.port, order.grpc_port))
        return made

    def _start(self, order: Order) -> None:
        """Fork a process. What is lacking for that is said by the process itself, in its log."""
        if order.skops:
            prepare(SKOPS_LIBRARIES)
        listener: Listeners | PilothouseError
        try:
            listener = self._listener(order)
        except PilothouseError as error:
            listener = error
        ends: tuple[int, ...] = ()
        try:
            ends = told, started = os.pipe()
            pid = os.fork()
        except OSError as error:
            for end in ends:
                os.close(end)
            self._say_why(order, error)
            return
        if not pid:
            _be_serving_process(order, listener, self._offered, started)
        os.close(started)
        self._targets[pid] = order.target
        if isinstance(listener, PilothouseError):
            self._without_port.add(pid)
        self._held_until.pop(order.target, None)
        self._turns.append(_Turn(told, time.monotonic() + _LONGEST_TURN_S))
        self._selector.register(told, selectors.EVENT_READ, self._end_turns)

    def _say_why(self, order: Order, error: OSError) -> None:
        """Say that there is no process, in its log and to the daemon."""
        with contextlib.suppress(OSError), open(order.log, "a", encoding="utf-8") as stream:  # noqa: PTH123
            stream.write(f"no process can be started: {error.strerror}\n")
        self._hold(order.target)
        self._say_end(order.target, _NO_PROCESS)

    def _hold(self, target: str) -> None:
        if target in self._listeners:
            self._held_until[target] = time.monotonic() + _HELD_S

    def _say_end(self, target: str, code: int, *, port_taken: bool = False) -> None:
        said = {"ended": target, "code": code, "port_taken": port_taken}
        self._control.sendall(json.dumps(said).encode() + b"\n")


def _be_serving_process(
    order: Order, listener: Listeners | PilothouseError, offered: Offered, started: int
) -> None:
    """Serve in the fork, and leave without the host's clean-up."""
    code = _FAILED
    try:
        _let_go_of_the_host(order, listener, started)
        log_to_stderr()
        try:
            if isinstance(listener, PilothouseError):
                raise listener
            with locked(Path(order.folder)):
                serve_on(listener, order.assignment, offered, lambda: os.close(started))
            code = 0
        except PilothouseError as error:
            log.error("%s", error)
            code = error.exit_code
    except BaseException:  # noqa: BLE001 - whatever it is, the host's own code must not go on in here
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code)


def _let_go_of_the_host(order: Order, listener: Listeners | PilothouseError, started: int) -> None:
    """Become a process of one's own: session, output, signals, title, and no descriptor but the listener."""
    os.setsid()  # it outlives the daemon, and is ended with all that it starts
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    output = os.open(order.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    for standard in (1, 2):
        os.dup2(output, standard)
    close_all_but({0, 1, 2, started} | (listener.descriptors if isinstance(listener, Listeners) else set()))
    set_title([sys.executable, "-I", "-m", "pilothouse.serving.main", "--target", order.target])


def write_order(order: Order) -> bytes:
    """Line for the control socket."""
    return json.dumps(asdict(order)).encode() + b"\n"


def main() -> int:
    """Serve orders until the control socket ends."""
    parser = argparse.ArgumentParser(prog="pilothouse-serving-host")
    parser.add_argument("--control", type=int, required=True, help="descriptor of the control socket")
    parser.add_argument("--skops", action="store_true", help="import at once what reads skops files")
    parser.add_argument("--workspace", default="", help="whose targets these are; only shown")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # the one other thread is that of Arrow's allocator, which knows what to do about a fork
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    control = socket.socket(fileno=options.control)
    offered = probe.try_here()  # while there is one thread
    namespaces.may_mount()  # looked up once for all processes, as are the places of the libraries
    root.look_up_runtime()
    prepare(LIBRARIES + SKOPS_LIBRARIES if options.skops else LIBRARIES)
    _Host(control, offered).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
