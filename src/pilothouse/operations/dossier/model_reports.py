"""Report of a model, gathered into one value."""

import hashlib
from collections.abc import Callable

from pilothouse.domain.identifiers import parse_reference, version_uri
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.models.model_report import ModelReport
from pilothouse.operations import catalogue, handing_out
from pilothouse.operations.models.model_pictures import CHAMPION, pictures_of
from pilothouse.operations.monitoring.monitor_views import monitor_view
from pilothouse.operations.services import Services

MOST_VERSIONS = 100
"""Versions that are shown: the newest."""
MOST_TARGETS = 12
"""Targets whose monitors are shown: the first of the model's."""


def make_report(
    services: Services, actor: Actor, reference: str, page: Callable[[ModelReport], str]
) -> tuple[ModelReport, str]:
    """Report of a version, and the page of it that is taken away, which is on record. ``page`` lays it out. Raises as
    ``gather_report``, or NotAllowedError."""
    report = gather_report(services, actor, reference)
    text = page(report)
    digest = hashlib.sha256(text.encode()).hexdigest()
    uri = version_uri(report.model.name, report.version.number)
    handing_out.record(services, actor, "report.made", uri, {"sha256": digest})
    return report, text


def gather_report(services: Services, actor: Actor, reference: str) -> ModelReport:
    """Report of the version that a reference names; of a model alone that of its champion, or its newest version where it has
    none. Raises InvalidInputError, NotFoundError, or IntegrityError where pictures cannot be read."""
    parsed = parse_reference(reference)
    model = catalogue.get_model(services, actor, parsed.model)
    if parsed.alias is None and parsed.number is None and CHAMPION in model.aliases:
        reference = version_uri(parsed.model, model.aliases[CHAMPION])
    version = catalogue.get_version(services, actor, reference)
    versions = catalogue.list_versions(services, actor, model.name)
    return ModelReport(
        made_at=services.now(),
        made_by=actor.name,
        model=model,
        version=version,
        run=catalogue.get_run(services, actor, reference),
        metric=catalogue.primary_metric(services, actor, model.name),
        versions=tuple(versions[:MOST_VERSIONS]),
        cut=max(0, len(versions) - MOST_VERSIONS),
        pictures=pictures_of(services, actor, reference),
        monitors=tuple(
            monitor_view(services, actor, model.name, target) for target in model.targets[:MOST_TARGETS]
        ),
    )
