"""Checks of what lists keep beside the records that it follows from."""

from pilothouse.domain.errors import IntegrityError
from pilothouse.operations.alerts import incident_cost
from pilothouse.operations.services import Services
from pilothouse.store.deployed import incidents
from pilothouse.store.models.version_stages import unlike_their_acts


def incidents_listed(services: Services) -> str:
    """The list stores figures of each incident beside its alerts; both must agree."""
    with services.registry.read() as connection:
        wrong = sorted({*incidents.unlike_their_alerts(connection), *incident_cost.misjudged(connection)})
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise IntegrityError(
            f"incident {wrong[0]}{more} is listed otherwise than its alerts say: somebody changed the database past Pilothouse"
        )
    return "listed as their alerts say"


def versions_listed(services: Services) -> str:
    """The list keeps the stage of each version, which follows from its acts."""
    with services.registry.read() as connection:
        wrong = unlike_their_acts(connection)
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise IntegrityError(
            f"version {wrong[0]}{more} is listed otherwise than what has become of it says: somebody changed the database past "
            "Pilothouse"
        )
    return "listed as what has become of them says"
