"""Pausing and resuming of automation."""

from pilothouse.domain.errors import ConflictError
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.promotion.workspace_rules import Automation
from pilothouse.operations.authorisation import changing, clean_text, reading, reason_given
from pilothouse.operations.services import Services
from pilothouse.store import workspace


def pause(services: Services, actor: Actor, reason: str) -> Automation:
    """Stop schedules, retraining by alerts and automatic deployment. Raises ConflictError where automation is paused."""
    return _switch(services, actor, paused=True, reason=reason_given(reason, "pausing automation"))


def resume(services: Services, actor: Actor, reason: str = "") -> Automation:
    """Let automation run again. Raises ConflictError where it is not paused."""
    return _switch(services, actor, paused=False, reason=clean_text(reason, "the reason"))


def status(services: Services, actor: Actor) -> Automation:
    """State of automation: paused or not, by whom, since when and why."""
    with reading(services, actor) as connection:
        return workspace.automation(connection)


def _switch(services: Services, actor: Actor, *, paused: bool, reason: str) -> Automation:
    with changing(
        services, actor, Permission.PAUSE, act=f"{'pause' if paused else 'resume'} automation"
    ) as change:
        before = workspace.automation(change.connection)
        if before.paused == paused:
            state = f"paused already, by {before.actor}: {before.reason}" if paused else "not paused"
            raise ConflictError(f"automation is {state}")
        workspace.add_automation_change(
            change.connection, paused=paused, reason=reason, actor=actor.name, at=change.at
        )
        change.record(
            "automation.paused" if paused else "automation.resumed",
            "workspace",
            {"reason": reason, "before": {"reason": before.reason, "actor": before.actor}},
        )
        return workspace.automation(change.connection)
