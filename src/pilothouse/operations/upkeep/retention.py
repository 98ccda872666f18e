"""Retention of rows of predictions: the setting, legal holds, a preview, and the deletion."""

from collections.abc import Callable
from pathlib import Path

from pilothouse.domain.errors import (
    ConflictError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
)
from pilothouse.domain.formats.time_units import DAY_S, SECOND_US, to_us
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.retention import LegalHold, RetentionReport, RetentionShare, hold_on, kept_for
from pilothouse.operations.authorisation import authorise, changing, reading, reason_given
from pilothouse.operations.catalogue import require_model
from pilothouse.operations.model_files import spec_in_force
from pilothouse.operations.services import Services
from pilothouse.operations.upkeep import compaction, kept_days, telemetry_export
from pilothouse.sqlite import Connection
from pilothouse.store import legal_holds, workspace
from pilothouse.store.log import audit
from pilothouse.store.models import targets
from pilothouse.store.promotion import rollouts
from pilothouse.telemetry import Stream
from pilothouse.telemetry.intake import kept_rejections
from pilothouse.telemetry.intake.streams import list_streams
from pilothouse.telemetry.rows import retention
from pilothouse.telemetry.trials import deletion as pair_deletion
from pilothouse.telemetry.trials.deletion import StoredTrial

_SETTING = "keep_rows_days"
_KEPT_IN = "keep_rows_in"
_WAITING_S = 180 * DAY_S
"""Seconds for which an outcome waits for its prediction."""
_REJECTED_S = 90 * DAY_S
"""Seconds for which rejected rows are kept at most, to be judged again."""
_LONGEST_DAYS = 36_500


def rows_kept_days(services: Services, actor: Actor) -> int | None:
    """Days for which rows are kept where the model file does not set it; None: for ever."""
    with reading(services, actor) as connection:
        return _setting_days(connection)


def keep_rows(services: Services, actor: Actor, days: int | None, reason: str) -> None:
    """Set for how many days after their arrival rows are kept (None: for ever). The next round deletes by it.

    Raises InvalidInputError or NotAllowedError.
    """
    reason = reason_given(reason, "a change of how long rows are kept")
    if days is not None and not 1 <= days <= _LONGEST_DAYS:
        raise InvalidInputError(f"days: found {days}; expected 1 to {_LONGEST_DAYS}")
    with changing(services, actor, Permission.RETENTION) as change:
        before = _setting_days(change.connection)
        workspace.set_setting(change.connection, _SETTING, "" if days is None else str(days))
        change.record("retention.set", "telemetry", {"days": days, "before": before, "reason": reason})


def rows_kept_in(services: Services, actor: Actor) -> str:
    """Folder into which rows are moved before they are deleted; empty where they are deleted for good."""
    with reading(services, actor) as connection:
        return workspace.setting(connection, _KEPT_IN) or ""


def keep_in(services: Services, actor: Actor, folder: str | None, reason: str) -> None:
    """Set the folder into which rows are moved before they are deleted, as files (None: they are deleted for good).

    Raises InvalidInputError, NotFoundError or NotAllowedError.
    """
    reason = reason_given(reason, "a change of where rows are kept")
    place = "" if folder is None else kept_days.checked_place(folder)
    with changing(services, actor, Permission.RETENTION) as change:
        before = workspace.setting(change.connection, _KEPT_IN) or ""
        workspace.set_setting(change.connection, _KEPT_IN, place)
        change.record("retention.set", "telemetry", {"keep_in": place, "before": before, "reason": reason})


def list_holds(services: Services, actor: Actor) -> list[LegalHold]:
    """Legal holds, oldest first, lifted ones included."""
    with reading(services, actor) as connection:
        return legal_holds.all_holds(connection)


