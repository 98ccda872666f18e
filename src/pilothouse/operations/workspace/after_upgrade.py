"""The first start of a daemon under another scikit-learn: live versions are tried, and what changes is put on record."""

import json
import logging
from dataclasses import dataclass

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.formats.bounded_json import parse_json
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.identity.roles import DAEMON, Permission
from pilothouse.domain.models.upgrade import VersionCheck
from pilothouse.execution.launcher_client import Launcher
from pilothouse.inference.safe_format import scikit_learn_here
from pilothouse.operations.authorisation import changing
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import upgrades
from pilothouse.store.models.used_versions import used_versions
from pilothouse.system.files import read_plain_file, write_atomically

log = logging.getLogger(__name__)

_LARGEST_FILE = 1 << 12


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Another scikit-learn than at the last start, and what became of the live versions."""

    before: str
    """Empty where it is not on record."""
    now: str
    checks: tuple[VersionCheck, ...]

    @property
    def changing(self) -> list[VersionCheck]:
        return [check for check in self.checks if check.changes]

    @property
    def summary(self) -> str:
        before = f"was {self.before}" if self.before else "of the last start is not on record"
        stay = len(self.checks) - len(self.changing)
        return f"scikit-learn {before}, now {self.now}: {stay} of {len(self.checks)} live versions answer as they did"


def look(services: Services, launcher: Launcher) -> Upgrade | None:
    """Try the live versions where scikit-learn is another than at the last look; None where it is the same.

    Models are loaded in steps of the launcher. Versions that change are named in the audit log. Raises PilothouseError.
    """
    before, now = _release_before(services), scikit_learn_here()
    if before == now:
        return None
    with services.registry.read() as connection:
        live = [version for version in used_versions(connection) if version.live_on]
    with upgrades.trials(services.paths, launcher) as tries:
        found = Upgrade(before, now, tuple(upgrades.check(tries, live)))
    try:
        write_atomically(services.paths.libraries, json.dumps({"scikit-learn": now}).encode())
    except OSError as error:
        log.warning("%s: %s", services.paths.libraries, error.strerror)
    if found.checks:
        with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
            changed = {version_uri(c.model, c.version): c.finding for c in found.changing}
            detail = {"before": before, "now": now, "checked": len(found.checks), "changed": changed}
            change.record("daemon.upgraded", "scikit-learn", detail)
    return found if found.checks else None


def _release_before(services: Services) -> str:
    try:
        return str(parse_json(read_plain_file(services.paths.libraries, _LARGEST_FILE))["scikit-learn"])
    except (PilothouseError, ValueError, KeyError, TypeError):
        return ""
