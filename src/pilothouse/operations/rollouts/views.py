"""Roll-outs as they are shown: a list, and everything about one."""

from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.monitoring.incidents import ROLLOUT
from pilothouse.domain.monitoring.monitoring import ServingState
from pilothouse.domain.rollouts.plan import GoOn
from pilothouse.domain.rollouts.rollout import Rollout, RolloutState
from pilothouse.domain.rollouts.rules import next_act
from pilothouse.domain.rollouts.view import PlaceView, RolloutView, next_words
from pilothouse.operations.authorisation import as_now, permits, present, reading
from pilothouse.operations.rollouts.facts import gather
from pilothouse.operations.rollouts.log_arms import readings
from pilothouse.operations.rollouts.steering import parts_in, require_rollout
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import alerts as alert_store
from pilothouse.store.deployed import deployments
from pilothouse.store.promotion import rollout_facts, rollouts


def list_rollouts(
    services: Services,
    actor: Actor,
    *,
    model: str | None = None,
    unfinished: bool = False,
    limit: int = 500,
) -> list[Rollout]:
    """Roll-outs, newest first."""
    with reading(services, actor) as connection:
        return rollouts.listed(connection, model=model, unfinished=unfinished, limit=limit)


def rollout_of_request(services: Services, actor: Actor, request_id: int) -> Rollout | None:
    """Roll-out of a request; None where it has none."""
    with reading(services, actor) as connection:
        return rollouts.of_request(connection, request_id)


def show_rollout(services: Services, actor: Actor, number: int) -> RolloutView:
    """Everything that a view shows of a roll-out. Raises NotFoundError."""
    with reading(services, actor) as connection:
        rollout = require_rollout(connection, number)
        served = {place.target: place for place in rollout_facts.places(connection, number)}
        facts = gather(services, connection, rollout, present(services, connection))
        words, until = _left_to_people(connection, rollout), None
        if rollout.state.is_open:
            words, until = next_words(next_act(rollout, facts), facts)
        return RolloutView(
            rollout=rollout,
            places=tuple(
                PlaceView(
                    one,
                    served[one.target].live,
                    str(served[one.target].serving),
                    served[one.target].serving is not ServingState.DOWN,
                )
                for one in rollout.targets
            ),
            evidence=facts.evidence,
            arms=tuple(facts.arms),
            next=words,
            until=until,
            events=tuple(rollouts.events(connection, number)),
            may=_may(connection, actor, rollout),
            logs=readings(services, rollout) if services.paths.telemetry.exists() else (),
        )


def _left_to_people(connection: Connection, rollout: Rollout) -> str:
    """What is still to be done about a roll-out that went back, with the commands; empty of any other."""
    if rollout.state is not RolloutState.ROLLED_BACK:
        return ""
    alerts = alert_store.unresolved_of_kind(connection, ROLLOUT)
    own = [one.id for one in alerts if (one.model, one.subject) == (rollout.model, f"roll-out {rollout.id}")]
    parts = [f"to close alert {number}: pilothouse resolve {number} --reason …" for number in own]
    if deployments.holds(connection, rollout.model):
        parts.append(f"automatic deployment is held: pilothouse lift-hold {rollout.model} --reason …")
    return "; ".join([*parts, f"v{rollout.version} goes out again only by a new request"])


def _may(connection: Connection, actor: Actor, rollout: Rollout) -> frozenset[str]:
    if not rollout.state.is_open:
        return frozenset()
    reader, targets = as_now(connection, actor), [one.target for one in rollout.targets]

    def allowed(permission: Permission) -> bool:
        return permits(connection, reader, permission, rollout.model, targets)

    acts = {"abort"} if allowed(Permission.ROLL_BACK) else set()
    if allowed(Permission.ROLL_OUT):
        acts.add("resume" if rollout.state is RolloutState.PAUSED else "pause")
        decides = _has_begun(rollout) and allowed(Permission.DECIDE)
        if _may_end(rollout) or (decides and not parts_in(connection, reader, rollout)):
            acts.add("go-on")
    return frozenset(acts)


def _has_begun(rollout: Rollout) -> bool:
    """True where the step has begun and nobody has let it end yet."""
    running = rollout.state is RolloutState.RUNNING and rollout.current is not None
    return running and rollout.entered_at is not None and not rollout.released_by


def _may_end(rollout: Rollout) -> bool:
    """True where the plan leaves the end of the step to a person."""
    return _has_begun(rollout) and rollout.current is not None and rollout.current[1].ends_by is GoOn.HAND
