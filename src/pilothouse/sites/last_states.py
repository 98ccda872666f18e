"""Last states of sites, kept for one user: what a site that is away was like, and when, stays known to the next console."""

import contextlib
import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path

from pilothouse.domain.errors import IntegrityError, InvalidInputError, NotFoundError
from pilothouse.domain.sites.addresses import SiteAddress
from pilothouse.domain.sites.answers import answer_plain, read_answer
from pilothouse.domain.sites.readings import Reading
from pilothouse.system import files

_MOST_BYTES = 2 << 20


def default_folder() -> Path:
    """``$XDG_STATE_HOME/pilothouse/sites``."""
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(home).expanduser() / "pilothouse" / "sites"


class LastStates:
    """One file a site, named by the digest of its address. A file that cannot be read or written is as none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str, address: SiteAddress) -> Reading:
        """The reading that was kept; one that knows nothing where there is none."""
        try:
            plain = files.parse_json(
                files.read_plain_file(self._path(address), _MOST_BYTES), self._path(address)
            )
            heard_at = datetime.fromisoformat(plain["heard_at"]).astimezone(UTC)
            return Reading(site=name, answer=read_answer(plain["answer"]), heard_at=heard_at)
        except (
            IntegrityError,
            InvalidInputError,
            NotFoundError,
            OSError,
            LookupError,
            TypeError,
            ValueError,
        ):
            return Reading(site=name)

    def keep(self, address: SiteAddress, reading: Reading) -> None:
        """Keep the newest answer of a site."""
        if reading.answer is None or reading.heard_at is None:
            return
        plain = {"heard_at": reading.heard_at.isoformat(), "answer": answer_plain(reading.answer)}
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            files.write_atomically(self._path(address), json.dumps(plain).encode())

    def _path(self, address: SiteAddress) -> Path:
        text = str(Path(address.text).absolute()) if address.is_here else address.text
        return self._folder / f"{hashlib.sha256(os.fsencode(text)).hexdigest()[:32]}.json"
