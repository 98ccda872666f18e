"""Pages of long lists: filter, order and position in SQL; ``domain/listing.py`` defines a page."""

from collections.abc import Callable
from typing import TypeVar

from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.listing import Page, Query
from pilothouse.domain.records import AuditEntry, Deployment, Job, Version
from pilothouse.operations.authorisation import reading
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import listing
from pilothouse.store.deployed import deployments
from pilothouse.store.log import audit
from pilothouse.store.models import versions
from pilothouse.store.work import jobs

T = TypeVar("T")


def jobs_page(services: Services, actor: Actor, query: Query) -> Page[Job]:
    """Jobs, newest first unless sorted. Raises InvalidInputError (no such column)."""
    return _page(services, actor, listing.JOBS, query, jobs.of_numbers)


def versions_page(services: Services, actor: Actor, query: Query) -> Page[Version]:
    """Versions, newest first unless sorted. Raises InvalidInputError (no such column)."""
    return _page(services, actor, listing.VERSIONS, query, versions.of_numbers)


def deployments_page(services: Services, actor: Actor, query: Query) -> Page[Deployment]:
    """Deployments, live or ended, newest first unless sorted. Raises InvalidInputError (no such column)."""
    return _page(services, actor, listing.DEPLOYMENTS, query, deployments.of_numbers)


def audit_page(services: Services, actor: Actor, query: Query) -> Page[AuditEntry]:
    """Entries of the audit log, newest first unless sorted. Raises InvalidInputError (no such column)."""
    return _page(services, actor, listing.AUDIT, query, audit.of_numbers)


def _page(
    services: Services,
    actor: Actor,
    source: listing.Listing,
    query: Query,
    read: Callable[[Connection, tuple[int, ...]], dict[int, T]],
) -> Page[T]:
    with reading(services, actor) as connection:
        window = listing.window(connection, source, query)
        rows = listing.in_order(window.rows, read(connection, window.rows)) if window.rows else ()
    return Page(rows, window.first, window.total)
