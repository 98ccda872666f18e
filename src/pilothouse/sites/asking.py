"""Sites asked what they are, here and far, by one interface: an address in, a reading out."""

import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pilothouse.domain.errors import NotAllowedError, PilothouseError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.sites.addresses import SiteAddress, names_of, read_address, ssh_command
from pilothouse.domain.sites.answers import SiteAnswer, SiteItem
from pilothouse.domain.sites.readings import Reading, Standing, answered, failed
from pilothouse.sites import far, local
from pilothouse.sites.last_states import LastStates

_HERE_S, _FAR_S, _AWAY_S = 2.0, 15.0, 30.0
"""Seconds after which a site is asked again: one of this machine, one over SSH, one that is away."""
_KEEP_S = 60.0
"""Seconds between two copies of a site's state for later consoles."""
_EACH_S = 0.3
"""Seconds more for each site: so many of this machine together take a tenth of a core."""
_AT_ONCE = 4
"""Sites of one machine that are asked at once: one that takes its time holds up no other machine's."""
_UNWRITABLE = "cannot be written: check the permissions"
"""What a site says, here or far, whose files its account may not write."""
_VIEWS = {
    "deployment": "monitor",
    "request": "evidence",
    "job": "job",
    "alert": "alert",
    "rollout": "rollout",
}
"""Views of a site's own console that open an item."""


@dataclass(frozen=True, slots=True)
class Site:
    """A site of a console: a short name, and where it is."""

    name: str
    address: SiteAddress


def sites_of(places: Sequence[str]) -> list[Site]:
    """Sites by what somebody typed, each once. Raises InvalidInputError."""
    addresses = [read_address(place) for place in dict.fromkeys(places)]
    return [Site(name, address) for name, address in zip(names_of(addresses), addresses, strict=True)]


def ask(site: Site, before: Reading) -> Reading:
    """The site after it was asked now. Raises nothing that a site can cause."""
    asked_at = datetime.now(UTC)
    try:
        found = _answer(site.address)
    except NotAllowedError as error:
        return failed(before, Standing.REFUSED, one_line(str(error)), datetime.now(UTC))
    except (PilothouseError, OSError) as error:
        standing = Standing.UNWRITABLE if _UNWRITABLE in str(error) else Standing.AWAY
        return failed(before, standing, one_line(str(error)), datetime.now(UTC))
    return answered(before, found, datetime.now(UTC), asked_at=asked_at)


def _answer(address: SiteAddress) -> SiteAnswer:
    return local.answer(Path(address.path)) if address.is_here else far.answer(address)


def console_command(
    site: Site, item: SiteItem | None = None, *, read_only: bool = False, config: Path | None = None
) -> list[str]:
    """Command that opens the site's own console in this terminal, at an item where one is given. ``config`` is a file of this
    machine, and counts for sites of this machine."""
    words = ["console", *(["--readonly"] if read_only else [])]
    if site.address.is_here and config is not None:
        words += ["--config", str(config.absolute())]
    words += [_VIEWS[item.kind], *item.key.split(" ")] if item is not None else []
    return site_command(site, words, terminal=True)


def site_command(site: Site, words: Sequence[str], *, terminal: bool = False) -> list[str]:
    """Command that runs ``pilothouse`` with these words in a site: here in its folder, else there over SSH."""
    if site.address.is_here:
        root = str(Path(site.address.path).absolute())
        return [sys.executable, "-I", "-m", "pilothouse.cli.main", "-w", root, *words]
    return ssh_command(site.address, words, terminal=terminal)


class SiteWatch:
    """Asks each site again and again, in a thread of its own; ``tell`` is called there with each reading."""

    def __init__(self, sites: Sequence[Site], tell: Callable[[Reading], object], kept: LastStates) -> None:
        self._sites, self._tell, self._kept = sites, tell, kept
        self._stopping = threading.Event()
        self._again = {site.name: threading.Event() for site in sites}
        self._room = {site.address.login: threading.Semaphore(_AT_ONCE) for site in sites}

    def start(self) -> None:
        """Begin."""
        for site in self._sites:
            threading.Thread(target=self._watch, args=(site,), daemon=True, name=f"site {site.name}").start()

    def stop(self) -> None:
        """Ask nobody any more. A question on its way ends with the process."""
        self._stopping.set()
        for event in self._again.values():
            event.set()

    def look_again(self, name: str) -> None:
        """Ask a site now."""
        self._again[name].set()

    def _watch(self, site: Site) -> None:
        again = self._again[site.name]
        reading = self._kept.read(site.name, site.address)
        if reading.answer is not None:
            self._tell(reading)
        kept_at = datetime.min.replace(tzinfo=UTC)
        while not self._stopping.is_set():
            again.clear()
            with self._room[site.address.login]:
                if self._stopping.is_set():
                    return
                reading = ask(site, reading)
            if self._stopping.is_set():
                return
            self._tell(reading)
            if reading.heard_at and (reading.heard_at - kept_at).total_seconds() > _KEEP_S:
                kept_at = reading.heard_at
                self._kept.keep(site.address, reading)
            again.wait(self._pause(site, reading))

    def _pause(self, site: Site, reading: Reading) -> float:
        if site.address.is_here:
            return max(_HERE_S, _EACH_S * len(self._sites))
        return _AWAY_S if reading.standing is Standing.AWAY else _FAR_S
