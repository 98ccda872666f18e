"""Parts of a serving process put together, run, and stopped in order."""

import asyncio
import gc
import ipaddress
import logging
import signal
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from pilothouse.serving.app import ServingApp
from pilothouse.serving.assignment import Assignment
from pilothouse.serving.delivery.batch_shipper import Shipper
from pilothouse.serving.delivery.hub_client import HubClient
from pilothouse.serving.delivery.request_spans import RequestSpans
from pilothouse.serving.delivery.spool import Spool
from pilothouse.serving.delivery.spool_limits import SpoolLimits
from pilothouse.serving.prediction.shadow import Shadow
from pilothouse.serving.prediction.worker import Worker
from pilothouse.serving.versions.follower import Follower
from pilothouse.serving.web.access import Access
from pilothouse.serving.web.http_server import quiet_server
from pilothouse.serving.web.listening import Listeners

if TYPE_CHECKING:
    from pilothouse.serving.grpc.server import GrpcServer

log = logging.getLogger(__name__)

_GRACE_S = 10
"""Seconds that running requests have at the end."""
_LAST_SHIPPING_S = 3.0
"""Seconds for which sealed segments are still offered to the hub at the end."""
_LONGEST_WAIT_S = 5.0
"""Seconds for which connections wait at the start for the versions that are kept here, or for the hub's first answer."""
_SWITCH_INTERVAL_S = 0.001
"""Interpreter's switch interval: the event loop gets its turn sooner while a model computes in its thread."""


def run(assignment: Assignment, listeners: Listeners, access: Access, on_started: Callable[[], None]) -> None:
    """Serve on ``listeners`` until SIGTERM or SIGINT, then finish, flush and return. ``on_started``: as of ``serve_on``."""
    for library in ("uvicorn", "uvicorn.error"):  # their messages repeat ours
        logging.getLogger(library).setLevel(logging.WARNING)
    # serial mode is what is wanted here
    warnings.filterwarnings("ignore", ".*joblib will operate in serial mode", UserWarning)
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    hub, token, folder = assignment.hub, assignment.token, assignment.folder
    spool = Spool(folder / "spool", assignment.target, SpoolLimits(total_bytes=assignment.spool_mb * 2**20))
    worker, shadow = Worker(spool), Shadow(spool)
    shipper = Shipper(spool, HubClient(hub, token))
    host, port = listeners.http.getsockname()[:2]
    spans = RequestSpans()
    follower = Follower(
        assignment.target,
        folder,
        HubClient(hub, token),
        port,
        lambda: spool.segments,
        worker.submit,
        spans,
    )
    follower.on_started = on_started
    app = ServingApp(
        lambda: follower.roster,
        worker,
        spool,
        only_loopback=ipaddress.ip_address(host).is_loopback,
        access=access,
        rejected=shipper.rejected,
        shadow=shadow,
        spans=spans,
    )
    for part in (spool, worker, shipper, shadow, follower):
        part.start()
    try:
        # Connections wait meanwhile: after a restart they are answered by the versions of before, not refused.
        follower.wait_until_able(_LONGEST_WAIT_S)
        gc.collect()
        gc.freeze()  # the collector need not visit libraries and models: it stopped all answers for 0.1 s each time
        asyncio.run(_answer_requests(app, listeners, access))
    finally:
        log.info("stopping: flushing the spool")
        # in the order in which work flows: each part finishes what the one before has handed on
        follower.stop()
        worker.stop()
        shadow.stop()
        spool.close()
        shipper.stop(_LAST_SHIPPING_S)
        log.info("stopped; %d segments wait for the hub", spool.segments)


async def _answer_requests(app: ServingApp, listeners: Listeners, access: Access) -> None:
    server = quiet_server(app, grace_s=_GRACE_S, tls=access.tls)
    grpc = await _grpc_server(app, listeners, access)

    def stop() -> None:
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    await server.serve(sockets=[listeners.http])
    if grpc is not None:
        await grpc.stop(_GRACE_S)


async def _grpc_server(app: ServingApp, listeners: Listeners, access: Access) -> "GrpcServer | None":
    if listeners.grpc is None:
        return None
    try:
        from pilothouse.serving.grpc.server import GrpcServer
    except ImportError:  # HTTP answers none the less
        log.error("gRPC is not served: it needs h2 (pip install 'pilothouse[grpc]')")
        listeners.grpc.close()
        return None
    server = GrpcServer(app, app.room)
    await server.start(listeners.grpc, access.tls_http2)
    return server
