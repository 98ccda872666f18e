"""A workspace with something of each kind that a person acts on from a console of several sites."""

from datetime import UTC, datetime
from pathlib import Path

from fixtures.registries import Example, make_example, raised
from pilothouse.domain.identity.roles import DAEMON, Permission, Role
from pilothouse.domain.records import PromotionRequest
from pilothouse.operations.authorisation import changing
from pilothouse.operations.promotion import promotions
from pilothouse.operations.sites import identities
from pilothouse.operations.workspace import workspaces
from pilothouse.store.promotion import rollouts
from support.rollout_plans import TWO_WAVES


def make_busy(root: Path, *people: tuple[str, Role]) -> Example:
    """Version 2 live after version 1 on ewr and jfk, a roll-out of version 3 on jfk, an open request for version 4 on ewr, and
    a critical alert. ``people`` get their roles; the workspace is left open."""
    example = make_example(root)
    example.time = datetime.now(UTC)  # whoever acts on it later does so by the real clock
    identities.renew(example.services, example.actor("ada"), "each is a site of its own")
    for name, role in people:
        workspaces.grant_role(example.services, example.actor("ada"), name, role)
    for _ in range(4):
        example.add_version(by="sam")
    for number in (1, 2):
        approved(example, ask_for(example, number, "ewr", "jfk"))
    with changing(example.services, DAEMON, Permission.RUN_DAEMON) as change:
        rollouts.put_plan(change.connection, TWO_WAVES.name, TWO_WAVES, by="ada", at=example.time)
        change.record("plans.described", "plans.toml")
    example.apply(promotion={"plan": TWO_WAVES.name})
    approved(example, ask_for(example, 3, "jfk"))
    ask_for(example, 4, "ewr")
    raised(example, "performance", severity="critical")
    return example


def ask_for(example: Example, number: int, *targets: str) -> PromotionRequest:
    """Ask for a version on targets."""
    sam = example.actor("sam")
    return promotions.request_promotion(example.services, sam, f"delay/{number}", targets, reason="better")


def approved(example: Example, request: PromotionRequest) -> PromotionRequest:
    """The request after somebody else has approved it."""
    return promotions.approve(example.services, example.actor("pat"), request.id, request.shown_digest)
