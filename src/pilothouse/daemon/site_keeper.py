"""Thread of the sites: publishes this workspace's state where that is set, and looks at the sites that are followed."""

import logging
from datetime import datetime

from pilothouse.daemon.thread_loop import Wakeup, repeat
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.identity.roles import DAEMON
from pilothouse.domain.sites.followed import FollowStanding, standing_text
from pilothouse.operations.services import Services
from pilothouse.operations.sites import following, publishing

LOOK_EVERY_S = 60.0
_TURN_S = 5.0

log = logging.getLogger(__name__)


def keep_sites(services: Services, wakeup: Wakeup) -> None:
    """Publish and look until the daemon stops. Nothing is while the workspace is read-only, since both write: who follows it
    sees that its state grows old."""
    published_at: datetime | None = None
    looked_at: datetime | None = None
    said: dict[str, FollowStanding] = {}
    fault = ""

    def work() -> None:
        nonlocal published_at, looked_at, fault
        now = services.now()
        is_writable = services.write_guard.state() is None
        if is_writable and (looked_at is None or (now - looked_at).total_seconds() >= LOOK_EVERY_S):
            looked_at = now
            for site, look in following.look(services, DAEMON):
                if said.get(site.name, FollowStanding.CURRENT) is not look.standing:
                    level = logging.INFO if look.standing.is_sound else logging.WARNING
                    log.log(level, "%s", standing_text(site.name, look))
                said[site.name] = look.standing
        try:
            if is_writable:  # signing a head writes
                published_at = publishing.publish_if_due(services, published_at)
                fault = ""
        except PilothouseError as error:
            if str(error) != fault:
                fault = str(error)
                log.error("the site's state is not published: %s", error)

    repeat(wakeup, work, at_least_every_s=_TURN_S)