def place_hold(
    services: Services, actor: Actor, reason: str, *, model: str = "", target: str = ""
) -> LegalHold:
    """Stop the deletion of the rows of a model, of a target, of both, or of everything where neither is named.

    Raises NotFoundError (no such model or target), InvalidInputError (no reason) or NotAllowedError.
    """
    reason = reason_given(reason, "a legal hold")
    with changing(services, actor, Permission.RETENTION) as change:
        if model:
            require_model(change.connection, model)
        if target and targets.target_id(change.connection, target) is None:
            raise NotFoundError(f"there is no target {target!r}: list them with pilothouse targets")
        number = legal_holds.place(
            change.connection, model=model, target=target, reason=reason, by=actor.name, at=change.at
        )
        change.record(
            "legal_hold.placed", f"legal hold {number}", {"model": model, "target": target, "reason": reason}
        )
        return legal_holds.all_holds(change.connection)[-1]


def lift_hold(services: Services, actor: Actor, number: int, reason: str) -> None:
    """End a legal hold. Raises NotFoundError (no hold in force has that number), InvalidInputError, NotAllowedError."""
    reason = reason_given(reason, "lifting a legal hold")
    with changing(services, actor, Permission.RETENTION) as change:
        if not legal_holds.lift(change.connection, number, reason=reason, by=actor.name, at=change.at):
            raise NotFoundError(f"no legal hold {number} stands: see pilothouse legal-hold list")
        held = next(one for one in legal_holds.all_holds(change.connection) if one.id == number)
        before = {name: getattr(held, name) for name in ("model", "target", "reason", "placed_by")}
        change.record("legal_hold.lifted", f"legal hold {number}", {"reason": reason, "before": before})


def preview(services: Services, actor: Actor) -> RetentionReport:
    """Rows that a round would delete, by version and target."""
    authorise(services, actor)
    with services.reading_telemetry() as connection:
        streams = list_streams(connection) if connection is not None else []
    return RetentionReport(tuple(_share(services, stream) for stream in streams))


def apply(services: Services, actor: Actor) -> RetentionReport:
    """Delete rows that are due and under no hold, merge small segments of past days, return free pages to the disk.

    Transactions are short, so that ingest goes on. The next round finishes an interrupted one, its audit rows too. Where
    rows are kept in a folder, they are moved there, or stay. Raises NotAllowedError or UnavailableError (also, at the end of
    the round, where rows could not be moved).
    """
    authorise(services, actor, Permission.RETENTION)
    _write_audit(services, actor)  # of an interrupted round
    now_us = to_us(services.now())
    shares = []
    place, fault = rows_kept_in(services, actor), ""
    with services.telemetry.read() as connection:
        streams, trials = list_streams(connection), pair_deletion.list_trials(connection)
    for stream in streams:
        share = _share(services, stream)
        shares.append(share)
        if place and share.rows and not share.held:
            fault = _move(services, actor, stream, place, now_us) or fault
            continue
        while share.rows and not share.held and _delete_some(services, stream, now_us):
            continue
    for trial in trials:
        while _delete_pairs(services, trial, now_us):
            continue
    expired = _until_none(
        services, lambda c: retention.expire_waiting(c, now_us - _WAITING_S * SECOND_US, now_us)
    )
    kept_s = min((share.keep_s for share in shares if share.keep_s is not None), default=_REJECTED_S)
    with services.telemetry.transaction() as connection:
        kept_rejections.drop_old(connection, now_us - min(kept_s, _REJECTED_S) * SECOND_US)
    _write_audit(services, actor)
    merged, into = compaction.compact(services, [stream.id for stream in streams])
    freed = _until_none(services, retention.give_back_pages)
    if fault:
        raise UnavailableError(f"rows that are due stay until they can be kept: {fault}")
    return RetentionReport(tuple(shares), True, merged, into, expired, freed)


def _share(services: Services, stream: Stream) -> RetentionShare:
    keep_s, hold = _rule(services, stream.model, stream.target)
    with services.telemetry.read() as connection:
        stored = retention.stored_rows(connection, stream.id)
        due = retention.Stored()
        if keep_s is not None:
            due = retention.due(connection, stream.id, to_us(services.now()) - keep_s * SECOND_US)
    return RetentionShare(
        stream.model, stream.version, stream.target, keep_s, due.rows, due.bytes, stored, hold
    )


