"""Read-only state of a workspace: set by people, and by the daemon where the disk runs full or a check fails.

The audit row of a closing is written before the mark is set, that of an opening after the mark is removed. Where the disk is
too full even for the row, the mark is set all the same; the row of the opening says since when and why it was closed.
"""

import shutil

from pilothouse.domain.errors import ConflictError, IntegrityError, UnavailableError
from pilothouse.domain.identity.roles import DAEMON, Actor, Permission
from pilothouse.operations.authorisation import authorise, changing, reason_given
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import audits
from pilothouse.store.log import audit, seals
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


def verify(services: Services) -> str:
    """For the daemon: check registry, audit chain and sealed rows; make the workspace read-only on damage, else seal it.

    Returns the result as text. Telemetry and artifacts are checked by the doctor.
    """
    try:
        services.registry.check()
        head = audits.verify(services, DAEMON)
        check_seal(services)
    except IntegrityError as error:
        if state(services) is None:
            _close(services, DAEMON, "check", str(error))
        return str(error)
    if state(services) is None:
        with (
            services.registry.read() as connection
        ):  # seconds for millions of rows: nobody waits for that to write
            tables = seals.take(connection)
        with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
            change.record(seals.ACTION, "workspace", {"tables": tables})
    return f"registry and audit chain are sound, head {head.count}:{head.hash}"


def check_seal(services: Services) -> str:
    """Compare the rows that never change with the newest seal. Raises IntegrityError where they differ."""
    with services.registry.read() as connection:
        newest = audit.newest_of(connection, seals.ACTION)
        if newest is None:
            return "nothing has been sealed yet: the daemon does it once a day"
        rows = seals.check(connection, newest.detail["tables"])
    return f"{rows:,} rows are as they were at {newest.recorded_at:%Y-%m-%d %H:%M} UTC"


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
