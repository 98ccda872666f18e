"""What is on record that contradicts the log. Screens look at it each time: nothing that sends is imported, no file is read."""

from pilothouse.domain.audit.log_anchors import contradictions_of
from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.identity.roles import Actor
from pilothouse.operations.authorisation import reading
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.log import audit, log_anchors, log_heads
from pilothouse.store.log.log_heads import SignedHead
from pilothouse.store.log.log_tree import Tree
from pilothouse.store.sites import followed_sites


def on_record(services: Services, actor: Actor) -> list[str]:
    """What the newest signed head says against the rows, and what anchors and witnesses have said when a head was sent to them
    last, and which followed sites contradict themselves, a line each. None in the past, where what was held then is not
    known."""
    if services.at is not None:
        return []
    with reading(services, actor) as connection:
        fault = fault_of(connection, log_heads.newest(connection))
        others = [
            f"the followed site {name}: {said}" for name, said in followed_sites.contradicting(connection)
        ]
        return [*filter(None, [fault]), *contradictions_of(log_anchors.states(connection)), *others]


def fault_of(connection: Connection, newest: SignedHead | None) -> str:
    """What is wrong with the log by its own newest signed head; empty for nothing."""
    if newest is None:
        return ""
    rows = audit.head(connection).count
    if newest.size > rows:
        return f"a head of {newest.size:,} rows is signed, and the log has {rows:,}: its end was cut off"
    try:
        if Tree(connection).root(newest.size) == newest.root:
            return ""
    except IntegrityError as error:  # a row is missing
        return str(error)
    return (
        f"the first {newest.size:,} rows are not those of the newest signed head: the log was written anew, or the tree on "
        "record was changed; pilothouse audit verify --anchors says more"
    )
