"""What is made to be taken away (models, dossiers, reports, evidence, the log, tombstones): who reads may have it, and the log
says who took it, and which bytes. What is shown on a screen is reading, and leaves no entry."""

from contextlib import closing
from dataclasses import replace
from typing import Any

from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.operations.authorisation import changing
from pilothouse.operations.services import Services, wall_clock
from pilothouse.store.connection import Registry


def record(services: Services, actor: Actor, action: str, subject: str, detail: dict[str, Any]) -> None:
    """Record what is taken away, before it leaves. Not where the workspace, or this console, is read-only: nothing may be
    written there. What is made of the past is recorded in the present. Raises NotAllowedError."""
    if services.read_only or services.write_guard.state() is not None:
        return
    if services.at is not None:
        with closing(Registry(services.paths.registry)) as registry:
            present = replace(services, registry=registry, now=wall_clock, at=None)
            record(present, actor, action, subject, {**detail, "at": services.at.isoformat()})
        return
    with changing(services, actor, Permission.READ) as change:
        change.record(action, subject, detail)
