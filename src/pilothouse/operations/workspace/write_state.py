"""Read-only state of a workspace: set by people, and by the daemon where the disk runs full or a check fails.

The audit row of a closing is written before the mark is set, that of an opening after the mark is removed. Where the disk is
too full even for the row, the mark is set all the same; the row of the opening says since when and why it was closed.
"""

import shutil
from dataclasses import dataclass

from pilothouse.domain.audit.entries import AuditEntry
from pilothouse.domain.errors import ConflictError, IntegrityError, UnavailableError
from pilothouse.domain.identity.roles import DAEMON, Actor, Permission
from pilothouse.operations.authorisation import authorise, changing, reason_given
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import audits
from pilothouse.store.log import audit, seals
from pilothouse.store.log.row_digests import Watched
from pilothouse.store.log.row_walk import Walk
from pilothouse.store.log.seals import Seal
from pilothouse.system.write_guard import Cause, ReadOnly

LEAST_FREE = 64 << 20
"""Free bytes below which the daemon makes the workspace read-only; on a small disk, a twentieth of it."""


def state(services: Services) -> ReadOnly | None:
    """The mark that makes the workspace read-only, or None. No permission is checked: every screen shows it."""
    return services.write_guard.state()


def make_read_only(services: Services, actor: Actor, reason: str) -> ReadOnly:
    """Refuse every change until somebody makes the workspace writable. Serving goes on and spools.

    Raises NotAllowedError, InvalidInputError (no reason) or ConflictError (it is read-only already).
    """
    return _close(services, actor, "person", reason_given(reason, "making a workspace read-only"))


def make_writable(services: Services, actor: Actor, reason: str) -> None:
    """Allow changes again. Raises NotAllowedError, InvalidInputError or ConflictError (it is writable)."""
    reason = reason_given(reason, "making a workspace writable")
    authorise(services, actor, Permission.FREEZE)
    mark = state(services)
    if mark is None:
        raise ConflictError("the workspace is not read-only")
    _open(services, actor, mark, reason)


def least_free(total: int) -> int:
    """Free bytes of a disk of that many below which the daemon makes the workspace read-only."""
    return min(LEAST_FREE, total // 20)


def watch_disk(services: Services) -> ReadOnly | None:
    """For the daemon: make the workspace read-only where the disk is nearly full, writable again when twice that is free."""
    usage = shutil.disk_usage(services.paths.state)
    least = least_free(usage.total)
    mark = state(services)
    if usage.free >= 2 * least:
        services.write_guard.keep_room()
    if mark is None and usage.free < least:
        reason = (
            f"the disk of {services.paths.state} has {usage.free >> 20} MiB free, of at least {least >> 20}"
        )
        return _close(services, DAEMON, "disk", reason)
    if mark is not None and mark.cause == "disk" and usage.free >= 2 * least:
        _open(services, DAEMON, mark, f"{usage.free >> 20} MiB are free again")
        return None
    return mark


@dataclass(frozen=True, slots=True)
class Examined:
    """What an examination found. Plain values: it may come from another process."""

    fault: str = ""
    """What is damaged; empty where all is sound."""
    head: str = ""
    seal: Seal | None = None
    """Seal of the registry as it is now; None where something is wrong, or the workspace is read-only already."""
    sealed: int = 0
    """Audit entry of the seal with which rows were compared; 0 where there was none."""


def examine(services: Services) -> Examined:
    """Check registry, audit chain, all rows and the rows that are sealed; nothing is written.

    Telemetry and artifacts are checked by the doctor.
    """
    try:
        services.registry.check()
        head = audits.verify(services, DAEMON)
        _, sealed, seal = _sealed(services, anew=state(services) is None)
    except IntegrityError as error:
        return Examined(str(error))
    return Examined("", f"{head.count}:{head.hash}", seal, sealed.seq if sealed is not None else 0)


def conclude(services: Services, found: Examined) -> str:
    """For the daemon: make the workspace read-only on damage, else put the new seal on record. Returns the result as text."""
    if found.fault:
        if state(services) is None:
            _close(services, DAEMON, "check", found.fault)
        return found.fault
    if found.seal is not None and state(services) is None:
        with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
            newest = audit.newest_of(change.connection, seals.ACTION)
            if found.sealed == (
                newest.seq if newest is not None else 0
            ):  # else an erasure has sealed it since
                change.record(seals.ACTION, "workspace", {"tables": found.seal})
    return f"registry and audit chain are sound, head {found.head}"


def verify(services: Services) -> str:
    """``examine`` and ``conclude``, at once."""
    return conclude(services, examine(services))


def check_seal(services: Services, progress: audits.Progress | None = None) -> str:
    """Compare the rows that never change with the newest seal. Raises IntegrityError where they differ."""
    rows, newest, _ = _sealed(services, anew=False, progress=progress)
    if newest is None:
        return "nothing has been sealed yet: the daemon does it once a day"
    return f"{rows:,} rows are as they were at {newest.recorded_at:%Y-%m-%d %H:%M} UTC"


def _sealed(
    services: Services, *, anew: bool, progress: audits.Progress | None = None
) -> tuple[int, AuditEntry | None, Seal | None]:
    """Number of rows that are as they were sealed, the entry of that seal, and a new seal where one is asked for."""
    while True:
        with services.registry.read() as connection:
            newest = audit.newest_of(connection, seals.ACTION)
        sealed = newest.detail["tables"] if newest is not None else None
        watched: Watched = iter
        if progress is not None and sealed is not None:
            watched = Walk(progress, sum(table["rows"] for table in sealed.values())).watched
        try:
            rows, seal = seals.walk(services.registry.read, sealed, anew=anew, watched=watched)
        except IntegrityError:
            with services.registry.read() as connection:
                if audit.newest_of(connection, seals.ACTION) == newest:
                    raise
            continue  # an erasure took rows, and sealed what is left
        return rows, newest, seal if anew else None


def _close(services: Services, actor: Actor, cause: Cause, reason: str) -> ReadOnly:
    permission = Permission.RUN_DAEMON if actor is DAEMON else Permission.FREEZE
    mark = ReadOnly(cause, reason, services.now().isoformat(), actor.name)
    if cause == "disk":
        services.write_guard.take_room()
    try:
        with changing(services, actor, permission) as change:
            change.record("workspace.read_only", "workspace", {"cause": cause, "reason": reason})
    except UnavailableError:
        if cause != "disk":
            raise
    try:
        services.write_guard.close(mark)
    except OSError as error:
        raise UnavailableError(
            f"{reason}, and not even that could be noted: {error.strerror}; make room"
        ) from error
    return mark


def _open(services: Services, actor: Actor, mark: ReadOnly, reason: str) -> None:
    permission = Permission.RUN_DAEMON if actor is DAEMON else Permission.FREEZE
    services.write_guard.open()
    try:
        with changing(services, actor, permission) as change:
            change.record(
                "workspace.writable",
                "workspace",
                {"was": mark.reason, "since": mark.since, "reason": reason},
            )
    except BaseException:
        services.write_guard.close(mark)
        raise
