"""Everything on record about a version, gathered into one value."""

import json
from dataclasses import replace
from typing import Any

from pilothouse.domain.audit.dossier import Changes, Dossier, IncidentFact
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.records import Alert, AuditEntry, PromotionRequest, Version
from pilothouse.operations.alerts import incidents
from pilothouse.operations.authorisation import reading
from pilothouse.operations.catalogue import require_request, require_run, require_version
from pilothouse.operations.dossier import inventory
from pilothouse.operations.dossier.monitored_months import monitored_months
from pilothouse.operations.jobs import lost_rows
from pilothouse.operations.models.lineage import lineage
from pilothouse.operations.models.model_pictures import pictures_of
from pilothouse.operations.promotion import break_glass
from pilothouse.operations.promotion.approved_before import changes_since_approved
from pilothouse.operations.promotion.rules_in_force import with_rules
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import alerts, deployments
from pilothouse.store.log import audit
from pilothouse.store.promotion import requests
from pilothouse.store.work import runs

_MOST_ENTRIES = 100_000


def gather(services: Services, actor: Actor, reference: str) -> Dossier:
    """Everything on record about the version that a reference names. Raises InvalidInputError or NotFoundError."""
    with reading(services, actor) as connection:
        version = require_version(connection, reference)
        run = require_run(connection, version)
        record = runs.record_of(connection, run.id)
        specification = runs.spec_of(connection, run.id)
        numbers = [one.id for one in requests.of_version(connection, version.id)]
        asked = with_rules(connection, [require_request(connection, number) for number in numbers])
    asked = [replace(one, glass=break_glass.of_request(services, actor, one.id)) for one in asked]
    with reading(services, actor) as connection:
        history = deployments.of_version(connection, version.id)
        raised = alerts.of_version(connection, version.id)
        entries = _entries(connection, version, asked, raised)
        head = audit.head(connection)
    uri = version_uri(version.model, version.number)
    schema = _schema(services, version)
    entry = inventory.get_entry(services, actor, version.model)
    evaluated, fitted = record.get("evaluate", {}), record.get("fit", {})
    return Dossier(
        made_at=services.now(),
        made_by=actor.name,
        head=head,
        version=version,
        run=run,
        specification=specification,
        inventory=entry,
        reviews=tuple(inventory.list_reviews(services, actor, version.model)),
        classes=tuple(map(str, schema.get("classes", ()))),
        inputs={str(one["name"]): str(one["kind"]) for one in schema.get("columns", ())},
        trials=tuple(fitted.get("trials") or ()),
        latency_us={str(name): float(value) for name, value in (evaluated.get("latency_us") or {}).items()},
        importance={str(name): float(value) for name, value in (evaluated.get("importance") or {}).items()},
        changes=_changes(services, actor, version, asked),
        lineage=lineage(services, actor, uri),
        requests=tuple(asked),
        deployments=tuple(history),
        months=monitored_months(services, version.model, version.number),
        alerts=tuple(raised),
        incidents=_incidents(services, actor, raised),
        entries=tuple(entries),
        pictures=pictures_of(services, actor, uri),
    )


def _changes(services: Services, actor: Actor, version: Version, asked: list[PromotionRequest]) -> Changes:
    """What it changes of the version approved last before it was asked for first, or trained where nobody has asked."""
    before = asked[0].recorded_at if asked else version.created_at
    return changes_since_approved(services, actor, version.model, version.number, before)


def _schema(services: Services, version: Version) -> dict[str, Any]:
    """Input schema as plain data; empty where it cannot be read."""
    try:
        plain: dict[str, Any] = json.loads(services.artifacts.read(version.schema_digest))
    except (PilothouseError, ValueError):
        return {}
    return plain


def _incidents(services: Services, actor: Actor, raised: list[Alert]) -> tuple[IncidentFact, ...]:
    facts = []
    for number in dict.fromkeys(one.incident for one in raised if one.incident is not None):
        incident = incidents.get_incident(services, actor, number)
        facts.append(
            IncidentFact(
                number,
                str(incident.status),
                incident.severity,
                incident.cause,
                incident.since,
                incident.resolved_at,
                incident.assignee,
                tuple(one.id for one in incident.alerts),
                incident.cost.words,
            )
        )
    return tuple(facts)


def _entries(
    connection: Connection, version: Version, asked: list[PromotionRequest], raised: list[Alert]
) -> list[AuditEntry]:
    """Entries of the audit log about the model, the version, its requests, deployments and alerts, by number."""
    uri = version_uri(version.model, version.number)
    subjects = [version.model, uri, f"{uri} on *", f"{version.model}@*"]
    subjects += [f"break-glass {one.glass.id}" for one in asked if one.glass]
    subjects += [f"request {one.id}" for one in asked] + [f"alert {one.id}" for one in raised]
    subjects += [f"erasure {number}" for number in lost_rows.erasures_of(connection, version)]
    found = {
        entry.seq: entry
        for subject in subjects
        for entry in audit.matching(connection, 0, _MOST_ENTRIES, subject=subject)
    }
    return [found[number] for number in sorted(found)]
