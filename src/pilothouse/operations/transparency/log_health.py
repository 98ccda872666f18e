"""What the doctor says of the log: its key, its newest head, anchors that do not take it, and followed sites that contradict
themselves."""

from pilothouse.domain.audit.log_anchors import AnchorState
from pilothouse.domain.errors import IntegrityError, UnavailableError
from pilothouse.domain.identity.roles import Actor
from pilothouse.operations.services import Services
from pilothouse.operations.transparency import heads, log_keys
from pilothouse.store.sites import followed_sites


def examine(services: Services, actor: Actor) -> str:
    """The log's state in one line. Raises IntegrityError or UnavailableError where something is wrong with it."""
    if fault := log_keys.fault(services):
        raise IntegrityError(fault)
    state = heads.status(services, actor)
    if state.contradictions:
        raise IntegrityError("; ".join(state.contradictions))
    with services.registry.read() as connection:
        others = followed_sites.contradicting(connection)
    if others:
        raise IntegrityError("; ".join(f"the followed site {name}: {said}" for name, said in others))
    failing = [_failing(one) for one in state.anchors if one.delivery.error]
    if failing:
        raise UnavailableError("; ".join(failing))
    if not state.signed_at:
        return "no head was signed yet: the daemon does it, or pilothouse log checkpoint --sign"
    kept = ", ".join(f"{one.anchor.name} has {one.delivery.sent_size:,}" for one in state.anchors)
    quorum = f"; {state.quorum} witnesses have signed one of {state.cosigned_size:,}" if state.quorum else ""
    gone = f"; {services.paths.log_key} is not here: the next head makes a new key, and the log a new origin"
    return (
        f"the newest head is of {state.signed_size:,} of {state.rows:,} rows; "
        f"{kept or 'nothing keeps it elsewhere: pilothouse log anchors add'}{quorum}"
        f"{gone if log_keys.is_gone(services) else ''}"
    )


def _failing(state: AnchorState) -> str:
    delivery = state.delivery
    if delivery.failing_since is None:
        return f"{state.anchor.name}: {delivery.error}"
    return f"{state.anchor.name} fails since {delivery.failing_since:%Y-%m-%d %H:%M} UTC: {delivery.error}"
