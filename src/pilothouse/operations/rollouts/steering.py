"""Roll-outs steered by people: paused, resumed, let go on, aborted."""

from pilothouse.domain.errors import ConflictError, NotAllowedError, NotFoundError
from pilothouse.domain.identity.persons import Author
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.rollouts.plan import GoOn
from pilothouse.domain.rollouts.rollout import Rollout, RolloutState
from pilothouse.operations.authorisation import Change, as_now, changing, check, clean_text, reason_given
from pilothouse.operations.promotion.rules_in_force import parts_where_four_eyes, require_with_rules
from pilothouse.operations.rollouts.acts import end, record, take_back
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.promotion import rollouts


def pause(services: Services, actor: Actor, number: int, reason: str) -> Rollout:
    """Let a roll-out take no step forward; what is found against it takes it back all the same.

    Raises NotFoundError, NotAllowedError, InvalidInputError (no reason) or ConflictError (not running).
    """
    reason = reason_given(reason, "pausing a roll-out")
    with changing(services, actor, Permission.ROLL_OUT, *_reach_of(services, number)) as change:
        rollout = _open(change, number)
        if rollout.state is RolloutState.PAUSED:
            raise ConflictError(f"roll-out {number} is paused already: {rollout.why}")
        rollouts.pause(change.connection, number, f"{actor.name}: {reason}")
        record(change, rollout, "paused", f"{actor.name}: {reason}")
        return require_rollout(change.connection, number)


def resume(services: Services, actor: Actor, number: int, reason: str = "") -> Rollout:
    """Let a paused roll-out go on; the patience of its step begins anew.

    Raises NotFoundError, NotAllowedError or ConflictError (not paused).
    """
    reason = clean_text(reason, "the reason")
    with changing(services, actor, Permission.ROLL_OUT, *_reach_of(services, number)) as change:
        rollout = _open(change, number)
        if rollout.state is not RolloutState.PAUSED:
            raise ConflictError(f"roll-out {number} is not paused: it is {rollout.state}")
        rollouts.resume(change.connection, number, at=change.at)
        record(change, rollout, "resumed", reason, {"was": rollout.why})
        return require_rollout(change.connection, number)


def go_on(
    services: Services, actor: Actor, number: int, reason: str = "", *, shown: tuple[int, int] | None = None
) -> Rollout:
    """Let the step at which a roll-out is end. Where the plan leaves that to a person, the least time and number still hold;
    any other step it ends without what it lacks, which takes somebody who may decide on requests, and a reason; where four eyes
    holds, nobody with a part in what goes out. ``shown``: wave and step that the person saw (None: whichever it is at).

    Raises NotFoundError, NotAllowedError, InvalidInputError (no reason) or ConflictError (not running, no step begun, at
    another step by now).
    """
    reason = clean_text(reason, "the reason")
    reach = _reach_of(services, number)
    with changing(services, actor, Permission.ROLL_OUT, *reach) as change:
        rollout = _open(change, number)
        if rollout.state is RolloutState.PAUSED:
            raise ConflictError(f"roll-out {number} is paused ({rollout.why}): resume it first")
        if rollout.current is None or rollout.entered_at is None:
            raise ConflictError(
                f"no step of roll-out {number} has begun that could end: pilothouse rollout show {number}"
            )
        if shown is not None and shown != (rollout.wave, rollout.step):
            raise ConflictError(
                f"roll-out {number} is at step {rollout.step_name} ({rollout.place_text}), not at that one: look again"
            )
        if rollout.released_by:
            raise ConflictError(f"{rollout.released_by} has let roll-out {number} go on already")
        _, step = rollout.current
        if step.ends_by is not GoOn.HAND:
            check(change.connection, actor, Permission.DECIDE, *reach)
            if parts := parts_in(change.connection, as_now(change.connection, actor), rollout):
                raise NotAllowedError(
                    f"{parts[0]}, and the policy says four eyes: somebody else ends this step"
                )
            reason = reason_given(reason, f"ending a step of a roll-out without its {step.ends_by}")
        rollouts.release(change.connection, number, actor.name)
        record(change, rollout, "released", reason, {"ends_by": str(step.ends_by)})
        return require_rollout(change.connection, number)


def abort(services: Services, actor: Actor, number: int, reason: str) -> Rollout:
    """End a roll-out and take every target that it touched back to what was live there before; sets a hold on automatic
    deployment where something went back.

    Raises NotFoundError, NotAllowedError, InvalidInputError (no reason) or ConflictError (it has ended).
    """
    reason = reason_given(reason, "aborting a roll-out")
    with changing(services, actor, Permission.ROLL_BACK, *_reach_of(services, number)) as change:
        rollout = _open(change, number)
        figures = take_back(services, change, rollout, f"roll-out {number} aborted: {reason}")
        end(change, rollout, RolloutState.ABORTED, f"{actor.name}: {reason}", figures)
        return require_rollout(change.connection, number)


def parts_in(connection: Connection, actor: Actor, rollout: Rollout) -> list[Author]:
    """The person's parts in what goes out, where four eyes holds: who may not approve it ends no step without what the approval
    asked for."""
    return parts_where_four_eyes(require_with_rules(connection, rollout.request_id), actor)


def _open(change: Change, number: int) -> Rollout:
    rollout = require_rollout(change.connection, number)
    if not rollout.state.is_open:
        raise ConflictError(f"roll-out {number} is {rollout.state} already: nothing can be done to it")
    return rollout


def require_rollout(connection: Connection, number: int) -> Rollout:
    """Roll-out of that number. Raises NotFoundError."""
    rollout = rollouts.find(connection, number)
    if rollout is None:
        raise NotFoundError(f"there is no roll-out {number}: pilothouse rollout list names them")
    return rollout


def _reach_of(services: Services, number: int) -> tuple[str, tuple[str, ...]]:
    """Model and targets that a roll-out is about. Raises NotFoundError."""
    with services.registry.read() as connection:
        rollout = require_rollout(connection, number)
        return rollout.model, tuple(one.target for one in rollout.targets)
