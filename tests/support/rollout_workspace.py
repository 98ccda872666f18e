"""A workspace whose model goes out by a plan, and what happens in it: targets answer or do not, alerts open, time passes."""

from pathlib import Path
from typing import Any

from fixtures.registries import Example, make_example
from pilothouse.domain.formats.wire import ServingReport
from pilothouse.domain.identity.roles import DAEMON, Permission
from pilothouse.domain.records import PromotionRequest, Target
from pilothouse.domain.rollouts.plan import Plan
from pilothouse.domain.rollouts.rollout import Rollout
from pilothouse.operations.authorisation import changing
from pilothouse.operations.promotion import promotions
from pilothouse.operations.rollouts import keeper
from pilothouse.operations.rollouts.keeper import Done
from pilothouse.operations.states import states
from pilothouse.store.deployed import deployments, processes
from pilothouse.store.models import targets as target_store
from pilothouse.store.promotion import rollouts

TARGETS = ("ewr", "jfk", "lga")


class RolloutWorkspace:
    """Version 1 of ``delay`` is live on three targets, version 2 is a candidate."""

    def __init__(self, root: Path, plan: Plan, *, live: bool = True, **promotion: Any) -> None:
        self.example: Example = make_example(root)
        example = self.example
        self.put_plan(plan)
        example.apply(targets=[{"name": name} for name in TARGETS])
        example.add_version()
        if live:
            self.approve(1)
        example.apply(
            targets=[{"name": name} for name in TARGETS],
            promotion={"plan": plan.name, **promotion},
        )
        example.add_version()

    @property
    def services(self) -> Any:
        return self.example.services

    def put_plan(self, plan: Plan | None, name: str = "") -> None:
        """Put a plan in force as ``apply`` does."""
        with changing(self.services, DAEMON, Permission.RUN_DAEMON) as change:
            rollouts.put_plan(
                change.connection, plan.name if plan else name, plan, by="ada", at=self.example.time
            )
            change.record("plans.described", "plans.toml")

    def request(self, version: int, *targets: str) -> PromotionRequest:
        return promotions.request_promotion(
            self.services, self.example.actor("sam"), f"delay/{version}", targets or None
        )

    def approve(self, version: int, *targets: str) -> PromotionRequest:
        """Request and approve a version."""
        request = self.request(version, *targets)
        return promotions.approve(
            self.services, self.example.actor("pat"), request.id, request.evidence_digest
        )

    def begin(self, version: int = 2, *targets: str) -> int:
        """Number of the roll-out that an approval makes."""
        request = self.approve(version, *targets)
        assert request.status == "approved"
        with self.services.registry.read() as connection:
            found = rollouts.of_request(connection, request.id)
        assert found is not None
        return found.id

    def keep(self) -> list[Done]:
        """A turn of the keeper, in which nothing fails."""
        done = keeper.keep(self.services)
        assert not [one.fault for one in done if one.fault]
        return done

    def rollout(self, number: int) -> Rollout:
        with self.services.registry.read() as connection:
            found = rollouts.find(connection, number)
        assert found is not None
        return found

    def states(self, number: int) -> dict[str, str]:
        return {one.target: str(one.state) for one in self.rollout(number).targets}

    def live(self) -> dict[str, int]:
        """Version that is live on each target: one at every time."""
        with self.services.registry.read() as connection:
            found = deployments.live(connection, model="delay")
        assert len({one.target for one in found}) == len(found)
        return {one.target: one.version for one in found}

    def events(self, number: int) -> list[str]:
        with self.services.registry.read() as connection:
            return [event.what for event in rollouts.events(connection, number)]

    def report(self, target: str, version: int, failed: str = "") -> None:
        """A report of the target's serving process."""
        loaded = {"delay": version}
        report = ServingReport(target, 8080, 7, loaded, {"delay": failed} if failed else {}, 0, {})
        with changing(self.services, DAEMON, Permission.RUN_DAEMON) as change:
            processes.put_report(change.connection, report, at=self.example.time)
            states.refresh(self.services, change.connection, [("delay", target)])
            change.record("test.reported", target)

    def silence(self, target: str) -> None:
        """The target's serving process has ended."""
        with changing(self.services, DAEMON, Permission.RUN_DAEMON) as change:
            processes.mark_silent(change.connection, target, at=self.example.time)
            change.record(processes.DOWN, target)
            states.refresh(self.services, change.connection, [("delay", target)])

    def label(self, target: str, **labels: str) -> None:
        """Describe a target with labels."""
        with changing(self.services, DAEMON, Permission.RUN_DAEMON) as change:
            target_store.put_target(
                change.connection, Target(target, "", "", "", labels=labels), at=self.example.time
            )
            change.record("targets.described", target)