def _rule(services: Services, model: str, target: str) -> tuple[int | None, str]:
    """Seconds for which the rows of a model on a target are kept now, and the scope of the hold on their deletion."""
    with services.registry.read() as connection:
        spec = spec_in_force(connection, model)
        days = _setting_days(connection)
        hold = hold_on(legal_holds.all_holds(connection), model, target)
    keep_s = kept_for(
        None if days is None else days * DAY_S,
        spec.monitoring.keep_rows if spec else None,
        spec.data.outcome_delay if spec else 0,
    )
    return keep_s, hold.scope if hold else ""


def _delete_some(services: Services, stream: Stream, now_us: int) -> bool:
    """Delete a part in a short transaction; False where nothing is left, or a hold was placed meanwhile."""
    keep_s, hold = _rule(services, stream.model, stream.target)
    if keep_s is None or hold:
        return False
    with services.telemetry.transaction() as connection:
        return bool(retention.delete_some(connection, stream.id, now_us - keep_s * SECOND_US, now_us).rows)


def _move(services: Services, actor: Actor, stream: Stream, place: str, now_us: int) -> str:
    """Move what is due of a stream into a folder; returns why not, where it could not be."""

    def may_go() -> bool:
        keep_s, hold = _rule(services, stream.model, stream.target)
        return keep_s is not None and not hold

    keep_s, hold = _rule(services, stream.model, stream.target)
    if keep_s is None or hold:
        return ""
    what: dict[str, object] = {"model": stream.model, "targets": [stream.target], "by": "retention"}
    try:
        folder = Path(kept_days.checked_place(place))
        with telemetry_export.opened(services, actor, folder, what) as into:
            kept_days.move(services, stream, into, now_us - keep_s * SECOND_US, now_us, may_go)
    except (UnavailableError, IntegrityError, ConflictError, NotFoundError, InvalidInputError) as error:
        return str(error)
    return ""


def _delete_pairs(services: Services, trial: StoredTrial, now_us: int) -> bool:
    """As ``_delete_some``, of the pairs of a trial."""
    keep_s, hold = _rule(services, trial.model, trial.target)
    if keep_s is None or hold:
        return False
    with services.registry.read() as connection:
        is_over = trial.rollout not in rollouts.unfinished_numbers(connection)
    before_us = now_us - keep_s * SECOND_US
    with services.telemetry.transaction() as connection:
        deleted = pair_deletion.delete_some(connection, trial, before_us, now_us, is_over=is_over)
    return bool(deleted.rows)


def _write_audit(services: Services, actor: Actor) -> None:
    """Record deletions in the audit log. No transaction spans both databases: telemetry keeps a note of each deletion, and
    marks it once it is in the log; where an interruption came between, the log has it already."""
    with services.telemetry.read() as connection:
        deletions = retention.to_audit(connection)
    for deletion in deletions:
        subject = version_uri(deletion.model, deletion.version)
        detail = {
            "target": deletion.target,
            "rows": deletion.rows,
            "bytes": deletion.bytes,
            "deletion": deletion.id,
        }
        with changing(services, actor, Permission.RETENTION) as change:
            if not audit.says(change.connection, "telemetry.deleted", subject, detail):
                change.record("telemetry.deleted", subject, detail)
        with services.telemetry.transaction() as connection:
            retention.mark_audited(connection, deletion.id)


def _until_none(services: Services, step: Callable[[Connection], int]) -> int:
    total = 0
    while True:
        with services.telemetry.transaction() as connection:
            count = step(connection)
        if not count:
            return total
        total += count


def _setting_days(connection: Connection) -> int | None:
    text = workspace.setting(connection, _SETTING)
    return int(text) if text else None
